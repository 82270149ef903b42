//! The conversion between images and states, and the network's input for a state.

use crate::timestep::Timestep;

/// Translates between images, states and network inputs. Images and states are slices of `C * H * W` values.
pub trait InputCodec: Send + Sync {
    /// Converts an image in [0, 1] to the state at timestep 0.
    fn encode_image(&self, image: &[f32], state: &mut [f32]);

    /// Converts a state at timestep 0 to the image, clamped to [0, 1].
    fn decode_image(&self, state: &[f32], image: &mut [f32]);

    /// Writes the picture of a state at `t`, in [0, 1]. The picture shows the degraded image, not an estimate of the clean
    /// one.
    fn display(&self, state: &[f32], t: Timestep, image: &mut [f32]) {
        let _ = t;
        self.decode_image(state, image);
    }

    /// Number of channels of the network's input.
    fn input_channels(&self) -> usize;

    /// Writes the network's input for a state at `t` to `out`, `[input_channels, H, W]`.
    fn encode_input(&self, x_t: &[f32], t: Timestep, out: &mut [f32]);

    /// Clips an estimate of the state at timestep 0 to values that images can have. The default leaves it as it is.
    fn clip(&self, x0: &mut [f32]) {
        let _ = x0;
    }
}

/// The state is the image in [0, 1]. The network's input is the state scaled to [-1, 1].
#[derive(Clone, Copy, Debug)]
pub struct UnitCodec {
    /// Channels of the images.
    pub channels: usize,
}

/// The state is the image scaled to [-range, range]. The network's input is the state itself.
#[derive(Clone, Copy, Debug)]
pub struct SignedCodec {
    /// Channels of the images.
    pub channels: usize,
    /// The state of a white pixel.
    pub range: f32,
}

/// The state is the image as an intensity. The network's input is 3 (x - mean), which for digits has about
/// unit variance.
#[derive(Clone, Debug)]
pub struct CenteredCodec {
    /// Mean intensity of each channel over the training set, `[C]`.
    pub mean: Vec<f32>,
    /// The largest intensity that [`InputCodec::clip`] lets an estimate have; may be infinite.
    pub max: f32,
}

/// The factor by which a centred intensity is scaled for the network: about one over the standard deviation of MNIST.
pub(crate) const CENTERED_SCALE: f32 = 3.0;

impl InputCodec for UnitCodec {
    fn encode_image(&self, image: &[f32], state: &mut [f32]) {
        state.copy_from_slice(image);
    }

    fn decode_image(&self, state: &[f32], image: &mut [f32]) {
        clamp_into(state, image);
    }

    fn input_channels(&self) -> usize {
        self.channels
    }

    fn encode_input(&self, x_t: &[f32], _: Timestep, out: &mut [f32]) {
        x_t.iter().zip(out).for_each(|(x, out)| *out = 2.0 * x - 1.0);
    }

    fn clip(&self, x0: &mut [f32]) {
        x0.iter_mut().for_each(|x| *x = x.clamp(0.0, 1.0));
    }
}

impl InputCodec for SignedCodec {
    fn encode_image(&self, image: &[f32], state: &mut [f32]) {
        image.iter().zip(state).for_each(|(v, x)| *x = (2.0 * v - 1.0) * self.range);
    }

    fn decode_image(&self, state: &[f32], image: &mut [f32]) {
        state.iter().zip(image).for_each(|(x, v)| *v = (0.5 * x / self.range + 0.5).clamp(0.0, 1.0));
    }

    fn input_channels(&self) -> usize {
        self.channels
    }

    fn encode_input(&self, x_t: &[f32], _: Timestep, out: &mut [f32]) {
        out.copy_from_slice(x_t);
    }

    fn clip(&self, x0: &mut [f32]) {
        x0.iter_mut().for_each(|x| *x = x.clamp(-self.range, self.range));
    }
}

impl InputCodec for CenteredCodec {
    fn encode_image(&self, image: &[f32], state: &mut [f32]) {
        state.copy_from_slice(image);
    }

    fn decode_image(&self, state: &[f32], image: &mut [f32]) {
        clamp_into(state, image);
    }

    fn input_channels(&self) -> usize {
        self.mean.len()
    }

    fn encode_input(&self, x_t: &[f32], _: Timestep, out: &mut [f32]) {
        let pixels = x_t.len() / self.mean.len();
        let planes = x_t.chunks_exact(pixels).zip(out.chunks_exact_mut(pixels)).zip(&self.mean);
        for ((x_t, out), mean) in planes {
            x_t.iter().zip(out).for_each(|(x, out)| *out = CENTERED_SCALE * (x - mean));
        }
    }

    fn clip(&self, x0: &mut [f32]) {
        x0.iter_mut().for_each(|x| *x = x.max(0.0).min(self.max));
    }
}

/// Copies `values` to `out`, clamped to [0, 1].
pub(crate) fn clamp_into(values: &[f32], out: &mut [f32]) {
    values.iter().zip(out).for_each(|(v, out)| *out = v.clamp(0.0, 1.0));
}
