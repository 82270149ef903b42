//! Printing: results go to standard output, progress and messages to standard error.

#![allow(clippy::print_stderr, reason = "this is where the program prints")]

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context, Error, Result};
use dm_nn::escaped;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing_subscriber::fmt::MakeWriter;

use crate::bar::{Bar, BarStyle};
use crate::graphics::{self, Pictures};

/// Columns of a terminal whose width is not known.
const UNKNOWN_WIDTH: usize = 80;

/// The terminal: what the program prints, and in which form.
pub struct Terminal {
    bars: MultiProgress,
    bar_style: BarStyle,
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
            .with_ansi(io::stderr().is_terminal() && allows_colors())
            .without_time()
            .with_target(false)
            .with_level(verbose > 0)
            .init();
        let bar_style = match terminal_size::terminal_size_of(io::stderr()) {
            _ if quiet => BarStyle::Hidden,
            Some((columns, _)) if !is_dumb() => BarStyle::Animated(columns_of(columns.0)),
            _ => BarStyle::Plain,
        };
        Self { bars, bar_style, colors: io::stdout().is_terminal() && allows_colors() }
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
        let measured =
            || terminal_size::terminal_size_of(io::stdout()).map(|(columns, _)| columns_of(columns.0));
        given.or_else(measured).unwrap_or(UNKNOWN_WIDTH)
    }

    /// Prints an error as one line.
    pub fn error(&self, error: &Error) {
        self.bars.suspend(|| print_error(&format!("error: {error:#}")));
    }

    /// How pictures are shown.
    ///
    /// # Errors
    /// If `DM_PICTURES` has a value that is not documented.
    pub fn pictures() -> Result<Pictures> {
        let variable = |name: &str| std::env::var(name).ok();
        graphics::detect(variable, io::stdout().is_terminal()).map_err(Error::msg)
    }

    /// A progress bar of `total` units; `what` names the work. It is hidden with `--quiet`, and consists of plain lines where
    /// standard error is not a terminal.
    pub fn bar(&self, total: u64, what: &str) -> Bar {
        self.new_bar(total, what, None)
    }

    /// As [`Self::bar`], with the speed in units per second; `unit` is their name.
    pub fn bar_with_speed(&self, total: u64, what: &str, unit: &'static str) -> Bar {
        self.new_bar(total, what, Some(unit))
    }

    fn new_bar(&self, total: u64, what: &str, unit: Option<&'static str>) -> Bar {
        let hidden = || ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        let bar = match self.bar_style {
            BarStyle::Animated(_) => self.bars.add(ProgressBar::new(total)),
            _ => hidden(),
        };
        Bar::new(bar, self.bar_style, what, unit)
    }

    /// Shows a message about work whose progress is not known: with the elapsed time in a terminal, and as a plain line elsewhere.
    pub fn spinner(&self, what: &str) -> ProgressBar {
        match self.bar_style {
            BarStyle::Animated(_) => {
                let style = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed:>4}");
                let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
                let spinner = self.bars.add(ProgressBar::new_spinner().with_style(style));
                spinner.set_message(what.to_owned());
                spinner.enable_steady_tick(Duration::from_millis(200));
                spinner
            }
            BarStyle::Plain => {
                eprintln!("{what}");
                ProgressBar::hidden()
            }
            BarStyle::Hidden => ProgressBar::hidden(),
        }
    }
}

/// The width of a terminal that reports `columns` columns; 0 means that its width is not known.
fn columns_of(columns: u16) -> usize {
    if columns == 0 { UNKNOWN_WIDTH } else { columns.into() }
}

/// Whether the user wants colours (no-color.org) and the terminal supports them.
fn allows_colors() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && !is_dumb()
}

/// Whether the terminal knows no escape sequences and can only print one character after another.
fn is_dumb() -> bool {
    std::env::var_os("TERM").map_or(cfg!(unix), |value| value == "dumb")
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
    let colors = io::stdout().is_terminal() && allows_colors();
    let text = if colors { text.ansi().to_string() } else { text.to_string() };
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
