//! Progress bars: an animated line in a terminal, which also fits into a narrow one, and a few plain lines anywhere else.

#![allow(clippy::print_stderr, reason = "this is where progress is printed")]

use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::units;

/// How a bar is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarStyle {
    /// Not at all.
    Hidden,
    /// As an animated line of a terminal with so many columns.
    Animated(usize),
    /// As plain lines, for files, pipes and logs.
    Plain,
}

/// A progress bar. It disappears when it is dropped.
pub struct Bar {
    bar: ProgressBar,
    /// The state of the plain lines; `None` for another style.
    plain: Option<Mutex<Plain>>,
}

/// The state of plain lines.
struct Plain {
    message: String,
    /// When the work began, and at which position.
    start: (Instant, u64),
    /// When the next line is due.
    due: Instant,
    /// Time between the last line and the next.
    pause: Duration,
}

/// Time before the first plain line. The time between two lines doubles up to a minute, so that logs stay short.
const FIRST_LINE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl Bar {
    /// Shows `bar` with `message` as `style` says. With `unit`, the speed is shown in such units per second.
    pub fn new(bar: ProgressBar, style: BarStyle, message: &str, unit: Option<&'static str>) -> Self {
        if let BarStyle::Animated(columns) = style {
            let template = ProgressStyle::with_template(&template(columns, unit.is_some()));
            let speed = move |state: &ProgressState, text: &mut dyn Write| {
                let _ = write!(text, "{:.0} {}/s", state.per_sec(), unit.unwrap_or_default());
            };
            let template = template.unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(template.with_key("speed", speed).progress_chars("━╸─"));
            bar.set_message(message.to_owned());
        }
        let now = Instant::now();
        let plain = (style == BarStyle::Plain).then(|| {
            let message = message.to_owned();
            Mutex::new(Plain { message, start: (now, 0), due: now + FIRST_LINE, pause: FIRST_LINE })
        });
        Self { bar, plain }
    }

    /// Adds `count` finished units.
    pub fn inc(&self, count: u64) {
        self.bar.inc(count);
        self.print_if_due();
    }

    /// Sets the number of finished units.
    pub fn set_position(&self, position: u64) {
        self.bar.set_position(position);
        self.print_if_due();
    }

    /// Sets the number of finished units with which the work begins.
    pub fn start_at(&self, position: u64) {
        self.bar.set_position(position);
        self.bar.reset_eta();
        if let Some(mut plain) = self.plain() {
            plain.start.1 = position;
        }
    }

    /// Sets the number of all units.
    pub fn set_length(&self, length: u64) {
        self.bar.set_length(length);
    }

    /// Sets the text before the bar to the name of a part of the work. A new name restarts the estimate of the remaining time.
    pub fn set_part(&self, text: &str) {
        if self.bar.message() != text {
            self.bar.set_message(text.to_owned());
            self.bar.reset_eta();
        }
        let position = self.bar.position();
        if let Some(mut plain) = self.plain().filter(|plain| plain.message != text) {
            text.clone_into(&mut plain.message);
            plain.start = (Instant::now(), position);
        }
    }

    /// Sets the text before the bar.
    pub fn set_message(&self, text: String) {
        if let Some(mut plain) = self.plain() {
            plain.message.clone_from(&text);
        }
        self.bar.set_message(text);
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn plain(&self) -> Option<MutexGuard<'_, Plain>> {
        self.plain.as_ref().map(|plain| plain.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn print_if_due(&self) {
        let Some(mut plain) = self.plain() else { return };
        let now = Instant::now();
        if now < plain.due {
            return;
        }
        plain.pause = (2 * plain.pause).min(LONGEST_PAUSE);
        plain.due = now + plain.pause;
        let (position, length) = (self.bar.position(), self.bar.length().unwrap_or(0));
        let elapsed = now.duration_since(plain.start.0).as_secs_f64();
        eprintln!("{}", line(&plain.message, plain.start.1, position, length, elapsed));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A plain line: `position` of `length` units are finished, and it took `elapsed` seconds from the unit `start` on.
fn line(message: &str, start: u64, position: u64, length: u64, elapsed: f64) -> String {
    let percent = (100 * position.min(length)).checked_div(length).unwrap_or(0);
    let done = position.saturating_sub(start);
    let mut text = format!("{message}: {percent} %");
    if done > 0 && position < length {
        let left = elapsed * (length - position) as f64 / done as f64;
        let _ = write!(text, ", {} left", units::span(left.ceil() as u64));
    }
    text
}

/// The layout of an animated line in a terminal of so many columns.
fn template(columns: usize, has_unit: bool) -> String {
    match columns {
        ..40 => "{wide_msg} {percent:>3}%".to_owned(),
        40..72 => "{msg:20!} {wide_bar:.cyan/blue} {percent:>3}% {eta:>4}".to_owned(),
        _ => {
            let speed = if has_unit { "  {speed:>14}" } else { "" };
            format!("{{msg:34!}} {{wide_bar:.cyan/blue}} {{percent:>3}}%{speed}  left {{eta:>4}}")
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::io;
    use std::sync::Arc;

    use indicatif::{ProgressDrawTarget, TermLike};

    use super::*;

    /// A terminal with so many columns that keeps what is on its last line.
    #[derive(Clone, Debug)]
    struct LastLine(u16, Arc<Mutex<String>>);

    impl LastLine {
        fn text(&self) -> String {
            self.1.lock().unwrap().clone()
        }
    }

    impl TermLike for LastLine {
        fn width(&self) -> u16 {
            self.0
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.1.lock().unwrap().push_str(text);
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            self.1.lock().unwrap().clear();
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_width_gets_one_line_that_fits() {
        for columns in [1, 8, 20, 39, 40, 55, 71, 72, 80, 200] {
            for unit in [None, Some("images")] {
                let terminal = LastLine(columns, Arc::default());
                let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
                let bar = ProgressBar::with_draw_target(Some(120), target);
                let style = BarStyle::Animated(columns.into());
                let bar = Bar::new(bar, style, "epoch 3  loss 0.1234", unit);
                bar.set_position(60);
                bar.bar.force_draw();
                let shown = terminal.text();
                // Lines are filled up with blanks to the width of the terminal.
                let width = shown.chars().count();
                assert!(columns < 8 || width <= columns.into(), "{columns}: {width} in {shown:?}");
                assert!(
                    columns < 20 || shown.contains("50%") && shown.contains("epoch 3"),
                    "{columns}: {shown}"
                );
                assert_eq!(shown.contains("images/s"), columns >= 72 && unit.is_some(), "{columns}: {shown}");
                bar.finish();
                assert_eq!(terminal.text().trim(), "");
            }
        }
    }

    #[test]
    fn plain_lines_tell_percent_and_remaining_time() {
        assert_eq!(line("sampling", 0, 30, 120, 10.0), "sampling: 25 %, 30 s left");
        assert_eq!(line("sampling", 20, 30, 120, 10.0), "sampling: 25 %, 90 s left");
        assert_eq!(line("sampling", 0, 120, 120, 10.0), "sampling: 100 %");
        assert_eq!(line("sampling", 0, 0, 0, 10.0), "sampling: 0 %");
    }
}
