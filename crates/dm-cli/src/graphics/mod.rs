//! How the terminal shows pictures: by one of two protocols for pictures, in half blocks, or in letters.
//!
//! The environment decides, in this order:
//!
//! | condition | pictures |
//! |---|---|
//! | `DM_PICTURES` is `kitty`, `sixel`, `blocks` or `letters` | as it says |
//! | standard output is not a terminal, or `NO_COLOR` is set, or `TERM` is `dumb` | letters |
//! | inside tmux or screen, which pass pictures on only if they are told to | half blocks |
//! | kitty, Ghostty or WezTerm | the kitty graphics protocol |
//! | foot, mlterm, contour, Konsole or iTerm2 | Sixel |
//! | any other terminal | half blocks |

pub mod kitty;
pub mod raster;
pub mod sixel;

/// How pictures are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pictures {
    /// The kitty graphics protocol.
    Kitty,
    /// Sixel, the graphics of DEC's terminals.
    Sixel,
    /// Two pixels per character, one above the other, in 24-bit colours.
    Blocks,
    /// Plain letters.
    Letters,
}

/// The environment variable that chooses how pictures are shown.
const VARIABLE: &str = "DM_PICTURES";

/// How the terminal shows pictures. `variable` reads the environment; `is_terminal` says whether standard output is one.
///
/// # Errors
/// If `DM_PICTURES` has another value than those listed above; the error is one line.
pub fn detect(variable: impl Fn(&str) -> Option<String>, is_terminal: bool) -> Result<Pictures, String> {
    let read = |name: &str| variable(name).filter(|value| !value.is_empty());
    match read(VARIABLE).as_deref() {
        Some("kitty") => return Ok(Pictures::Kitty),
        Some("sixel") => return Ok(Pictures::Sixel),
        Some("blocks") => return Ok(Pictures::Blocks),
        Some("letters") => return Ok(Pictures::Letters),
        Some(found) => {
            return Err(format!("{VARIABLE}: found {found}, expected kitty, sixel, blocks or letters"));
        }
        None => {}
    }
    let term = read("TERM").unwrap_or_default();
    let program = read("TERM_PROGRAM").unwrap_or_default();
    if !is_terminal || read("NO_COLOR").is_some() || term == "dumb" {
        return Ok(Pictures::Letters);
    }
    let starts = |names: &[&str]| names.iter().any(|name| term.starts_with(name));
    let is_program = |names: &[&str]| names.contains(&program.as_str());
    Ok(if read("TMUX").is_some() || starts(&["tmux", "screen"]) {
        Pictures::Blocks
    } else if read("KITTY_WINDOW_ID").is_some()
        || starts(&["xterm-kitty", "xterm-ghostty"])
        || is_program(&["ghostty", "WezTerm"])
    {
        Pictures::Kitty
    } else if read("KONSOLE_VERSION").is_some()
        || starts(&["foot", "mlterm", "contour"])
        || is_program(&["iTerm.app"])
    {
        Pictures::Sixel
    } else {
        Pictures::Blocks
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_decides() {
        let found = |set: &[(&str, &str)], is_terminal| {
            let value = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, v)| (*v).to_owned());
            detect(value, is_terminal)
        };
        for (set, expected) in [
            (&[("TERM", "xterm-kitty")][..], Pictures::Kitty),
            (&[("TERM", "xterm-256color"), ("KITTY_WINDOW_ID", "1")], Pictures::Kitty),
            (&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "WezTerm")], Pictures::Kitty),
            (&[("TERM", "foot-extra")], Pictures::Sixel),
            (&[("TERM_PROGRAM", "iTerm.app")], Pictures::Sixel),
            (&[("TERM", "xterm-kitty"), ("TMUX", "/tmp/tmux-0/default,1,0")], Pictures::Blocks),
            (&[("TERM", "xterm-kitty"), ("NO_COLOR", "1")], Pictures::Letters),
            (&[("TERM", "xterm-256color"), ("NO_COLOR", "")], Pictures::Blocks),
            (&[("TERM", "dumb")], Pictures::Letters),
            (&[("DM_PICTURES", "sixel"), ("NO_COLOR", "1")], Pictures::Sixel),
        ] {
            assert_eq!(found(set, true), Ok(expected), "{set:?}");
        }
        assert_eq!(found(&[("TERM", "xterm-kitty")], false), Ok(Pictures::Letters));
        assert_eq!(found(&[("DM_PICTURES", "blocks")], false), Ok(Pictures::Blocks));
        let error = found(&[("DM_PICTURES", "ascii")], true);
        assert!(error.is_err_and(|error| error.contains("DM_PICTURES: found ascii, expected kitty")));
    }
}
