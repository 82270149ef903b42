//! Describes the machine that a benchmark ran on. Times of different machines cannot be compared.

use dm_record::Machine;
use std::process::Command;

/// Describes this machine. Facts that the system does not provide are empty or absent.
pub fn this() -> Machine {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let rustc = Command::new("rustc").arg("--version").output().map(|output| output.stdout);
    Machine {
        os: std::env::consts::OS.to_owned(),
        arch: std::env::consts::ARCH.to_owned(),
        cpu: field(&read("/proc/cpuinfo"), "model name").unwrap_or_default().to_owned(),
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        memory_gb: memory_gb(&read("/proc/meminfo")),
        simd: simd(),
        load: read("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok()),
        rustc: String::from_utf8_lossy(&rustc.unwrap_or_default()).trim().to_owned(),
    }
}

/// The machine in one line.
pub fn line(machine: &Machine) -> String {
    let memory = machine.memory_gb.map(|gb| format!(", {gb:.0} GB")).unwrap_or_default();
    let load = machine.load.map(|load| format!(", load {load:.1} before")).unwrap_or_default();
    let cpu = if machine.cpu.is_empty() { "unknown processor" } else { &machine.cpu };
    let Machine { simd, threads, os, rustc, .. } = machine;
    format!("{cpu} ({}), {threads} threads, {os}{memory}{load}, {rustc}", simd.join(" "))
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

/// The vector instruction sets that the engine can use.
fn simd() -> Vec<String> {
    #[cfg(target_arch = "x86_64")]
    let known = [
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let known = [("asimd", cfg!(target_arch = "aarch64"))];
    known.into_iter().filter(|(_, has)| *has).map(|(name, _)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_contains_what_is_known() {
        assert_eq!(
            field("processor\t: 0\nmodel name\t: A Chip @ 3 GHz\n", "model name"),
            Some("A Chip @ 3 GHz")
        );
        assert_eq!(memory_gb("MemTotal:       24000000 kB\n"), Some(24.576));
        assert_eq!((field("", "model name"), memory_gb("")), (None, None));
        let machine = Machine {
            cpu: "A Chip".into(),
            os: "linux".into(),
            threads: 2,
            simd: vec!["avx2".into(), "fma".into()],
            load: Some(0.25),
            rustc: "rustc 1.90".into(),
            ..Machine::default()
        };
        assert_eq!(line(&machine), "A Chip (avx2 fma), 2 threads, linux, load 0.2 before, rustc 1.90");
        assert!(this().threads > 0);
    }
}
