//! The typesetter: a folder of Typst sources becomes a PDF. It reads nothing outside the folder, knows no date and no font
//! but those built in, so equal sources make equal bytes. What stands in the report is left out.

use anyhow::{Result, anyhow};
use std::path::{Path, PathBuf};
use typst::diag::{FileError, FileResult, SourceDiagnostic};
use typst::foundations::{Bytes, Datetime, Duration};
use typst::syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;
use typst::{Library, LibraryExt, World, WorldExt};
use typst_kit::files::{FileLoader, FileStore};
use typst_kit::fonts::{FontStore, embedded};
use typst_layout::PagedDocument;
use typst_pdf::PdfOptions;

/// The files below one folder.
struct Folder(PathBuf);

impl FileLoader for Folder {
    fn load(&self, id: FileId) -> FileResult<Bytes> {
        if matches!(id.root(), VirtualRoot::Package(_)) {
            return Err(FileError::Other(Some("packages come from a network: not here".into())));
        }
        let path = id.vpath().realize(&self.0).map_err(|_| FileError::AccessDenied)?;
        std::fs::read(&path).map(Bytes::new).map_err(|error| FileError::from_io(error, &path))
    }
}

/// All that a document can see.
struct Press {
    library: LazyHash<Library>,
    fonts: FontStore,
    files: FileStore<Folder>,
    main: FileId,
}

impl World for Press {
    fn library(&self) -> &LazyHash<Library> {
        &self.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        self.fonts.book()
    }

    fn main(&self) -> FileId {
        self.main
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        self.files.source(id)
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        self.files.file(id)
    }

    fn font(&self, index: usize) -> Option<Font> {
        self.fonts.font(index)
    }

    fn today(&self, _: Option<Duration>) -> Option<Datetime> {
        None
    }
}

/// Sets `main`, a file in `folder`. Warnings are errors: a missing glyph is one.
pub fn pdf(folder: &Path, main: &str) -> Result<Vec<u8>> {
    let mut fonts = FontStore::new();
    fonts.extend(embedded());
    let path = VirtualPath::new(main).map_err(|error| anyhow!("{main}: {error:?}"))?;
    let press = Press {
        library: LazyHash::new(Library::default()),
        fonts,
        files: FileStore::new(Folder(folder.to_owned())),
        main: RootedPath::new(VirtualRoot::Project, path).intern(),
    };
    let set = typst::compile::<PagedDocument>(&press);
    if let Some(warning) = set.warnings.first() {
        return Err(told(&press, warning));
    }
    let first = |errors: &[SourceDiagnostic]| {
        errors.first().map_or_else(|| anyhow!("{main}: cannot be set"), |error| told(&press, error))
    };
    let document = set.output.map_err(|errors| first(&errors))?;
    typst_pdf::pdf(&document, &PdfOptions::default()).map_err(|errors| first(&errors))
}

/// A diagnostic as one line: file, line, what is wrong, what may help.
fn told(press: &Press, diagnostic: &SourceDiagnostic) -> anyhow::Error {
    let at = diagnostic.span.id().map(|id| {
        let lines =
            || Some(press.source(id).ok()?.lines().byte_to_line(press.range(diagnostic.span)?.start)? + 1);
        format!("{}:{}: ", id.vpath().get_without_slash(), lines().unwrap_or(0))
    });
    let hints: Vec<_> = diagnostic.hints.iter().map(|hint| format!(" ({})", hint.v)).collect();
    anyhow!("{}{}{}", at.unwrap_or_default(), diagnostic.message, hints.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sources_make_equal_bytes_and_a_changed_number_another_text() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.typ"), "#set document(date: none)\n= A\n#json(\"a.json\").x")
            .unwrap();
        let set = |number: &str| {
            std::fs::write(dir.path().join("a.json"), format!("{{\"x\": {number}}}")).unwrap();
            pdf(dir.path(), "a.typ").unwrap()
        };
        assert!(set("1").starts_with(b"%PDF-"));
        assert_eq!(set("1"), set("1"));
        assert_ne!(set("1"), set("2"));
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
}
