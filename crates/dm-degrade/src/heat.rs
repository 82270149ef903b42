//! The heat kernel of the 28x28 grid with reflecting edges.
//!
//! The Laplacian of a path of n nodes has eigenvectors C (the orthonormal DCT-II) and eigenvalues
//! lambda_j = 2 - 2 cos(pi j / n). The kernel after time tau is k = C^T exp(-lambda tau) C per axis and k (x) k on the
//! grid: nonnegative, symmetric, rows sum to 1, k_a k_b = k_(a+b), uniform stationary law. A grain that walks for tau
//! has moved by about sigma = sqrt(2 tau) pixels.

#![allow(clippy::inline_always, reason = "a vector operation that is not inlined loses its instruction set")]

use dm_nn::data::{PIXELS, SIDE};
use pulp::{Arch, Simd, WithSimd};

/// One axis of the kernel, [28, 28] row-major.
pub type Kernel = [[f32; SIDE]; SIDE];

/// Eigenvectors and eigenvalues of the path graph: any function of its Laplacian.
#[derive(Clone, Debug)]
pub struct Heat {
    cosines: [[f64; SIDE]; SIDE],
    lambda: [f64; SIDE],
}

/// The kernel of one axis after time `tau` >= 0, by the method of images.
///
/// On the endless line a walker is n nodes away with probability e^(-2 tau) I_n(2 tau). Folding the line at both edges
/// gives k(y, x) = f(y - x) + f(y + x + 1), where f sums the walker over all distances equal modulo 2 * 28. No term is
/// negative, so even the far tails are right to many digits, where the sum over cosines would leave only its rounding.
pub fn kernel(tau: f64) -> Kernel {
    let folded = folded_walk(2.0 * tau);
    std::array::from_fn(|y| std::array::from_fn(|x| (folded[y.abs_diff(x)] + folded[y + x + 1]) as f32))
}

/// Walking times of levels 0..=`steps`: none at level 0, then spreads sqrt(2 tau) spaced geometrically from `sigma_min`
/// to `sigma_max` pixels.
pub fn times(steps: usize, sigma_min: f64, sigma_max: f64) -> Vec<f64> {
    let ratio = sigma_max / sigma_min;
    let tau = |t: usize| match t {
        0 => 0.0,
        t => {
            let share = if steps > 1 { (t - 1) as f64 / (steps - 1) as f64 } else { 1.0 };
            0.5 * (sigma_min * ratio.powf(share)).powi(2)
        }
    };
    (0..=steps).map(tau).collect()
}

/// e^(-z) I_n(z) summed over all n, positive and negative, that are equal modulo 56.
fn folded_walk(z: f64) -> [f64; 2 * SIDE] {
    let mut folded = [0.0; 2 * SIDE];
    if z <= 0.0 {
        folded[0] = 1.0;
        return folded;
    }
    // Miller's backward recurrence I_(n-1) = I_(n+1) + 2n/z I_n from far beyond where I_n matters; its unknown scale
    // drops out because all terms together are 1.
    let (mut above, mut here) = (0.0, 1e-300);
    for n in (1..=60 + (10.0 * z.sqrt()) as usize).rev() {
        folded[n % (2 * SIDE)] += here;
        folded[(2 * SIDE - n % (2 * SIDE)) % (2 * SIDE)] += here;
        (above, here) = (here, above + 2.0 * n as f64 / z * here);
        if here > 1e250 {
            let shrink = 1e-250;
            (above, here) = (above * shrink, here * shrink);
            folded.iter_mut().for_each(|f| *f *= shrink);
        }
    }
    folded[0] += here;
    let total: f64 = folded.iter().sum();
    folded.map(|f| f / total)
}

impl Default for Heat {
    fn default() -> Self {
        let n = SIDE as f64;
        let angle = std::f64::consts::PI / n;
        let cosines = std::array::from_fn(|j| {
            let scale = if j == 0 { (1.0 / n).sqrt() } else { (2.0 / n).sqrt() };
            std::array::from_fn(|x| scale * (angle * (x as f64 + 0.5) * j as f64).cos())
        });
        Self { cosines, lambda: std::array::from_fn(|j| 2.0 - 2.0 * (angle * j as f64).cos()) }
    }
}

impl Heat {
    /// Multiplies every mode of `image` `[784]` by `gain(lambda_row + lambda_column)`: any function of the Laplacian.
    pub fn filter(&self, image: &[f32], gain: impl Fn(f64) -> f64) -> Vec<f32> {
        let image: Vec<f64> = image.iter().map(|&v| f64::from(v)).collect();
        let mut modes = self.transform(&image, false);
        for (i, mode) in modes.iter_mut().enumerate() {
            *mode *= gain(self.lambda[i / SIDE] + self.lambda[i % SIDE]);
        }
        self.transform(&modes, true).iter().map(|&v| v as f32).collect()
    }

    /// The two-dimensional DCT of `image`, or its inverse.
    fn transform(&self, image: &[f64], inverse: bool) -> Vec<f64> {
        let c = |j: usize, x: usize| if inverse { self.cosines[x][j] } else { self.cosines[j][x] };
        let mut rows = vec![0.0; PIXELS];
        for y in 0..SIDE {
            for j in 0..SIDE {
                rows[y * SIDE + j] = (0..SIDE).map(|x| c(j, x) * image[y * SIDE + x]).sum();
            }
        }
        let mut out = vec![0.0; PIXELS];
        for i in 0..SIDE {
            for y in 0..SIDE {
                let weight = c(i, y);
                for x in 0..SIDE {
                    out[i * SIDE + x] += weight * rows[y * SIDE + x];
                }
            }
        }
        out
    }
}

/// k h k^T for a symmetric kernel: `h` `[784]` after both axes have been spread.
pub fn spread(kernel: &Kernel, h: &[f32]) -> Vec<f32> {
    let rows = spread_columns(kernel, h);
    sums(kernel, rows.as_chunks().0)
}

/// h k for a symmetric kernel: every row of `h` `[784]` spread along its columns.
pub fn spread_columns(kernel: &Kernel, h: &[f32]) -> Vec<f32> {
    sums(h.as_chunks().0, kernel)
}

/// For each of 28 lines of weights the sum of `lines` under them.
fn sums(weights: &[[f32; SIDE]], lines: &[[f32; SIDE]]) -> Vec<f32> {
    Arch::new().dispatch(Sums { weights, lines })
}

/// [`sums`] in the widest vectors of this machine; the results are the same in any.
struct Sums<'a> {
    weights: &'a [[f32; SIDE]],
    lines: &'a [[f32; SIDE]],
}

impl WithSimd for Sums<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<f32> {
        let mut out = vec![0.0; PIXELS];
        for (weights, out) in self.weights.iter().zip(out.as_chunks_mut().0) {
            *out = weighted_sum(weights, self.lines);
        }
        out
    }
}

/// The sum of 28 lines, each times its weight.
#[inline(always)]
fn weighted_sum(weights: &[f32; SIDE], lines: &[[f32; SIDE]]) -> [f32; SIDE] {
    let mut sum = [0.0; SIDE];
    for (&weight, line) in weights.iter().zip(lines) {
        for (sum, value) in sum.iter_mut().zip(line) {
            *sum += weight * value;
        }
    }
    sum
}
