//! Numbers, sizes and time spans as short texts.

/// `value` with three significant digits, or more before the decimal point; empty if there is none.
pub fn number(value: Option<f64>) -> String {
    let Some(value) = value else { return String::new() };
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 1e-3 => format!("{value:.1e}"),
        size if size < 0.01 => format!("{value:.5}"),
        size if size < 0.1 => format!("{value:.4}"),
        size if size < 1.0 => format!("{value:.3}"),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        size if size < 1e6 => format!("{value:.0}"),
        _ => format!("{value:.1e}"),
    }
}

/// `share` (0 to 1) in percent.
pub fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// `count` with a comma between thousands.
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let comma = |i: usize| if i > 0 && (digits.len() - i).is_multiple_of(3) { "," } else { "" };
    digits.char_indices().flat_map(|(i, digit)| [comma(i).to_owned(), digit.to_string()]).collect()
}

/// A size in bytes.
pub fn bytes(bytes: u64) -> String {
    let bytes = bytes as f64;
    let (unit, name) = match bytes {
        ..1e3 => return format!("{bytes} B"),
        ..999.5e3 => (1e3, "kB"),
        ..999.5e6 => (1e6, "MB"),
        _ => (1e9, "GB"),
    };
    let digits = usize::from(bytes / unit < 9.95);
    format!("{:.digits$} {name}", bytes / unit)
}

/// A time span in whole seconds.
pub fn span(seconds: u64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let shown = [0.0, 1.23e-5, 0.0171, 0.10249, 9.876, 61.25, 213.8, 12_345.6].map(|x| number(Some(x)));
        assert_eq!(shown, ["0", "1.2e-5", "0.0171", "0.102", "9.88", "61.2", "214", "12346"]);
        assert_eq!(number(None), "");
        assert_eq!([0.0, 0.98765, 1.0].map(percent), ["0.00 %", "98.77 %", "100.00 %"]);
        assert_eq!(
            [0, 999, 1_000, 9_360, 1_234_567].map(thousands),
            ["0", "999", "1,000", "9,360", "1,234,567"]
        );
        assert_eq!(
            [0, 999, 1_000, 8_123_456, 99_960_000].map(bytes),
            ["0 B", "999 B", "1.0 kB", "8.1 MB", "100 MB"]
        );
        assert_eq!(
            [0, 119, 120, 7_199, 86_400, 172_800].map(span),
            ["0 s", "119 s", "2 min", "119 min", "24 h", "2 d"]
        );
    }
}
