//! Blur: x_t = K_t x_0, ink that spreads without noise.
//!
//! With the heat kernel this is ink at infinite density, its cold limit (Rissanen et al. 2023 without their noise). With a
//! Gaussian kernel applied t times it is the blur of Bansal et al. 2022, whose page has no edges: what leaves on the left
//! comes back on the right. Both conserve ink and need no key.
//!
//! The end is an even page and the total ink its only number, so the prior has next to no entropy: all the variety of
//! images would have to come out of one number. It is not reached exactly either. No noise hides what is left of the
//! image at level T, and a network can learn to read it.

use dm_nn::data::SIDE;
use dm_nn::rng::Rng;
use serde::{Deserialize, Serialize};

use super::fitted::{InkLaw, Law, shares};
use super::{DegradationConfig, Entry, check_spreads, check_steps, clamp};
use crate::degradation::{Degradation, Key, Level, check_backward};
use crate::error::{Error, Result};
use crate::heat::{self, Heat, Kernel, spread};
use crate::prediction::Prediction;
use crate::samplers::SamplerKind;

/// The registry's line.
pub const ENTRY: Entry = Entry {
    name: "blur",
    summary: "ink spreads by the heat equation, or by a Gaussian kernel again and again",
    formula: "x_t = K_t x_0: heat K_t = exp(-tau(t) Laplacian), repeated K_t = G^t",
    key: "none",
    prior: "total ink from the training set's law, spread as its mean image is at level T: one random number; a digit \
            at level T still differs from it a little",
    inverse: "heat by inverse cosine transform, to 1e-3 up to tau = 1 (a spread of 1.4 pixels); beyond, rounding is \
              amplified; repeated not at all",
    parameters: &[
        ("steps", "T, 100"),
        (
            "kernel",
            "heat { sigma_min, sigma_max } in pixels, 0.2 to 16; or repeated { size, std } in pixels, 11 and 7",
        ),
    ],
    source: "Bansal et al. 2022; heat as in Rissanen et al. 2023",
    prediction: Prediction::X0,
    sampler: SamplerKind::Cold,
    config: || DegradationConfig::Blur(BlurConfig::default()),
};

/// What blurs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum BlurKernel {
    /// The heat equation with reflecting edges; its spread ascends geometrically.
    Heat {
        /// Spread sigma = sqrt(2 tau) at level 1, in pixels.
        #[serde(default = "sigma_min")]
        sigma_min: f64,
        /// Spread at level T, in pixels.
        #[serde(default = "sigma_max")]
        sigma_max: f64,
    },
    /// A truncated Gaussian applied t times on a page that is a torus, after Bansal et al.
    Repeated {
        /// Width and height of the kernel in pixels, odd.
        #[serde(default = "size")]
        size: usize,
        /// Standard deviation in pixels before truncation.
        #[serde(default = "deviation")]
        std: f64,
    },
}

fn sigma_min() -> f64 {
    0.2
}

fn sigma_max() -> f64 {
    16.0
}

fn size() -> usize {
    11
}

fn deviation() -> f64 {
    7.0
}

/// Parameters of blur.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BlurConfig {
    /// T.
    pub steps: usize,
    /// What blurs.
    pub kernel: BlurKernel,
}

impl Default for BlurConfig {
    fn default() -> Self {
        Self { steps: 100, kernel: BlurKernel::Heat { sigma_min: sigma_min(), sigma_max: sigma_max() } }
    }
}

/// Heat is undone up to this time, to [`UNDONE_TO`] of a full pixel: beyond, the rounding of f32 images is amplified by
/// e^(8 tau), the gain of the checkerboard mode.
const UNDONE_UNTIL: f64 = 1.0;
const UNDONE_TO: f32 = 1e-3;

/// The blurring process. States are images.
pub struct Blur {
    /// One axis of the kernel of every level.
    kernels: Vec<Kernel>,
    /// Walking times of the heat equation; empty for a repeated kernel.
    tau: Vec<f64>,
    /// Law of the total ink.
    total: Law,
    /// Share of each pixel in the total at level T; sums to 1.
    share: Vec<f32>,
}

