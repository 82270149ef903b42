//! Our program beside PyTorch: for each network and kind of work, fresh processes take turns, so that a warm or busy machine
//! affects both alike. Then a whole epoch, and the time of a sampled image.

use super::worker_process::{Answer, Request, Worker};
use super::{Programs, add_program, median};
use anyhow::{Context, Result, ensure};
use dm_record::{BenchFile, EpochTime, SamplingTime, StepTime};
use std::collections::BTreeMap;

/// The variants of PyTorch.
const VARIANTS: [&str; 4] = ["eager", "channels_last", "compiled", "compiled_channels_last"];
/// Networks, kinds of work, and images per batch.
const WORKS: [(&str, &str, usize); 4] = [
    ("ref_cnn", "train", 128),
    ("ref_cnn", "forward", 256),
    ("unet", "train", 128),
    ("unet", "forward", 256),
];
/// Runs in one turn.
const REPEATS: usize = 3;
/// Steps of an epoch of MNIST; the last short batch is dropped.
const EPOCH: usize = 468;
/// Models that are sampled: name of the config, its network, images per batch.
const MODELS: [(&str, &str, usize); 2] = [("ddpm-reference", "ref_cnn", 256), ("ink-unet", "unet", 128)];

/// Results of one worker.
#[derive(Debug, Clone, PartialEq)]
struct Timing {
    variant: String,
    ms: f64,
    peak_mb: Option<f64>,
    parameters: Option<u64>,
    direct_gflop: Option<f64>,
    done_gflop: Option<f64>,
}

pub fn run(programs: &Programs, rounds: usize, results: &mut BenchFile) -> Result<()> {
    for (net, work, batch) in WORKS {
        let request = Request { work, name: net, count: batch, repeats: REPEATS };
        eprintln!("{net} {work}, batch {batch}: {rounds} rounds");
        let mut workers = vec![programs.ours(None)?];
        for variant in VARIANTS {
            workers.push(programs.torch(variant)?);
        }
        for worker in &workers {
            add_program(results, worker.program());
        }
        if results.fma_peak_gflops.is_none() {
            results.fma_peak_gflops = Some(fma_peak(&mut *workers[0])?);
        }
        let (timings, notes) = take_turns(workers, &request, rounds)?;
        results.notes.extend(notes);
        let row = row(&request, &timings, results.fma_peak_gflops)?;
        eprintln!(
            "  ours {:.1} ms, {} {:.1} ms: {:.2}",
            row.ours_ms, row.torch_best, row.torch_best_ms, row.ratio
        );
        results.rows.push(row);
    }
    results.epoch = Some(epoch(programs, &results.rows)?);
    for (model, net, count) in MODELS {
        eprintln!("{model}: sampling {count} images at a time");
        results.sampling.push(sampling(
            &mut *programs.ours(None)?,
            (model, net, count),
            rounds,
            &results.rows,
        )?);
    }
    Ok(())
}

/// Peak rate in 10^9 operations per second.
fn fma_peak(ours: &mut dyn Worker) -> Result<f64> {
    let answer = ours.ask(&Request { work: "peak", name: "fma", count: 1, repeats: 5 })?;
    let done = answer.done_gflop.context("ours: peak: no done_gflop in the answer")?;
    // The best time, not the median: this is what the machine can do.
    Ok(done / answer.ms.iter().copied().fold(f64::INFINITY, f64::min) * 1e3)
}

