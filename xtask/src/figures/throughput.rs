//! Throughput of the engine: images per second over the batch size, and the arithmetic per second over the image size.

use super::canvas::Canvas;
use super::chart::{Axis, Chart, Grid, dots, line, page};
use super::style::{DOT, THICK, THIN, colour};
use crate::records::distinct;
use dm_record::BenchFile;

const GRID: Grid = Grid { columns: 2, width: 420.0, height: 420.0, first_width: None };

pub fn draw(bench: &BenchFile) -> Option<Canvas> {
    page([over_batches(bench), over_sizes(bench)].into_iter().flatten().collect(), GRID)
}

/// Images per second over the batch size: a colour for each network and kind of work, a thick line for the most threads.
fn over_batches(bench: &BenchFile) -> Option<Chart> {
    let rows = &bench.scaling;
    let names: Vec<String> = rows.iter().map(|row| format!("{}, {}", row.net, row.work)).collect();
    let mut numbers = distinct(rows.iter().map(|row| row.threads));
    numbers.sort_unstable();
    let most = *numbers.last()?;
    let mut plots = Vec::new();
    for (place, name) in distinct(names.iter().map(String::as_str)).into_iter().enumerate() {
        for &threads in &numbers {
            let of = rows.iter().zip(&names).filter(|(row, of)| *of == name && row.threads == threads);
            let points: Vec<(f64, f64)> = of.map(|(row, _)| (row.batch as f64, row.images_per_s)).collect();
            if !points.is_empty() {
                let drawn = line(points.clone(), &colour(place), if threads == most { THICK } else { THIN });
                plots.push(if threads == most { drawn.with_legend(name) } else { drawn }.into());
                plots.push(dots(points, &colour(place), DOT).into());
            }
        }
    }
    let fewer: Vec<String> = numbers.iter().filter(|&&number| number < most).map(usize::to_string).collect();
    let thin = if fewer.is_empty() { String::new() } else { format!("; thin lines: {}", fewer.join(", ")) };
    Some(Chart {
        title: "Throughput over the batch size".into(),
        y_label: format!("images per second, {most} threads{thin}"),
        x_label: "images per batch".into(),
        x: Axis::log_around(rows.iter().map(|row| row.batch as f64))?,
        y: Axis::log_around(rows.iter().map(|row| row.images_per_s))?,
        plots,
    })
}

/// Arithmetic per second over the image size: a shape that the engine is not made for would be a dip.
fn over_sizes(bench: &BenchFile) -> Option<Chart> {
    let rows = &bench.sizes;
    let batch = rows.first()?.batch;
    let mut plots = Vec::new();
    for (place, work) in distinct(rows.iter().map(|row| row.work.as_str())).into_iter().enumerate() {
        let of = rows.iter().filter(|row| row.work == work);
        let points: Vec<(f64, f64)> = of.map(|row| (row.side as f64, row.direct_gflops)).collect();
        plots.push(line(points.clone(), &colour(place), THICK).with_legend(work).into());
        plots.push(dots(points, &colour(place), DOT).into());
    }
    let highest = rows.iter().map(|row| row.direct_gflops).fold(0.0, f64::max);
    Some(Chart {
        title: "Throughput over the image size, U-Net".into(),
        y_label: format!("10^9 operations of direct convolutions per second, {batch} images"),
        x_label: "height and width in pixels".into(),
        x: Axis::log_around(rows.iter().map(|row| row.side as f64))?,
        y: Axis::linear(0.0, 1.1 * highest),
        plots,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dm_record::{SizeThroughput, Throughput};

    #[test]
    fn networks_threads_and_sizes_have_lines() {
        let text = std::fs::read_to_string(crate::workspace::root().join("report/bench.json")).unwrap();
        let mut bench: BenchFile = serde_json::from_str(&text).unwrap();
        (bench.scaling, bench.sizes) = (Vec::new(), Vec::new());
        assert!(draw(&bench).is_none());
        for (threads, batch, images_per_s) in [(1, 16, 100.0), (1, 64, 120.0), (2, 16, 180.0), (2, 64, 240.0)]
        {
            let (net, work) = ("unet".to_owned(), "train".to_owned());
            bench.scaling.push(Throughput { net, work, threads, batch, images_per_s });
        }
        for (side, direct_gflops) in [(8, 200.0), (28, 400.0), (128, 380.0)] {
            let (net, work) = ("unet".to_owned(), "forward".to_owned());
            bench.sizes.push(SizeThroughput { net, work, side, batch: 32, images_per_s: 1.0, direct_gflops });
        }
        let svg = draw(&bench).unwrap().svg().unwrap();
        for text in ["unet, train", "2 threads; thin lines: 1", "32 images", "forward"] {
            assert!(svg.contains(text), "{text}");
        }
        assert_eq!(svg.matches("<circle").count(), 7);
    }
}
