//! The figures of a run as Markdown, for a terminal and for a note.

use super::figures::{Epoch, Figures, Row, Scaling};
use std::collections::BTreeMap;
use std::fmt::Write;

/// All tables that there are figures for, and what is to know of the machine.
pub fn render(all: &Figures) -> String {
    let mut text = format!("{}\n", all.machine.line());
    for program in &all.programs {
        line(&mut text, program);
    }
    if let Some(peak) = all.fma_peak_gflops {
        line(
            &mut text,
            &format!("multiply-adds on all threads: {peak:.0} GFLOP/s; medians of {} rounds", all.rounds),
        );
    }
    if !all.rows.is_empty() {
        contest(&mut text, &all.rows);
    }
    if let Some(epoch) = &all.epoch {
        let more = (epoch.ratio - 1.0) * 100.0;
        let Epoch { net, steps, seconds, pictures_seconds, bare_seconds, .. } = epoch;
        let whole = format!("{seconds:.1} s with everything ({pictures_seconds:.1} s of it sample pictures)");
        let bare = format!("{steps} bare steps {bare_seconds:.1} s: {more:+.1} %");
        line(&mut text, &format!("\nepoch of {net}: {whole}, {bare}"));
    }
    if !all.sampling.is_empty() {
        text += "\n| model | evaluations | ours ms/image | PyTorch's network alone ms/image | ratio |\n";
        text += "|---|---:|---:|---:|---:|\n";
        for row in &all.sampling {
            let (ours, torch) = (row.ours_ms_per_image, row.torch_network_alone_ms_per_image);
            let figures = format!("{} | {ours:.1} | {torch:.1} | {:.2} |", row.evaluations, row.ratio);
            line(&mut text, &format!("| {} | {figures}", row.model));
        }
    }
    if !all.scaling.is_empty() {
        scaling(&mut text, &all.scaling);
    }
    if !all.drawing.is_empty() {
        text += "\n| model | images drawn | seconds | peak MB |\n|---|---:|---:|---:|\n";
        for row in &all.drawing {
            let peak = whole(row.peak_mb);
            line(&mut text, &format!("| {} | {} | {:.1} | {peak} |", row.model, row.images, row.seconds));
        }
    }
    for note in &all.notes {
        line(&mut text, &format!("\n{note}"));
    }
    text
}

fn line(text: &mut String, line: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{line}");
}

fn contest(text: &mut String, rows: &[Row]) {
    *text += "\n| network | work | ours ms | PyTorch ms | its best | ratio | MB | share of peak |\n";
    *text += "|---|---|---:|---:|---|---:|---:|---:|\n";
    for row in rows {
        let memory = format!("{} / {}", whole(row.ours_peak_mb), whole(row.torch_peak_mb));
        let share = format!("{} / {}", percent(row.ours_share_of_peak), percent(row.torch_share_of_peak));
        let work = format!("{} of {}", row.work, row.batch);
        let times =
            format!("{:.1} | {:.1} | {} | {:.2}", row.ours_ms, row.torch_best_ms, row.torch_best, row.ratio);
        line(text, &format!("| {} | {work} | {times} | {memory} | {share} |", row.net));
    }
    *text += "\nMB and share of peak: ours / PyTorch's. PyTorch in all variants, ms:\n";
    for row in rows {
        let each: Vec<_> = row.torch_ms.iter().map(|(variant, ms)| format!("{variant} {ms:.1}")).collect();
        line(text, &format!("- {} {}: {}", row.net, row.work, each.join(", ")));
    }
}

/// Batches down, network, work and threads across.
fn scaling(text: &mut String, rows: &[Scaling]) {
    let mut columns: Vec<String> = Vec::new();
    let mut batches: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for row in rows {
        let column = format!("{} {}, {} threads", row.net, row.work, row.threads);
        let place = columns.iter().position(|known| *known == column).unwrap_or_else(|| {
            columns.push(column);
            columns.len() - 1
        });
        let cells = batches.entry(row.batch).or_default();
        cells.resize(cells.len().max(place + 1), String::new());
        cells[place] = format!("{:.0}", row.images_per_s);
    }
    line(text, &format!("\nImages a second:\n\n| batch | {} |", columns.join(" | ")));
    line(text, &format!("|---:|{}", "---:|".repeat(columns.len())));
    for (batch, cells) in batches {
        line(text, &format!("| {batch} | {} |", cells.join(" | ")));
    }
}

