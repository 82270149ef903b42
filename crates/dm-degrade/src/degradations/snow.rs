//! Snow: flakes fall on the page, drift into streaks, and the sky turns grey until only snow is left.
//!
//! The snowification of Bansal et al. 2022, which is the snow of ImageNet-C (Hendrycks and Dietterich 2019): a coarse
//! field of Gaussian noise, enlarged; what lies below a falling threshold is cut off; the rest is motion-blurred along
//! rows or columns and added together with itself turned upside down. Theirs brightens the image a little and keeps it
//! legible. Here the image is blended into an even grey, (1 - w) x_0 + w grey with w = t/T, so that level T knows nothing
//! of it: the prior is reached exactly and is as rich as snow is. Grey images need no more adaptation.
//!
//! The sum is cut off at white, which no key brings back.

use dm_nn::data::{PIXELS, SIDE};
use dm_nn::rng::Rng;
use serde::{Deserialize, Serialize};

use super::{DegradationConfig, Entry, check_steps, clamp};
use crate::degradation::{Degradation, Key, Level, no_bridge};
use crate::error::{Error, Result};
use crate::prediction::Prediction;
use crate::samplers::SamplerKind;

/// The registry's line.
pub const ENTRY: Entry = Entry {
    name: "snow",
    summary: "snow falls, drifts into streaks, and the sky turns grey",
    formula: "x_t = min(1, (1 - t/T) x_0 + (t/T) grey + S_t + S_t upside down), S_t noise above a falling threshold, \
              motion-blurred",
    key: "the field of flakes, 784 numbers, and whether the wind blows along rows or columns",
    prior: "snow on grey, the exact law of level T",
    inverse: "none: the sum is cut off at white",
    parameters: &[
        ("steps", "T, 100"),
        ("threshold", "what a flake has to exceed at level T, 0.75; at level 0 it is 1.15"),
        ("drift", "standard deviation of the motion blur at level T in pixels, 3"),
        ("grey", "the sky at level T, 0.25"),
    ],
    source: "Bansal et al. 2022 (snowification), after Hendrycks and Dietterich 2019",
    prediction: Prediction::X0,
    sampler: SamplerKind::Cold,
    config: || DegradationConfig::Snow(SnowConfig::default()),
};

/// Parameters of snow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SnowConfig {
    /// T.
    pub steps: usize,
    /// What a flake has to exceed at level T; the field's mean is 0.55, its standard deviation 0.3 before enlarging.
    pub threshold: f32,
    /// Standard deviation of the motion blur at level T, in pixels.
    pub drift: f32,
    /// The sky at level T.
    pub grey: f32,
}

impl Default for SnowConfig {
    fn default() -> Self {
        Self { steps: 100, threshold: 0.75, drift: 3.0, grey: 0.25 }
    }
}

/// Mean and standard deviation of the field, how much it is enlarged, its threshold at level 0, and the reach of the
/// motion blur in pixels: severity 2 of ImageNet-C, as Bansal et al. have it.
const MEAN: f32 = 0.55;
const SPREAD: f32 = 0.3;
const ZOOM: f32 = 2.5;
const FIRST_THRESHOLD: f32 = 1.15;
const REACH: usize = 5;
/// Numbers of the coarse field along a side.
const COARSE: usize = 12;

/// The snowing process. States are images.
pub struct Snow(SnowConfig);

impl Snow {
    /// Builds the process.
    ///
    /// # Errors
    /// The first field outside its domain.
    pub fn new(config: &SnowConfig) -> Result<Self> {
        check_steps(config.steps)?;
        let fields = [
            ("threshold", config.threshold, 0.0, FIRST_THRESHOLD),
            ("drift", config.drift, 0.0, 100.0),
            ("grey", config.grey, 0.0, 1.0),
        ];
        for (name, value, least, most) in fields {
            if !(least..=most).contains(&value) {
                return Err(Error::invalid(
                    format!("degradation.{name}"),
                    value,
                    format!("{least} to {most}"),
                ));
            }
        }
        Ok(Self(config.clone()))
    }

