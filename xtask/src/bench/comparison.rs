//! Compares our program with others. For each network and kind of work, new processes take turns, so that a warm or busy machine
//! affects all programs. Then whole epochs and the sampling of images are timed.

use super::programs::{OTHERS, Programs, TORCH, add_program, median};
use super::worker_process::{Answer, Request, WorkerProcess};
use anyhow::{Context, Result, ensure};
use dm_record::{BenchFile, EpochTime, SamplingTime, StepTime};
use std::collections::BTreeMap;

/// Networks, kinds of work, and images per batch. 16 images are a block of samples on a screen.
const WORKS: [(&str, &str, usize); 8] = [
    ("ref_cnn", "train", 128),
    ("ref_cnn", "forward", 256),
    ("ref_cnn", "forward", 16),
    ("unet", "train", 128),
    ("unet", "forward", 256),
    ("unet", "forward", 16),
    ("unet-32x32x3", "train", 128),
    ("unet-64x64x3", "train", 128),
];
/// Fewest repeats of the work in one turn.
const REPEATS: usize = 3;
/// Fewest images of all repeats together: a small batch needs more repeats until caches and threads are warm.
const IMAGES: usize = 256;
/// A program that takes more than this many times as long as ours in the first round is not timed: it cannot be the fastest other
/// program, and waiting for it would take longer than all else.
const TOO_SLOW: f64 = 10.0;
/// Networks of which an epoch is timed, and its steps; the last short batch is dropped.
const EPOCHS: [(&str, usize); 2] = [("ref_cnn", 468), ("unet", 468)];
/// Models that are sampled: name of the config, its network, images per batch.
const MODELS: [(&str, &str, usize); 2] = [("ddpm-reference", "ref_cnn", 256), ("ink-unet", "unet", 128)];

/// The timing of one worker.
struct Timing {
    variant: String,
    ms: f64,
    peak_mb: Option<f64>,
    /// The answer to the first request, with everything but the time.
    answer: Answer,
}

/// Compares with PyTorch and, if `all`, with the other programs that can be started.
pub fn run(programs: &Programs, all: bool, rounds: usize, results: &mut BenchFile) -> Result<()> {
    // Before another program starts, since a starting program is busy.
    results.fma_peak_gflops = Some(fma_peak(&mut programs.ours(None)?)?);
    for (net, work, batch) in WORKS {
        let request = Request { work, name: net, count: batch, repeats: REPEATS.max(IMAGES / batch) };
        eprintln!("{net} {work}, batch {batch}: {rounds} rounds");
        let mut workers = vec![programs.ours(None)?];
        for peer in &TORCH {
            workers.push(programs.peer(peer)?);
        }
        if all {
            workers[0].ask(&Request { work: "onnx", count: 1, repeats: 1, ..request })?;
            for peer in OTHERS.iter().filter(|peer| peer.works.contains(&work)) {
                match programs.peer(peer) {
                    Ok(worker) => workers.push(worker),
                    Err(error) => add_note(results, format!("left out: {error:#}")),
                }
            }
        }
        for worker in &workers {
            add_program(results, worker.program());
        }
        let (timings, notes) = take_turns(workers, &request, rounds)?;
        notes.into_iter().for_each(|note| add_note(results, note));
        let row = row(&request, &timings, results.fma_peak_gflops)?;
        eprintln!(
            "  ours {:.1} ms, {} {:.1} ms: {:.2}",
            row.ours_ms, row.peer_best, row.peer_best_ms, row.ratio
        );
        results.rows.push(row);
    }
    for (net, steps) in EPOCHS {
        results.epochs.push(epoch(programs, net, steps, &results.rows)?);
    }
    for (model, net, count) in MODELS {
        eprintln!("{model}: sampling {count} images at a time");
        results.sampling.push(sampling(
            &mut programs.ours(None)?,
            (model, net, count),
            rounds,
            &results.rows,
        )?);
    }
    Ok(())
}

/// Adds a note, unless the results contain it already.
fn add_note(results: &mut BenchFile, note: String) {
    if !results.notes.contains(&note) {
        results.notes.push(note);
    }
}

/// Peak rate in 10^9 operations per second.
fn fma_peak(ours: &mut WorkerProcess) -> Result<f64> {
    let answer = ours.ask(&Request { work: "peak", name: "fma", count: 1, repeats: 20 })?;
    let done = answer.done_gflop.context("ours: peak: no done_gflop in the answer")?;
    // The best time, not the median, shows the peak of the machine.
    Ok(done / answer.ms.iter().copied().fold(f64::INFINITY, f64::min) * 1e3)
}

