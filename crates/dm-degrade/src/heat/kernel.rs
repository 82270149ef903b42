//! The heat kernel along one axis: the transition probabilities of a random walk on n pixels with reflecting edges.

/// The matrix k of one axis, `[n, n]`: `row(y)[x]` is the probability to go from y to x. Symmetric.
#[derive(Clone, Debug, PartialEq)]
pub struct Kernel {
    len: usize,
    weights: Vec<f32>,
}

impl Kernel {
    /// The heat kernel of an axis of `len` pixels after the walking time `tau` >= 0, by the method of images.
    ///
    /// On the infinite line a walker is n pixels away with probability e^(-2 tau) I_n(2 tau). Folding the line at both edges
    /// gives k(y, x) = f(y - x) + f(y + x + 1), where f sums the walker over all distances that are equal modulo 2 `len`. No
    /// term is negative, so even the far tails keep their digits; a sum over cosines would leave only rounding errors there.
    pub fn heat(len: usize, tau: f64) -> Self {
        let folded = folded_walk(len, 2.0 * tau);
        Self::from_fn(len, |y, x| (folded[y.abs_diff(x)] + folded[y + x + 1]) as f32)
    }

    /// The kernel whose entry at (y, x) is `entry(y, x)`, which must be symmetric.
    pub fn from_fn(len: usize, entry: impl Fn(usize, usize) -> f32) -> Self {
        let mut weights = vec![0.0; len * len];
        for (y, row) in weights.chunks_exact_mut(len).enumerate() {
            row.iter_mut().enumerate().for_each(|(x, weight)| *weight = entry(y, x));
        }
        Self { len, weights }
    }

    /// Number of pixels of the axis.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the axis has no pixels.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The distribution of a walker that started at `y`, `[n]`.
    ///
    /// # Panics
    /// If `y` is not below [`Self::len`].
    pub fn row(&self, y: usize) -> &[f32] {
        &self.weights[y * self.len..(y + 1) * self.len]
    }

    /// All rows, one after another, `[n, n]`.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }
}

/// e^(-z) I_m(z) summed over all m, positive and negative, that are equal modulo 2 `len`.
fn folded_walk(len: usize, z: f64) -> Vec<f64> {
    let period = 2 * len;
    let mut folded = vec![0.0; period];
    if z <= 0.0 {
        folded[0] = 1.0;
        return folded;
    }
    // Miller's backward recurrence I_(m-1) = I_(m+1) + 2m/z I_m, started far beyond the last m that matters. Its unknown
    // scale drops out because the terms sum to 1.
    let (mut above, mut here) = (0.0, 1e-300);
    for m in (1..=60 + (10.0 * z.sqrt()) as usize).rev() {
        folded[m % period] += here;
        folded[(period - m % period) % period] += here;
        (above, here) = (here, above + 2.0 * m as f64 / z * here);
        if here > 1e250 {
            let shrink = 1e-250;
            (above, here) = (above * shrink, here * shrink);
            folded.iter_mut().for_each(|f| *f *= shrink);
        }
    }
    folded[0] += here;
    let total: f64 = folded.iter().sum();
    folded.iter_mut().for_each(|f| *f /= total);
    folded
}

/// Walking times for t = 0..=`timesteps`: zero at t = 0, then spreads sqrt(2 tau) that grow geometrically from `sigma_min`
/// to `sigma_max` pixels.
pub fn walking_times(timesteps: usize, sigma_min: f64, sigma_max: f64) -> Vec<f64> {
    let ratio = sigma_max / sigma_min;
    let tau = |t: usize| match t {
        0 => 0.0,
        t => {
            let share = if timesteps > 1 { (t - 1) as f64 / (timesteps - 1) as f64 } else { 1.0 };
            0.5 * (sigma_min * ratio.powf(share)).powi(2)
        }
    };
    (0..=timesteps).map(tau).collect()
}
