//! The state of a process of grains that photon counts become.

use dm_nn::image::ImageShape;
use dm_nn::rng::Rng;

use super::instrument::Instrument;
use crate::degradation::{Degradation, Grains};
use crate::degradations::ink::thin_and_walk;
use crate::error::{Error, Result};
use crate::heat::{Kernel, PlaneKernel};
use crate::timestep::Timestep;

/// Where the counts of an instrument lie on a process of grains, and how they get there.
///
/// The timestep is the first one whose density is at most the photons of the instrument and whose spread is at least that
/// of its optics, up to a tolerance of about a thousandth of the spread, because the spread of a process that was trained for
/// the instrument grows a little from timestep to timestep. Each photon is kept with the probability [`Self::keep`], and then
/// walks until its displacement has the spread of the timestep. For optics that are sharp or Gaussian, the result has the law
/// q(x_t | x_0) of the process, exactly unless the tolerance was needed (`THEORY.md`, section 7).
#[derive(Clone, Debug)]
pub struct Placement {
    /// The timestep.
    pub timestep: Timestep,
    /// The probability with which a photon is kept, L_t / F. The others are not used.
    pub keep: f64,
    /// The spreads sqrt(2 tau) in pixels along height and width that the photons walk in addition.
    pub walk: [f64; 2],
    /// How far a photon's displacement is from that of the process: the total variation distance of the two distributions
    /// for a photon from the middle of the page, 0 to 1. For [`Optics::Sharp`](super::Optics::Sharp) and
    /// [`Optics::Gaussian`](super::Optics::Gaussian) it is 0, up to rounding, or at most about 0.001 where the tolerance of the
    /// spread was needed.
    pub mismatch: f64,
    kernel: PlaneKernel,
}

/// Relative difference of densities, and absolute difference of walking times, that count as equal.
const EQUAL: f64 = 1e-6;
/// Relative difference of walking times that count as equal; the spread is the square root of twice the walking time.
const EQUAL_TIME: f64 = 2.5e-3;

impl Placement {
    /// Places the counts of `instrument` on `process`.
    ///
    /// # Errors
    /// If the process is not one of grains, has no timestep with as few grains as the instrument has photons, or none with as
    /// much spread.
    pub fn new(process: &dyn Degradation, instrument: &Instrument) -> Result<Self> {
        let grains = process.grains().ok_or_else(|| {
            Error::invalid("degradation", process.name(), "a process of grains (ink or fade_counts)")
        })?;
        let [down, across] = instrument.optics.variances().map(|variance| 0.5 * variance);
        let last = process.timesteps();
        let sparse =
            |t: &usize| f64::from(grains.density(Timestep(*t))) <= instrument.photons * (1.0 + EQUAL);
        let wide =
            |t: &usize| grains.walking_time(Timestep(*t)) >= down.max(across) * (1.0 - EQUAL_TIME) - EQUAL;
        if !sparse(&last) {
            let least = grains.density(Timestep(last));
            let expected = format!("at least {least} per full pixel, the density of the model at T");
            return Err(Error::invalid("photons", instrument.photons, expected));
        }
        if !wide(&last) {
            let [found, most] = [down.max(across), grains.walking_time(Timestep(last))].map(spread);
            let expected = format!("at most {most:.2}, the spread of the model at T");
            return Err(Error::invalid("psf: standard deviation in pixels", format!("{found:.2}"), expected));
        }
        let timestep = Timestep((1..=last).find(|t| sparse(t) && wide(t)).unwrap_or(last));
        let tau = grains.walking_time(timestep);
        let walk = [down, across].map(|before| (tau - before).max(0.0));
        let shape = process.shape();
        let kernel =
            PlaneKernel::of_axes(Kernel::heat(shape.height, walk[0]), Kernel::heat(shape.width, walk[1]));
        let mismatch = mismatch(shape, grains, instrument, timestep, &kernel);
        let keep = (f64::from(grains.density(timestep)) / instrument.photons).min(1.0);
        Ok(Self { timestep, keep, walk: walk.map(spread), mismatch, kernel })
    }

    /// Draws a state of the process at [`Self::timestep`] from the whole `counts` `[C, H, W]`.
    pub fn state(&self, counts: &[f32], rng: &mut Rng) -> Vec<f32> {
        let mut state = vec![0.0; counts.len()];
        thin_and_walk(counts, self.keep, &self.kernel, rng, &mut state);
        state
    }
}

/// The spread sqrt(2 tau) of a walking time, in pixels.
fn spread(tau: f64) -> f64 {
    (2.0 * tau).sqrt()
}

/// Half the sum of the absolute differences between where a photon from the middle of the page is after the optics and the
/// walk, and where a grain of the process is at `t`.
fn mismatch(
    shape: ImageShape,
    grains: &dyn Grains,
    instrument: &Instrument,
    t: Timestep,
    kernel: &PlaneKernel,
) -> f64 {
    let plane = ImageShape::new(1, shape.height, shape.width);
    let mut point = vec![0.0; plane.len()];
    point[(plane.height / 2) * plane.width + plane.width / 2] = 1.0;
    let (mut walked, mut due) = (vec![0.0; plane.len()], vec![0.0; plane.len()]);
    kernel.spread(&instrument.optics.blur(plane, &point), &mut walked);
    PlaneKernel::heat(plane, grains.walking_time(t)).spread(&point, &mut due);
    0.5 * walked.iter().zip(&due).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>()
}
