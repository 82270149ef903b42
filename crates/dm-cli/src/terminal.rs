//! The terminal: results on standard output, progress and messages on standard error.

#![allow(clippy::print_stderr, reason = "this is where the program prints")]

use std::io::{self, IsTerminal, Write};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tracing_subscriber::fmt::MakeWriter;

/// Where and how much the program prints.
pub struct Terminal {
    bars: MultiProgress,
    quiet: bool,
    colours: bool,
}

impl Terminal {
    /// Sets up messages: warnings with `quiet`, else information, more with `verbose`.
    pub fn new(quiet: bool, verbose: u8) -> Self {
        let bars = MultiProgress::new();
        let level = match (quiet, verbose) {
            (true, _) => "warn",
            (false, 0) => "info",
            (false, 1) => "debug",
            (false, _) => "trace",
        };
        tracing_subscriber::fmt()
            .with_env_filter(format!("warn,dm={level},dm_cli={level},dm_train={level},dm_eval={level}"))
            .with_writer(AboveBars(bars.clone()))
            .without_time()
            .with_target(false)
            .with_level(verbose > 0)
            .init();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { bars, quiet, colours: io::stdout().is_terminal() && !plain }
    }

    /// A line of the result. A reader that has gone away, as `head` does, is no reason to fail.
    pub fn line(&self, text: impl std::fmt::Display) {
        let _ = self.bars.suspend(|| writeln!(io::stdout(), "{text}"));
    }

    /// Whether colours may be used on standard output: a terminal, and no `NO_COLOR` (no-color.org).
    pub fn colours(&self) -> bool {
        self.colours
    }

    /// The one line that says what was wrong.
    pub fn error(&self, error: &anyhow::Error) {
        let text = format!("{error:#}").lines().map(str::trim).collect::<Vec<_>>().join(" ");
        self.bars.suspend(|| eprintln!("error: {text}"));
    }

    /// A progress bar of `total` units; hidden with `--quiet` and where standard error is no terminal.
    pub fn bar(&self, total: u64, template: &str) -> ProgressBar {
        let bar = if self.quiet { ProgressBar::hidden() } else { self.bars.add(ProgressBar::new(total)) };
        bar.set_length(total);
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("━╸─"));
        bar
    }
}

/// Writes messages above the progress bars.
#[derive(Clone)]
struct AboveBars(MultiProgress);

impl Write for AboveBars {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for AboveBars {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
