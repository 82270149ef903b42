//! The cost of one step of Ink's grains, and what it is computed from: kernels in logarithms, and numbers of grains.

use dm_degrade::degradations::ink::{Film, Ink};
use dm_degrade::heat::{Kernel, PlaneKernel};
use dm_degrade::{Degradation, Timestep};
use dm_nn::image::ImageShape;

/// The share of the estimated intensity that is spread evenly over the image.
pub const EVEN_SHARE: f64 = 1e-6;

/// The number of grains of each channel of one film. A grain never changes its channel.
pub(super) struct GrainCounts {
    /// Grains of each channel, `[C]`, whether they have faded or not.
    pub(super) all: Vec<usize>,
    /// Number of pixels of a channel.
    pixels: usize,
}

impl GrainCounts {
    /// The numbers of grains of `film`, whose images have `shape`.
    pub(super) fn of(film: &Film, shape: ImageShape) -> Self {
        let mut counts = Self { all: vec![0; shape.channels], pixels: shape.pixels() };
        counts.all = counts.count(film, film.places(0).iter().map(|_| true));
        counts
    }

    /// The number of grains of each channel that are left in frame `i` of the film, `[C]`.
    pub(super) fn left(&self, film: &Film, i: usize) -> Vec<usize> {
        self.count(film, film.seen(i))
    }

    /// The sum over channels of ln k!, where k is the number of grains that are missing in frame `i` of the film.
    fn ln_missing_factorial(&self, film: &Film, i: usize, ln_factorial: &[f64]) -> f64 {
        self.all.iter().zip(self.left(film, i)).map(|(all, left)| ln_factorial[all - left]).sum()
    }

    /// The number of grains of each channel for which `counted` is true, `[C]`.
    fn count(&self, film: &Film, counted: impl Iterator<Item = bool>) -> Vec<usize> {
        let mut counts = vec![0; self.all.len()];
        for (&place, counted) in film.places(0).iter().zip(counted) {
            counts[usize::from(place) / self.pixels] += usize::from(counted);
        }
        counts
    }
}

/// One step from t to s < t, with its kernels.
pub(super) struct Walk {
    s: Timestep,
    to_s: LnKernel,
    to_t: LnKernel,
    between: PlaneKernel,
    /// The shares of all grains that are left at s and at t.
    left: [f64; 2],
}

impl Walk {
    /// The step of `ink` from `t` to `s`.
    pub(super) fn new(ink: &Ink, s: Timestep, t: Timestep) -> Self {
        let (shape, tau_s, tau_t) = (ink.shape(), ink.tau(s), ink.tau(t));
        Self {
            s,
            to_s: LnKernel::new(shape, tau_s),
            to_t: LnKernel::new(shape, tau_t),
            between: PlaneKernel::heat(shape, tau_t - tau_s),
            left: [ink.share_left(s), ink.share_left(t)],
        }
    }

    /// The cost in nats of the step from frame `i` of `film` to the frame before, with the estimate `h_0` `[C, H, W]` in grains
    /// of timestep 0.
    pub(super) fn nats(&self, ink: &Ink, film: &Film, i: usize, h_0: &[f32], ln_factorial: &[f64]) -> f64 {
        let sum: f64 = h_0.iter().map(|&h| f64::from(h)).sum();
        let even = (EVEN_SHARE * sum / h_0.len() as f64).max(f64::MIN_POSITIVE) as f32;
        let h_0: Vec<f32> = h_0.iter().map(|h| h + even).collect();
        let (mut h_s, mut h_t) = (vec![0.0; h_0.len()], vec![0.0; h_0.len()]);
        ink.mean_counts(&h_0, self.s, &mut h_s);
        self.between.spread(&h_s, &mut h_t);
        let logarithms = |h: &[f32]| h.iter().map(|&h| ln(h.into())).collect::<Vec<f64>>();
        let (ln_s, ln_t) = (logarithms(&h_s), logarithms(&h_t));
        let [left_s, left_t] = self.left;
        let faded = 1.0 - left_t / left_s;
        let joining: f64 = h_s.iter().map(|&h| faded * f64::from(h)).sum();
        let grain = |z_0: u16, z_s: u16, z_t: u16, seen| match seen {
            // Left at t, and therefore at s.
            (_, true) => {
                self.to_s.between(z_0, z_s)
                    - self.to_t.between(z_0, z_t)
                    - (ln_s[usize::from(z_s)] - ln_t[usize::from(z_t)])
            }
            // Left at s, faded at t.
            (true, false) => {
                let joins = ((left_s - left_t) / (1.0 - left_t)).ln();
                joins + self.to_s.between(z_0, z_s) - faded.ln() - ln_s[usize::from(z_s)]
            }
            // Faded at s.
            (false, false) => ((1.0 - left_s) / (1.0 - left_t)).ln(),
        };
        let places = film.places(0).iter().zip(film.places(i - 1)).zip(film.places(i));
        let grains = places.zip(film.seen(i - 1).zip(film.seen(i)));
        let grains = grains.map(|(((z_0, z_s), z_t), seen)| grain(*z_0, *z_s, *z_t, seen));
        let counts = GrainCounts::of(film, ink.shape());
        let choices = counts.ln_missing_factorial(film, i, ln_factorial)
            - counts.ln_missing_factorial(film, i - 1, ln_factorial);
        choices + joining + grains.sum::<f64>()
    }
}

/// ln of the heat kernel of an image.
pub(super) struct LnKernel {
    shape: ImageShape,
    /// ln of the kernel along the height, [H, H].
    height: Vec<f64>,
    /// ln of the kernel along the width, [W, W].
    width: Vec<f64>,
}

impl LnKernel {
    /// The kernel of images of `shape` after the walking time `tau`.
    pub(super) fn new(shape: ImageShape, tau: f64) -> Self {
        let axis = |len: usize| Kernel::heat(len, tau).weights().iter().map(|&k| ln(k.into())).collect();
        Self { shape, height: axis(shape.height), width: axis(shape.width) }
    }

    /// ln K between two places of the same channel, given as indices into `[C, H, W]`.
    pub(super) fn between(&self, from: u16, to: u16) -> f64 {
        let ImageShape { height, width, .. } = self.shape;
        let (from, to) = (usize::from(from), usize::from(to));
        let (from_row, to_row) = (from / width % height, to / width % height);
        self.height[from_row * height + to_row] + self.width[(from % width) * width + to % width]
    }
}

/// The natural logarithm of `value`, or of the smallest normal f32 if `value` is smaller, so that the result is finite.
pub(super) fn ln(value: f64) -> f64 {
    value.max(f64::from(f32::MIN_POSITIVE)).ln()
}
