//! What there is to know of the machine that a figure was measured on. A figure without it says nothing.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::process::Command;

/// Facts of this machine; empty or absent where the system does not say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    pub os: String,
    pub arch: String,
    pub cpu: String,
    /// Threads this process may use.
    pub threads: usize,
    pub memory_gb: Option<f64>,
    /// Vector instruction sets among those our side knows.
    pub simd: Vec<String>,
    /// Mean number of waiting or running processes over the last minute, before anything was measured.
    pub load: Option<f64>,
    pub rustc: String,
}

impl Machine {
    pub fn this() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let (cpus, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
        let rustc = Command::new("rustc").arg("--version").output().map(|output| output.stdout);
        Self {
            os: std::env::consts::OS.to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            cpu: field(&cpus, "model name").unwrap_or_default().to_owned(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gb: memory_gb(&memory),
            simd: simd(&cpus),
            load: read("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok()),
            rustc: String::from_utf8_lossy(&rustc.unwrap_or_default()).trim().to_owned(),
        }
    }

    /// One line of it.
    pub fn line(&self) -> String {
        let memory = self.memory_gb.map(|gb| format!(", {gb:.0} GB"));
        let load = self.load.map(|load| format!(", load {load:.1} before"));
        format!(
            "{} ({}), {} threads, {}{}{}, {}",
            if self.cpu.is_empty() { "unknown processor" } else { &self.cpu },
            self.simd.join(" "),
            self.threads,
            self.os,
            memory.unwrap_or_default(),
            load.unwrap_or_default(),
            self.rustc,
        )
    }
}

/// The value of the first line `name : value`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.find_map(|(key, value)| (key.trim() == name).then(|| value.trim()))
}

fn memory_gb(text: &str) -> Option<f64> {
    let kib: f64 = field(text, "MemTotal")?.strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0 / 1e9)
}

fn simd(cpus: &str) -> Vec<String> {
    let flags: BTreeSet<&str> =
        field(cpus, "flags").or_else(|| field(cpus, "Features")).unwrap_or_default().split(' ').collect();
    let known = ["avx2", "fma", "avx512f", "asimd"];
    known.into_iter().filter(|name| flags.contains(name)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_where_they_are_and_left_out_where_not() {
        let cpus = "processor\t: 0\nmodel name\t: A Chip @ 3 GHz\nflags\t\t: fpu avx2 fma sse2\n";
        assert_eq!(field(cpus, "model name"), Some("A Chip @ 3 GHz"));
        assert_eq!(simd(cpus), ["avx2", "fma"]);
        assert_eq!(memory_gb("MemTotal:       24000000 kB\n"), Some(24.576));
        assert_eq!((field("", "model name"), memory_gb("")), (None, None));
        assert!(simd("").is_empty());
    }

    #[test]
    fn the_line_names_what_is_known() {
        let machine = Machine {
            os: "linux".into(),
            arch: "x86_64".into(),
            cpu: "A Chip".into(),
            threads: 2,
            memory_gb: None,
            simd: vec!["avx2".into(), "fma".into()],
            load: Some(0.25),
            rustc: "rustc 1.90".into(),
        };
        assert_eq!(machine.line(), "A Chip (avx2 fma), 2 threads, linux, load 0.2 before, rustc 1.90");
    }
}
