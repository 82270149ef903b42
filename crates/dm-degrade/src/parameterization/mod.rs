//! Parameterizations: what the network predicts, the loss, and the conversion to an estimate of the clean state.
//!
//! With x_t = alpha x_0 + sigma eps a network may predict eps, x_0 or v = alpha eps - sigma x_0: the same information,
//! weighted differently over t. For images in [0, 1] it may predict logits (`sigmoid`); for intensities also shares of the
//! total (`softmax`) or nonnegative values (`softplus`). A new one implements [`Parameterization`].

mod definition;
mod eps;
mod kind;
mod losses;
mod math;
mod sigmoid;
mod softmax;
mod softplus;
mod v;
mod x0;

pub use definition::Parameterization;
pub use eps::Eps;
pub use kind::ParameterizationKind;
pub use losses::losses;
pub use sigmoid::Sigmoid;
pub use softmax::Softmax;
pub use softplus::Softplus;
pub use v::V;
pub use x0::X0;
