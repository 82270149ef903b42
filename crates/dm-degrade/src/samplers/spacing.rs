//! The spacing of the timesteps that a chain visits between T and 0.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::timestep::Timestep;

/// The spacing of the visited timesteps. In configs and on the command line a string: `uniform`, `cosine`, `power` or
/// `power:EXPONENT`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Spacing {
    /// Steps of equal length.
    #[default]
    Uniform,
    /// Step lengths that follow a raised cosine: those near T/2 are a quarter of the mean, those near T and 0 are longer.
    Cosine,
    /// The first share s of the steps covers s^exponent of the way: steps are short near T with an exponent above 1, and
    /// short near 0 with an exponent below 1.
    Power(f64),
}

/// The exponent of `power` where none is given.
const DEFAULT_EXPONENT: f64 = 1.5;
/// The smallest and the largest exponent.
const EXPONENTS: std::ops::RangeInclusive<f64> = 0.1..=10.0;

impl Spacing {
    /// One spacing of each kind, with its default.
    pub const ALL: [Self; 3] = [Self::Uniform, Self::Cosine, Self::Power(DEFAULT_EXPONENT)];

    /// `intervals` + 1 timesteps from T = `last` to 0, strictly descending; `intervals` is 1 to `last`.
    pub(super) fn timesteps(self, last: usize, intervals: usize) -> Vec<Timestep> {
        let at = |i: usize| {
            let left = (intervals - i) as f64 / intervals as f64;
            match self {
                Self::Uniform => (last * (intervals - i) + intervals / 2) / intervals,
                Self::Cosine => {
                    let wave = (std::f64::consts::TAU * left).sin() / std::f64::consts::TAU;
                    (last as f64 * (left + 0.75 * wave)).round() as usize
                }
                Self::Power(exponent) => {
                    let walked = i as f64 / intervals as f64;
                    (last as f64 * (1.0 - walked.powf(exponent))).round() as usize
                }
            }
        };
        let mut above = last + 1;
        let mut next = |i: usize| {
            // Rounding may make neighbouring timesteps equal. The clamp keeps all of them distinct.
            above = at(i).clamp(intervals - i, above - 1);
            Timestep(above)
        };
        (0..=intervals).map(&mut next).collect()
    }
}

impl fmt::Display for Spacing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uniform => f.write_str("uniform"),
            Self::Cosine => f.write_str("cosine"),
            Self::Power(exponent) => write!(f, "power:{exponent}"),
        }
    }
}

impl FromStr for Spacing {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let exponent = |text: &str| {
            let exponent = text.parse().ok()?;
            EXPONENTS.contains(&exponent).then_some(Self::Power(exponent))
        };
        let spacing = match text {
            "uniform" => Some(Self::Uniform),
            "cosine" => Some(Self::Cosine),
            "power" => Some(Self::Power(DEFAULT_EXPONENT)),
            text => text.strip_prefix("power:").and_then(exponent),
        };
        let (least, most) = EXPONENTS.into_inner();
        let expected =
            format!("uniform, cosine, power or power:EXPONENT with an exponent from {least} to {most}");
        spacing.ok_or_else(|| Error::invalid("spacing", text, expected))
    }
}

impl TryFrom<String> for Spacing {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Spacing> for String {
    fn from(spacing: Spacing) -> Self {
        spacing.to_string()
    }
}
