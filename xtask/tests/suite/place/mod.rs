//! A place for sweeps: a folder with a script in place of `dm`, a study, and the folders of its runs.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A folder with a fake `dm`, a study of some runs, and the run folders.
pub struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    /// A study of `runs`, each given by its name and its overrides.
    pub fn new(runs: &[(&str, &str)]) -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        let fake = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake-dm.sh");
        std::fs::copy(fake, place.path("dm")).unwrap();
        image::GrayImage::new(5 * 30 + 2, 5 * 30 + 2).save(place.path("sheet.png")).unwrap();
        std::fs::write(place.path("config.toml"), "seed = 1\n").unwrap();
        std::fs::create_dir(place.path("sweeps")).unwrap();
        place.define(runs);
        place
    }

    pub fn define(&self, runs: &[(&str, &str)]) {
        let config = self.path("config.toml");
        let run = |(name, set): &(&str, &str)| {
            format!(
                "[[run]]\nname = \"{name}\"\ntitle = \"{name}\"\nloss = \"error\"\nconfig = '{}'\n\
                 profiles.smoke = {{ set = [{set}], sample = {{ n = 25 }} }}\n",
                config.display()
            )
        };
        let text: String = runs.iter().map(run).collect();
        std::fs::write(self.path("sweeps/digits.toml"), text).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(["sweep", "--profile", "smoke", "--out"]).arg(self.path("runs"));
        command.arg("--sweeps").arg(self.path("sweeps")).arg("--dm").arg(self.path("dm")).args(more);
        command.stdin(Stdio::null());
        command
    }

    pub fn sweep(&self, more: &[&str]) -> Output {
        self.command(more).output().unwrap()
    }

    pub fn start(&self, more: &[&str]) -> Child {
        self.command(more).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The subcommands of `dm` that did work since the last call, with `resume` if training was resumed.
    pub fn calls(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("calls.txt")).unwrap_or_default();
        // The file is missing if nothing was called.
        let _ = std::fs::remove_file(self.path("calls.txt"));
        let name = |line: &str| {
            let words: Vec<_> = line.split(' ').take(2).collect();
            if words[0] == "train" { words.join(" ") } else { words[0].to_owned() }
        };
        text.lines().map(name).collect()
    }

    pub fn steps(&self, run: &str) -> usize {
        let path = self.path("runs").join(run).join("metrics.jsonl");
        std::fs::read_to_string(path).unwrap_or_default().matches("\"step\",").count()
    }

    pub fn wait_for_steps(&self, run: &str, steps: usize) {
        let began = Instant::now();
        while self.steps(run) < steps {
            assert!(began.elapsed() < Duration::from_secs(20), "{run} never got to step {steps}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn manifest(&self, run: &str) -> String {
        std::fs::read_to_string(self.path("runs").join(run).join("manifest.json")).unwrap()
    }
}

pub fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