fn whole(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0}"))
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0))
}

#[cfg(test)]
mod tests {
    use super::super::figures::{Drawing, Sampling};
    use super::*;

    fn figures() -> Figures {
        let mut all = Figures::new(7);
        all.program("dm 0.1.0, 2 threads".into());
        all.program("dm 0.1.0, 2 threads".into());
        all.fma_peak_gflops = Some(200.0);
        all.rows.push(Row {
            net: "ref_cnn".into(),
            work: "train".into(),
            batch: 128,
            ours_ms: 80.0,
            torch_best_ms: 440.0,
            torch_best: "compiled".into(),
            ratio: 5.5,
            ours_peak_mb: Some(412.4),
            torch_peak_mb: None,
            torch_ms: [("eager".to_owned(), 450.0), ("compiled".to_owned(), 440.0)].into(),
            parameters: Some(291_217),
            ours_share_of_peak: Some(0.614),
            torch_share_of_peak: Some(0.69),
        });
        all
    }

    #[test]
    fn the_table_names_both_sides_and_leaves_no_figure_out() {
        let mut all = figures();
        all.epoch = Some(Epoch {
            net: "ref_cnn".into(),
            steps: 468,
            seconds: 41.2,
            pictures_seconds: 3.0,
            bare_seconds: 37.44,
            ratio: 1.1,
        });
        all.sampling.push(Sampling {
            model: "ink-unet".into(),
            evaluations: 100,
            ours_ms_per_image: 50.0,
            torch_network_alone_ms_per_image: 110.0,
            ratio: 2.2,
        });
        all.drawing.push(Drawing { model: "m".into(), images: 1000, seconds: 2.0, peak_mb: Some(99.6) });
        all.notes.push("left out: compiled: no compiler".into());
        let text = render(&all);
        assert_eq!(text.matches("dm 0.1.0, 2 threads").count(), 1, "{text}");
        for line in [
            "| ref_cnn | train of 128 | 80.0 | 440.0 | compiled | 5.50 | 412 / - | 61 % / 69 % |",
            "- ref_cnn train: compiled 440.0, eager 450.0",
            "epoch of ref_cnn: 41.2 s with everything (3.0 s of it sample pictures), 468 bare steps 37.4 s: +10.0 %",
            "| ink-unet | 100 | 50.0 | 110.0 | 2.20 |",
            "| m | 1000 | 2.0 | 100 |",
            "left out: compiled: no compiler",
        ] {
            assert!(text.lines().any(|found| found == line), "no `{line}` in\n{text}");
        }
    }

    #[test]
    fn scaling_has_a_column_for_each_network_work_and_number_of_threads() {
        let mut all = figures();
        for (threads, speed) in [(1, 100.0), (2, 190.0)] {
            for batch in [1, 512] {
                let (net, work) = ("unet".to_owned(), "train".to_owned());
                all.scaling.push(Scaling { net, work, threads, batch, images_per_s: speed * batch as f64 });
            }
        }
        let text = render(&all);
        assert!(
            text.contains("| batch | unet train, 1 threads | unet train, 2 threads |\n|---:|---:|---:|"),
            "{text}"
        );
        assert!(text.contains("| 1 | 100 | 190 |\n| 512 | 51200 | 97280 |"), "{text}");
    }

    #[test]
    fn the_file_has_the_rows_the_report_reads() {
        let json = serde_json::to_value(figures()).unwrap();
        let row = &json["rows"][0];
        let keys = [
            "net",
            "work",
            "ours_ms",
            "torch_best_ms",
            "torch_best",
            "ratio",
            "ours_peak_mb",
            "torch_peak_mb",
        ];
        assert!(keys.iter().all(|key| row.get(key).is_some()), "{row}");
        assert_eq!((row["net"].as_str(), row["ratio"].as_f64()), (Some("ref_cnn"), Some(5.5)));
        assert!(row["torch_peak_mb"].is_null());
        assert!(json["machine"]["threads"].as_u64().is_some_and(|threads| threads > 0));
        assert!(json.get("scaling").is_none() && json.get("epoch").is_none(), "not asked for, not there");
    }
}
