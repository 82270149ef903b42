//! Recognizing files that are not what their name says: web pages, XML documents, Git LFS pointers, empty files.

#![warn(clippy::indexing_slicing)]

/// The number of bytes at the start of a file that determine its kind.
pub const PREFIX: usize = 512;

/// The kind of a file that starts with `bytes`, if files of this kind are often saved by mistake under the name of a data or
/// parameter file. The returned text follows the word "found" in an error message.
pub fn mistaken_kind(bytes: &[u8]) -> Option<&'static str> {
    let start = bytes.get(..bytes.len().min(PREFIX)).unwrap_or_default();
    let text =
        String::from_utf8_lossy(start).trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    let kinds = [
        ("<!doctype html", "an HTML page saved under this name; download the file itself"),
        ("<html", "an HTML page saved under this name; download the file itself"),
        ("<?xml", "an XML document saved under this name; download the file itself"),
        (
            "version https://git-lfs.github.com",
            "a Git LFS pointer instead of the file; run `git lfs pull` to fetch the file",
        ),
    ];
    if bytes.is_empty() {
        return Some("an empty file");
    }
    kinds.iter().find(|(prefix, _)| text.starts_with(prefix)).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::mistaken_kind;

    #[test]
    fn pages_and_pointers_are_recognized() {
        let kind = |text: &str| mistaken_kind(text.as_bytes()).unwrap_or_default();
        assert!(kind("\n <!DOCTYPE html><html>").contains("HTML"));
        assert!(kind("<HTML lang=\"en\">").contains("HTML"));
        assert!(kind("version https://git-lfs.github.com/spec/v1\noid sha256:0").contains("git lfs pull"));
        assert_eq!(kind(""), "an empty file");
        assert_eq!(mistaken_kind(&[0, 0, 8, 3]), None);
    }
}