/// Every worker answers `request` in every round, after a first round that only warms up. The first worker must be able to do
/// the work; another one that cannot is left out, with a note.
fn take_turns(
    mut workers: Vec<Box<dyn Worker>>,
    request: &Request<'_>,
    rounds: usize,
) -> Result<(Vec<Timing>, Vec<String>)> {
    let (mut able, mut notes) = (Vec::new(), Vec::new());
    for (place, mut worker) in workers.drain(..).enumerate() {
        match worker.ask(request) {
            Ok(answer) => able.push((worker, answer, Vec::new())),
            Err(error) if place == 0 => return Err(error),
            Err(error) => notes.push(format!("left out: {error:#}")),
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
    let timing = |(worker, answer, times): (Box<dyn Worker>, Answer, Vec<f64>)| {
        let variant = worker.variant().to_owned();
        let ms = median(&times).with_context(|| format!("{variant}: no times"))?;
        let peak_mb = worker.peak_mb();
        let Answer { parameters, direct_gflop, done_gflop, .. } = answer;
        Ok(Timing { variant, ms, peak_mb, parameters, direct_gflop, done_gflop })
    };
    Ok((able.into_iter().map(timing).collect::<Result<_>>()?, notes))
}

/// Our program, which comes first, beside the fastest variant of PyTorch.
fn row(request: &Request<'_>, timings: &[Timing], peak: Option<f64>) -> Result<StepTime> {
    let (ours, torch) = timings.split_first().context("nothing was measured")?;
    let fastest = torch.iter().min_by(|a, b| a.ms.total_cmp(&b.ms));
    let best = fastest.with_context(|| format!("{request}: no variant of PyTorch was able to"))?;
    for other in torch {
        ensure!(
            other.parameters == ours.parameters,
            "{}: {}: found {:?} parameters, expected {:?} as ours has: not the same network",
            request.name,
            other.variant,
            other.parameters,
            ours.parameters
        );
    }
    let share = |gflop: Option<f64>, ms: f64| Some(gflop? / (ms / 1e3) / peak?);
    Ok(StepTime {
        net: request.name.to_owned(),
        work: request.work.to_owned(),
        batch: request.count,
        ours_ms: ours.ms,
        torch_best_ms: best.ms,
        torch_best: best.variant.clone(),
        ratio: best.ms / ours.ms,
        ours_peak_mb: ours.peak_mb,
        torch_peak_mb: torch.iter().filter_map(|timing| timing.peak_mb).min_by(f64::total_cmp),
        torch_ms: torch.iter().map(|timing| (timing.variant.clone(), timing.ms)).collect::<BTreeMap<_, _>>(),
        parameters: ours.parameters,
        ours_share_of_peak: share(ours.done_gflop, ours.ms),
        torch_share_of_peak: share(ours.direct_gflop, best.ms),
    })
}

/// The row of a network and a kind of work.
fn find<'a>(rows: &'a [StepTime], net: &str, work: &str) -> Result<&'a StepTime> {
    let found = rows.iter().find(|row| row.net == net && row.work == work);
    found.with_context(|| format!("{net} {work} was not measured"))
}

/// A whole epoch of the reference network beside its bare steps.
fn epoch(programs: &Programs, rows: &[StepTime]) -> Result<EpochTime> {
    let net = "ref_cnn";
    let bare_seconds = find(rows, net, "train")?.ours_ms * EPOCH as f64 / 1e3;
    eprintln!("{net}: an epoch of {EPOCH} steps, about {bare_seconds:.0} s");
    let answer = programs.ours(None)?.ask(&Request { work: "epoch", name: net, count: EPOCH, repeats: 1 })?;
    let seconds = answer.ms.iter().sum::<f64>() / 1e3;
    let pictures_seconds = answer.pictures_ms.unwrap_or_default() / 1e3;
    let (net, steps, ratio) = (net.to_owned(), EPOCH, seconds / bare_seconds);
    Ok(EpochTime { net, steps, seconds, pictures_seconds, bare_seconds, ratio })
}

