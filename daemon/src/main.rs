//! One executable is the whole product: daemon, worker child and, under the name
//! `swarmctl`, the command line.

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use daemon::cli::{self, Cli, Command};
use daemon::{exit, try_swarm, worker};
use training::device::{self, Prober};

/// Keeps its pages: a training step frees and takes the same megabytes again and again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let name = std::env::args_os().next();
    if name.as_deref().and_then(|name| Path::new(name).file_name()).is_some_and(|name| name == "swarmctl") {
        return ctl::run(std::env::args_os());
    }
    // A provider that is installed already is the same one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match Cli::parse().command {
        Command::Run(args) => cli::run(&args),
        Command::Try(args) => try_swarm::run(&args),
        Command::Ctl { args } => ctl::run(std::iter::once("swarmctl".into()).chain(args)),
        Command::Worker { probe: Some(number) } => match device::probe(number, &mut std::io::stdout()) {
            Ok(code) => ExitCode::from(code),
            Err(error) => exit::fail(&error, "", 1),
        },
        Command::Worker { probe: None } => serve(),
    }
}

fn serve() -> ExitCode {
    if let Err(error) = worker::tie_to_parent() {
        return exit::fail(&error, "swarmd starts its workers itself", 1);
    }
    let wanted = std::env::var("BURN_DEVICE").unwrap_or_else(|_| "auto".to_owned());
    let device = match wanted.parse() {
        Ok(device) => device,
        Err(error) => return exit::fail(&error, "set worker.device to one of these", 2),
    };
    let prober = std::env::current_exe()
        .ok()
        .map(|program| Prober { program, arguments: vec!["worker".into(), "--probe".into()] });
    let options = training::worker::Options { device, prober, ..Default::default() };
    match training::worker::serve(std::io::stdin(), std::io::stdout(), options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::fail(&error, "", 1),
    }
}
