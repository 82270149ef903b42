//! The results of a benchmark as Markdown tables.

use crate::machine;
use crate::markdown::{self, number};
use dm_record::{BenchFile, DrawingTime, EpochTime, SamplingTime, SizeThroughput, StepTime, Throughput};
use std::collections::BTreeMap;

/// The machine, the programs, and a table for each kind of results.
pub fn render(results: &BenchFile) -> String {
    let mut lines = vec![machine::line(&results.machine)];
    lines.extend(results.programs.iter().cloned());
    let rounds = results.rounds;
    lines.extend(
        results.fma_peak_gflops.map(|peak| {
            format!("multiply-adds on all threads: {peak:.0} GFLOP/s; medians of {rounds} rounds")
        }),
    );
    lines.extend(comparison(&results.rows));
    lines.extend(results.epochs.iter().map(epoch));
    let head = ["model", "evaluations", "ours ms/image", "best other network alone ms/image", "ratio"];
    lines.extend(table(
        &head,
        1,
        results.sampling.iter().map(|row: &SamplingTime| {
            let (ours, peer) = (row.ours_ms_per_image, row.peer_network_alone_ms_per_image);
            let times = [ours, peer].map(|ms| format!("{ms:.1}"));
            [&[row.model.clone(), row.nfe.to_string()][..], &times, &[format!("{:.2}", row.ratio)]].concat()
        }),
    ));
    lines.extend(scaling(&results.scaling));
    let head = ["network", "work", "side", "images/s", "GFLOP/s of direct convolutions"];
    lines.extend(table(
        &head,
        2,
        results.sizes.iter().map(|row: &SizeThroughput| {
            let work = format!("{} of {}", row.work, row.batch);
            let speeds = [row.images_per_s, row.direct_gflops].map(|speed| format!("{speed:.0}"));
            [&[row.net.clone(), work, row.side.to_string()][..], &speeds].concat()
        }),
    ));
    let head = ["model", "images drawn", "seconds", "peak MB"];
    lines.extend(table(
        &head,
        1,
        results.drawing.iter().map(|row: &DrawingTime| {
            let cells = [row.model.clone(), row.images.to_string(), format!("{:.1}", row.seconds)];
            [&cells[..], &[number(row.peak_mb, 0)]].concat()
        }),
    ));
    lines.extend(results.notes.iter().map(|note| format!("\n{note}")));
    lines.join("\n") + "\n"
}

/// An empty line and a table; `None` without rows.
fn table(head: &[&str], right: usize, rows: impl Iterator<Item = Vec<String>>) -> Option<String> {
    let mut all = vec![head.iter().map(|&cell| cell.to_owned()).collect()];
    all.extend(rows);
    (all.len() > 1).then(|| format!("\n{}", markdown::table(&all, right)))
}

fn comparison(rows: &[StepTime]) -> Vec<String> {
    let percent = |share: Option<f64>| share.map_or("-".into(), |share| format!("{:.0} %", share * 100.0));
    let head = ["network", "work", "best other", "ours ms", "other ms", "ratio", "MB", "share of peak"];
    let cells = rows.iter().map(|row| {
        vec![
            row.net.clone(),
            format!("{} of {}", row.work, row.batch),
            row.peer_best.clone(),
            format!("{:.1}", row.ours_ms),
            format!("{:.1}", row.peer_best_ms),
            format!("{:.2}", row.ratio),
            format!("{} / {}", number(row.ours_peak_mb, 0), number(row.peer_peak_mb, 0)),
            format!("{} / {}", percent(row.ours_share_of_peak), percent(row.peer_share_of_peak)),
        ]
    });
    let Some(table) = table(&head, 3, cells) else { return Vec::new() };
    let note = "\nMB: ours / the least of the others. Share of peak: ours / the best other. All others, ms:"
        .to_owned();
    let mut lines = vec![table, note];
    lines.extend(rows.iter().map(|row| {
        let each: Vec<_> = row.peer_ms.iter().map(|(variant, ms)| format!("{variant} {ms:.1}")).collect();
        format!("- {} {} of {}: {}", row.net, row.work, row.batch, each.join(", "))
    }));
    lines
}

