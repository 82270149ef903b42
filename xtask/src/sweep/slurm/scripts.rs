//! The batch scripts of a sweep: two arrays with one task per run, which train and which sample and evaluate, and one job that
//! draws the figures. They are meant to be read, and can be submitted by hand.
//!
//! Results of `write!` are ignored in this file, because writing to a `String` cannot fail.

use super::options::Options;
use crate::sweep::study::Job;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Seconds before the time limit at which Slurm warns a training.
const WARNING_S: u32 = 120;

/// Everything that the scripts depend on.
pub struct Scripts<'a> {
    pub jobs: &'a [Job],
    pub options: &'a Options,
    /// Name of the sweep, which begins the names of its jobs.
    pub name: String,
    /// The folder in which all commands run.
    pub root: PathBuf,
    pub out: &'a Path,
    pub dm: &'a Path,
    pub xtask: PathBuf,
    /// Options that name the study, its profile and the folder of its runs, for `xtask`.
    pub place: Vec<String>,
    /// The device that networks compute on.
    pub device: &'a str,
}

/// The three jobs, in the order of submission.
pub const STAGES: [Stage; 3] = [Stage::Train, Stage::Evaluate, Stage::Figures];

/// A job of the sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Train,
    Evaluate,
    Figures,
}

impl Stage {
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Evaluate => "evaluate",
            Self::Figures => "figures",
        }
    }

    /// The dependency on the job `before`. A run is evaluated when this run has been trained, whatever becomes of the others:
    /// `aftercorr` is the `afterok` of a single task of an array. The figures need all runs.
    pub fn dependency(self, before: &str) -> Option<String> {
        match self {
            Self::Train => None,
            Self::Evaluate => Some(format!("aftercorr:{before}")),
            Self::Figures => Some(format!("afterok:{before}")),
        }
    }
}

impl Scripts<'_> {
    /// The script of `stage`.
    pub fn script(&self, stage: Stage) -> String {
        match stage {
            Stage::Train => self.train(),
            Stage::Evaluate => self.evaluate(),
            Stage::Figures => self.figures(),
        }
    }

    /// The folder of what Slurm itself writes about the jobs.
    pub fn slurm_logs(&self) -> PathBuf {
        self.out.join("logs/slurm")
    }

    fn train(&self) -> String {
        let mut text = self.head(
            Stage::Train,
            "Trains the runs of a sweep, one per task of the array. A task that is pre-empted, or that reaches its time limit, saves\n\
             # its run, returns to the queue and continues later.",
        );
        let _ = writeln!(text, "#SBATCH --signal=B:USR1@{WARNING_S}");
        text += "set -u\n\ncase $SLURM_ARRAY_TASK_ID in\n";
        for (place, job) in self.jobs.iter().enumerate() {
            let config = job.config.strip_prefix(&self.root).unwrap_or(&job.config);
            let set = job.set.iter().map(|pair| format!(" \\\n        --set {}", quoted(pair)));
            let (number, name, config) = (place + 1, &job.name, quoted(config.display()));
            let _ = writeln!(
                text,
                "{number})\n    run={name}\n    options=({config}{}) ;;",
                set.collect::<String>()
            );
        }
        let (dm, out) = (quoted(self.dm.display()), quoted(self.out.display()));
        let device = if self.device == "cpu" { String::new() } else { format!(" --device {}", self.device) };
        let _ = write!(
            text,
            "*)\n    echo \"task $SLURM_ARRAY_TASK_ID: expected 1 to {count}\" >&2\n    exit 2 ;;\nesac\n\n\
             export RAYON_NUM_THREADS=${{SLURM_CPUS_PER_TASK:-${{SLURM_CPUS_ON_NODE:-1}}}}\n\
             exec >> {out}/logs/\"$run\".txt 2>&1\n\
             echo \"$(date -u +%FT%TZ) Slurm job $SLURM_JOB_ID, task $SLURM_ARRAY_TASK_ID, start ${{SLURM_RESTART_COUNT:-0}}, on $(hostname)\"\n\
             {dm} train \"${{options[@]}}\" --run {out}/\"$run\" --resume{device} &\n\
             training=$!\n\n\
             # {WARNING_S} seconds before the time limit, Slurm sends SIGUSR1 to this shell. At SIGTERM, dm saves the run and ends with\n\
             # code 130. At a pre-emption, Slurm sends SIGTERM to the shell and to dm. At SIGUSR1, dm saves the run and goes on.\n\
             time_is_up=\n\
             trap 'time_is_up=yes; kill -TERM \"$training\"' USR1\n\
             trap 'kill -USR1 \"$training\"' TERM\n\
             code=0\n\
             while kill -0 \"$training\" 2> /dev/null; do\n    wait \"$training\"\n    code=$?\ndone\n\
             if [ \"$time_is_up\" ] && [ \"$code\" = 130 ]; then\n    scontrol requeue \"$SLURM_JOB_ID\"\nfi\n\
             exit \"$code\"\n",
            count = self.jobs.len(),
        );
        text
    }

    fn evaluate(&self) -> String {
        let mut text = self.head(
            Stage::Evaluate,
            "Samples and evaluates the runs of a sweep, one per task of the array, each when its training has succeeded.",
        );
        text += "set -eu\n\nruns=(\n";
        for job in self.jobs {
            let _ = writeln!(text, "    {}", job.name);
        }
        let (dm, place) = (quoted(self.dm.display()), self.place());
        let _ = write!(
            text,
            ")\nrun=${{runs[$SLURM_ARRAY_TASK_ID - 1]}}\n\n\
             export RAYON_NUM_THREADS=${{SLURM_CPUS_PER_TASK:-${{SLURM_CPUS_ON_NODE:-1}}}}\n\
             exec {} sweep {place} \\\n    --only \"$run\" --dm {dm} --device {} --no-summary\n",
            quoted(self.xtask.display()),
            self.device
        );
        text
    }

    fn figures(&self) -> String {
        let mut text = self.head(
            Stage::Figures,
            "Writes the summary and the figures of a sweep, when all runs have succeeded.",
        );
        let _ = write!(text, "set -eu\n\nexec {} figures {}\n", quoted(self.xtask.display()), self.place());
        text
    }

    fn place(&self) -> String {
        self.place.iter().map(quoted).collect::<Vec<_>>().join(" ")
    }

    /// The first lines of a script: what it does, and what it asks Slurm for.
    fn head(&self, stage: Stage, purpose: &str) -> String {
        let mut text = format!(
            "#!/bin/bash\n# {purpose}\n# Written by cargo xtask sweep --executor slurm.\n#SBATCH --job-name={}-{}\n",
            self.name,
            stage.name()
        );
        let mut ask = |words: String| text.extend(["#SBATCH ", &words, "\n"]);
        let log = if stage == Stage::Figures {
            "%x.txt"
        } else {
            let limit = self.options.array_limit.map(|limit| format!("%{limit}")).unwrap_or_default();
            ask(format!("--array=1-{}{limit}", self.jobs.len()));
            "%x-%a.txt"
        };
        ask(format!("--chdir={}", quoted(self.root.display())));
        ask(format!("--output={}", quoted(self.slurm_logs().join(log).display())));
        ask("--open-mode=append".into());
        ask("--requeue".into());
        if stage != Stage::Train {
            ask("--kill-on-invalid-dep=yes".into());
        }
        if let Some(partition) = &self.options.partition {
            ask(format!("--partition={partition}"));
        }
        if let Some(time) = &self.options.time {
            ask(format!("--time={time}"));
        }
        if stage != Stage::Figures {
            if let Some(cpus) = self.options.cpus {
                ask(format!("--cpus-per-task={cpus}"));
            }
            if let Some(gpus) = self.options.gpus {
                ask(format!("--gpus={gpus}"));
            }
        }
        text
    }
}

