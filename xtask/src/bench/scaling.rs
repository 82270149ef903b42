//! Measures how our program scales: images per second over batch size and number of threads, and memory while drawing many images.

use super::programs::{Programs, add_program, median};
use super::worker_process::{Request, WorkerProcess};
use anyhow::{Context, Result};
use dm_record::{BenchFile, DrawingTime, Throughput};

const NETWORKS: [&str; 2] = ["ref_cnn", "unet"];
const WORKS: [&str; 2] = ["train", "forward"];
/// Batch sizes.
const BATCHES: [usize; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
/// Least number of images in a turn: small batches are repeated until there is enough work to time.
const IMAGES: usize = 64;
/// Numbers of images to draw, and the model. Memory must not depend on the number of images.
const DRAWN: [usize; 2] = [1000, 10_000];
const MODEL: &str = "ddpm-unet";

pub fn run(programs: &Programs, rounds: usize, results: &mut BenchFile) -> Result<()> {
    for threads in [1, 2] {
        for net in NETWORKS {
            for work in WORKS {
                let [smallest, .., largest] = BATCHES;
                eprintln!("{net} {work}, {threads} threads: batches of {smallest} to {largest}");
                let mut ours = programs.ours(Some(threads))?;
                add_program(results, ours.program());
                for batch in BATCHES {
                    let images_per_s = images_per_s(&mut ours, net, work, batch, rounds)?;
                    let (net, work) = (net.to_owned(), work.to_owned());
                    results.scaling.push(Throughput { net, work, threads, batch, images_per_s });
                }
            }
        }
    }
    for images in DRAWN {
        eprintln!("{MODEL}: drawing {images} images");
        results.drawing.push(draw(&mut programs.ours(None)?, images)?);
    }
    Ok(())
}

fn images_per_s(ours: &mut WorkerProcess, net: &str, work: &str, batch: usize, rounds: usize) -> Result<f64> {
    let once = Request { work, name: net, count: batch, repeats: 1 };
    ours.ask(&once)?;
    let repeats = rounds.max(IMAGES / batch);
    let answer = ours.ask(&Request { repeats, ..once })?;
    let ms = median(&answer.ms).context("ours: no times")?;
    Ok(batch as f64 / ms * 1e3)
}

/// Draws `images` images in a process of its own.
fn draw(ours: &mut WorkerProcess, images: usize) -> Result<DrawingTime> {
    let answer = ours.ask(&Request { work: "draw", name: MODEL, count: images, repeats: 1 })?;
    let seconds = answer.ms.iter().sum::<f64>() / 1e3;
    Ok(DrawingTime { model: MODEL.to_owned(), images, seconds, peak_mb: ours.peak_mb() })
}
