//! The command line of `swarmd`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tokio::sync::watch;

use crate::config::{Config, Flag, SYSTEM_FILE, Sources};
use crate::dirs::Dirs;
use crate::exit::{end_signal, fail};
use crate::runtime;
use crate::{logging, try_swarm};

/// The state does not allow it: the exit code that `swarmctl` gives the same meaning.
const REFUSED: u8 = 1;

/// A mistake on the command line or in the configuration.
const USAGE: u8 = 2;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "swarmd",
    version,
    about = "A battery for GPU time: earn credits with idle compute, spend them on bursts"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `swarmd` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon in the foreground
    Run(Box<RunArgs>),
    /// Show it: three real daemons on this machine earn, check each other and get paid
    Try(try_swarm::TryArgs),
    /// Control a running daemon (the same as the program `swarmctl`)
    Ctl {
        /// Arguments of `swarmctl`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Serve training orders on standard input and output
    #[command(hide = true)]
    Worker {
        /// Try GPU number N out and say by the exit status whether it computes.
        #[arg(long, value_name = "N")]
        probe: Option<usize>,
    },
}

/// Options of `swarmd run`: each stands for a key of the configuration.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Configuration file; stands for the user's
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of the node's identity and ledger [node.state_dir]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<String>,
    /// Charter of the swarm; kept in the state folder [node.charter]
    #[arg(long, value_name = "FILE")]
    pub charter: Option<String>,
    /// Socket of the local API [node.socket]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<String>,
    /// Addresses to listen at, separated by commas [network.listen]
    #[arg(long, value_name = "ADDRESSES")]
    pub listen: Option<String>,
    /// Tickets of peers to join, separated by commas [network.join]
    #[arg(long, value_name = "TICKETS")]
    pub join: Option<String>,
    /// Whether to look for peers in the local network [network.mdns]
    #[arg(long, value_name = "BOOL")]
    pub mdns: Option<String>,
    /// Whether to dial and trust private addresses, as on one machine or in a house
    /// [network.private_addresses]
    #[arg(long, value_name = "BOOL")]
    pub private_addresses: Option<String>,
    /// When to run trials: never or always [donate.when]
    #[arg(long, value_name = "WHEN")]
    pub donate: Option<String>,
    /// Program that serves training orders instead of this one [worker.program]
    #[arg(long, value_name = "FILE")]
    pub worker_program: Option<String>,
    /// Threads of the worker [worker.threads]
    #[arg(long, value_name = "N")]
    pub worker_threads: Option<String>,
    /// What to log: error, warn, info, debug or trace [log.level]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
}

impl RunArgs {
    fn flags(&self) -> Vec<Flag> {
        let given = [
            ("node.state_dir", "--state-dir", &self.state_dir),
            ("node.charter", "--charter", &self.charter),
            ("node.socket", "--socket", &self.socket),
            ("network.listen", "--listen", &self.listen),
            ("network.join", "--join", &self.join),
            ("network.mdns", "--mdns", &self.mdns),
            ("network.private_addresses", "--private-addresses", &self.private_addresses),
            ("donate.when", "--donate", &self.donate),
            ("worker.program", "--worker-program", &self.worker_program),
            ("worker.threads", "--worker-threads", &self.worker_threads),
            ("log.level", "--log-level", &self.log_level),
        ];
        given
            .into_iter()
            .filter_map(|(key, flag, value)| Some(Flag { key, flag, value: value.clone()? }))
            .collect()
    }
}

/// Runs the daemon until a signal ends it.
pub fn run(args: &RunArgs) -> ExitCode {
    let environment = |name: &str| std::env::var_os(name);
    let folders = match Dirs::find(&environment) {
        Ok(folders) => folders,
        Err(error) => return fail(&error, error.hint(), REFUSED),
    };
    let sources = Sources {
        system_file: Path::new(SYSTEM_FILE),
        user_file: &folders.config_file,
        named_file: args.config.as_deref(),
        environment: &environment,
        flags: &args.flags(),
    };
    let config = match Config::load(&sources) {
        Ok(config) => config,
        Err(error) => return fail(&error, &error.hint(), USAGE),
    };
    if let Err(error) = logging::start(&config.log.level) {
        return fail(&error, error.hint(), USAGE);
    }
    let event_loop = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(event_loop) => event_loop,
        Err(error) => return fail(&error, "it may be short of file descriptors or memory", REFUSED),
    };
    let done = event_loop.block_on(async {
        let (stopping, stop) = watch::channel(false);
        tokio::spawn(async move {
            end_signal().await;
            // The daemon has ended by itself: nobody is left to stop.
            let _ = stopping.send(true);
        });
        // The loop blocks its thread for disk writes, which only a spawned task may.
        tokio::spawn(async move { runtime::run(&config, &folders, stop).await }).await
    });
    match done {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => fail(&error, &error.hint(), REFUSED),
        Err(error) => fail(&error, "this is a mistake in swarmd: please report it", 70),
    }
}
