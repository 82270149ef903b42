//! `dm`: train diffusion models of small images, sample from them, and evaluate the samples.
//!
//! This crate owns everything a person sees: arguments, standard output, colours, progress, devices and exit codes (0 done,
//! 2 bad input, 130 interrupted).

mod chart;
mod commands;
mod data_args;
mod device;
mod eval_session;
mod folder;
mod forward_film;
mod image_files;
mod interrupt;
mod locate;
mod output_args;
mod preview;
mod progress;
mod provenance;
mod records;
mod revision;
mod sampling_args;
mod seed_arg;
mod table;
mod terminal;
mod training_eval;
mod trajectory;
mod units;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Train diffusion models of small images, sample from them, and evaluate the samples.
#[derive(Parser)]
#[command(name = "dm", version, propagate_version = true, max_term_width = 110)]
#[command(after_help = "Start with `dm sample --show`: it samples digits from a shipped model.\n\
                        Then train your own model: `dm train data/configs/ink-unet.toml`.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print nothing but errors and results.
    #[arg(long, short, global = true, display_order = 100)]
    quiet: bool,
    /// Print more messages; give the option twice to print all messages.
    #[arg(long, short, global = true, display_order = 101, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Subcommand)]
enum Command {
    Train(commands::train::Args),
    Runs(commands::runs::Args),
    Sample(commands::sample::Args),
    Eval(commands::eval::Args),
    Likelihood(commands::likelihood::Args),
    Sanity(commands::sanity::Args),
    Restore(commands::restore::Args),
    Degrade(commands::degrade::Args),
    Info(commands::info::Args),
    Import(commands::import::Args),
    Data(commands::data::Args),
}

/// Exit code of bad input.
const BAD_INPUT: u8 = 2;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => dm_nn::threads::on_the_pool(|| run(cli)),
        Err(error) => explain(&error),
    }
}

fn run(cli: Cli) -> ExitCode {
    let terminal = terminal::Terminal::new(cli.quiet, cli.verbose);
    let result = match cli.command {
        Command::Train(args) => commands::train::run(&args, &terminal),
        Command::Runs(args) => commands::runs::run(&args, &terminal),
        Command::Sample(args) => commands::sample::run(&args, &terminal),
        Command::Eval(args) => commands::eval::run(&args, &terminal),
        Command::Likelihood(args) => commands::likelihood::run(&args, &terminal),
        Command::Sanity(args) => commands::sanity::run(&args, &terminal),
        Command::Restore(args) => commands::restore::run(&args, &terminal),
        Command::Degrade(args) => commands::degrade::run(&args, &terminal),
        Command::Info(args) => commands::info::run(&args, &terminal),
        Command::Import(args) => commands::import::run(&args, &terminal),
        Command::Data(args) => commands::data::run(&args, &terminal),
    };
    result.unwrap_or_else(|error| {
        terminal.error(&error);
        ExitCode::from(BAD_INPUT)
    })
}

/// Prints clap's message where no command runs: a help text, the version, or one line about a wrong argument.
fn explain(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        let text = error.to_string();
        let message = text.split("\nUsage:").next().unwrap_or_default();
        terminal::print_error(message.split("\nFor more information").next().unwrap_or_default());
        return ExitCode::from(BAD_INPUT);
    }
    match terminal::print_help(error) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::print_error(&format!("error: {error:#}"));
            ExitCode::from(BAD_INPUT)
        }
    }
}
