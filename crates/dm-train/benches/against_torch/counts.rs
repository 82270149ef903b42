//! Arithmetic of the convolutions of the two networks, per image: the additions and multiplications of the direct sums, and those
//! of the algorithms that the engine uses instead. Norms, activations and the small layers of the time embedding are left out.

/// Height and width of MNIST's images.
const SIDE: usize = 28;

/// Operations of a 32-point complex transform as the engine does it: four of 8 points (56), eight of 4 (16), 21
/// rotations (6).
const FFT_32: f64 = 4.0 * 56.0 + 8.0 * 16.0 + 21.0 * 6.0;
/// A plane's transform in either direction: 14 pairs of rows, 16 columns, and the separation of 15 and 17 pairs.
const FFT_PLANE: f64 = 30.0 * FFT_32 + (14.0 * 15.0 + 17.0) * 4.0;
/// Operations of the product of two channels' spectra: 514 complex multiply-adds.
const FFT_PAIR: f64 = 514.0 * 8.0;
/// Operations of a one-dimensional Winograd transform of a tile, into and out of frequencies.
const WINOGRAD: [f64; 2] = [14.0, 11.0];

/// One convolution: input channels, output channels, kernel size, side of its outputs, and its stride.
pub struct Conv(usize, usize, usize, usize, Stride);

/// The distance between neighbouring outputs, in pixels of the input.
#[derive(Clone, Copy)]
enum Stride {
    One,
    Two,
    /// Half a pixel: the input is first doubled by nearest-neighbour upsampling.
    Half,
}
use Stride::{Half, One, Two};

/// Operations per image of the direct sums, and of the algorithms that the engine uses. `training` adds the gradients of
/// weights and inputs.
pub fn of(layers: &[Conv], training: bool) -> (f64, f64) {
    let sum = |of: fn(&Conv, f64) -> f64| {
        let each = layers.iter().enumerate().map(|(i, conv)| match (training, i) {
            (false, _) => of(conv, 1.0),
            // No gradient of the images is computed.
            (true, 0) => of(conv, 2.0),
            (true, _) => of(conv, 3.0),
        });
        each.sum::<f64>()
    };
    (sum(Conv::direct), sum(Conv::executed))
}

/// The reference network on MNIST's images.
pub fn ref_cnn() -> Vec<Conv> {
    let channels = [1, 16, 32, 32, 16];
    let mut layers: Vec<_> = channels.windows(2).map(|c| Conv(c[0], c[1], 7, SIDE, One)).collect();
    layers.push(Conv(16, 1, 3, SIDE, One));
    layers
}

/// The U-Net of `data/configs/ddpm-unet.toml`, with 32, 64 and 64 channels, on images of `side` x `side` pixels.
pub fn unet(side: usize, channels: usize) -> Vec<Conv> {
    let [full, half, quarter] = [side, side / 2, side / 4];
    let mut layers = vec![Conv(channels, 32, 3, full, One)];
    let blocks = [
        (32, 32, full),
        (32, 64, half),
        (64, 64, quarter),
        (64, 64, quarter),
        (64, 32, full),
        (128, 64, half),
        (128, 64, quarter),
    ];
    for (from, to, side) in blocks {
        layers.extend([Conv(from, to, 3, side, One), Conv(to, to, 3, side, One)]);
        if from != to {
            layers.push(Conv(from, to, 1, side, One));
        }
    }
    layers.extend([Conv(32, 32, 3, half, Two), Conv(64, 64, 3, quarter, Two)]);
    layers.extend([
        Conv(64, 32, 3, full, Half),
        Conv(64, 64, 3, half, Half),
        Conv(32, channels, 3, full, One),
    ]);
    layers
}

impl Conv {
    /// Operations of the direct sums, a multiply-add counted as two, in `passes` passes.
    fn direct(&self, passes: f64) -> f64 {
        let &Self(from, to, kernel, side, _) = self;
        passes * 2.0 * (from * to * kernel * kernel * side * side) as f64
    }

    /// Operations of the engine's algorithms: Fourier transforms for 7x7, Winograd for 3x3 with enough channels, otherwise
    /// the direct sums.
    fn executed(&self, passes: f64) -> f64 {
        let &Self(from, to, kernel, side, stride) = self;
        let (pairs, planes) = ((from * to) as f64, (from + to) as f64);
        // The forward pass transforms inputs and outputs; the backward pass transforms the gradients of the outputs, and
        // those of the inputs if they are computed.
        let transforms = match passes as usize {
            1 => planes,
            2 => planes + to as f64,
            _ => 2.0 * planes,
        };
        match (kernel, stride) {
            (7, _) => passes * pairs * FFT_PAIR + transforms * FFT_PLANE,
            (3, One | Half) if from.min(to) >= 8 => {
                // A tile of 4 outputs needs 6 points, a last tile of 2 or 3 outputs 4 or 5.
                let tiles = side.div_ceil(4);
                let points = side / 4 * 6 + if side.is_multiple_of(4) { 0 } else { side % 4 + 2 };
                // With a doubled input each tile needs one point less.
                let points = if let Half = stride { points - tiles } else { points };
                // The gradient of the weights transforms the inputs a second time.
                let into = if passes > 2.0 { 2.0 * from as f64 + 2.0 * to as f64 } else { from as f64 };
                let out = if passes > 2.0 { planes } else { to as f64 };
                let tile = 12.0 * WINOGRAD[0] * into + 10.0 * WINOGRAD[1] * out;
                passes * 2.0 * pairs * (points * points) as f64 + (tiles * tiles) as f64 * tile
            }
            _ => self.direct(passes),
        }
    }
}
