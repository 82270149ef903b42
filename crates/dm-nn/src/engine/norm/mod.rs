//! Normalisation fused with the activation that follows it: LayerNorm with GELU, GroupNorm with SiLU.

mod group_norm_silu;
mod layer_norm_gelu;
mod loops;

pub use group_norm_silu::group_norm_silu;
pub use layer_norm_gelu::layer_norm_gelu;
pub(crate) use layer_norm_gelu::layer_norm_gelu_bias;
pub(crate) use loops::Moments;
