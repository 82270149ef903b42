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
/// Between the levels of a restoration.
const GAP: u32 = 8;
const GUTTER: u32 = 28;
const MARGIN: u32 = 16;
const HEAD: u32 = 58;
const ROW_HEAD: u32 = 34;
const ROW: u32 = ROW_HEAD + ROWS as u32 * PITCH + 8;

/// Left ends of the three blocks, right end of the last.
const LEFTS: [u32; 3] = [MARGIN, MARGIN + BLOCK + GUTTER, MARGIN + 2 * (BLOCK + GUTTER)];
const BLOCK: u32 = ACROSS as u32 * PITCH;
const LEVEL: u32 = STAGES as u32 * PITCH + GAP;
const RIGHT: u32 = LEFTS[2] + PITCH + LEVELS as u32 * LEVEL;

const CAPTIONS: [&str; 3] = [
    "test images, t = 0 to T",
    "samples, the first of their seed",
    "test images; degraded, in one step, by the chain",
];

const NUMBERS: Type<'static> = Type { anchor: Anchor::Start, size: LABEL_SIZE, colour: TEXT };

/// The pictures of a row, each with its left end.
type Pictures = Vec<(u32, RgbaImage)>;

pub fn draw(runs: &[Run]) -> Option<Canvas> {
    let rows: Vec<_> = runs.iter().filter_map(|run| Some((run, pictures(run)?, measured(run)))).collect();
    let height = HEAD + rows.len() as u32 * ROW;
    let mut page = (!rows.is_empty()).then(|| Canvas::new(f64::from(RIGHT + MARGIN), f64::from(height)))?;
    page.text(f64::from(MARGIN), 22.0, &conditions(rows.iter().map(|row| &row.2)), LABEL);
    for (left, caption) in LEFTS.into_iter().zip(CAPTIONS) {
        page.text(f64::from(left), f64::from(HEAD) - 14.0, caption, LABEL);
    }
    for (index, (run, pictures, measured)) in rows.into_iter().enumerate() {
        let top = HEAD + index as u32 * ROW;
        let (line, baseline) = (f64::from(top), f64::from(top) + 23.0);
        page.line((f64::from(MARGIN), line), (f64::from(RIGHT), line), FAINT, THIN);
        page.text(f64::from(LEFTS[0]), baseline, &run.title, TITLE);
        page.text(f64::from(LEFTS[1]), baseline, &of_samples(&measured), NUMBERS);
        for (level, row) in measured.below_last().take(LEVELS).enumerate() {
            let Some(chain) = row.chain else { continue };
            let text = format!("{}: {chain:.1} dB", share(row.t, row.steps));
            page.text(f64::from(level_left(level)), baseline, &text, NUMBERS);
        }
        for (left, picture) in pictures {
            page.picture(left, top + ROW_HEAD, picture);
        }
    }
    Some(page)
}

/// Left end of a level's restorations.
fn level_left(level: usize) -> u32 {
    LEFTS[2] + PITCH + GAP + level as u32 * LEVEL
}

/// The pictures of a run; `None` until all of its sheets are there.
fn pictures(run: &Run) -> Option<Pictures> {
    let open = |name: &str| Tiles::open(&run.folder.join("generated").join(name));
    let (forward, samples, restored) = (open("forward.png")?, open("grid.png")?, open("restore.png")?);
    let mut pictures = vec![
        (LEFTS[0], sheet(&forward, &spread(forward.columns, ACROSS))),
        (LEFTS[1], samples.arrange(&samples.first(ROWS * ACROSS), ACROSS)),
        (LEFTS[2], sheet(&restored, &[0])),
    ];
    let levels = ((restored.columns - 1) / STAGES).min(LEVELS);
    pictures.extend((0..levels).map(|level| {
        let first = 1 + level * STAGES;
        (level_left(level), sheet(&restored, &(first..first + STAGES).collect::<Vec<_>>()))
    }));
    Some(pictures)
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
fn conditions<'a>(runs: impl Iterator<Item = &'a Measured> + Clone) -> String {
    let scored = runs.clone().find_map(Measured::conditions);
    let restored = runs.clone().find_map(|run| run.n_restored).map(thousands);
    let mut words = Vec::new();
    let half = if runs.clone().any(|run| run.frechet_half.is_some()) { " (± 95 %)" } else { "" };
    words.extend(scored.map(|scored| format!("FD{half}, precision and recall of {scored}")));
    words.extend(restored.map(|n| format!("dB: mean PSNR of {n} test images walked back by the chain")));
    words.join("; ")
}

fn of_samples(run: &Measured) -> String {
    // There is room for one interval.
    let told = run.told().into_iter().enumerate();
    let words =
        told.map(|(i, (name, value, half))| format!("{name} {value}{}", if i == 0 { &half } else { "" }));
    words.collect::<Vec<_>>().join("   ")
}

/// A level as its share of T: T/4, 3T/4.
fn share(t: u64, steps: u64) -> String {
    let exact = t as f64 / steps.max(1) as f64;
    let near = (1..=12u32).map(|under| ((exact * f64::from(under)).round(), under));
    let near = near
        .filter(|&(over, under)| (over / f64::from(under) - exact).abs() < 0.005)
        .min_by_key(|&(_, under)| under);
    match near {
        Some((1.0, 1)) => "T".into(),
        Some((1.0, under)) => format!("T/{under}"),
        Some((over, under)) => format!("{over}T/{under}"),
        None => format!("{exact:.2} T"),
    }
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
        assert_eq!(svg.matches("<image").count(), 6, "of the one run that has all its sheets");
        for text in [
            "Whole",
            "FD 12 ± 1   precision 0.90   recall 0.70",
            "T/2: 17.2 dB",
            "1,000 images",
            "of 4 test images",
        ] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(!svg.contains("Cut") && !svg.contains("T: 9.0 dB"), "from T there is nothing to restore");
        assert!(draw(&runs[1..]).is_none());
        let shares = [(250, 1000), (75, 100), (7, 7), (3, 10)].map(|(t, steps)| share(t, steps));
        assert_eq!(shares, ["T/4", "3T/4", "T", "3T/10"]);
    }
}
