#![doc = include_str!("../README.md")]

mod amounts;
mod cli;
mod client;
mod commands;
mod exit;
mod output;

pub use exit::Exit;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;
use proto::api::{ApiError, ErrorKind};

use cli::Cli;
use output::Output;

/// Runs one command: `args` are the program's name and its arguments.
///
/// Data goes to standard output, words to standard error. The exit code is an
/// [`Exit`].
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return exit::of_usage(&error),
    };
    let output = Output::new(cli.global.json, cli.global.color);
    // The default hook has printed the panic when it arrives here.
    let done = catch_unwind(AssertUnwindSafe(|| carry_out(&cli, &output)));
    let exit = match done {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) => {
            output.error(&error);
            Exit::of(error.kind)
        }
        Err(_) => {
            let hint = "please report it together with the lines above";
            output.error(&ApiError::new(ErrorKind::Bug, "this is a mistake in swarmctl").with_hint(hint));
            Exit::Bug
        }
    };
    exit.into()
}

fn carry_out(cli: &Cli, output: &Output) -> Result<Exit, ApiError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        ApiError::new(ErrorKind::Refused, format!("the system gives no event loop: {error}"))
            .with_hint("it may be short of file descriptors or memory")
    })?;
    runtime.block_on(async {
        tokio::select! {
            done = commands::carry_out(cli, output) => done,
            _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
        }
    })
}
