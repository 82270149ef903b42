//! Texts of unknown origin in messages: on one line and not too long, whatever a file contains.

#![warn(clippy::indexing_slicing)]

/// The largest number of characters of a text that a message shows.
const MAX_CHARS: usize = 1000;

/// Prepares `text` for a message. Line breaks, other control characters and characters that change the direction of writing
/// are escaped, so that a file name or a header cannot add lines to a message or control a terminal. The middle of a text of
/// more than 1000 characters is left out.
pub fn one_line(text: &str) -> String {
    let count = text.chars().count();
    if count <= MAX_CHARS {
        return escaped(text);
    }
    let half = MAX_CHARS / 2;
    let (start, end) = (escape(text.chars().take(half)), escape(text.chars().skip(count - half)));
    format!("{start}[... {} characters ...]{end}", count - 2 * half)
}

/// As [`one_line`], without leaving anything out.
pub fn escaped(text: &str) -> String {
    escape(text.chars())
}

fn escape(chars: impl Iterator<Item = char>) -> String {
    let mut shown = String::new();
    for c in chars {
        if is_unsafe(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Whether a terminal would interpret the character instead of displaying it.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn control_characters_are_escaped_and_long_texts_are_cut() {
        assert_eq!(one_line("an image, 28\u{d7}28"), "an image, 28\u{d7}28");
        assert_eq!(one_line("a\nb\r\u{1b}[2J\u{202e}"), r"a\nb\r\u{1b}[2J\u{202e}");
        let long = one_line(&"x".repeat(10_000));
        assert!(long.contains("x[... 9000 characters ...]x") && long.len() < 1100, "{long}");
    }
}
