//! The rules of the report's text: a limit of words, and no number typed by hand.

mod count;
mod typed;

use crate::workspace::entries;
use anyhow::{Context, Result, ensure};
use std::path::Path;

/// Fails if there are too many words, or numbers typed by hand; with `show` prints the words of each section.
pub fn check(folder: &Path, show: bool) -> Result<()> {
    let (mut total, mut by_hand) = (0, Vec::new());
    for (name, text) in sections(folder)? {
        let words = count::words(&text);
        total += words;
        if show {
            println!("{words:5}  {name}");
        }
        let numbers = typed::typed(&text).into_iter();
        by_hand.extend(numbers.map(|(line, number)| format!("sections/{name}.typ:{line}: {number}")));
    }
    println!("{total:5}  words of at most {} (figures, tables, captions and bibliography out)", count::MOST);
    ensure!(total <= count::MOST, "report: found {total} words, expected at most {}", count::MOST);
    let list = by_hand.join(", ");
    ensure!(by_hand.is_empty(), "report: found numbers typed by hand, expected numbers from files: {list}");
    Ok(())
}

/// Name and text of every section, in order.
pub fn sections(folder: &Path) -> Result<Vec<(String, String)>> {
    let mut sections = Vec::new();
    for path in entries(&folder.join("sections"))? {
        if path.extension().is_some_and(|ending| ending == "typ") {
            let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            sections.push((name, text));
        }
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A report of one section.
    fn report(text: &str) -> Result<()> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sections")).unwrap();
        std::fs::write(dir.path().join("sections/1a.typ"), text).unwrap();
        check(dir.path(), false)
    }

    #[test]
    fn too_many_words_and_typed_numbers_are_refused() {
        assert!(report(&"word ".repeat(count::MOST)).is_ok());
        let error = report(&"word ".repeat(count::MOST + 1)).unwrap_err().to_string();
        assert!(error.contains("found 3001 words, expected at most 3000"), "{error}");
        let error = report("Fine.\n\nBut 0.93 is not.").unwrap_err().to_string();
        assert!(error.contains("sections/1a.typ:3: 0.93"), "{error}");
    }

    #[test]
    fn no_number_of_our_report_is_typed_by_hand() {
        check(&crate::workspace::root().join("report"), false).unwrap();
    }
}
