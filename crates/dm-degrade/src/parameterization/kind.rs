//! The parameterizations by the names that configs use.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::definition::Parameterization;
use super::eps::Eps;
use super::sigmoid::Sigmoid;
use super::softmax::Softmax;
use super::softplus::Softplus;
use super::v::V;
use super::x0::X0;

/// The parameterizations of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParameterizationKind {
    /// The noise of a Gaussian process; see [`Eps`].
    Eps,
    /// The clean state; see [`X0`].
    X0,
    /// v = alpha eps - sigma x_0 of a Gaussian process; see [`V`].
    V,
    /// The logits of the image; see [`Sigmoid`].
    Sigmoid,
    /// Shares of the total intensity; see [`Softmax`].
    Softmax,
    /// Nonnegative intensities; see [`Softplus`].
    Softplus,
}

impl ParameterizationKind {
    /// All parameterizations.
    pub const ALL: [Self; 6] = [Self::Eps, Self::X0, Self::V, Self::Sigmoid, Self::Softmax, Self::Softplus];

    /// The parameterization itself.
    pub fn build(self) -> Arc<dyn Parameterization> {
        match self {
            Self::Eps => Arc::new(Eps),
            Self::X0 => Arc::new(X0),
            Self::V => Arc::new(V),
            Self::Sigmoid => Arc::new(Sigmoid),
            Self::Softmax => Arc::new(Softmax),
            Self::Softplus => Arc::new(Softplus),
        }
    }
}
