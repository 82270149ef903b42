//! `dm data`: check a data set, or download MNIST.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;
use dm_nn::data::{Dataset, Images, ReadOptions};
use dm_nn::picture::grid;
use dm_record::SCHEMA;
use serde_json::{Value, json};

use crate::data_args::{self, parse_size};
use crate::terminal::Terminal;

/// Check a data set, or download MNIST.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Read a data set, report its shape and classes, and write a contact sheet.
    ///
    /// A data set is a folder with the four IDX files (plain or gzip), a folder of PNG or JPEG files whose subfolders are the
    /// classes, or an .npz file with the arrays x_train, y_train, x_test, y_test or train_images, train_labels, test_images,
    /// test_labels. The contact sheet, contact_sheet.png, shows the first ten training images of each class, one class per
    /// row.
    Check {
        /// The data set.
        #[arg(default_value = "data/mnist")]
        path: PathBuf,
        /// Resize every image to this height and width in pixels, for example 32x32. Only for a folder of images.
        #[arg(long, value_name = "HxW", value_parser = parse_size)]
        size: Option<(usize, usize)>,
        /// Folder for the contact sheet.
        #[arg(long, default_value = "out", value_name = "DIR")]
        out: PathBuf,
        /// Print the report as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Download MNIST from the Hugging Face hub (needs a build with `--features hub`).
    #[command(hide = !cfg!(feature = "hub"))]
    Fetch {
        /// Folder for the four IDX files.
        #[arg(default_value = "data/mnist")]
        dir: PathBuf,
    },
}

/// Number of columns of the contact sheet, which is also the number of images of each class.
const COLUMNS: usize = 10;
/// Largest number of rows of the contact sheet.
const ROWS: usize = 32;
/// Images whose longer side is at most this many pixels are enlarged twice.
const ENLARGED_SIDE: usize = 64;

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    match &args.action {
        Action::Check { path, size, out, json } => {
            let data = data_args::open(path, &ReadOptions { size: *size }, terminal)?;
            let sheet = contact_sheet(&data, out)?;
            if *json {
                terminal.line(serde_json::to_string_pretty(&record(path, &data, &sheet))?)?;
            } else {
                terminal.lines(report(path, &data))?;
                terminal.line(format!("contact sheet: {}", sheet.display()))?;
            }
        }
        Action::Fetch { dir } => fetch(dir, terminal)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The lines of the report on a data set.
fn report(path: &Path, data: &Dataset) -> Vec<String> {
    let mnist = if data.is_mnist() { " (MNIST, byte for byte)" } else { "" };
    let classes = match data.num_classes() {
        0 => "no classes".to_owned(),
        1 => "1 class".to_owned(),
        count => format!("{count} classes"),
    };
    let mut lines = vec![
        format!("{}: {}{mnist}", path.display(), data.format),
        format!("images of {} (height x width x channels), {classes}", data.shape()),
        format!("sha256 {}", data.sha256),
    ];
    lines.extend(data.files.iter().map(|file| format!("{}  {}", file.sha256, file.name)));
    let name_width =
        data.class_names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max("class".len());
    let row = |name: &str, train: &str, test: &str| format!("{name:<name_width$}{train:>10}{test:>10}");
    lines.push(row("class", "train", "test"));
    let (train, test) = (data.train.class_counts(), data.test.class_counts());
    for ((name, train), test) in data.class_names.iter().zip(train).zip(test) {
        lines.push(row(name, &train.to_string(), &test.to_string()));
    }
    lines.push(row("all", &data.train.len().to_string(), &data.test.len().to_string()));
    lines
}

/// The report on a data set as JSON.
fn record(path: &Path, data: &Dataset, sheet: &Path) -> Value {
    let files = data.files.iter().map(|file| json!({ "name": file.name, "sha256": file.sha256 }));
    let set = |images: &Images| json!({ "n": images.len(), "class_counts": images.class_counts() });
    json!({
        "schema": SCHEMA,
        "path": path.display().to_string(),
        "format": data.format,
        "sha256": data.sha256,
        "is_mnist": data.is_mnist(),
        "image": data.shape(),
        "class_names": data.class_names,
        "train": set(&data.train),
        "test": set(&data.test),
        "files": files.collect::<Vec<_>>(),
        "contact_sheet": sheet.display().to_string(),
    })
}

/// Writes the contact sheet and returns its path.
fn contact_sheet(data: &Dataset, out: &Path) -> Result<PathBuf> {
    let shape = data.shape();
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let path = out.join("contact_sheet.png");
    let zoom = if shape.height.max(shape.width) <= ENLARGED_SIDE { 2 } else { 1 };
    grid::write(&path, shape, &sheet_images(&data.train), COLUMNS, zoom)?;
    Ok(path)
}

/// The images of the contact sheet, row by row: one row per class, or the first images where there are no classes. Rows that
/// are not full end with black images.
fn sheet_images(images: &Images) -> Vec<u8> {
    let len = images.shape.len();
    if images.num_classes == 0 {
        return images.pixels[..images.pixels.len().min(COLUMNS * COLUMNS * len)].to_vec();
    }
    let mut sheet = Vec::new();
    for class in 0..images.num_classes.min(ROWS) {
        let of_class = (0..images.len()).filter(|&i| usize::from(images.labels[i]) == class);
        of_class.take(COLUMNS).for_each(|i| sheet.extend(images.image(i)));
        sheet.resize((class + 1) * COLUMNS * len, 0);
    }
    sheet
}

#[cfg(feature = "hub")]
fn fetch(dir: &Path, terminal: &Terminal) -> Result<()> {
    dm_nn::data::hub::fetch(dir)?;
    terminal.lines(report(dir, &Dataset::open(dir, &ReadOptions::default())?))
}

#[cfg(not(feature = "hub"))]
fn fetch(_: &Path, _: &Terminal) -> Result<()> {
    anyhow::bail!(
        "dm data fetch: this binary was built without --features hub (MNIST is in data/mnist already)"
    )
}
