//! The names of tensors in a checkpoint: the prefix of the network's parameters, and the tensors that are not parameters.

use dm_nn::params::file::TensorFile;

use crate::error::{Error, Result};

/// Tensors that checkpoints hold beside the parameters, and that the import reads or checks: the frequencies of the time embedding,
/// and the schedule.
const TABLES: [&str; 5] = ["frequencies", "beta_t", "alpha_t", "betas", "alphas_cumprod"];
/// Tensors that programs compute from `betas` and store in their checkpoints. The import ignores them.
const DERIVED: [&str; 14] = [
    "alphas",
    "alphas_cumprod_prev",
    "log_one_minus_alphas_cumprod",
    "loss_weight",
    "one_minus_alphas_cumprod",
    "p2_loss_weight",
    "posterior_log_variance_clipped",
    "posterior_mean_coef1",
    "posterior_mean_coef2",
    "posterior_variance",
    "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod",
    "sqrt_recip_alphas_cumprod",
    "sqrt_recipm1_alphas_cumprod",
];

/// The tensors of a checkpoint.
pub(super) struct Split {
    /// The parameters of the network, under its own names.
    pub weights: TensorFile,
    /// The tensors of [`TABLES`], each under the last part of its name.
    pub tables: TensorFile,
    /// A line about tensors that were ignored, if there are any.
    pub note: Option<String>,
}

/// Divides the tensors of `file` into the parameters of one network and tables. In a checkpoint, the names of all parameters of a
/// network may have a common prefix such as `module.`, `gt.` or `ema_model.`. The prefix is found from the network's parameter
/// `first`. If the checkpoint holds several networks, the one whose prefix begins with `chosen` is taken.
///
/// # Errors
/// If there is no parameter `first` with such a prefix, there are several, tables of one name differ, or `chosen` is empty and
/// there is a tensor that is neither a parameter nor a table.
pub(super) fn split(file: &TensorFile, chosen: &str, first: &str) -> Result<Split> {
    let before = |name: &'_ str| -> Option<String> {
        let prefix = name.strip_suffix(first)?;
        (prefix.is_empty() || prefix.ends_with('.')).then(|| prefix.to_owned())
    };
    let all: Vec<String> = file.names().filter_map(before).collect();
    let fits: Vec<&String> = all.iter().filter(|prefix| prefix.starts_with(chosen)).collect();
    let prefix = match fits.as_slice() {
        [] => {
            let expected = "a parameter of the network, possibly with a prefix such as `module.`";
            return Err(Error::format(file.path(), format!("{chosen}{first}"), "none", expected));
        }
        [only] => only.as_str(),
        several => {
            let shown = |prefix: &&String| match prefix.trim_end_matches('.') {
                "" => "no prefix".to_owned(),
                prefix => format!("`{prefix}`"),
            };
            let found = several.iter().map(shown).collect::<Vec<_>>().join(", ");
            let expected = "one network, or a key that chooses one by its prefix";
            return Err(Error::format(file.path(), "prefixes of parameters", found, expected));
        }
    };
    let (mut weights, mut tables) = (TensorFile::new(file.path()), TensorFile::new(file.path()));
    let mut ignored = 0;
    for name in file.names() {
        let Some((shape, values)) = file.get(name) else { continue };
        let last = name.rsplit('.').next().unwrap_or(name);
        if all.iter().any(|other| other != prefix && is_of(other, name, &all)) {
            ignored += 1;
        } else if TABLES.contains(&last) {
            if tables.get(last).is_some_and(|(_, others)| others != values) {
                let expected = "the same table wherever the checkpoint has it";
                return Err(Error::format(file.path(), name, format!("another `{last}`"), expected));
            }
            tables.insert_values(last, shape.to_vec(), values.to_vec());
        } else if DERIVED.contains(&last) {
            // The tensor can be computed from a table and is not needed.
        } else if let Some(own) = name.strip_prefix(prefix) {
            weights.insert_values(own, shape.to_vec(), values.to_vec());
        } else if !chosen.is_empty() {
            ignored += 1;
        } else {
            let expected = format!("only names that begin with `{prefix}`");
            return Err(Error::format(file.path(), name, "a tensor outside the network", expected));
        }
    }
    let note = (ignored > 0).then(|| format!("ignored {ignored} tensors outside `{prefix}`"));
    Ok(Split { weights, tables, note })
}

/// Whether the tensor `name` belongs to the network with the prefix `prefix`: the longest of the prefixes `all` that `name` begins
/// with is `prefix`.
fn is_of(prefix: &str, name: &str, all: &[String]) -> bool {
    let longest = all.iter().filter(|other| name.starts_with(other.as_str())).max_by_key(|other| other.len());
    longest.is_some_and(|longest| longest == prefix)
}
