//! The heat kernel of the 28x28 grid with reflecting edges.
//!
//! The Laplacian of a path of n nodes has eigenvectors C (the orthonormal DCT-II) and eigenvalues
//! lambda_j = 2 - 2 cos(pi j / n). The kernel after time tau is k = C^T exp(-lambda tau) C per axis and k (x) k on the
//! grid: nonnegative, symmetric, rows sum to 1, k_a k_b = k_(a+b), uniform stationary law. A grain that walks for tau
//! has moved by about sigma = sqrt(2 tau) pixels.

use dm_nn::data::SIDE;

/// One axis of the kernel, [28, 28] row-major.
pub type Kernel = [[f32; SIDE]; SIDE];

/// Eigenvectors and eigenvalues of the path graph.
#[derive(Clone, Debug)]
pub struct Heat {
    cosines: [[f64; SIDE]; SIDE],
    lambda: [f64; SIDE],
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
    /// The kernel of one axis after time `tau` >= 0. Rounding below zero is removed and rows are normalised.
    pub fn kernel(&self, tau: f64) -> Kernel {
        let decay = self.lambda.map(|lambda| (-lambda * tau).exp());
        std::array::from_fn(|y| {
            let row: [f64; SIDE] = std::array::from_fn(|x| {
                let term = |j: usize| self.cosines[j][y] * decay[j] * self.cosines[j][x];
                (0..SIDE).map(term).sum::<f64>().max(0.0)
            });
            let total: f64 = row.iter().sum();
            row.map(|k| (k / total) as f32)
        })
    }

    /// Multiplies every mode of `image` [784] by `gain(lambda_row + lambda_column)`: any function of the Laplacian.
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
        let mut rows = vec![0.0; SIDE * SIDE];
        for y in 0..SIDE {
            for j in 0..SIDE {
                rows[y * SIDE + j] = (0..SIDE).map(|x| c(j, x) * image[y * SIDE + x]).sum();
            }
        }
        let mut out = vec![0.0; SIDE * SIDE];
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

/// k h k^T for a symmetric kernel: `h` [784] after both axes have been spread.
pub fn spread(kernel: &Kernel, h: &[f32]) -> Vec<f32> {
    let rows = spread_columns(kernel, h);
    let mut out = vec![0.0; SIDE * SIDE];
    for (row, out) in kernel.iter().zip(out.chunks_exact_mut(SIDE)) {
        for (&weight, line) in row.iter().zip(rows.chunks_exact(SIDE)) {
            out.iter_mut().zip(line).for_each(|(o, v)| *o += weight * v);
        }
    }
    out
}

/// h k for a symmetric kernel: every row of `h` [784] spread along its columns.
pub fn spread_columns(kernel: &Kernel, h: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; SIDE * SIDE];
    for (line, out) in h.chunks_exact(SIDE).zip(out.chunks_exact_mut(SIDE)) {
        for (&value, row) in line.iter().zip(kernel) {
            if value != 0.0 {
                out.iter_mut().zip(row).for_each(|(o, k)| *o += value * k);
            }
        }
    }
    out
}
