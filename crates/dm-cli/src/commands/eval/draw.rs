//! Sets drawn from a model, block by block. What was drawn is kept in the cache, so that an evaluation that was cut off
//! goes on where it was, and another look at the same samples costs none.

use std::cell::Cell;
use std::time::Instant;

use anyhow::Result;
use dm_nn::data::{PIXELS, sha256_hex};
use dm_nn::rng::Seed;
use dm_train::Model;
use dm_train::generate::{Class, Request, images};
use serde_json::json;
use tracing::info;

use super::target::{Drawn, set_size};
use super::{Args, Room};
use crate::commands::sample::changed;
use crate::origin;

/// Images per batch, and per entry of the cache; does not change the images.
const BLOCK: usize = 256;

pub(super) fn sets(model: &Model, sha256: &str, args: &Args, room: &Room) -> Result<Drawn> {
    let sampling = changed(model, args.sampler, args.steps, args.spacing);
    let mut origin = origin::of(model, sha256, &sampling)?;
    let evaluations = sampling.levels(&*model.degradation)?.len() - 1;
    let size = set_size(args, args.seeds as usize)?;
    let keys = [sha256.to_owned(), serde_json::to_string(&sampling)?];
    // A model with classes draws them in turn, as often as each other.
    let class = (model.config.network.classes() > 0).then_some(Class::All);
    let (start, fresh) = (Instant::now(), Cell::new(0));
    let mut sets = Vec::new();
    for seed in 1..=args.seeds {
        let (part, mut set) = (format!("sampling, seed {seed} of {}", args.seeds), Vec::new());
        let (before, began) = (fresh.get(), Instant::now());
        for first in (0..size).step_by(BLOCK) {
            let count = BLOCK.min(size - first);
            let all = Request::new(Seed(seed), count, BLOCK, sampling);
            let request = Request { class, first: first as u64, ..all };
            let mut done = first * evaluations;
            room.watch(&part, done, size * evaluations);
            let draw = || {
                fresh.set(fresh.get() + count);
                images(&model.restorer(), &request, &mut |_, level, states| {
                    if level.0 < model.degradation.steps() {
                        done += states.len() / PIXELS;
                    }
                    room.watch(&part, done, size * evaluations);
                })
            };
            let place = [&keys[0], &keys[1], &seed.to_string(), &first.to_string()];
            set.extend(room.cache.pixels(&place.map(String::as_str), count, draw)?);
        }
        if fresh.get() > before {
            let (drawn, seconds) = (fresh.get() - before, began.elapsed().as_secs_f64());
            info!("seed {seed} of {}: {drawn} of {size} images drawn in {seconds:.0} s", args.seeds);
        }
        sets.push(set);
    }
    let (name, sampler, seeds) = (&model.config.name, sampling.sampler.name(), args.seeds);
    let mut drawn = Drawn { sets, pooled: args.pool, summary: String::new(), origin: origin.clone() };
    // Of samples that were there already no time can be told.
    let all_fresh = fresh.get() == size * seeds as usize;
    let seconds = all_fresh.then(|| start.elapsed().as_secs_f64());
    let took = seconds.map_or("drawn before".into(), |seconds| format!("{seconds:.1} s"));
    let of = if args.pool { "in all" } else { "of each" };
    drawn.summary = format!(
        "{name}: {} images {of} of {seeds} seeds, sampler {sampler}, {evaluations} evaluations, {took}",
        drawn.n()
    );
    let hashes: Vec<String> = drawn.sets.iter().map(|set| sha256_hex(set)).collect();
    let about = json!({
        "seeds": (1..=seeds).collect::<Vec<_>>(), "n": drawn.n(), "sets": seeds, "pooled": args.pool,
        "sets_sha256": hashes, "seconds": seconds,
    });
    origin.extend(about.as_object().cloned().unwrap_or_default());
    drawn.origin = origin;
    Ok(drawn)
}
