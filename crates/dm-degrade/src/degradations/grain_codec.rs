//! The conversion between images and grain counts, and the network's input for counts.
//!
//! The codec serves every process whose states are grain counts: `ink` and `fade_counts`.

use crate::codec::{CENTERED_SCALE, InputCodec};
use crate::timestep::Timestep;

/// The codec of grain counts. At timestep 0 the states are the means of the counts.
#[derive(Clone, Debug)]
pub struct GrainCodec {
    /// Grains per full pixel at every timestep.
    pub density: Vec<f32>,
    /// The smallest density by which the network's input divides. At smaller densities a single grain would be a number in
    /// the hundreds, and nearly all other inputs would be zero.
    pub smallest_unit: f32,
    /// The mean of each channel over the training set, `[C]`.
    pub mean: Vec<f32>,
}

impl InputCodec for GrainCodec {
    fn encode_image(&self, image: &[f32], state: &mut [f32]) {
        image.iter().zip(state).for_each(|(v, n)| *n = v * self.density[0]);
    }

    fn decode_image(&self, state: &[f32], image: &mut [f32]) {
        self.display(state, Timestep(0), image);
    }

    /// A pixel that holds as many grains as a full pixel would at `t` is white.
    fn display(&self, state: &[f32], t: Timestep, image: &mut [f32]) {
        let density = self.density[t.0];
        state.iter().zip(image).for_each(|(n, v)| *v = (n / density).clamp(0.0, 1.0));
    }

    fn input_channels(&self) -> usize {
        2 * self.mean.len()
    }

    /// For each channel the counts per full pixel, centred; then for each channel their square root, which makes the shot
    /// noise even (Anscombe 1948).
    fn encode_input(&self, x_t: &[f32], t: Timestep, out: &mut [f32]) {
        let unit = self.density[t.0].max(self.smallest_unit);
        // Counts of mean `density * image`, divided by `unit`, are centred at this multiple of the mean image.
        let relative_density = self.density[t.0] / unit;
        // With few grains per full pixel, shot noise dominates the variance of the input.
        let scale = (1.0 + 0.5 / unit).sqrt().recip();
        let (linear, root) = out.split_at_mut(x_t.len());
        let pixels = x_t.len() / self.mean.len();
        for ((x_t, linear), mean) in
            x_t.chunks_exact(pixels).zip(linear.chunks_exact_mut(pixels)).zip(&self.mean)
        {
            for (n, out) in x_t.iter().zip(linear) {
                *out = scale * CENTERED_SCALE * (n / unit - mean * relative_density);
            }
        }
        for (n, out) in x_t.iter().zip(root) {
            *out = scale * (2.0 * (n / unit + 0.375 / unit).sqrt() - 1.0);
        }
    }

    /// Sets negative intensities to zero. Intensities above one full pixel are kept, so that the total is not reduced.
    fn clip(&self, x0: &mut [f32]) {
        x0.iter_mut().for_each(|h| *h = h.max(0.0));
    }
}
