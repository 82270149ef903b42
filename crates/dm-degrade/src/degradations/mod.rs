//! The degradations of this project, one file each, and their registry.

pub mod blur;
pub mod blur_noise;
mod density;
mod deterministic;
mod entry;
pub mod fade;
pub mod fade_counts;
pub mod gaussian;
mod grain_codec;
pub mod ink;
mod intensity_prior;
mod intensity_statistics;
mod limits;
mod mode_prior;
pub mod morph;
pub mod pixelate;
mod quantile_distribution;
mod registry;
pub mod snow;
pub mod stir;

pub use blur::BlurConfig;
pub use blur_noise::BlurNoiseConfig;
pub use entry::Entry;
pub use fade::FadeConfig;
pub use fade_counts::FadeCountsConfig;
pub use gaussian::GaussianConfig;
pub use ink::InkConfig;
pub use intensity_statistics::IntensityStatistics;
pub use morph::MorphConfig;
pub use pixelate::PixelateConfig;
pub use quantile_distribution::{QUANTILES, QuantileDistribution};
pub use registry::{DegradationConfig, REGISTRY, Registered};
pub use snow::SnowConfig;
pub use stir::StirConfig;
