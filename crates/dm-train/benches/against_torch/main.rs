//! Our side of `cargo xtask bench`: a process that answers one request after the other on standard input, so that its work
//! can alternate with that of other programs. xtask decides what is compared and what is printed.
//!
//! A request is a line `WORK NAME COUNT REPEATS`. The answer is a line of JSON, `{"ms": [..], ..}` or `{"error": ".."}`. The
//! first line, which is sent without a request, names the program. The programs in `xtask/peers` follow the same protocol.

#![allow(clippy::print_stdout, reason = "the answers go to standard output")]

mod chains;
mod counts;
mod peak;
mod steps;

use std::io::BufRead;
use std::path::Path;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use dm_train::Result;
use serde_json::{Value, json};

/// Pause before each measurement, because idle threads of the other program may still be busy-waiting.
const PAUSE: Duration = Duration::from_millis(200);

/// The environment variable that names the folder for ONNX files.
const ONNX: &str = "DM_BENCH_ONNX";

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() != Some("serve") {
        println!("nothing measured: `cargo xtask bench --against-torch` runs this");
        return ExitCode::SUCCESS;
    }
    dm_nn::threads::on_the_pool(serve)
}

fn serve() -> ExitCode {
    if let Err(error) = dm_nn::simd::check() {
        println!("{}", json!({ "error": error.to_string() }));
        return ExitCode::FAILURE;
    }
    let threads = rayon::current_num_threads();
    let name = format!("dm {}, {} lanes", env!("CARGO_PKG_VERSION"), dm_nn::engine::lanes());
    println!("{}", json!({ "name": name, "threads": threads }));
    let mut work = Work::default();
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { return ExitCode::FAILURE };
        println!("{}", work.answer(&line).unwrap_or_else(|error| json!({ "error": error })));
    }
    ExitCode::SUCCESS
}

/// The state that is kept between requests: the last network that was requested.
#[derive(Default)]
struct Work {
    steps: Option<steps::Steps>,
}

impl Work {
    fn answer(&mut self, line: &str) -> std::result::Result<Value, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [work, name, count, repeats] = words[..] else {
            return Err(format!("found `{line}`, expected WORK NAME COUNT REPEATS"));
        };
        let number = |word: &str| {
            let number = word.parse::<usize>().ok().filter(|&number| number > 0);
            number.ok_or_else(|| format!("found `{word}`, expected a number above 0"))
        };
        let (count, repeats) = (number(count)?, number(repeats)?);
        self.run(work, name, count, repeats).map_err(|error| error.to_string())
    }

    fn run(&mut self, work: &str, name: &str, count: usize, repeats: usize) -> Result<Value> {
        match work {
            "train" | "forward" => {
                let train = work == "train";
                if self.steps.as_ref().is_none_or(|steps| !steps.is_for(name, count)) {
                    self.steps = Some(steps::Steps::new(name, count)?);
                }
                let gflop = |per_image: f64| per_image * count as f64 / 1e9;
                let Some(steps) = &mut self.steps else { return Ok(Value::Null) };
                let (direct, executed) = steps.operations(train);
                let ms = time(repeats, || if train { steps.train() } else { steps.forward() })?;
                let parameters = steps.parameters();
                Ok(json!({
                    "ms": ms, "parameters": parameters, "direct_gflop": gflop(direct), "done_gflop": gflop(executed),
                }))
            }
            "onnx" => {
                let folder = std::env::var_os(ONNX).unwrap_or_else(|| ".".into());
                let steps = steps::Steps::new(name, count)?;
                Ok(json!({ "ms": time(1, || steps.write_onnx(Path::new(&folder)))? }))
            }
            "peak" => {
                let mut executed = 0.0;
                let ms = time(repeats, || {
                    executed = peak::multiply_adds() / 1e9;
                    Ok(())
                })?;
                Ok(json!({ "ms": ms, "done_gflop": executed }))
            }
            "epoch" => {
                let mut pictures = Duration::ZERO;
                let ms = time(repeats, || {
                    pictures = steps::epoch(name, count)?;
                    Ok(())
                })?;
                Ok(json!({ "ms": ms, "pictures_ms": pictures.as_secs_f64() * 1e3 }))
            }
            "sample" => {
                let chain = chains::Drawing::new(name)?;
                let ms = time(repeats, || chain.draw(count, count))?;
                let whole = chain.nfe as f64 / chain.timed as f64;
                let per_image: Vec<f64> = ms.iter().map(|ms| ms * whole / count as f64).collect();
                Ok(json!({ "ms": per_image, "evaluations": chain.nfe }))
            }
            "draw" => {
                let chain = chains::Drawing::short(name)?;
                Ok(json!({ "ms": time(repeats, || chain.draw(count, chains::BATCH))? }))
            }
            _ => Err(dm_train::Error::invalid(
                "work",
                work,
                "train, forward, epoch, sample, draw, onnx or peak",
            )),
        }
    }
}

/// Milliseconds of each of `repeats` runs of `work`.
fn time(repeats: usize, mut work: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
    sleep(PAUSE);
    let run = |_| {
        let start = Instant::now();
        work()?;
        Ok(start.elapsed().as_secs_f64() * 1e3)
    };
    (0..repeats).map(run).collect()
}