    /// Snow `[784]` that has fallen by a share of the way to level T.
    fn layer(&self, share: f32, key: &Key) -> Vec<f32> {
        let threshold = FIRST_THRESHOLD + share * (self.0.threshold - FIRST_THRESHOLD);
        let (field, along_rows) = key.0.split_at(PIXELS.min(key.0.len()));
        let flakes: Vec<f32> =
            field.iter().map(|&v| if v < threshold { 0.0 } else { v.clamp(0.0, 1.0) }).collect();
        let wide = (share * self.0.drift).max(0.05);
        let taps: [f32; REACH + 1] = std::array::from_fn(|d| (-0.5 * (d as f32 / wide).powi(2)).exp());
        let total = taps[0] + 2.0 * taps[1..].iter().sum::<f32>();
        let stride = if along_rows.first() == Some(&1.0) { 1 } else { SIDE };
        let mut layer = vec![0.0; PIXELS];
        for (p, &flake) in flakes.iter().enumerate().filter(|(_, flake)| **flake > 0.0) {
            let place = p / stride % SIDE;
            for to in place.saturating_sub(REACH)..=(place + REACH).min(SIDE - 1) {
                layer[p + to * stride - place * stride] += flake * taps[place.abs_diff(to)] / total;
            }
        }
        layer
    }
}

impl Degradation for Snow {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn steps(&self) -> usize {
        self.0.steps
    }

    fn to_state(&self, image: &[f32]) -> Vec<f32> {
        image.to_vec()
    }

    fn to_image(&self, state: &[f32]) -> Vec<f32> {
        clamp(state.iter().copied())
    }

    fn draw(&self, rng: &mut Rng) -> Key {
        let mut coarse = [[0.0; COARSE]; COARSE];
        rng.fill_normal(coarse.as_flattened_mut());
        let enlarged = |p: usize| {
            let (y, x) = ((p / SIDE) as f32 / ZOOM, (p % SIDE) as f32 / ZOOM);
            let (i, j) = (y as usize, x as usize);
            let line = |i: usize| coarse[i][j] + x.fract() * (coarse[i][j + 1] - coarse[i][j]);
            MEAN + SPREAD * (line(i) + y.fract() * (line(i + 1) - line(i)))
        };
        let wind = f32::from(u8::from(rng.uniform() < 0.5));
        Key((0..PIXELS).map(enlarged).chain([wind]).collect())
    }

    fn apply(&self, x0: &[f32], level: Level, key: &Key) -> Vec<f32> {
        if level.0 == 0 {
            return x0.to_vec();
        }
        let share = level.0 as f32 / self.0.steps as f32;
        let snow = self.layer(share, key);
        let sky = x0.iter().map(|x| (1.0 - share) * x + share * self.0.grey);
        let both = snow.iter().zip(snow.iter().rev()).map(|(here, turned)| here + turned);
        sky.zip(both).map(|(sky, snow)| (sky + snow).min(1.0)).collect()
    }

    fn prior(&self, rng: &mut Rng) -> Vec<f32> {
        let key = self.draw(rng);
        self.prior_under(&key, rng)
    }

    fn prior_under(&self, key: &Key, _: &mut Rng) -> Vec<f32> {
        self.apply(&[0.0; PIXELS], Level(self.0.steps), key)
    }

    fn has_bridge(&self) -> bool {
        false
    }

    fn bridge(&self, _: &[f32], _: &[f32], _: Level, _: Level, _: &mut Rng) -> Result<Vec<f32>> {
        Err(no_bridge(self))
    }

    fn invert(&self, x_t: &[f32], level: Level, _: &Key) -> Option<Vec<f32>> {
        (level.0 == 0).then(|| x_t.to_vec())
    }

    fn inversion_tolerance(&self) -> (f32, Level) {
        (0.0, Level(0))
    }

    fn encode(&self, x_t: &[f32], _: Level, out: &mut [f32]) {
        x_t.iter().zip(out).for_each(|(x, out)| *out = 2.0 * x - 1.0);
    }

    fn clip(&self, x0: &mut [f32]) {
        x0.iter_mut().for_each(|x| *x = x.clamp(0.0, 1.0));
    }
}
