//! `dm train` with the config of a judge: the classifier behind `dm eval` becomes a run folder.

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Result;
use dm_nn::data::Dataset;
use dm_train::judge::{Config, Event, Recorder, State, read_checkpoint, train};
use dm_train::run::{Run, is_complete};
use tracing::info;

use super::train::{Args, git_revision, stop_on_signal};
use crate::terminal::Terminal;
use crate::{device, locate};

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let config = Config::read(&args.config, &args.overrides)?;
    let folder = args.run.clone().unwrap_or_else(|| Path::new("runs").join(&config.name));
    let device = device::open(args.device)?;
    let data = Dataset::read(&locate::data(args.data.as_ref().unwrap_or(&config.data.dir)))?;
    config.check_data(&data.train)?;
    let run = Run::open_toml(&folder, &config.to_toml()?, args.resume, git_revision())?;
    run.check_data(&data.sha256)?;
    if is_complete(&folder) {
        terminal.line(format!("{} is complete", folder.display()));
        return Ok(ExitCode::SUCCESS);
    }
    let (mut state, elapsed_s) = if run.checkpoint().is_file() {
        read_checkpoint(&run.checkpoint(), &config, &data, &device)?
    } else {
        (State::new(&config, &data.train, &data.sha256, &device)?, 0.0)
    };

    let stop = stop_on_signal()?;
    let (start, before) = (Instant::now(), Duration::from_secs_f64(elapsed_s));
    let clock = move || before + start.elapsed();
    let mut recorder = Recorder::new(&run, &state, &clock)?;
    let (batch, epochs) = (config.training.batch as u64, config.training.epochs);
    let template = "{msg:<34} {bar:28.cyan/blue} {percent:>3}%  {per_sec}  left {eta}";
    let bar = terminal.bar(state.total_steps() * batch, template);
    bar.set_position(state.step * batch);
    bar.reset_eta();
    info!("{}: {} parameters, {} steps", config.name, state.params.count(), state.total_steps());
    let mut reached = 0.0;
    let mut tell = |event: &Event, state: &State| {
        match *event {
            Event::Step { epoch, loss, .. } => {
                bar.set_position(state.step * batch);
                bar.set_message(format!("epoch {epoch}  loss {loss:.4}"));
            }
            Event::Epoch { epoch, train_loss, test_accuracy } => {
                reached = test_accuracy;
                let percent = 100.0 * test_accuracy;
                info!("epoch {epoch} of {epochs}: train loss {train_loss:.4}, test accuracy {percent:.2} %");
            }
        }
        recorder.see(event, state)
    };
    let complete = train(&mut state, &data.train, &data.test, &mut tell, &|| stop.load(Ordering::Relaxed))?;
    bar.finish_and_clear();
    if !complete {
        info!("interrupted; --resume continues after the last whole epoch");
        return Ok(ExitCode::from(130));
    }
    let minutes = clock().as_secs_f64() / 60.0;
    let (percent, folder) = (100.0 * reached, folder.display());
    terminal
        .line(format!("{folder}: {} steps in {minutes:.1} min, test accuracy {percent:.2} %", state.step));
    terminal.line(format!("judge with it: dm eval TARGET --judge {folder}"));
    Ok(ExitCode::SUCCESS)
}
