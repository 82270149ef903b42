//! The error type of this crate.

/// A refused feature set or argument, or a metric that has no value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// A set has no rows or no columns.
    #[error("{set}: {n} rows of {dim} values: a feature set needs at least one of each")]
    Empty {
        /// Name of the set.
        set: String,
        /// Rows found.
        n: usize,
        /// Columns found.
        dim: usize,
    },
    /// The number of values does not match the stated shape.
    #[error("{set}: expected {expected} values, found {found}")]
    Length {
        /// Name of the set or argument.
        set: String,
        /// Number of values that the shape requires.
        expected: usize,
        /// Number of values given.
        found: usize,
    },
    /// A value is NaN, infinite, or too large to be squared and cubed in f64.
    #[error("{set}: row {row}, column {column} is {value}: expected a finite number below {limit:e} in size")]
    Unusable {
        /// Name of the set.
        set: String,
        /// Row of the first such value.
        row: usize,
        /// Column of the first such value.
        column: usize,
        /// The value.
        value: f64,
        /// The largest accepted absolute value.
        limit: f64,
    },
    /// A value is outside the range on which a metric is defined.
    #[error("{set}: row {row}, column {column} is {value}: expected a value in [{low}, {high}]")]
    Range {
        /// Name of the set.
        set: String,
        /// Row of the first such value.
        row: usize,
        /// Column of the first such value.
        column: usize,
        /// The value.
        value: f64,
        /// Lower end of the range.
        low: f64,
        /// Upper end of the range.
        high: f64,
    },
    /// Two sets differ in width.
    #[error("{metric}: expected both sets to have {expected} columns, found {found}")]
    Width {
        /// Name of the metric.
        metric: &'static str,
        /// Columns of the reference set, or of the set that was fitted.
        expected: usize,
        /// Columns of the other set.
        found: usize,
    },
    /// A set has too few images (rows of features) for the metric to be defined.
    #[error("{metric}: the {set} set needs at least {needed} images, found {found}")]
    TooFew {
        /// Name of the metric.
        metric: &'static str,
        /// Name of the set.
        set: &'static str,
        /// Rows that the metric needs.
        needed: usize,
        /// Rows found.
        found: usize,
    },
    /// An argument other than a feature set is outside its domain.
    #[error("{metric}: {argument}: expected {expected}, found {found}")]
    Argument {
        /// Name of the metric.
        metric: &'static str,
        /// Name of the argument.
        argument: &'static str,
        /// The allowed values.
        expected: String,
        /// The given value.
        found: String,
    },
    /// An eigenvalue iteration did not converge.
    #[error("{metric}: the eigenvalues of a {dim} x {dim} matrix did not converge")]
    Eigenvalues {
        /// Name of the metric.
        metric: &'static str,
        /// Number of rows of the matrix.
        dim: usize,
    },
    /// A matrix that has to be positive definite is not.
    #[error(
        "{metric}: found a {dim} x {dim} matrix that is not positive definite, expected a positive definite one"
    )]
    NotPositiveDefinite {
        /// Name of the metric.
        metric: &'static str,
        /// Number of rows of the matrix.
        dim: usize,
    },
    /// A network or a file failed.
    #[error(transparent)]
    Network(#[from] dm_nn::Error),
    /// The diffusion process, or a network that reverses it, failed.
    #[error(transparent)]
    Process(#[from] dm_degrade::Error),
    /// The tensor library failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// A result with this crate's [`EvalError`].
pub type Result<T> = std::result::Result<T, EvalError>;

/// The number of whole images of `len` values each in `found` values, at least one; `set` names them in the error.
pub(crate) fn count_images(set: &str, found: usize, len: usize) -> Result<usize> {
    let n = found.checked_div(len).unwrap_or(0);
    if n > 0 && found == n * len {
        return Ok(n);
    }
    Err(EvalError::Length { set: set.to_owned(), expected: n.max(1) * len, found })
}
