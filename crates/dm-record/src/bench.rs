//! `bench.json`: the speed of the engine compared with that of other programs, and how it scales with batch size, image size
//! and threads.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// Everything that `cargo xtask bench` measured. Measurements that were not requested are absent from the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BenchFile {
    /// The machine that the programs ran on.
    pub machine: Machine,
    /// Number of timed turns of each program.
    pub rounds: usize,
    /// The programs that were compared, as they name themselves.
    pub programs: Vec<String>,
    /// The instruction set that the programs were told to use, if one was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isa: Option<String>,
    /// Peak rate of multiply-adds of all threads together, in 10^9 operations per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fma_peak_gflops: Option<f64>,
    /// Training steps and forward passes of all programs.
    pub rows: Vec<StepTime>,
    /// Whole epochs of our program.
    #[serde(
        default,
        alias = "epoch",
        deserialize_with = "one_or_many",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub epochs: Vec<EpochTime>,
    /// The time of a sampled image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sampling: Vec<SamplingTime>,
    /// Throughput of our program over batch size and threads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scaling: Vec<Throughput>,
    /// Throughput of our program over the size of the images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sizes: Vec<SizeThroughput>,
    /// Time and memory of drawing many images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drawing: Vec<DrawingTime>,
    /// What could not be measured, and why.
    pub notes: Vec<String>,
}

/// A machine. What the operating system does not report is empty or absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Operating system.
    pub os: String,
    /// Processor architecture.
    pub arch: String,
    /// Name of the processor.
    pub cpu: String,
    /// Threads that the process may use.
    pub threads: usize,
    /// Memory in 10^9 bytes.
    pub memory_gb: Option<f64>,
    /// Vector instruction sets, among those that the engine uses.
    pub simd: Vec<String>,
    /// Mean number of runnable processes in the minute before the measurement.
    pub load: Option<f64>,
    /// Version of the Rust compiler.
    pub rustc: String,
}

/// One kind of work of one network in all programs. Times are medians in milliseconds per batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepTime {
    /// Name of the network.
    pub net: String,
    /// `train` or `forward`.
    pub work: String,
    /// Images per batch.
    pub batch: usize,
    /// Our time.
    pub ours_ms: f64,
    /// Time of the fastest other program.
    #[serde(alias = "torch_best_ms")]
    pub peer_best_ms: f64,
    /// Name of that program or, for PyTorch, of its variant.
    #[serde(alias = "torch_best")]
    pub peer_best: String,
    /// That time over ours.
    pub ratio: f64,
    /// Our peak memory in 10^6 bytes.
    pub ours_peak_mb: Option<f64>,
    /// Peak memory of the other program that needs the least.
    #[serde(alias = "torch_peak_mb")]
    pub peer_peak_mb: Option<f64>,
    /// Time of each other program.
    #[serde(alias = "torch_ms")]
    pub peer_ms: BTreeMap<String, f64>,
    /// Number of trainable parameters.
    pub parameters: Option<u64>,
    /// Our arithmetic per second over the machine's peak.
    pub ours_share_of_peak: Option<f64>,
    /// The fastest other program's arithmetic per second over the machine's peak, counting direct convolutions.
    #[serde(alias = "torch_share_of_peak")]
    pub peer_share_of_peak: Option<f64>,
}

/// A training epoch with data, validation, pictures and checkpoints, compared with the same number of bare steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochTime {
    /// Name of the network.
    pub net: String,
    /// Optimizer steps.
    pub steps: usize,
    /// Time of the epoch in seconds.
    pub seconds: f64,
    /// Time spent on pictures of samples in seconds.
    pub pictures_seconds: f64,
    /// Time of the same number of bare steps in seconds.
    pub bare_seconds: f64,
    /// `seconds` over `bare_seconds`.
    pub ratio: f64,
}

/// The time of one sampled image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SamplingTime {
    /// Name of the model's config.
    pub model: String,
    /// Network evaluations per image.
    #[serde(rename = "evaluations")]
    pub nfe: usize,
    /// Our time per image for the whole reverse chain.
    pub ours_ms_per_image: f64,
    /// Time per image of as many forward passes of the fastest other program, without the sampler's own arithmetic.
    #[serde(alias = "torch_network_alone_ms_per_image")]
    pub peer_network_alone_ms_per_image: f64,
    /// That time over ours.
    pub ratio: f64,
}

/// Throughput of our program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Throughput {
    /// Name of the network.
    pub net: String,
    /// `train` or `forward`.
    pub work: String,
    /// Number of threads.
    pub threads: usize,
    /// Images per batch.
    pub batch: usize,
    /// Images per second.
    pub images_per_s: f64,
}

/// Throughput of our program on images of one size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SizeThroughput {
    /// Name of the network.
    pub net: String,
    /// `train` or `forward`.
    pub work: String,
    /// Height and width of the images, in pixels.
    pub side: usize,
    /// Images per batch.
    pub batch: usize,
    /// Images per second.
    pub images_per_s: f64,
    /// Arithmetic of the convolutions per second, in 10^9 operations, counting direct convolutions.
    pub direct_gflops: f64,
}

/// Time and memory of drawing many images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DrawingTime {
    /// Name of the model's config.
    pub model: String,
    /// Number of images.
    pub images: usize,
    /// Time in seconds.
    pub seconds: f64,
    /// Peak memory in 10^6 bytes.
    pub peak_mb: Option<f64>,
}

/// Reads a list, or the single item that older files have.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<EpochTime>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(Box<EpochTime>),
        Many(Vec<EpochTime>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(epoch) => vec![*epoch],
        OneOrMany::Many(epochs) => epochs,
    })
}
