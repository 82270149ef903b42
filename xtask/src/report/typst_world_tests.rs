//! Tests that equal sources give equal bytes, that errors name a line, and that the numbers of the report come from files.

use super::*;
use serde_json::Value;
use typst::layout::{Frame, FrameItem};

/// All text of `main` as it is laid out, page by page.
fn text(folder: &Path, main: &str) -> String {
    fn gather(frame: &Frame, text: &mut String) {
        for (_, item) in frame.items() {
            match item {
                FrameItem::Group(group) => gather(&group.frame, text),
                FrameItem::Text(run) => {
                    text.push_str(&run.text);
                    text.push(' ');
                }
                _ => {}
            }
        }
    }
    let (_, document) = document(folder, main).unwrap();
    let mut text = String::new();
    document.pages().iter().for_each(|page| gather(&page.frame, &mut text));
    text
}

#[test]
fn equal_sources_give_equal_bytes_and_a_changed_number_another_text() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.typ"), "#set document(date: none)\n= A\n#json(\"a.json\").x").unwrap();
    let set = |number: &str| {
        std::fs::write(dir.path().join("a.json"), format!("{{\"x\": {number}}}")).unwrap();
        (pdf(dir.path(), "a.typ").unwrap(), text(dir.path(), "a.typ"))
    };
    assert!(set("1").0.starts_with(b"%PDF-"));
    assert_eq!(set("1"), set("1"));
    assert_ne!(set("1").1, set("2").1);
}

#[test]
fn errors_name_file_and_line() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.typ"), "A\n\n#json(\"none.json\")").unwrap();
    let error = pdf(dir.path(), "a.typ").unwrap_err().to_string();
    assert!(error.starts_with("a.typ:3: ") && error.contains("none.json"), "{error}");
    std::fs::write(dir.path().join("a.typ"), "#read(\"../secret\")").unwrap();
    assert!(pdf(dir.path(), "a.typ").is_err());
}

/// Every score file that the report names contributes to its text: other values give another text. Together with the rule that
/// no number is typed by hand (`typed.rs`), this test shows that the numbers come from files.
#[test]
fn a_changed_score_changes_the_text_of_the_report() {
    let report = crate::workspace::root().join("report");
    let dir = tempfile::tempdir().unwrap();
    copy(&report, dir.path()).unwrap();
    let sources: String =
        super::super::text::sections(&report).unwrap().into_iter().map(|(_, text)| text).collect();
    let original = text(dir.path(), "report.typ");
    let mut named = 0;
    for path in files_below(&dir.path().join("scores")).unwrap() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).unwrap();
        let mut file: Value = serde_json::from_slice(&bytes).unwrap();
        // A file of corruptions has no scores. The report states in words that the corruptions are in order.
        let Some(rows) = file["scores"].as_array_mut() else { continue };
        if !sources.contains(&format!("\"{name}\"")) {
            continue;
        }
        named += 1;
        for row in rows {
            row["value"] = (0.5 * row["value"].as_f64().unwrap_or(1.0)).into();
        }
        std::fs::write(&path, file.to_string()).unwrap();
        assert_ne!(text(dir.path(), "report.typ"), original, "{name}: other values, the same text");
        std::fs::write(&path, bytes).unwrap();
    }
    assert!(named > 0);
    assert_eq!(text(dir.path(), "report.typ"), original);
}