/// Every worker answers `request` in every round, after a first round that is not timed. The first worker must be able to do the
/// work. Another worker that cannot do it, or is too slow, is left out, with a note.
fn take_turns(
    workers: Vec<WorkerProcess>,
    request: &Request<'_>,
    rounds: usize,
) -> Result<(Vec<Timing>, Vec<String>)> {
    let (mut able, mut notes) = (Vec::new(), Vec::new());
    let mut ours = None;
    for (place, mut worker) in workers.into_iter().enumerate() {
        let answer = match worker.ask(request) {
            Ok(answer) => answer,
            Err(error) if place == 0 => return Err(error),
            Err(error) => {
                notes.push(format!("left out: {error:#}"));
                continue;
            }
        };
        let ms = median(&answer.ms);
        let ours = *ours.get_or_insert(ms);
        match ms.zip(ours).map(|(ms, ours)| ms / ours).filter(|ratio| *ratio > TOO_SLOW) {
            Some(ratio) => notes.push(format!(
                "not timed: {}: {request}: took {ratio:.0} times as long as ours in the first round",
                worker.variant()
            )),
            None => able.push((worker, answer, Vec::new())),
        }
    }
    for round in 0..rounds {
        // Rotate which program starts, so that thermal effects average out.
        let count = able.len();
        for turn in 0..count {
            let (worker, _, times) = &mut able[(round + turn) % count];
            times.extend(worker.ask(request)?.ms);
        }
    }
    let timing = |(worker, answer, times): (WorkerProcess, Answer, Vec<f64>)| {
        let variant = worker.variant().to_owned();
        let ms = median(&times).with_context(|| format!("{variant}: no times"))?;
        let peak_mb = worker.peak_mb();
        Ok(Timing { variant, ms, peak_mb, answer })
    };
    Ok((able.into_iter().map(timing).collect::<Result<_>>()?, notes))
}

/// The row that compares our program, the first of `timings`, with the fastest of the others.
fn row(request: &Request<'_>, timings: &[Timing], peak: Option<f64>) -> Result<StepTime> {
    let (ours, peers) = timings.split_first().context("nothing was measured")?;
    let fastest = peers.iter().min_by(|a, b| a.ms.total_cmp(&b.ms));
    let best = fastest.with_context(|| format!("{request}: no other program could do this"))?;
    for other in peers {
        // A program that reads our file does not count parameters.
        ensure!(
            other.answer.parameters.is_none() || other.answer.parameters == ours.answer.parameters,
            "{}: {}: found {:?} parameters, expected {:?} as ours has: not the same network",
            request.name,
            other.variant,
            other.answer.parameters,
            ours.answer.parameters
        );
    }
    let share = |gflop: Option<f64>, ms: f64| Some(gflop? / (ms / 1e3) / peak?);
    Ok(StepTime {
        net: request.name.to_owned(),
        work: request.work.to_owned(),
        batch: request.count,
        ours_ms: ours.ms,
        peer_best_ms: best.ms,
        peer_best: best.variant.clone(),
        ratio: best.ms / ours.ms,
        ours_peak_mb: ours.peak_mb,
        peer_peak_mb: peers.iter().filter_map(|timing| timing.peak_mb).min_by(f64::total_cmp),
        peer_ms: peers.iter().map(|timing| (timing.variant.clone(), timing.ms)).collect::<BTreeMap<_, _>>(),
        parameters: ours.answer.parameters,
        ours_share_of_peak: share(ours.answer.done_gflop, ours.ms),
        peer_share_of_peak: share(ours.answer.direct_gflop, best.ms),
    })
}

/// The first row of a network and a kind of work.
fn find<'a>(rows: &'a [StepTime], net: &str, work: &str) -> Result<&'a StepTime> {
    let found = rows.iter().find(|row| row.net == net && row.work == work);
    found.with_context(|| format!("{net} {work} was not measured"))
}

/// The time of a whole epoch, beside the time of as many training steps alone.
fn epoch(programs: &Programs, net: &str, steps: usize, rows: &[StepTime]) -> Result<EpochTime> {
    let bare_seconds = find(rows, net, "train")?.ours_ms * steps as f64 / 1e3;
    eprintln!("{net}: an epoch of {steps} steps, about {bare_seconds:.0} s");
    let answer = programs.ours(None)?.ask(&Request { work: "epoch", name: net, count: steps, repeats: 1 })?;
    let seconds = answer.ms.iter().sum::<f64>() / 1e3;
    let pictures_seconds = answer.pictures_ms.unwrap_or_default() / 1e3;
    let (net, ratio) = (net.to_owned(), seconds / bare_seconds);
    Ok(EpochTime { net, steps, seconds, pictures_seconds, bare_seconds, ratio })
}

/// The time of a sampled image with its whole reverse chain, beside the time of as many forward passes of the fastest other program.
fn sampling(
    ours: &mut WorkerProcess,
    (model, net, count): (&str, &str, usize),
    rounds: usize,
    rows: &[StepTime],
) -> Result<SamplingTime> {
    let forward = find(rows, net, "forward")?;
    let request = Request { work: "sample", name: model, count, repeats: rounds.min(3) };
    let answer = ours.ask(&request)?;
    let nfe = answer.evaluations.context("ours: sample: no evaluations in the answer")?;
    let ours_ms_per_image = median(&answer.ms).context("ours: sample: no times")?;
    let peer = forward.peer_best_ms / forward.batch as f64 * nfe as f64;
    Ok(SamplingTime {
        model: model.to_owned(),
        nfe,
        ours_ms_per_image,
        peer_network_alone_ms_per_image: peer,
        ratio: peer / ours_ms_per_image,
    })
}
