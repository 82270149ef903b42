//! A checked set of features: n rows of `dim` f64 values, row-major. Images are features with one column per value.
//!
//! A [`Features`] has at least one row and one column, and all its values are finite and of limited size. Metrics rely on
//! this and divide, square and cube without further checks.

use dm_nn::image::{ImageShape, to_unit_f64};

use crate::error::{EvalError, Result, count_images};

/// The largest absolute value of a feature. Its square, summed and cubed as in the kernel distance, still fits an f64.
pub const MAX_ABS: f64 = 1e40;

/// n x dim values, row-major, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    n: usize,
    dim: usize,
    values: Vec<f64>,
}

impl Features {
    /// Takes `n * dim` row-major values; `set` names them in errors.
    ///
    /// # Errors
    /// If there are no rows or columns, if there are not `n * dim` values, or if a value is not finite or exceeds
    /// [`MAX_ABS`] in absolute value.
    pub fn new(set: &str, n: usize, dim: usize, values: Vec<f64>) -> Result<Self> {
        if n == 0 || dim == 0 {
            return Err(EvalError::Empty { set: set.to_owned(), n, dim });
        }
        let expected = n.saturating_mul(dim);
        if values.len() != expected {
            return Err(EvalError::Length { set: set.to_owned(), expected, found: values.len() });
        }
        if let Some(at) = values.iter().position(|v| v.is_nan() || v.abs() > MAX_ABS) {
            let (row, column, value) = (at / dim, at % dim, values[at]);
            return Err(EvalError::Unusable { set: set.to_owned(), row, column, value, limit: MAX_ABS });
        }
        Ok(Self { n, dim, values })
    }

    /// As [`Features::new`], from the f32 values of a network.
    ///
    /// # Errors
    /// As [`Features::new`].
    pub fn from_f32(set: &str, n: usize, dim: usize, values: &[f32]) -> Result<Self> {
        Self::new(set, n, dim, values.iter().map(|&v| f64::from(v)).collect())
    }

    /// The images `pixels` [n, C, H, W] of `shape`, with values in [0, 1] and one row per image; `set` names them in errors.
    ///
    /// # Errors
    /// If `pixels` are not whole images, or there are none.
    pub fn from_pixels(set: &str, shape: ImageShape, pixels: &[u8]) -> Result<Self> {
        let n = count_images(set, pixels.len(), shape.len())?;
        let mut values = vec![0.0; pixels.len()];
        to_unit_f64(pixels, &mut values);
        Self::new(set, n, shape.len(), values)
    }

    /// Number of rows, at least 1.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Number of columns, at least 1.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// All values, row-major.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Row `i`.
    ///
    /// # Panics
    /// If `i` is not below [`Self::n`].
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.dim..(i + 1) * self.dim]
    }

    /// The rows in order.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, f64> {
        self.values.chunks_exact(self.dim)
    }

    /// The given rows in the given order; a row may occur twice.
    ///
    /// # Errors
    /// If no row is given, or a row does not exist.
    pub fn select(&self, rows: &[usize]) -> Result<Self> {
        let mut values = Vec::with_capacity(rows.len() * self.dim);
        for &i in rows {
            if i >= self.n {
                return Err(EvalError::Argument {
                    metric: "feature set",
                    argument: "selected row",
                    expected: format!("a number below {}", self.n),
                    found: i.to_string(),
                });
            }
            values.extend_from_slice(self.row(i));
        }
        Self::new("selected rows", rows.len(), self.dim, values)
    }

    /// The rows of several sets, one set after another.
    ///
    /// # Errors
    /// If there are no sets, or they differ in width.
    pub fn join(parts: &[&Self]) -> Result<Self> {
        let dim = parts.first().map_or(0, |part| part.dim);
        parts.iter().try_for_each(|part| part.same_width(parts[0], "joined sets"))?;
        let values: Vec<f64> = parts.iter().flat_map(|part| part.values()).copied().collect();
        Self::new("joined sets", parts.iter().map(|part| part.n).sum(), dim, values)
    }

    /// Fails unless `self`, the generated set, and `reference` have the same width.
    pub(crate) fn same_width(&self, reference: &Self, metric: &'static str) -> Result<()> {
        if self.dim == reference.dim {
            Ok(())
        } else {
            Err(EvalError::Width { metric, expected: reference.dim, found: self.dim })
        }
    }

    /// Fails unless there are at least `needed` rows.
    pub(crate) fn at_least(&self, needed: usize, set: &'static str, metric: &'static str) -> Result<()> {
        if self.n >= needed { Ok(()) } else { Err(EvalError::TooFew { metric, set, needed, found: self.n }) }
    }
}
