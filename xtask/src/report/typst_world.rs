//! Makes the figures and the PDF of the report with Typst. Typst reads no file outside the folder of the report and no date, and
//! uses only its built-in fonts, so that equal sources give equal bytes.

use crate::workspace::files_below;
use anyhow::{Context, Result, anyhow};
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
            return Err(FileError::Other(Some("packages need a network and are not supported".into())));
        }
        let path = id.vpath().realize(&self.0).map_err(|_| FileError::AccessDenied)?;
        std::fs::read(&path).map(Bytes::new).map_err(|error| FileError::from_io(error, &path))
    }
}

/// The files and fonts that a document can read.
struct TypstWorld {
    library: LazyHash<Library>,
    fonts: FontStore,
    files: FileStore<Folder>,
    main: FileId,
}

impl World for TypstWorld {
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

/// Draws the figures in `folder` from the records in it, and compiles its `report.typ`.
pub fn make(folder: &Path) -> Result<()> {
    crate::sweep::draw_recorded(folder)?;
    let (path, pdf) = (folder.join("report.pdf"), pdf(folder, "report.typ")?);
    crate::workspace::write_atomically(&path, &pdf)?;
    println!("{}: {:.1} MB", path.display(), pdf.len() as f64 / 1e6);
    Ok(())
}

/// Copies all files below a folder.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    for path in files_below(from)? {
        let target = to.join(path.strip_prefix(from)?);
        std::fs::create_dir_all(target.parent().context("a file in a folder")?)?;
        std::fs::copy(&path, &target).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// Files of `made` that differ in `recorded`, as paths in `recorded`.
pub fn differing(made: &Path, recorded: &Path) -> Result<Vec<PathBuf>> {
    let mut differing = Vec::new();
    for path in files_below(made)? {
        let other = recorded.join(path.strip_prefix(made)?);
        if std::fs::read(&path)? != std::fs::read(&other).unwrap_or_default() {
            differing.push(other);
        }
    }
    Ok(differing)
}

/// Compiles `main`, a file in `folder`, to PDF.
fn pdf(folder: &Path, main: &str) -> Result<Vec<u8>> {
    let (world, document) = document(folder, main)?;
    let first = |errors: &[SourceDiagnostic]| {
        errors
            .first()
            .map_or_else(|| anyhow!("{main}: cannot be written"), |error| format_diagnostic(&world, error))
    };
    typst_pdf::pdf(&document, &PdfOptions::default()).map_err(|errors| first(&errors))
}

/// Lays out `main`, a file in `folder`. Warnings, such as a missing glyph, are errors.
fn document(folder: &Path, main: &str) -> Result<(TypstWorld, PagedDocument)> {
    let mut fonts = FontStore::new();
    fonts.extend(embedded());
    let path = VirtualPath::new(main).map_err(|error| anyhow!("{main}: {error:?}"))?;
    let world = TypstWorld {
        library: LazyHash::new(Library::default()),
        fonts,
        files: FileStore::new(Folder(folder.to_owned())),
        main: RootedPath::new(VirtualRoot::Project, path).intern(),
    };
    let compiled = typst::compile::<PagedDocument>(&world);
    if let Some(warning) = compiled.warnings.first() {
        return Err(format_diagnostic(&world, warning));
    }
    let first = |errors: &[SourceDiagnostic]| {
        errors
            .first()
            .map_or_else(|| anyhow!("{main}: cannot be compiled"), |error| format_diagnostic(&world, error))
    };
    let document = compiled.output.map_err(|errors| first(&errors))?;
    Ok((world, document))
}

/// A diagnostic in one line: file, line, message and hints.
fn format_diagnostic(world: &TypstWorld, diagnostic: &SourceDiagnostic) -> anyhow::Error {
    let at = diagnostic.span.id().map(|id| {
        let lines =
            || Some(world.source(id).ok()?.lines().byte_to_line(world.range(diagnostic.span)?.start)? + 1);
        format!("{}:{}: ", id.vpath().get_without_slash(), lines().unwrap_or(0))
    });
    let hints: Vec<_> = diagnostic.hints.iter().map(|hint| format!(" ({})", hint.v)).collect();
    anyhow!("{}{}{}", at.unwrap_or_default(), diagnostic.message, hints.concat())
}

#[cfg(test)]
#[path = "typst_world_tests.rs"]
mod tests;