impl Blur {
    /// Builds the tables; `fitted` is what [`DegradationConfig::fit`] returned.
    ///
    /// # Errors
    /// The first field outside its domain.
    pub fn new(config: &BlurConfig, fitted: &[f32]) -> Result<Self> {
        check_steps(config.steps)?;
        let law = InkLaw::new(fitted)?;
        let (kernels, tau) = match config.kernel {
            BlurKernel::Heat { sigma_min, sigma_max } => {
                check_spreads(sigma_min, sigma_max)?;
                let tau = heat::times(config.steps, sigma_min, sigma_max);
                (tau.iter().map(|&tau| heat::kernel(tau)).collect(), tau)
            }
            BlurKernel::Repeated { size, std } => {
                if size.is_multiple_of(2) || !(3..SIDE).contains(&size) {
                    return Err(Error::invalid(
                        "degradation.kernel.size",
                        size,
                        "an odd number from 3 to 27",
                    ));
                }
                if !(std > 0.0 && std <= 100.0) {
                    return Err(Error::invalid("degradation.kernel.std", std, "above 0, at most 100"));
                }
                (powers(size, std, config.steps), Vec::new())
            }
        };
        let share = shares(&spread(&kernels[config.steps], &law.mean));
        Ok(Self { kernels, tau, total: law.total, share })
    }

    /// One axis of the kernel that leads from level 0 to `level`.
    pub fn kernel(&self, level: Level) -> &Kernel {
        &self.kernels[level.0]
    }

    /// Walking time of a level, where the heat equation blurs.
    pub fn tau(&self, level: Level) -> Option<f64> {
        self.tau.get(level.0).copied()
    }
}

/// Powers 0 to `steps` of a Gaussian of `size` taps on a circle of 28 pixels.
fn powers(size: usize, std: f64, steps: usize) -> Vec<Kernel> {
    let reach = size / 2;
    let taps: Vec<f64> = (0..=reach).map(|d| (-0.5 * (d as f64 / std).powi(2)).exp()).collect();
    let total = taps[0] + 2.0 * taps[1..].iter().sum::<f64>();
    // A power of a symmetric kernel on a circle is again one: its first row says it all.
    let mut row = [0.0; SIDE];
    row[0] = 1.0;
    let mut powers = Vec::with_capacity(steps + 1);
    for _ in 0..=steps {
        powers.push(std::array::from_fn(|y| std::array::from_fn(|x| row[(x + SIDE - y) % SIDE] as f32)));
        let at = |x: usize| {
            let pairs = (1..=reach).map(|d| taps[d] * (row[(x + d) % SIDE] + row[(x + SIDE - d) % SIDE]));
            (taps[0] * row[x] + pairs.sum::<f64>()) / total
        };
        row = std::array::from_fn(at);
    }
    powers
}

impl Degradation for Blur {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn steps(&self) -> usize {
        self.kernels.len() - 1
    }

    fn to_state(&self, image: &[f32]) -> Vec<f32> {
        image.to_vec()
    }

    fn to_image(&self, state: &[f32]) -> Vec<f32> {
        clamp(state.iter().copied())
    }

    fn draw(&self, _: &mut Rng) -> Key {
        Key::default()
    }

    fn apply(&self, x0: &[f32], level: Level, _: &Key) -> Vec<f32> {
        if level.0 == 0 { x0.to_vec() } else { spread(self.kernel(level), x0) }
    }

    fn prior(&self, rng: &mut Rng) -> Vec<f32> {
        let total = self.total.draw(rng);
        self.share.iter().map(|share| total * share).collect()
    }

    /// Nothing is random: the state at `s` is that of the image.
    fn bridge(&self, _: &[f32], x0: &[f32], t: Level, s: Level, _: &mut Rng) -> Result<Vec<f32>> {
        check_backward(self, t, s)?;
        Ok(self.apply(x0, s, &Key::default()))
    }

    fn invert(&self, x_t: &[f32], level: Level, _: &Key) -> Option<Vec<f32>> {
        if level.0 == 0 {
            return Some(x_t.to_vec());
        }
        let tau = self.tau(level).filter(|&tau| tau <= UNDONE_UNTIL)?;
        Some(Heat::default().filter(x_t, |lambda| (lambda * tau).exp()))
    }

    fn inversion_tolerance(&self) -> (f32, Level) {
        let undone = self.tau.iter().take_while(|&&tau| tau <= UNDONE_UNTIL).count();
        (UNDONE_TO, Level(undone.saturating_sub(1)))
    }

    /// Centred at the mean of MNIST, and scaled.
    fn encode(&self, x_t: &[f32], _: Level, out: &mut [f32]) {
        x_t.iter().zip(out).for_each(|(x, out)| *out = 3.0 * (x - 0.13));
    }

    /// Intensities are not negative. They may exceed one full pixel: the total is what is known.
    fn clip(&self, x0: &mut [f32]) {
        x0.iter_mut().for_each(|h| *h = h.max(0.0));
    }

    fn density(&self, _: Level) -> Option<f32> {
        Some(1.0)
    }
}
