//! Everything a metric can object to, in one enum. Leaves out files and their formats: features arrive as numbers.

/// Why a feature set was refused or a metric has no value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// A set without rows or without columns.
    #[error("{set}: {n} rows of {dim} values: a feature set needs at least one of each")]
    Empty {
        /// Which set.
        set: String,
        /// Rows found.
        n: usize,
        /// Columns found.
        dim: usize,
    },
    /// The values do not fill the stated shape.
    #[error("{set}: expected {expected} values, found {found}")]
    Length {
        /// Which set or argument.
        set: String,
        /// Values the shape asks for.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// NaN, infinite, or too large to square and cube in f64.
    #[error("{set}: row {row}, column {column} is {value}: expected a finite number below {limit:e} in size")]
    Unusable {
        /// Which set.
        set: String,
        /// Row of the first such value.
        row: usize,
        /// Column of it.
        column: usize,
        /// The value.
        value: f64,
        /// Largest size accepted.
        limit: f64,
    },
    /// A value outside the range a metric is defined on.
    #[error("{set}: row {row}, column {column} is {value}: expected a value in [{low}, {high}]")]
    Range {
        /// Which set.
        set: String,
        /// Row of the first such value.
        row: usize,
        /// Column of it.
        column: usize,
        /// The value.
        value: f64,
        /// Lower end of the range.
        low: f64,
        /// Upper end of the range.
        high: f64,
    },
    /// Two sets of different width.
    #[error("{metric}: expected both sets to have {expected} columns, found {found}")]
    Width {
        /// Which metric.
        metric: &'static str,
        /// Columns of the reference set, or columns a metric is defined for.
        expected: usize,
        /// Columns of the other set.
        found: usize,
    },
    /// Too few rows for the metric to be defined or to mean anything.
    #[error("{metric}: the {set} set needs at least {needed} rows, found {found}")]
    TooFew {
        /// Which metric.
        metric: &'static str,
        /// Which set.
        set: &'static str,
        /// Rows the metric needs.
        needed: usize,
        /// Rows found.
        found: usize,
    },
    /// An argument other than a feature set that makes no sense.
    #[error("{metric}: {argument}: expected {expected}, found {found}")]
    Argument {
        /// Which metric.
        metric: &'static str,
        /// Name of the argument.
        argument: &'static str,
        /// What would do.
        expected: String,
        /// What was given.
        found: String,
    },
    /// The eigenvalue iteration did not converge.
    #[error("{metric}: the eigenvalues of a {dim} x {dim} matrix did not converge")]
    Eigenvalues {
        /// Which metric.
        metric: &'static str,
        /// Size of the matrix.
        dim: usize,
    },
    /// Networks or files below failed.
    #[error(transparent)]
    Network(#[from] dm_nn::Error),
    /// The diffusion process, or a network that walks it, failed.
    #[error(transparent)]
    Process(#[from] dm_degrade::Error),
    /// The tensor library failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, EvalError>;