/// The time of a sampled image, its whole reverse chain, beside as many forward passes of PyTorch.
fn sampling(
    ours: &mut dyn Worker,
    (model, net, count): (&str, &str, usize),
    rounds: usize,
    rows: &[StepTime],
) -> Result<SamplingTime> {
    let forward = find(rows, net, "forward")?;
    let request = Request { work: "sample", name: model, count, repeats: rounds.min(3) };
    let answer = ours.ask(&request)?;
    let nfe = answer.evaluations.context("ours: sample: no evaluations in the answer")?;
    let ours_ms_per_image = median(&answer.ms).context("ours: sample: no times")?;
    let torch = forward.torch_best_ms / forward.batch as f64 * nfe as f64;
    Ok(SamplingTime {
        model: model.to_owned(),
        nfe,
        ours_ms_per_image,
        torch_network_alone_ms_per_image: torch,
        ratio: torch / ours_ms_per_image,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;
    use std::cell::RefCell;
    use std::rc::Rc;

    /// The workers that were asked, in order.
    type Log = Rc<RefCell<Vec<&'static str>>>;

    /// Answers with the times it was given, one list per request, and logs that it was asked.
    struct Fake {
        variant: &'static str,
        times: Vec<Vec<f64>>,
        parameters: u64,
        log: Log,
    }

    impl Worker for Fake {
        fn variant(&self) -> &str {
            self.variant
        }

        fn program(&self) -> String {
            format!("fake {}", self.variant)
        }

        fn ask(&mut self, request: &Request<'_>) -> Result<Answer> {
            self.log.borrow_mut().push(self.variant);
            if self.times.is_empty() {
                bail!("{}: {request}: no compiler", self.variant);
            }
            let (ms, parameters) = (self.times.remove(0), Some(self.parameters));
            let (direct_gflop, done_gflop) = (Some(60.0), Some(10.0));
            Ok(Answer {
                ms,
                parameters,
                direct_gflop,
                done_gflop,
                evaluations: Some(100),
                ..Answer::default()
            })
        }

        fn peak_mb(&self) -> Option<f64> {
            Some(100.0 * self.variant.len() as f64)
        }
    }

    fn fakes(times: &[(&'static str, &[&[f64]])]) -> (Vec<Box<dyn Worker>>, Log) {
        let log = Log::default();
        let fake = |&(variant, times): &(&'static str, &[&[f64]])| {
            let times = times.iter().map(|times| times.to_vec()).collect();
            Box::new(Fake { variant, times, parameters: 7, log: log.clone() }) as Box<dyn Worker>
        };
        (times.iter().map(fake).collect(), log)
    }

    const REQUEST: Request<'static> = Request { work: "train", name: "unet", count: 128, repeats: 2 };

    #[test]
    fn every_worker_has_a_turn_in_every_round_and_warm_ups_do_not_count() {
        let (workers, log) = fakes(&[
            ("ours", &[&[900.0], &[10.0, 12.0], &[11.0, 99.0]]),
            ("eager", &[&[900.0], &[60.0, 50.0], &[55.0, 56.0]]),
            ("compiled", &[]),
        ]);
        let (timings, notes) = take_turns(workers, &REQUEST, 2).unwrap();
        assert_eq!(*log.borrow(), ["ours", "eager", "compiled", "ours", "eager", "eager", "ours"]);
        assert_eq!(notes, ["left out: compiled: train unet 128 2: no compiler"]);
        let row = row(&REQUEST, &timings, Some(200.0)).unwrap();
        assert_eq!((row.ours_ms, row.torch_best_ms, row.torch_best.as_str()), (11.5, 55.5, "eager"));
        assert!((row.ratio - 55.5 / 11.5).abs() < 1e-12);
        assert_eq!((row.ours_peak_mb, row.torch_peak_mb), (Some(400.0), Some(500.0)));
        // 10 GFLOP in 11.5 ms are 870 per second, of 200.
        assert!((row.ours_share_of_peak.unwrap() - 10.0 / 0.0115 / 200.0).abs() < 1e-9);
    }

    #[test]
    fn our_program_must_be_able_and_some_variant_of_pytorch() {
        let (workers, _) = fakes(&[("ours", &[]), ("eager", &[&[1.0], &[1.0]])]);
        assert!(take_turns(workers, &REQUEST, 1).unwrap_err().to_string().contains("no compiler"));
        let (workers, _) = fakes(&[("ours", &[&[1.0], &[1.0]]), ("eager", &[])]);
        let (timings, _) = take_turns(workers, &REQUEST, 1).unwrap();
        let error = row(&REQUEST, &timings, None).unwrap_err().to_string();
        assert!(error.contains("no variant of PyTorch"), "{error}");
    }

    #[test]
    fn another_network_is_not_compared() {
        let timing = |variant: &str, parameters| Timing {
            variant: variant.into(),
            ms: 1.0,
            peak_mb: None,
            parameters: Some(parameters),
            direct_gflop: None,
            done_gflop: None,
        };
        let error = row(&REQUEST, &[timing("ours", 7), timing("eager", 8)], None).unwrap_err().to_string();
        assert!(error.contains("eager: found Some(8) parameters, expected Some(7)"), "{error}");
        let same = row(&REQUEST, &[timing("ours", 7), timing("eager", 7)], None).unwrap();
        assert_eq!((same.ours_share_of_peak, same.torch_peak_mb), (None, None));
    }

    #[test]
    fn a_sampled_image_is_compared_with_forward_passes_alone() {
        let (workers, _) = fakes(&[("ours", &[&[1.0], &[20.0]]), ("eager", &[&[1.0], &[64.0]])]);
        let request = Request { work: "forward", count: 256, ..REQUEST };
        let (timings, _) = take_turns(workers, &request, 1).unwrap();
        let rows = [row(&request, &timings, None).unwrap()];
        let (mut workers, _) = fakes(&[("ours", &[&[4.0, 6.0, 5.0]])]);
        let found = sampling(&mut *workers[0], ("ink-unet", "unet", 128), 3, &rows).unwrap();
        // 64 ms for 256 images, a hundred evaluations.
        assert_eq!((found.ours_ms_per_image, found.torch_network_alone_ms_per_image), (5.0, 25.0));
        assert_eq!(found.ratio, 5.0);
        assert!(sampling(&mut *workers[0], ("x", "ref_cnn", 1), 1, &rows).is_err());
    }
}
