//! `dm`: train, sample and look at diffusion models of 28x28 images.
//!
//! This crate owns everything a person sees: arguments, standard output, colours, progress, devices and exit codes
//! (0 done, 2 bad input, 130 interrupted).

mod commands;
mod device;
mod evaluation;
mod folder;
mod forward;
mod locate;
mod origin;
mod preview;
mod progress;
mod terminal;
mod trajectory;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Diffusion models, hot and cold, on images of 28x28 pixels.
#[derive(Parser)]
#[command(name = "dm", version, propagate_version = true, max_term_width = 110)]
#[command(after_help = "Start with `dm sample --show`: it draws digits with the model that is shipped.\n\
                        Then train your own: `dm train data/configs/ink-unet.toml`.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Say nothing but errors and results.
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Say more; twice for everything.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Subcommand)]
enum Command {
    Train(commands::train::Args),
    Sample(commands::sample::Args),
    Restore(commands::restore::Args),
    Degrade(commands::degrade::Args),
    Eval(commands::eval::Args),
    Import(commands::import::Args),
    Info(commands::info::Args),
    Data(commands::data::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    dm_nn::threads::on_the_pool(|| run(cli))
}

fn run(cli: Cli) -> ExitCode {
    let terminal = terminal::Terminal::new(cli.quiet, cli.verbose);
    let done = match cli.command {
        Command::Train(args) => commands::train::run(&args, &terminal),
        Command::Sample(args) => commands::sample::run(&args, &terminal),
        Command::Restore(args) => commands::restore::run(&args, &terminal),
        Command::Degrade(args) => commands::degrade::run(&args, &terminal),
        Command::Eval(args) => commands::eval::run(&args, &terminal),
        Command::Import(args) => commands::import::run(&args, &terminal),
        Command::Info(args) => commands::info::run(&args, &terminal),
        Command::Data(args) => commands::data::run(&args, &terminal),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            terminal.error(&error);
            ExitCode::from(2)
        }
    }
}
