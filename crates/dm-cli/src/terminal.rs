//! Printing: results go to standard output, progress and messages to standard error.

#![allow(clippy::print_stderr, reason = "this is where the program prints")]

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};

use anyhow::{Context, Result};
use dm_nn::escaped;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tracing_subscriber::fmt::MakeWriter;

/// The terminal: what the program prints, and in which form.
pub struct Terminal {
    bars: MultiProgress,
    quiet: bool,
    colors: bool,
}

impl Terminal {
    /// Sets up messages: warnings with `quiet`, information otherwise, and more with `verbose`.
    pub fn new(quiet: bool, verbose: u8) -> Self {
        let bars = MultiProgress::new();
        let level = match (quiet, verbose) {
            (true, _) => "warn",
            (false, 0) => "info",
            (false, 1) => "debug",
            (false, _) => "trace",
        };
        let crates = ["dm", "dm_cli", "dm_nn", "dm_degrade", "dm_train", "dm_eval"];
        let filter = crates.map(|name| format!(",{name}={level}")).concat();
        tracing_subscriber::fmt()
            .with_env_filter(format!("warn{filter}"))
            .with_writer(AboveBars(bars.clone()))
            .without_time()
            .with_target(false)
            .with_level(verbose > 0)
            .init();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { bars, quiet, colors: io::stdout().is_terminal() && !plain }
    }

    /// Prints a line of the result.
    ///
    /// # Errors
    /// If standard output cannot be written to. A pipe whose reader has gone away, as `head` does, is not an error.
    pub fn line(&self, text: impl std::fmt::Display) -> Result<()> {
        self.bars.suspend(|| print_result(&format!("{text}\n")))
    }

    /// Prints several lines of the result.
    ///
    /// # Errors
    /// As [`Self::line`].
    pub fn lines(&self, lines: impl IntoIterator<Item = impl std::fmt::Display>) -> Result<()> {
        lines.into_iter().try_for_each(|line| self.line(line))
    }

    /// Whether colours may be used on standard output: it is a terminal and `NO_COLOR` is not set (no-color.org).
    pub fn colors(&self) -> bool {
        self.colors
    }

    /// Number of characters in a line of the result: the environment variable `COLUMNS` if it is set, or else the width of the
    /// terminal, or else 80.
    pub fn width() -> usize {
        let given =
            std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).filter(|&columns| columns > 0);
        let measured = || terminal_size::terminal_size_of(io::stdout()).map(|(columns, _)| columns.0.into());
        given.or_else(measured).unwrap_or(80)
    }

    /// Prints an error as one line.
    pub fn error(&self, error: &anyhow::Error) {
        self.bars.suspend(|| print_error(&format!("error: {error:#}")));
    }

    /// A progress bar of `total` units. It is hidden with `--quiet` and where standard error is not a terminal.
    pub fn bar(&self, total: u64, template: &str) -> ProgressBar {
        let bar = if self.quiet { ProgressBar::hidden() } else { self.bars.add(ProgressBar::new(total)) };
        bar.set_length(total);
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("━╸─"));
        bar
    }
}

/// Writes `text` to standard output.
///
/// # Errors
/// As [`Terminal::line`].
pub fn print_result(text: &str) -> Result<()> {
    match stdout().and_then(|mut stdout| stdout.write_all(text.as_bytes())) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("writing to stdout"),
        _ => Ok(()),
    }
}

/// Writes the help text or the version in `help` to standard output, with colours where it is a terminal.
///
/// # Errors
/// As [`Terminal::line`].
pub fn print_help(help: &clap::Error) -> Result<()> {
    let text = help.render();
    let text = if io::stdout().is_terminal() { text.ansi().to_string() } else { text.to_string() };
    print_result(&text)
}

/// Writes `text` as one line to standard error. Control characters, which may come from names of files, are escaped.
pub fn print_error(text: &str) {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    eprintln!("{}", lines.map(escaped).collect::<Vec<_>>().join(" "));
}

/// Standard output as a file. The standard library's own handle hides that a descriptor cannot be written to.
#[cfg(unix)]
fn stdout() -> io::Result<File> {
    use std::os::fd::AsFd;
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

/// Standard output as a file. The standard library's own handle hides that a handle cannot be written to.
#[cfg(windows)]
fn stdout() -> io::Result<File> {
    use std::os::windows::io::AsHandle;
    Ok(File::from(io::stdout().as_handle().try_clone_to_owned()?))
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