/// A word of a shell command. A word of plain characters stays as it is.
fn quoted(word: impl std::fmt::Display) -> String {
    let word = word.to_string();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./=:,@+%".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word;
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::study::Sample;
    use std::process::Command;

    fn job(name: &str, set: &[&str]) -> Job {
        Job {
            name: name.into(),
            title: name.into(),
            group: None,
            loss: "error".into(),
            config: "/w/a config.toml".into(),
            set: set.iter().map(ToString::to_string).collect(),
            sample: Sample { n: 4, nfe: None, seed: 1, restored: 4, measure: None },
            evaluations: Vec::new(),
        }
    }

    fn with_scripts(options: &Options, check: impl Fn(&Scripts<'_>)) {
        let jobs = [job("a", &["name='x $HOME'"]), job("b", &[])];
        check(&Scripts {
            jobs: &jobs,
            options,
            name: "digits-smoke".into(),
            root: "/w".into(),
            out: Path::new("/w/my runs"),
            dm: Path::new("/w/dm"),
            xtask: "/w/xtask".into(),
            place: ["--study", "digits", "--out", "/w/my runs"].map(str::to_owned).into(),
            device: "cuda",
        });
    }

    #[test]
    fn the_scripts_are_bash_and_state_what_was_asked_for() {
        let options = Options {
            partition: Some("gpu".into()),
            gpus: Some(2),
            cpus: Some(8),
            time: Some("4:00:00".into()),
            array_limit: Some(3),
            ..Options::default()
        };
        with_scripts(&options, |scripts| {
            for stage in STAGES {
                let text = scripts.script(stage);
                let checked = Command::new("bash").args(["-n", "-c", &text]).output().unwrap();
                assert!(checked.status.success(), "{text}\n{}", String::from_utf8_lossy(&checked.stderr));
                assert!(text.contains("--partition=gpu") && text.contains("--time=4:00:00"), "{text}");
                let in_array = stage != Stage::Figures;
                for words in ["--array=1-2%3", "--gpus=2", "--cpus-per-task=8"] {
                    assert_eq!(text.contains(words), in_array, "{words}: {text}");
                }
            }
            let train = scripts.script(Stage::Train);
            assert!(train.contains(r"--set 'name='\''x $HOME'\'''"), "{train}");
            assert!(train.contains("--device cuda") && train.contains("'a config.toml'"), "{train}");
            assert!(scripts.script(Stage::Evaluate).contains("--device cuda --no-summary"));
        });
    }

    #[test]
    fn what_is_not_asked_for_is_left_to_the_cluster() {
        with_scripts(&Options::default(), |scripts| {
            let train = scripts.script(Stage::Train);
            for words in ["--partition", "--time=", "--gpus", "--cpus-per-task", "%3"] {
                assert!(!train.contains(words), "{words}: {train}");
            }
            assert!(train.contains("#SBATCH --array=1-2\n"));
        });
        assert_eq!(Stage::Train.dependency("7"), None);
        assert_eq!(Stage::Figures.dependency("7").unwrap(), "afterok:7");
    }
}
