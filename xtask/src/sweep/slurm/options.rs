//! The options of `cargo xtask sweep --executor slurm`.

use anyhow::{Result, ensure};

/// What Slurm is asked for.
#[derive(clap::Args, Debug, Clone, Default)]
#[command(next_help_heading = "Slurm")]
pub struct Options {
    /// Partition of the cluster [default: the cluster's]
    #[arg(long, value_name = "P", value_parser = partition)]
    pub partition: Option<String>,
    /// GPUs of each run; with this option --device is cuda unless it is given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub gpus: Option<u16>,
    /// Processor cores of each run [default: the cluster's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub cpus: Option<u16>,
    /// Time limit of a task, for example 30, 4:00:00 or 1-12. A training that reaches it saves, returns to the queue and continues
    #[arg(long, value_name = "T", value_parser = time)]
    pub time: Option<String>,
    /// The most runs that Slurm trains at a time
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u16).range(1..))]
    pub array_limit: Option<u16>,
    /// Print the scripts and the commands that submit them, and do nothing else
    #[arg(long, conflicts_with = "watch")]
    pub dry_run: bool,
    /// Show the states of the runs until all of them have ended. If the sweep is in the queue already, it is not submitted again
    #[arg(long)]
    pub watch: bool,
}

impl Options {
    /// Checks that no option is given if another executor is chosen.
    pub fn check_unused(&self) -> Result<()> {
        let given = [
            ("--partition", self.partition.is_some()),
            ("--gpus", self.gpus.is_some()),
            ("--cpus", self.cpus.is_some()),
            ("--time", self.time.is_some()),
            ("--array-limit", self.array_limit.is_some()),
            ("--dry-run", self.dry_run),
            ("--watch", self.watch),
        ];
        for (option, is_given) in given {
            ensure!(!is_given, "{option}: found the executor local, expected --executor slurm");
        }
        Ok(())
    }
}

/// The name of a partition, or several names separated by commas.
fn partition(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.,".contains(&byte);
    let expected = "expected letters, digits, `_`, `-`, `.` and `,`";
    if !text.is_empty() && text.bytes().all(is_plain) { Ok(text.to_owned()) } else { Err(expected.into()) }
}

/// A time limit as Slurm writes it.
fn time(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_digit() || b":-".contains(&byte);
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
    let expected = "expected minutes, minutes:seconds, hours:minutes:seconds or days-hours";
    if begins && text.bytes().all(is_plain) { Ok(text.to_owned()) } else { Err(expected.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_would_change_a_script_are_refused() {
        for text in ["main", "gpu-a100,gpu_h200"] {
            assert_eq!(partition(text).unwrap(), text);
        }
        for text in ["30", "4:00:00", "1-12"] {
            assert_eq!(time(text).unwrap(), text);
        }
        for text in ["", "main\n#SBATCH", "a b", "-x$(id)"] {
            assert!(partition(text).is_err() && time(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn options_of_slurm_need_its_executor() {
        assert!(Options::default().check_unused().is_ok());
        let watch = Options { watch: true, ..Options::default() };
        let error = watch.check_unused().unwrap_err().to_string();
        assert_eq!(error, "--watch: found the executor local, expected --executor slurm");
    }
}
