//! The degradations of this project, one file each, and their registry.

pub mod blur;
mod deterministic;
mod entry;
pub mod fade;
pub mod gaussian;
pub mod ink;
mod intensity_statistics;
mod limits;
pub mod morph;
pub mod pixelate;
mod quantile_distribution;
mod registry;
pub mod snow;
pub mod stir;

pub use blur::BlurConfig;
pub use entry::Entry;
pub use fade::FadeConfig;
pub use gaussian::GaussianConfig;
pub use ink::InkConfig;
pub use intensity_statistics::IntensityStatistics;
pub use morph::MorphConfig;
pub use pixelate::PixelateConfig;
pub use quantile_distribution::{QUANTILES, QuantileDistribution};
pub use registry::{DegradationConfig, REGISTRY, Registered};
pub use snow::SnowConfig;
pub use stir::StirConfig;
