//! `dm`: train diffusion models of small images, sample from them, and evaluate the samples.
//!
//! This crate owns everything a person sees: arguments, standard output, colours, progress, devices and exit codes (0 done,
//! 2 bad input, 130 interrupted).

mod bar;
mod chart;
mod closed_stdout;
mod commands;
mod data_args;
mod device;
mod embedded;
mod eval_session;
mod folder;
mod forward_film;
mod graphics;
mod guidance_args;
mod image_files;
mod interrupt;
mod locate;
mod output_args;
mod preview;
mod process_name;
mod progress;
mod provenance;
mod records;
mod reference;
mod revision;
mod sampling_args;
mod seed_arg;
mod serve;
mod table;
mod terminal;
mod training_eval;
mod trajectory;
mod units;
mod waiting;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

/// Train diffusion models of small images, sample from them, and evaluate the samples.
#[derive(Parser)]
#[command(name = "dm", version, propagate_version = true, max_term_width = 110)]
#[command(after_help = AFTER_HELP)]
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

/// What `dm --help` says below the options.
const AFTER_HELP: &str = "\
Start with `dm sample --show`: it samples digits from a shipped model.
Then train your own model in about a minute: `dm train data/configs/minute.toml`.

Exit codes:
  0    done
  2    the input was refused or the work failed; standard error has one line about it
  130  interrupted by Ctrl-C or a termination signal; a training run is saved first

Shipped files: models, classifiers and data sets that are not found under the given path are looked for
  1. in the folder that DM_DATA names,
  2. in the folder data in the working directory,
  3. in the folder data beside the program or in a folder above it,
  4. inside the program, which contains the model ink-unet, its classifier and 100 test images of MNIST.

Environment:
  DM_DATA      the folder of shipped files, with models/NAME.safetensors and mnist
  DM_SIMD      the instruction set: avx512, avx2, neon or scalar, of those that the machine has
  DM_PICTURES  how the terminal shows pictures: kitty, sixel, blocks or letters
  NO_COLOR     no colours
  COLUMNS      the width of tables and charts";

#[derive(Subcommand)]
enum Command {
    Train(commands::train::Args),
    Runs(commands::runs::Args),
    Sample(commands::sample::Args),
    Serve(commands::serve::Args),
    Shards(commands::shards::Args),
    Eval(commands::eval::Args),
    Likelihood(commands::likelihood::Args),
    Sanity(commands::sanity::Args),
    Restore(commands::restore::Args),
    Degrade(commands::degrade::Args),
    Info(commands::info::Args),
    Import(commands::import::Args),
    Export(commands::export::Args),
    Data(commands::data::Args),
    Completions(commands::completions::Args),
    Man(commands::man::Args),
}

/// Exit code of bad input.
const BAD_INPUT: u8 = 2;

fn main() -> ExitCode {
    if closed_stdout::is_closed() {
        terminal::print_error(
            "error: writing to stdout: found it closed, expected a file, a pipe or a terminal",
        );
        return ExitCode::from(BAD_INPUT);
    }
    // Results print names and paths without escapes, and a terminal would obey control characters in them.
    let is_unprintable = |argument: &String| argument.chars().any(char::is_control);
    let arguments = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    if let Some(argument) = arguments.into_iter().find(is_unprintable) {
        terminal::print_error(&format!(
            "error: found the argument {argument:?}, expected no control characters"
        ));
        return ExitCode::from(BAD_INPUT);
    }
    match Cli::try_parse() {
        // The server only waits. It must not take a thread from its own computations.
        Ok(cli) if matches!(cli.command, Command::Serve(_)) => run(cli),
        Ok(cli) => dm_nn::threads::on_the_pool(|| run(cli)),
        Err(error) => explain(&error),
    }
}

fn run(cli: Cli) -> ExitCode {
    let terminal = terminal::Terminal::new(cli.quiet, cli.verbose);
    let ready = dm_nn::simd::check().map_err(anyhow::Error::from).and_then(|()| interrupt::listen());
    if let Err(error) = ready {
        terminal.error(&error);
        return ExitCode::from(BAD_INPUT);
    }
    let result = match cli.command {
        Command::Train(args) => commands::train::run(&args, &terminal),
        Command::Runs(args) => commands::runs::run(&args, &terminal),
        Command::Sample(args) => commands::sample::run(&args, &terminal),
        Command::Serve(args) => commands::serve::run(&args, &terminal),
        Command::Shards(args) => commands::shards::run(&args, &terminal),
        Command::Eval(args) => commands::eval::run(&args, &terminal),
        Command::Likelihood(args) => commands::likelihood::run(&args, &terminal),
        Command::Sanity(args) => commands::sanity::run(&args, &terminal),
        Command::Restore(args) => commands::restore::run(&args, &terminal),
        Command::Degrade(args) => commands::degrade::run(&args, &terminal),
        Command::Info(args) => commands::info::run(&args, &terminal),
        Command::Import(args) => commands::import::run(&args, &terminal),
        Command::Export(args) => commands::export::run(&args, &terminal),
        Command::Data(args) => commands::data::run(&args, &terminal),
        Command::Completions(args) => commands::completions::run(&args, Cli::command()),
        Command::Man(args) => commands::man::run(&args, Cli::command(), &terminal),
    };
    result.unwrap_or_else(|error| {
        terminal.error(&error);
        ExitCode::from(BAD_INPUT)
    })
}

/// Prints clap's message where no command runs: a help text, the version, or one line about a wrong argument.
fn explain(error: &clap::Error) -> ExitCode {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // If standard error cannot be written to, the exit code still says it.
        drop(error.print());
        return ExitCode::from(BAD_INPUT);
    }
    if error.use_stderr() {
        let text = error.to_string();
        let message = text.split("\nUsage:").next().unwrap_or_default();
        terminal::print_error(message.split("\nFor more information").next().unwrap_or_default());
        return ExitCode::from(BAD_INPUT);
    }
    let printed = match error.kind() {
        ErrorKind::DisplayVersion => terminal::print_result(&format!("{}\n", revision::version())),
        _ => terminal::print_help(error),
    };
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::print_error(&format!("error: {error:#}"));
            ExitCode::from(BAD_INPUT)
        }
    }
}
