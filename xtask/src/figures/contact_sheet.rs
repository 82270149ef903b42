//! All runs of a study on one page, one band per run: degraded test images, samples, and restored test images. The captions give
//! the scores of the run.

use super::canvas::Canvas;
use super::choose::evenly;
use super::restored::{stages, timesteps};
use super::run::Run;
use super::sheet::{self, Band, Block};
use crate::markdown::thousands;
use crate::records::{below_last_timestep, format_conditions, format_scores, read_run_scores};
use dm_record::RunScores;

const ROWS: usize = 3;
/// Columns of degrading images and of samples.
const COLUMNS: usize = 8;
/// Timesteps shown of the restorations.
const TIMESTEPS: usize = 3;
/// Space between the three kinds of pictures, and between the timesteps of a restoration.
const WIDE: u32 = 28;
const NARROW: u32 = 10;

pub fn draw(runs: &[Run]) -> Option<Canvas> {
    // A file of scores that cannot be read is treated as a missing one.
    let scores = |run: &Run| read_run_scores(&run.folder.join("generated")).unwrap_or_default();
    let bands: Vec<_> = runs.iter().map(|run| (scores(run), run)).collect();
    let all: Vec<_> = bands.iter().filter_map(|(scores, run)| band(run, scores)).collect();
    if all.is_empty() {
        return None;
    }
    let title =
        "Degraded test images; samples; test images degraded, restored in one evaluation, by the chain";
    let text = conditions(bands.iter().map(|(scores, _)| scores));
    let head = Band { title: title.into(), text, blocks: Vec::new() };
    sheet::page(std::iter::once(head).chain(all).collect())
}

/// The pictures of a run; `None` if one of them is missing.
fn band(run: &Run, scores: &RunScores) -> Option<Band> {
    let (forward, samples, restored) =
        (run.generated("forward.png")?, run.generated("grid.png")?, run.generated("restore.png")?);
    let mut blocks = vec![
        Block::columns("t = 0 to T", 0, &forward, ROWS, &evenly(forward.columns, COLUMNS)),
        Block::new(samples_caption(scores), WIDE, &samples, &samples.first(ROWS * COLUMNS), COLUMNS),
        Block::columns("", WIDE, &restored, ROWS, &[0]),
    ];
    let mut rows = below_last_timestep(scores);
    blocks.extend((0..timesteps(&restored).unwrap_or(0).min(TIMESTEPS)).map(|timestep| {
        let row = rows.next().and_then(|row| Some((share(row.t, row.timesteps), row.chain?)));
        let caption = row.map_or(String::new(), |(share, psnr)| format!("{share}: {psnr:.1} dB"));
        Block::columns(caption, NARROW, &restored, ROWS, &stages(timestep))
    }));
    Some(Band { title: run.title.clone(), blocks, ..Band::default() })
}

/// A line about the number of images behind the scores.
fn conditions<'a>(runs: impl Iterator<Item = &'a RunScores> + Clone) -> String {
    let scored = runs.clone().find_map(format_conditions);
    let restored = runs.clone().find_map(|scores| scores.n_restored).map(thousands);
    let half = if runs.clone().any(|scores| scores.frechet_half.is_some()) { " (± 95 %)" } else { "" };
    let scored = scored.map(|scored| format!("FD{half}, precision and recall of {scored}"));
    let restored = restored.map(|n| format!("dB: mean PSNR of {n} test images restored by the chain"));
    scored.into_iter().chain(restored).collect::<Vec<_>>().join("; ")
}

fn samples_caption(scores: &RunScores) -> String {
    // There is room for the interval of one score.
    let scores = format_scores(scores).into_iter().enumerate();
    let words =
        scores.map(|(i, (name, value, half))| format!("{name} {value}{}", if i == 0 { &half } else { "" }));
    words.collect::<Vec<_>>().join("  ")
}

/// A timestep as its share of T: T/4, 3T/4.
fn share(t: usize, timesteps: usize) -> String {
    let exact = t as f64 / timesteps.max(1) as f64;
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
    use crate::figures::run::tests::run;
    use crate::figures::tiles::tests::write_grid;
    use crate::records::fixtures::write_run_scores;

    #[test]
    fn every_complete_run_has_a_band_with_its_scores() {
        let dir = tempfile::tempdir().unwrap();
        let folders = ["whole", "cut", "bare"].map(|name| dir.path().join(name));
        for generated in folders[..2].iter().map(|folder| folder.join("generated")) {
            std::fs::create_dir_all(&generated).unwrap();
            write_grid(&generated.join("forward.png"), 4, 12);
            write_grid(&generated.join("grid.png"), 10, 10);
        }
        write_grid(&folders[0].join("generated/restore.png"), 50, 13);
        write_run_scores(&folders[0].join("generated"), 12.5);
        let runs = [run("Whole", &folders[0]), run("Cut", &folders[1]), run("Bare", &folders[2])];
        let svg = draw(&runs).unwrap().svg().unwrap();
        assert_eq!(svg.matches("<image").count(), 6, "of the one run that has all its grids");
        let scores = "FD 12 ± 1  precision 0.90  recall 0.70";
        for text in ["Whole", scores, "T/2: 17.2 dB", "1,000 images", "of 4 test images"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(!svg.contains("Cut") && !svg.contains("T: 9.0 dB"), "at T nothing is left to restore");
        assert!(draw(&runs[1..]).is_none());
        let shares = [(250, 1000), (75, 100), (7, 7), (3, 10)].map(|(t, timesteps)| share(t, timesteps));
        assert_eq!(shares, ["T/4", "3T/4", "T", "3T/10"]);
    }
}
