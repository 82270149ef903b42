//! The programs that a benchmark starts, and functions that its parts share.

use super::worker_process::WorkerProcess;
use crate::machine;
use crate::workspace;
use anyhow::Result;
use dm_record::BenchFile;
use std::path::PathBuf;
use std::process::Command;

/// A program to compare with, or one of its variants: its name, its script in `xtask/peers`, and the kinds of work that it does.
pub struct Peer {
    pub name: &'static str,
    script: &'static str,
    pub works: &'static [&'static str],
}

const STEPS: &[&str] = &["train", "forward"];

/// The variants of PyTorch.
pub const TORCH: [Peer; 4] = [
    Peer { name: "eager", script: "torch_bench.py", works: STEPS },
    Peer { name: "channels_last", script: "torch_bench.py", works: STEPS },
    Peer { name: "compiled", script: "torch_bench.py", works: STEPS },
    Peer { name: "compiled_channels_last", script: "torch_bench.py", works: STEPS },
];
/// The programs that are compared beside PyTorch.
pub const OTHERS: [Peer; 3] = [
    Peer { name: "onnxruntime", script: "onnx_bench.py", works: &["forward"] },
    Peer { name: "openvino", script: "onnx_bench.py", works: &["forward"] },
    Peer { name: "jax", script: "jax_bench.py", works: &["train"] },
];

/// An instruction set that all programs are told to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Isa {
    Avx2,
    Avx512,
}

impl Isa {
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// The variables that limit ours, PyTorch and the libraries below it, OpenVINO, and JAX. ONNX Runtime has none.
    fn variables(self) -> [(&'static str, &'static str); 5] {
        let [onednn, mkl, xla] = match self {
            Self::Avx2 => ["AVX2", "AVX2", "--xla_cpu_max_isa=AVX2"],
            Self::Avx512 => ["AVX512_CORE", "AVX512", "--xla_cpu_max_isa=AVX512"],
        };
        [
            ("DM_SIMD", self.name()),
            ("ATEN_CPU_CAPABILITY", self.name()),
            ("ONEDNN_MAX_CPU_ISA", onednn),
            ("MKL_ENABLE_INSTRUCTIONS", mkl),
            ("XLA_FLAGS", xla),
        ]
    }
}

/// The programs that are compared.
pub struct Programs {
    pub ours: PathBuf,
    pub python: PathBuf,
    pub isa: Option<Isa>,
    /// The folder for the networks that we export.
    pub onnx: PathBuf,
}

impl Programs {
    /// Starts our program, on `threads` threads or on all of them.
    pub fn ours(&self, threads: Option<usize>) -> Result<WorkerProcess> {
        let mut command = Command::new(&self.ours);
        command.arg("serve");
        if let Some(threads) = threads {
            command.env("RAYON_NUM_THREADS", threads.to_string());
        }
        self.start("ours", command)
    }

    /// Starts another program.
    pub fn peer(&self, peer: &Peer) -> Result<WorkerProcess> {
        let mut command = Command::new(&self.python);
        command.arg("-B").arg(workspace::root().join("xtask/peers").join(peer.script)).arg(peer.name);
        self.start(peer.name, command)
    }

    fn start(&self, name: &str, mut command: Command) -> Result<WorkerProcess> {
        command.envs(self.isa.into_iter().flat_map(Isa::variables)).env("DM_BENCH_ONNX", &self.onnx);
        WorkerProcess::start(name, command)
    }
}

/// Results before anything is measured.
pub fn empty_results(rounds: usize, isa: Option<Isa>) -> BenchFile {
    BenchFile {
        machine: machine::this(),
        rounds,
        programs: Vec::new(),
        isa: isa.map(|isa| isa.name().to_owned()),
        fma_peak_gflops: None,
        rows: Vec::new(),
        epochs: Vec::new(),
        sampling: Vec::new(),
        scaling: Vec::new(),
        sizes: Vec::new(),
        drawing: Vec::new(),
        notes: Vec::new(),
    }
}

/// Adds the name of a program, unless the results contain it already.
pub fn add_program(results: &mut BenchFile, name: String) {
    if !results.programs.contains(&name) {
        results.programs.push(name);
    }
}

/// The middle of `values`, or the mean of the middle two of an even number; `None` without values.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    Some(f64::midpoint(sorted[(sorted.len() - 1) / 2], upper))
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn medians_depend_neither_on_order_nor_on_one_outlier() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[4.0]), Some(4.0));
        assert_eq!(median(&[9.0, 1.0]), Some(5.0));
        assert_eq!(median(&[3.0, 1000.0, 2.0, 1.0, 2.5]), Some(2.5));
    }
}
