//! `dm serve`: a page for looking at and playing with diffusion.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, ensure};

use super::runs::read;
use crate::serve::{Address, Site, Token, serve};
use crate::terminal::Terminal;

/// Show a page for looking at and playing with diffusion: degrade images, watch samples form, follow runs, and change the
/// temperature of Ink.
///
/// The page is for browsers on this machine. It needs no network. Ctrl-C ends the program.
#[derive(clap::Args)]
pub struct Args {
    /// A run folder, or a folder with run folders, whose runs are shown; may be given several times [default: runs].
    #[arg(long = "run", value_name = "DIR")]
    runs: Vec<PathBuf>,
    /// The port; 0 takes a free one.
    #[arg(long, default_value_t = 8008)]
    port: u16,
    /// The address to listen on. With another address than that of this machine itself, such as 0.0.0.0, other machines can
    /// reach the page: whoever has the token can then compute on this machine and see its runs. The connection is not
    /// encrypted.
    #[arg(long, value_name = "ADDRESS", default_value_t = Ipv4Addr::LOCALHOST.into())]
    host: IpAddr,
    /// The token that the page asks for: 16 to 128 letters, digits, - or _ [default: none on this machine; with another --host
    /// a random one, which is printed].
    #[arg(long)]
    token: Option<Token>,
}

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    for folder in &args.runs {
        ensure!(folder.is_dir(), "--run: {}: found no such folder, expected one with runs", folder.display());
    }
    let default = || Some(Path::new(read::RUNS)).filter(|runs| runs.is_dir()).map(Path::to_owned);
    let folders = if args.runs.is_empty() { default().into_iter().collect() } else { args.runs.clone() };
    let is_local = args.host.is_loopback();
    let token = match &args.token {
        None if !is_local => Some(Token::random()?),
        token => token.clone(),
    };
    let site = Site::open(folders)?;
    serve(site, Address { host: args.host, port: args.port, token }, |address| {
        terminal.line(address)?;
        if !is_local {
            terminal.line(
                "Other machines can reach this page. Whoever has the address with its token can compute on this machine and \
                 see its runs. The connection is not encrypted: whoever can read the network can read the token.",
            )?;
        }
        terminal.line("Ctrl-C ends the program.")
    })?;
    Ok(ExitCode::SUCCESS)
}
