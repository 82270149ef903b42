//! The schedule of a checkpoint, from its tables.

use dm_degrade::Timestep;
use dm_degrade::schedule::ScheduleConfig;
use dm_nn::params::file::TensorFile;

use crate::error::{Error, Result};

/// Schedules without free parameters, with which a table is compared.
const RULES: [ScheduleConfig; 2] =
    [ScheduleConfig::Cosine, ScheduleConfig::Sigmoid { start: -3.0, end: 3.0, tau: 1.0 }];
/// Two values of beta that differ by at most this are taken as equal, because the tables are stored in f32.
const ROUNDING: f64 = 1e-6;
/// Two products of 1 - beta that differ by at most this are taken as equal.
const ROUNDING_OF_PRODUCTS: f64 = 1e-4;

/// T and the schedule that `tables` state; `None` if they state none. A schedule that is neither linear nor one of [`RULES`] is
/// kept as a table.
///
/// `beta_t` has an entry for each of t = 0..=T. `betas` and `alphas_cumprod`, in the manner of Ho et al. and diffusers, begin at
/// t = 1.
///
/// # Errors
/// If a table is not that of a schedule, or tables contradict each other; the error names the entry.
pub(super) fn schedule(tables: &TensorFile) -> Result<Option<(usize, ScheduleConfig)>> {
    let get = |name: &str| tables.get(name).map(|(_, values)| values);
    let from_1 = |values: &[f32]| std::iter::once(0.0).chain(values.iter().copied()).collect::<Vec<_>>();
    let (name, beta) = if let Some(beta) = get("beta_t") {
        ("beta_t", beta.to_vec())
    } else if let Some(beta) = get("betas") {
        ("betas", from_1(beta))
    } else if let Some(alpha) = get("alphas_cumprod") {
        let before = std::iter::once(&1.0f32).chain(alpha);
        let beta: Vec<f32> = alpha.iter().zip(before).map(|(alpha, before)| 1.0 - alpha / before).collect();
        ("alphas_cumprod", from_1(&beta))
    } else {
        return Ok(None);
    };
    let (timesteps, schedule) = rule(tables, name, &beta)?;
    // The products are checked because another process could store other numbers under these names.
    for (name, first) in [("alpha_t", 0), ("alphas_cumprod", 1)] {
        let Some(alpha) = get(name) else { continue };
        check_products(tables, name, alpha, beta.get(first..).unwrap_or_default())?;
    }
    Ok(Some((timesteps, schedule)))
}

/// Checks that `tables`, if they state a schedule, state `expected`.
///
/// # Errors
/// If they do not; the error names the entry.
pub(super) fn check(tables: &TensorFile, timesteps: usize, expected: &ScheduleConfig) -> Result<()> {
    let Some((found_timesteps, found)) = schedule(tables)? else { return Ok(()) };
    let bad = |field, found, expected| Err(Error::format(tables.path(), field, found, expected));
    if found_timesteps != timesteps {
        let expected = format!("{timesteps} as in the config");
        return bad("timesteps of the schedule".into(), found_timesteps.to_string(), expected);
    }
    let (found, expected) = (found.table(timesteps)?, expected.table(timesteps)?);
    // The notebook's tables have a beta at t = 0, where the image is clean.
    for t in (1..=timesteps).map(Timestep) {
        let (found, expected) = (found.beta(t), expected.beta(t));
        if (found - expected).abs() > ROUNDING {
            let expected = format!("{expected} as in the config");
            return bad(format!("beta of timestep {}", t.0), found.to_string(), expected);
        }
    }
    Ok(())
}

/// T and the schedule of the table `beta`, whose entries are those of t = 0..=T; `name` names the table in errors.
fn rule(file: &TensorFile, name: &str, beta: &[f32]) -> Result<(usize, ScheduleConfig)> {
    let [first, .., last] = beta else {
        let expected = "an entry for each timestep, at least two";
        return Err(Error::format(file.path(), name, format!("{} entries", beta.len()), expected));
    };
    let timesteps = beta.len() - 1;
    let is_followed = |rule: &ScheduleConfig| {
        let table = rule.table(timesteps).ok();
        let differs = |t, beta| {
            table.as_ref().is_none_or(|table| (table.beta(Timestep(t)) - f64::from(beta)).abs() > ROUNDING)
        };
        !beta.iter().enumerate().any(|(t, &beta)| differs(t, beta))
    };
    // The table is stored in f32. Rounding to seven digits gives back the numbers that its author typed.
    let typed = |beta: f32| format!("{beta:.6e}").parse::<f64>().unwrap_or(f64::from(beta));
    let linear = ScheduleConfig::Linear { beta_1: typed(*first), beta_t: typed(*last) };
    if let Some(rule) = RULES.into_iter().chain([linear]).find(is_followed) {
        return Ok((timesteps, rule));
    }
    // The shortest decimal number that gives back the same f32.
    let beta = beta.iter().map(|beta| beta.to_string().parse().unwrap_or(f64::from(*beta))).collect();
    let table = ScheduleConfig::Table { beta };
    match table.table(timesteps) {
        Ok(_) => Ok((timesteps, table)),
        Err(e) => Err(Error::format(file.path(), name, e, "the beta of every timestep")),
    }
}

/// Checks that `alpha`, which `name` names in errors, are the products of 1 - beta.
fn check_products(file: &TensorFile, name: &str, alpha: &[f32], beta: &[f32]) -> Result<()> {
    if alpha.len() != beta.len() {
        let expected = format!("{} as in the table of beta", beta.len());
        return Err(Error::format(file.path(), name, format!("{} entries", alpha.len()), expected));
    }
    let mut product = 1.0;
    for (t, (&alpha, &beta)) in alpha.iter().zip(beta).enumerate() {
        product *= 1.0 - f64::from(beta);
        if (product - f64::from(alpha)).abs() > ROUNDING_OF_PRODUCTS {
            let expected =
                format!("{product}, the product of 1 - beta: only Gaussian processes can be imported");
            return Err(Error::format(file.path(), format!("{name}, entry {t}"), alpha, expected));
        }
    }
    Ok(())
}
