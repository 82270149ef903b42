//! A checked set of features: n rows of `dim` f64 values, row-major. Images in pixels are features of 784 columns.
//!
//! Whoever holds a [`Features`] may divide, square and cube without looking again: there is at least one row and one
//! column, and every value is finite and of sane size. How features are computed is left out.

use crate::error::{EvalError, Result};

/// Largest size of a value: its square summed and cubed (as the kernel distance does) still fits an f64.
pub const LARGEST: f64 = 1e40;

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
    /// No rows or columns, a length other than `n * dim`, a value that is not finite or exceeds [`LARGEST`].
    pub fn new(set: &str, n: usize, dim: usize, values: Vec<f64>) -> Result<Self> {
        if n == 0 || dim == 0 {
            return Err(EvalError::Empty { set: set.to_owned(), n, dim });
        }
        let expected = n.saturating_mul(dim);
        if values.len() != expected {
            return Err(EvalError::Length { set: set.to_owned(), expected, found: values.len() });
        }
        if let Some(at) = values.iter().position(|v| v.is_nan() || v.abs() > LARGEST) {
            let (row, column, value) = (at / dim, at % dim, values[at]);
            return Err(EvalError::Unusable { set: set.to_owned(), row, column, value, limit: LARGEST });
        }
        Ok(Self { n, dim, values })
    }

    /// As [`Features::new`] from the f32 values a network gives.
    ///
    /// # Errors
    /// As [`Features::new`].
    pub fn from_f32(set: &str, n: usize, dim: usize, values: &[f32]) -> Result<Self> {
        Self::new(set, n, dim, values.iter().map(|&v| f64::from(v)).collect())
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
    /// If `i >= n`, as a slice does.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.dim..(i + 1) * self.dim]
    }

    /// The rows in order.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, f64> {
        self.values.chunks_exact(self.dim)
    }

    /// The rows named by `rows`, in that order; a row may be named twice.
    ///
    /// # Errors
    /// No row named, or one that does not exist.
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
    /// No sets, or such of different width.
    pub fn join(parts: &[&Self]) -> Result<Self> {
        let dim = parts.first().map_or(0, |part| part.dim);
        parts.iter().try_for_each(|part| part.same_width(parts[0], "joined sets"))?;
        let values: Vec<f64> = parts.iter().flat_map(|part| part.values()).copied().collect();
        Self::new("joined sets", parts.iter().map(|part| part.n).sum(), dim, values)
    }

    /// Fails unless `self` (the generated set) and `reference` have the same width.
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
