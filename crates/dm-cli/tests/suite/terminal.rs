//! What a terminal shows: progress bars that fit, colours, pictures, and plain lines elsewhere. The tests run the program in a
//! pseudo-terminal of `script` (util-linux) and say so if there is none.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]
#![cfg(target_os = "linux")]

use std::process::Command;

use crate::common::{arg, dm, small_config};

/// Runs `dm` in a terminal with so many columns; returns everything that the terminal gets. `None` without `script`.
fn in_terminal(columns: usize, variables: &[(&str, &str)], args: &[&str]) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let program = assert_cmd::cargo::cargo_bin("dm");
    let line = format!("stty cols {columns} rows 24 && exec {} {}", arg(&program), args.join(" "));
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]).current_dir(dir.path());
    for name in ["NO_COLOR", "TMUX", "COLUMNS", "KITTY_WINDOW_ID", "KONSOLE_VERSION", "TERM_PROGRAM"] {
        command.env_remove(name);
    }
    command.env("TERM", "xterm-256color").envs(variables.iter().copied());
    let Ok(output) = command.output() else {
        eprintln!("skipped: `script` of util-linux is not installed");
        return None;
    };
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "dm {args:?}: {text}");
    Some(text)
}

/// The lines that the cursor has written, without escape sequences.
fn lines(text: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\x1b') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let end = rest.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(rest.len() - 1);
        // A sequence that moves the cursor begins a new line.
        if rest[..=end].starts_with('[') && !rest[..=end].ends_with('m') {
            plain.push('\n');
        }
        rest = &rest[end + 1..];
    }
    plain.push_str(rest);
    plain.split(['\n', '\r']).map(str::to_owned).filter(|line| !line.is_empty()).collect()
}

const SAMPLE: [&str; 6] = ["sample", "-n", "32", "--nfe", "20", "--show"];

#[test]
fn bars_fit_into_narrow_terminals_and_go_away() {
    for columns in [24, 50, 100] {
        let Some(text) = in_terminal(columns, &[], &SAMPLE) else { return };
        let shown = lines(&text);
        let bars: Vec<&String> = shown.iter().filter(|line| line.contains('%')).collect();
        assert!(!bars.is_empty(), "{columns}: {text:?}");
        for bar in bars {
            assert!(bar.starts_with("sampling") && bar.chars().count() <= columns, "{columns}: {bar:?}");
        }
        let summary = "ink-unet: 32 images, 20 network evaluations each";
        assert!(shown.iter().any(|line| line.starts_with(summary)), "{columns}: {shown:?}");
        // The last thing that happens to the bar is that its line is cleared.
        let last = text.rfind('%').unwrap();
        assert!(text[last..].contains("\x1b[2K"), "{columns}: {:?}", &text[last..]);
        let pictures = shown.iter().filter(|line| line.contains('▀'));
        assert!(pictures.clone().count() > 0 && pictures.clone().all(|line| line.chars().count() <= columns));
    }
}

#[test]
fn no_color_and_quiet_are_obeyed() {
    let Some(colored) = in_terminal(80, &[], &SAMPLE) else { return };
    assert!(colored.contains("\x1b[36m") && colored.contains("\x1b[38;2;"), "{colored:?}");
    let plain = in_terminal(80, &[("NO_COLOR", "1")], &SAMPLE).unwrap();
    assert!(plain.contains('%') && !plain.contains("\x1b[3") && !plain.contains("\x1b[38"), "{plain:?}");
    let quiet = in_terminal(80, &[], &[&SAMPLE[..], &["--quiet"]].concat()).unwrap();
    assert!(!quiet.contains('%') && quiet.contains("32 images"), "{quiet:?}");
    let dumb = in_terminal(80, &[("TERM", "dumb")], &SAMPLE).unwrap();
    assert!(!dumb.contains('\x1b'), "{dumb:?}");
    let help = |variables: &[(&str, &str)]| in_terminal(80, variables, &["sample", "--help"]).unwrap();
    assert!(help(&[]).contains('\x1b') && !help(&[("NO_COLOR", "1")]).contains('\x1b'));
}

#[test]
fn terminals_that_show_pictures_get_pictures() {
    let show = ["sample", "-n", "3", "--nfe", "2", "--show"];
    let Some(kitty) = in_terminal(80, &[("TERM", "xterm-kitty")], &show) else { return };
    assert!(kitty.contains("\x1b_Ga=T,f=24,s=352,v=120,q=2,m=1;"), "{kitty:?}");
    let sixel = in_terminal(80, &[("TERM", "foot")], &show).unwrap();
    assert!(sixel.contains("\x1bP0;1q\"1;1;352;120"), "{sixel:?}");
    let forced = in_terminal(80, &[("DM_PICTURES", "letters")], &show).unwrap();
    assert!(!forced.contains('▀'), "{forced:?}");
    let dir = tempfile::tempdir().unwrap();
    let mut wrong = Command::new(assert_cmd::cargo::cargo_bin("dm"));
    let wrong = wrong.env("DM_PICTURES", "ascii").args(show).current_dir(dir.path()).output().unwrap();
    let error = String::from_utf8(wrong.stderr).unwrap();
    assert!(wrong.status.code() == Some(2) && error.contains("DM_PICTURES: found ascii"), "{error}");
    assert!(!dir.path().join("out").exists());
}

#[test]
fn training_in_a_pipe_is_plain_lines() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), "ink", "softmax");
    let output = dm(dir.path(), &["train", arg(&config)]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && !error.contains(['\x1b', '\r', '━']), "{error:?}");
    assert!(error.contains("epoch 2 of 2: train loss"), "{error}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("runs/small: 8 steps in"), "{text}");
    let Some(shown) = in_terminal(60, &[], &["train", arg(&config)]) else { return };
    let too_long = lines(&shown).into_iter().find(|line| line.contains('━') && line.chars().count() > 60);
    assert_eq!(too_long, None);
}
