//! Arithmetic of the convolutions of the two networks, per image: additions and multiplications of the textbook's sums,
//! and of what the engine does instead. Norms, activations and the time's small layers are left out.

use dm_nn::data::SIDE;

/// Operations of a 32-point complex transform as the engine does it: four of 8 points (56), eight of 4 (16), 21
/// rotations (6).
const FFT_32: f64 = 4.0 * 56.0 + 8.0 * 16.0 + 21.0 * 6.0;
/// A plane's transform in either direction: 14 pairs of rows, 16 columns, and taking 15 and 17 pairs apart.
const FFT_PLANE: f64 = 30.0 * FFT_32 + (14.0 * 15.0 + 17.0) * 4.0;
/// Operations of the product of two channels' spectra: 514 complex multiply-adds.
const FFT_PAIR: f64 = 514.0 * 8.0;
/// Operations of a one-dimensional Winograd transform of a tile, into and out of frequencies.
const WINOGRAD: [f64; 2] = [14.0, 11.0];

/// One convolution: channels in and out, kernel, side of its results, and how it steps over its source.
struct Conv(usize, usize, usize, usize, Step);

/// From one result to the next.
#[derive(Clone, Copy)]
enum Step {
    One,
    Two,
    /// Half a pixel: the source is first doubled by nearest upsampling.
    Half,
}
use Step::{Half, One, Two};

/// Direct and done operations per image; `training` adds the gradients of weights and inputs.
pub fn of(network: &str, training: bool) -> (f64, f64) {
    let layers = if network == "unet" { unet() } else { ref_cnn() };
    let sum = |of: fn(&Conv, f64) -> f64| {
        let each = layers.iter().enumerate().map(|(i, conv)| match (training, i) {
            (false, _) => of(conv, 1.0),
            // Images have no gradient.
            (true, 0) => of(conv, 2.0),
            (true, _) => of(conv, 3.0),
        });
        each.sum::<f64>()
    };
    (sum(Conv::direct), sum(Conv::done))
}

fn ref_cnn() -> Vec<Conv> {
    let channels = [1, 16, 32, 32, 16];
    let mut layers: Vec<_> = channels.windows(2).map(|c| Conv(c[0], c[1], 7, SIDE, One)).collect();
    layers.push(Conv(16, 1, 3, SIDE, One));
    layers
}

/// Channels 32, 64, 64 as in `data/configs/ddpm-unet.toml`.
fn unet() -> Vec<Conv> {
    let [full, half, quarter] = [SIDE, SIDE / 2, SIDE / 4];
    let mut layers = vec![Conv(1, 32, 3, full, One)];
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
    layers.extend([Conv(64, 32, 3, full, Half), Conv(64, 64, 3, half, Half), Conv(32, 1, 3, full, One)]);
    layers
}

impl Conv {
    /// Multiply-adds of the sums as they are written, times two; `passes` of them.
    fn direct(&self, passes: f64) -> f64 {
        let &Self(from, to, kernel, side, _) = self;
        passes * 2.0 * (from * to * kernel * kernel * side * side) as f64
    }

    /// What the engine does: spectra for 7x7, Winograd for 3x3 of enough channels, else the sums themselves.
    fn done(&self, passes: f64) -> f64 {
        let &Self(from, to, kernel, side, step) = self;
        let (pairs, planes) = ((from * to) as f64, (from + to) as f64);
        // Forward transforms the inputs and the results; backward the gradients, and their results if wanted.
        let transforms = match passes as usize {
            1 => planes,
            2 => planes + to as f64,
            _ => 2.0 * planes,
        };
        match (kernel, step) {
            (7, _) => passes * pairs * FFT_PAIR + transforms * FFT_PLANE,
            (3, One | Half) if from.min(to) >= 8 => {
                // Tiles of 4 results take 6 points, a last one of 2 or 3 takes 4 or 5.
                let tiles = side.div_ceil(4);
                let points = side / 4 * 6 + if side.is_multiple_of(4) { 0 } else { side % 4 + 2 };
                // Of a doubled source each has one less.
                let points = if let Half = step { points - tiles } else { points };
                // The weight gradient transforms the inputs a second time.
                let into = if passes > 2.0 { 2.0 * from as f64 + 2.0 * to as f64 } else { from as f64 };
                let out = if passes > 2.0 { planes } else { to as f64 };
                let tile = 12.0 * WINOGRAD[0] * into + 10.0 * WINOGRAD[1] * out;
                passes * 2.0 * pairs * (points * points) as f64 + (tiles * tiles) as f64 * tile
            }
            _ => self.direct(passes),
        }
    }
}
