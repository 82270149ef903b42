//! A worker process that does timed work, and its protocol. A request is a line `WORK NAME COUNT REPEATS`. An answer is a line of
//! JSON. The first line of a process is a greeting with the name of the program.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A request to do work on `count` images, or `count` steps of an epoch, `repeats` times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    pub work: &'a str,
    pub name: &'a str,
    pub count: usize,
    pub repeats: usize,
}

impl fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { work, name, count, repeats } = self;
        write!(f, "{work} {name} {count} {repeats}")
    }
}

/// An answer. Fields that do not apply are absent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Answer {
    /// Wall time of each repeat, in milliseconds.
    pub ms: Vec<f64>,
    /// Number of trainable parameters.
    pub parameters: Option<u64>,
    /// Arithmetic of one repeat in 10^9 operations, if all convolutions were direct.
    pub direct_gflop: Option<f64>,
    /// Arithmetic of one repeat in 10^9 operations, with the convolution algorithms that are used.
    pub done_gflop: Option<f64>,
    /// Network evaluations per sampled image.
    pub evaluations: Option<usize>,
    /// Time of the sample pictures of an epoch, in milliseconds.
    pub pictures_ms: Option<f64>,
    /// The reason why there is no time.
    pub error: Option<String>,
}

/// The first line of a process.
#[derive(Debug, Deserialize)]
struct Greeting {
    #[serde(default)]
    name: String,
    #[serde(default)]
    threads: usize,
    error: Option<String>,
}

/// A child process, which is killed when the value is dropped.
pub struct WorkerProcess {
    variant: String,
    greeting: Greeting,
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl WorkerProcess {
    /// Starts `command` and waits for its greeting.
    pub fn start(variant: &str, mut command: Command) -> Result<Self> {
        let program = command.get_program().display().to_string();
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn();
        let mut child = spawned.with_context(|| format!("{program}: cannot start"))?;
        let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("{program}: no pipes to it");
        };
        let greeting = Greeting { name: program, threads: 0, error: None };
        let answers = BufReader::new(answers);
        let mut process = Self { variant: variant.to_owned(), greeting, child, requests, answers };
        let greeting: Greeting = process.read("a greeting")?;
        if let Some(error) = greeting.error {
            bail!("{}: {error}", process.greeting.name);
        }
        process.greeting = greeting;
        Ok(process)
    }

    /// The next line, as JSON.
    fn read<T: serde::de::DeserializeOwned>(&mut self, expected: &str) -> Result<T> {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line);
        if read.with_context(|| format!("{}: reading {expected}", self.greeting.name))? == 0 {
            bail!("{}: ended, expected {expected}", self.greeting.name);
        }
        let found = line.trim();
        serde_json::from_str(found)
            .with_context(|| format!("{}: found `{found}`, expected {expected}", self.greeting.name))
    }

    /// `ours`, or the name of the other program.
    pub fn variant(&self) -> &str {
        &self.variant
    }

    /// The program's name for itself.
    pub fn program(&self) -> String {
        format!("{}, {} threads", self.greeting.name, self.greeting.threads)
    }

    /// Sends a request and waits for the answer.
    ///
    /// # Errors
    /// If this process cannot do the work.
    pub fn ask(&mut self, request: &Request<'_>) -> Result<Answer> {
        let lost =
            |error| anyhow::Error::new(error).context(format!("{}: cannot be asked", self.greeting.name));
        writeln!(self.requests, "{request}").and_then(|()| self.requests.flush()).map_err(lost)?;
        let answer: Answer = self.read(&format!("an answer to `{request}`"))?;
        if let Some(error) = &answer.error {
            bail!("{}: `{request}`: {error}", self.variant);
        }
        if answer.ms.is_empty() || !answer.ms.iter().all(|ms| ms.is_finite() && *ms > 0.0) {
            bail!("{}: `{request}`: found ms {:?}, expected times above 0", self.variant, answer.ms);
        }
        Ok(answer)
    }

    /// Peak memory so far in 10^6 bytes; `None` if the system does not provide it.
    pub fn peak_mb(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        peak_of(&status)
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // The process may be working or have ended already. Its answer is not needed in either case.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The largest resident size in the text of `/proc/PID/status`, in 10^6 bytes.
fn peak_of(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_from_the_status_of_the_process() {
        let status = "Name:\tdm\nVmPeak:\t  999999 kB\nVmHWM:\t  250000 kB\nVmRSS:\t 1000 kB\n";
        assert_eq!(peak_of(status), Some(256.0));
        assert_eq!(peak_of("Name:\tdm\n"), None);
        assert_eq!(peak_of("VmHWM:\tmuch\n"), None);
    }

    #[cfg(unix)]
    fn shell(script: &str) -> Result<WorkerProcess> {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script);
        WorkerProcess::start("fake", command)
    }

    #[cfg(unix)]
    #[test]
    fn a_process_answers_or_explains_in_one_line_why_not() {
        let request = Request { work: "train", name: "unet", count: 128, repeats: 2 };
        let greeting = "echo '{\"name\": \"sh\", \"threads\": 2}'; ";
        let mut process =
            shell(&format!("{greeting} read line; echo '{{\"ms\": [3, 4]}}'; read line")).unwrap();
        assert_eq!(process.program(), "sh, 2 threads");
        assert_eq!(process.ask(&request).unwrap().ms, [3.0, 4.0]);
        assert!(process.peak_mb().is_none_or(|mb| mb > 0.1));

        let mistake = |script: &str| {
            let error = shell(script).and_then(|mut process| process.ask(&request)).unwrap_err();
            let text = format!("{error:#}");
            assert_eq!(text.lines().count(), 1, "{text}");
            text
        };
        assert!(mistake("true").contains("ended, expected a greeting"));
        assert!(mistake("echo '{\"error\": \"no torch\"}'").contains("no torch"));
        assert!(
            mistake(&format!("{greeting} read line; echo hm")).contains("found `hm`, expected an answer to")
        );
        assert!(mistake(&format!("{greeting} read line; echo '{{\"ms\": []}}'")).contains("times above 0"));
        let refused = mistake(&format!("{greeting} read line; echo '{{\"error\": \"no compiler\"}}'"));
        assert!(refused.contains("fake: `train unet 128 2`: no compiler"), "{refused}");
    }
}
