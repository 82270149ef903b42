//! All runs of a set on one page, a row for each: how its degradation takes test images apart, what it draws, and what it
//! makes of test images that are degraded half-way. Beside the name what was measured, and how much of it.

use super::Run;
use super::canvas::{Anchor, Canvas, LABEL, TITLE, Type};
use super::choose::spread;
use super::style::{FAINT, LABEL_SIZE, TEXT, THIN};
use super::tiles::Tiles;
use crate::measured::Measured;
use crate::scores::thousands;
use image::RgbaImage;

const ROWS: usize = 3;
/// Columns of degrading and of samples.
const ACROSS: usize = 8;
/// Columns of a sheet of restorations for one level: degraded, in one step, by the chain.
const STAGES: usize = 3;
/// Levels shown of them.
const LEVELS: usize = 3;

const PITCH: u32 = 30;
const GUTTER: u32 = 26;
const MARGIN: u32 = 16;
const HEAD: u32 = 58;
const ROW_HEAD: u32 = 34;
const ROW: u32 = ROW_HEAD + ROWS as u32 * PITCH + 8;

/// A picture and the words above it.
struct Block {
    caption: String,
    picture: Option<RgbaImage>,
    columns: u32,
}

pub fn draw(runs: &[Run]) -> Option<Canvas> {
    let rows: Vec<_> = runs.iter().map(|run| (run, blocks(run))).filter(|(_, row)| whole(row)).collect();
    let (_, first) = rows.first()?;
    let lefts: Vec<u32> = first
        .iter()
        .scan(MARGIN, |left, block| Some(std::mem::replace(left, *left + block.columns * PITCH + GUTTER)))
        .collect();
    let width = lefts.last()? + first.last()?.columns * PITCH + MARGIN;
    let mut page = Canvas::new(f64::from(width), f64::from(HEAD + rows.len() as u32 * ROW));
    for (left, block) in lefts.iter().zip(first) {
        page.text(f64::from(*left), f64::from(HEAD) - 16.0, &block.caption, LABEL);
    }
    page.text(f64::from(MARGIN), 22.0, &conditions(&rows), LABEL);
    for (index, (run, blocks)) in rows.iter().enumerate() {
        let top = HEAD + index as u32 * ROW;
        let (from, to) = (f64::from(MARGIN), f64::from(width - MARGIN));
        page.line((from, f64::from(top)), (to, f64::from(top)), FAINT, THIN);
        page.text(from, f64::from(top) + 23.0, &run.title, TITLE);
        let look = Type { anchor: Anchor::Start, size: LABEL_SIZE, colour: TEXT };
        let measured = measured(run);
        page.text(f64::from(lefts[1]), f64::from(top) + 23.0, &of_samples(&measured), look);
        page.text(f64::from(lefts[2]), f64::from(top) + 23.0, &of_restorations(&measured), look);
        for (left, block) in lefts.iter().zip(blocks) {
            if let Some(picture) = &block.picture {
                page.picture(*left, top + ROW_HEAD, picture.clone());
            }
        }
    }
    Some(page)
}

fn blocks(run: &Run) -> [Block; 3] {
    let open = |name: &str| Tiles::open(&run.folder.join("generated").join(name));
    let block = |caption: &str, columns: usize, picture| Block {
        caption: caption.into(),
        picture,
        columns: columns as u32,
    };
    let forward = open("forward.png").map(|tiles| sheet(&tiles, &spread(tiles.columns, ACROSS)));
    let samples = open("grid.png").map(|tiles| tiles.arrange(&tiles.first(ROWS * ACROSS), ACROSS));
    let columns = 1 + LEVELS * STAGES;
    let restored = open("restore.png").filter(|tiles| tiles.columns >= columns);
    let restored = restored.map(|tiles| sheet(&tiles, &(0..columns).collect::<Vec<_>>()));
    [
        block("test images, t = 0 to T", ACROSS, forward),
        block("samples, the first of their seed", ACROSS, samples),
        block("test images; from each level: degraded, in one step, by the chain", columns, restored),
    ]
}

fn whole(row: &[Block; 3]) -> bool {
    row.iter().all(|block| block.picture.is_some())
}

/// The first rows of these columns.
fn sheet(tiles: &Tiles, columns: &[usize]) -> RgbaImage {
    let row = |row: usize| columns.iter().map(move |&column| (row, column));
    tiles.arrange(&(0..tiles.rows.min(ROWS)).flat_map(row).collect::<Vec<_>>(), columns.len())
}

/// What was measured of a run; a file that cannot be read says as little as one that is missing.
fn measured(run: &Run) -> Measured {
    Measured::read(&run.folder.join("generated")).unwrap_or_default()
}

/// How much stands behind the numbers.
fn conditions(rows: &[(&Run, [Block; 3])]) -> String {
    let runs = || rows.iter().map(|(run, _)| measured(run));
    let mut words = Vec::new();
    words.extend(
        runs().find_map(|run| run.n).map(|n| format!("FD, precision, recall: {} images each", thousands(n))),
    );
    words.extend(
        runs()
            .find_map(|run| run.n_restored)
            .map(|n| format!("restored by the chain: mean PSNR of {} test images", thousands(n))),
    );
    words.join("; ")
}

fn of_samples(run: &Measured) -> String {
    let scores =
        [("FD", run.frechet_distance, 1), ("precision", run.precision, 2), ("recall", run.recall, 2)];
    let words =
        scores.iter().filter_map(|(name, value, digits)| Some(format!("{name} {:.digits$}", (*value)?)));
    words.collect::<Vec<_>>().join("   ")
}

fn of_restorations(run: &Measured) -> String {
    let level = |row: &crate::measured::Restored| Some(format!("t = {}: {:.1} dB", row.t, row.chain?));
    run.from_below().filter_map(level).collect::<Vec<_>>().join("   ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, Luma};

    fn write(folder: &std::path::Path, name: &str, rows: u32, columns: u32) {
        let sheet = GrayImage::from_pixel(columns * PITCH + 2, rows * PITCH + 2, Luma([7]));
        sheet.save(folder.join(name)).unwrap();
    }

    fn run(title: &str, folder: &std::path::Path) -> Run {
        Run::read(0, title, "error", folder).unwrap()
    }

    #[test]
    fn every_whole_run_has_a_row_with_its_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let folders = ["whole", "cut", "bare"].map(|name| dir.path().join(name));
        for folder in &folders[..2] {
            let generated = folder.join("generated");
            std::fs::create_dir_all(&generated).unwrap();
            write(&generated, "forward.png", 4, 12);
            write(&generated, "grid.png", 10, 10);
        }
        write(&folders[0].join("generated"), "restore.png", 50, 13);
        crate::measured::tests::write(&folders[0].join("generated"), 12.5);
        let runs = [run("Whole", &folders[0]), run("Cut", &folders[1]), run("Bare", &folders[2])];
        let svg = draw(&runs).unwrap().svg().unwrap();
        assert_eq!(svg.matches("<image").count(), 3, "of the one run that has all three");
        for text in ["Whole", "FD 12.5", "precision 0.90", "t = 50: 17.2 dB", "1,000 images", "4 test images"]
        {
            assert!(svg.contains(text), "{text}");
        }
        assert!(!svg.contains("Cut") && !svg.contains("t = 100: "), "from T there is nothing to restore");
        assert!(draw(&runs[1..]).is_none());
    }
}
