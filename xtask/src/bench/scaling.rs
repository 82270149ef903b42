//! Measures how our program scales: images per second over batch size, number of threads and image size, and memory while drawing
//! many images.

use super::programs::{Programs, add_program, median};
use super::worker_process::{Answer, Request, WorkerProcess};
use anyhow::{Context, Result};
use dm_record::{BenchFile, DrawingTime, SizeThroughput, Throughput};

const NETWORKS: [&str; 2] = ["ref_cnn", "unet"];
const WORKS: [&str; 2] = ["train", "forward"];
/// Batch sizes.
const BATCHES: [usize; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
/// Least number of images in a turn: small batches are repeated until there is enough work to time.
const IMAGES: usize = 64;
/// Heights and widths of grey images, multiples of four as the U-Net needs, and the images per batch. Most are no multiple of the
/// tiles of the transforms.
const SIDES: [usize; 12] = [8, 12, 16, 20, 28, 32, 36, 44, 52, 64, 96, 128];
const OF_A_SIZE: usize = 32;
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
    for work in WORKS {
        eprintln!("unet {work}: images of {} to {} pixels a side", SIDES[0], SIDES[SIDES.len() - 1]);
        let mut ours = programs.ours(None)?;
        for side in SIDES {
            results.sizes.push(of_a_size(&mut ours, work, side, rounds)?);
        }
    }
    for images in DRAWN {
        eprintln!("{MODEL}: drawing {images} images");
        results.drawing.push(draw(&mut programs.ours(None)?, images)?);
    }
    Ok(())
}

fn images_per_s(ours: &mut WorkerProcess, net: &str, work: &str, batch: usize, rounds: usize) -> Result<f64> {
    let repeats = rounds.max(IMAGES / batch);
    let (_, seconds) = warm(ours, Request { work, name: net, count: batch, repeats })?;
    Ok(batch as f64 / seconds)
}

/// The answer to `request`, after a first repeat that is not timed, and its median time in seconds.
fn warm(ours: &mut WorkerProcess, request: Request<'_>) -> Result<(Answer, f64)> {
    ours.ask(&Request { repeats: 1, ..request })?;
    let answer = ours.ask(&request)?;
    let ms = median(&answer.ms).context("ours: no times")?;
    Ok((answer, ms / 1e3))
}

/// The U-Net on images of `side` x `side` pixels.
fn of_a_size(ours: &mut WorkerProcess, work: &str, side: usize, rounds: usize) -> Result<SizeThroughput> {
    let name = format!("unet-{side}x{side}x1");
    let request = Request { work, name: &name, count: OF_A_SIZE, repeats: rounds };
    let (answer, seconds) = warm(ours, request)?;
    let gflop = answer.direct_gflop.context("ours: no direct_gflop in the answer")?;
    Ok(SizeThroughput {
        net: "unet".to_owned(),
        work: work.to_owned(),
        side,
        batch: OF_A_SIZE,
        images_per_s: OF_A_SIZE as f64 / seconds,
        direct_gflops: gflop / seconds,
    })
}

/// Draws `images` images in a process of its own.
fn draw(ours: &mut WorkerProcess, images: usize) -> Result<DrawingTime> {
    let answer = ours.ask(&Request { work: "draw", name: MODEL, count: images, repeats: 1 })?;
    let seconds = answer.ms.iter().sum::<f64>() / 1e3;
    Ok(DrawingTime { model: MODEL.to_owned(), images, seconds, peak_mb: ours.peak_mb() })
}
