//! Draws sets of samples from a model, block by block. Every block is cached, so that an interrupted evaluation continues where
//! it stopped, and a second evaluation of the same samples does not sample again.

use std::cell::Cell;
use std::time::Instant;

use anyhow::Result;
use dm_degrade::Model;
use dm_degrade::generate::{Class, Request, images};
use dm_nn::data::sha256_hex;
use dm_nn::rng::Seed;
use tracing::info;

use super::args::Args;
use super::sample_sets::{SampleSets, images_per_value, set_size};
use crate::eval_session::EvalSession;
use crate::provenance;

/// Images per batch and per cache entry; does not change the images.
const BLOCK: usize = 256;

/// Draws the sets that `args` ask for: one set for each of the seeds 1 to SEEDS.
///
/// # Errors
/// If sampling fails.
pub(super) fn sets(model: &Model, args: &Args, session: &EvalSession<'_>) -> Result<SampleSets> {
    let sampling = args.sampling.apply(model, None);
    let last = model.degradation.timesteps();
    let intervals = sampling.timesteps(&*model.degradation)?.len() - 1;
    let size = set_size(args.n, args.seeds as usize, args.pool)?;
    let guidance = args.guidance.open(model)?;
    let denoiser = guidance.denoiser(model)?;
    let how = serde_json::to_string(&sampling)?;
    let guided = guidance.provenance();
    let how = if guided.is_empty() { how } else { how + &serde_json::to_string(&guided)? };
    // A model with classes samples them in turn, each equally often.
    let num_classes = model.conditional_classes();
    let class = (num_classes > 0).then_some(Class::All { num_classes });
    let (start, fresh) = (Instant::now(), Cell::new(0));
    let mut sets = Vec::new();
    for seed in 1..=args.seeds {
        let (part, mut set) = (format!("sampling, seed {seed} of {}", args.seeds), Vec::new());
        let (before, seed_start) = (fresh.get(), Instant::now());
        for first in (0..size).step_by(BLOCK) {
            let count = BLOCK.min(size - first);
            let request = Request {
                class,
                guidance: guidance.of_class(),
                first: first as u64,
                ..Request::new(Seed(seed), count, BLOCK, sampling)
            };
            let mut done = first * intervals;
            session.watch(&part, done, size * intervals);
            let draw = || {
                fresh.set(fresh.get() + count);
                images(&denoiser, &request, &mut |_, t, states| {
                    if t.0 < last {
                        done += states.len() / model.shape.len();
                    }
                    session.watch(&part, done, size * intervals);
                })
            };
            let place = [&model.provenance.sha256, &how, &seed.to_string(), &first.to_string()];
            set.extend(session.cache.pixels(&place.map(String::as_str), model.shape, count, draw)?);
        }
        if fresh.get() > before {
            let (drawn, seconds) = (fresh.get() - before, seed_start.elapsed().as_secs_f64());
            info!("seed {seed} of {}: {drawn} of {size} images sampled in {seconds:.0} s", args.seeds);
        }
        sets.push(set);
    }
    // The time is known only if no sample came from the cache.
    let all_fresh = fresh.get() == size * args.seeds as usize;
    let seconds = all_fresh.then(|| start.elapsed().as_secs_f64());
    let n = images_per_value(model.shape, &sets, args.pool);
    let mut provenance = provenance::of(model, &sampling)?;
    provenance.extend(guided);
    let mut target = provenance::to_target(provenance, n, &model.name)?;
    target.seeds = (1..=args.seeds).collect();
    target.sets = sets.len();
    target.pooled = args.pool;
    target.sets_sha256 = sets.iter().map(|set| sha256_hex(set)).collect();
    target.seconds = seconds;
    let summary = format!(
        "{}: {n} images {} of {} seeds, sampler {}, {} network evaluations per image, {}",
        model.name,
        if args.pool { "in all" } else { "of each" },
        args.seeds,
        sampling.sampler.name(),
        sampling.nfe_taken(),
        seconds.map_or("sampled before".into(), |seconds| format!("{seconds:.1} s")),
    );
    Ok(SampleSets { shape: model.shape, sets, pooled: args.pool, summary, target })
}