fn epoch(epoch: &EpochTime) -> String {
    let EpochTime { net, steps, seconds, pictures_seconds, bare_seconds, ratio } = epoch;
    let more = (ratio - 1.0) * 100.0;
    format!(
        "\nepoch of {net}: {seconds:.1} s with everything ({pictures_seconds:.1} s of it sample pictures), {steps} bare steps \
         {bare_seconds:.1} s: {more:+.1} %"
    )
}

/// Images per second, with one row per batch size and one column per network, kind of work and number of threads.
fn scaling(rows: &[Throughput]) -> Option<String> {
    let mut head = vec!["batch".to_owned()];
    let mut batches: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for row in rows {
        let column = format!("{} {}, {} threads", row.net, row.work, row.threads);
        let place = head.iter().position(|known| *known == column).unwrap_or_else(|| {
            head.push(column);
            head.len() - 1
        });
        let cells = batches.entry(row.batch).or_insert_with(|| vec![row.batch.to_string()]);
        cells.resize(cells.len().max(place + 1), String::new());
        cells[place] = format!("{:.0}", row.images_per_s);
    }
    let mut all = vec![head];
    all.extend(batches.into_values());
    let width = all[0].len();
    all.iter_mut().for_each(|row| row.resize(width, String::new()));
    (all.len() > 1).then(|| format!("\nImages per second:\n\n{}", markdown::table(&all, 0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The recorded results, with one of everything else.
    fn results() -> BenchFile {
        let path = crate::workspace::root().join("report/bench.json");
        let mut results: BenchFile = crate::records::read_json(&path).unwrap();
        results.drawing.push(DrawingTime {
            model: "m".into(),
            images: 1000,
            seconds: 2.0,
            peak_mb: Some(99.6),
        });
        results.notes.push("left out: compiled: no compiler".into());
        for (threads, speed) in [(1, 100.0), (2, 190.0)] {
            for batch in [1, 512] {
                let (net, work) = ("unet".to_owned(), "train".to_owned());
                results.scaling.push(Throughput {
                    net,
                    work,
                    threads,
                    batch,
                    images_per_s: speed * batch as f64,
                });
            }
        }
        results.rows[0].peer_peak_mb = None;
        let (net, work) = ("unet".to_owned(), "train".to_owned());
        let (side, batch, images_per_s, direct_gflops) = (36, 32, 250.0, 99.6);
        results.sizes.push(SizeThroughput { net, work, side, batch, images_per_s, direct_gflops });
        results
    }

    #[test]
    fn the_tables_leave_no_result_out() {
        let text = render(&results()).split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [
            "dm 0.1.0, 16 lanes, 2 threads",
            "| ref_cnn | train of 128 | compiled | 65.4 | 304.0 | 4.65 | 235 / - | 19 % / 63 % |",
            "- ref_cnn train of 128: channels_last 324.3, compiled 304.0",
            "epoch of unet: 159.8 s with everything (4.3 s of it sample pictures), 468 bare steps 162.4 s: -1.6 %",
            "| ddpm-reference | 1000 | 229.5 | 713.1 | 3.11 |",
            "| m | 1000 | 2.0 | 100 |",
            "| batch | unet train, 1 threads | unet train, 2 threads |",
            "| 512 | 51200 | 97280 |",
            "| unet | train of 32 | 36 | 250 | 100 |",
            "left out: compiled: no compiler",
        ] {
            assert!(text.contains(part), "no `{part}` in\n{text}");
        }
    }

    #[test]
    fn tables_without_rows_are_left_out() {
        let bare = crate::bench::programs::empty_results(3, None);
        assert!(!render(&bare).contains('|'), "{}", render(&bare));
        let json = serde_json::to_value(&bare).unwrap();
        assert!(json.get("scaling").is_none() && json.get("epochs").is_none());
    }
}
