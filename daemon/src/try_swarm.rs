//! `swarmd try`: a real swarm of three daemons on this machine, from nothing to paid.
//!
//! Everything is learned as a user would: from `swarmctl --json` of three separate
//! processes. The exit code is 0 only if every check held.

mod checks;
mod stage;
mod watch;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::exit;
use checks::Failed;
use stage::{NODES, Stage};

/// Time until the goals must be reached. The promise is two minutes; a machine that does
/// something else meanwhile gets a third.
const PATIENCE: Duration = Duration::from_secs(180);

/// Options of `swarmd try`.
#[derive(Debug, Clone, Args)]
pub struct TryArgs {
    /// Keep the folder of the three nodes and say where it is
    #[arg(long)]
    pub keep: bool,
    /// Let the third node's worker be this program: a liar must not earn
    #[arg(long, value_name = "FILE", hide = true)]
    pub liar: Option<PathBuf>,
    /// Kill the second node in the middle of a trial and start it again
    #[arg(long, hide = true)]
    pub kill: bool,
    /// Change one byte of the first node's ledger before it is verified
    #[arg(long, hide = true)]
    pub tamper: bool,
}

/// Why `try` did not come to its end.
#[derive(Debug, thiserror::Error)]
enum TryError {
    /// The stage could not be set.
    #[error("the three nodes could not be started")]
    Stage(#[from] io::Error),
    /// A daemon does not run.
    #[error("node {node} did not start: {text}")]
    Daemon {
        /// Which, from 1.
        node: usize,
        /// What became of it.
        text: String,
    },
    /// A command of `swarmctl` failed that should not.
    #[error("swarmctl {command} of node {node} failed: {text}")]
    Command {
        /// Which.
        command: String,
        /// Of which node, from 1.
        node: usize,
        /// What it said.
        text: String,
    },
    /// A check did not hold.
    #[error(transparent)]
    Check(#[from] Failed),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl TryError {
    fn code(&self) -> u8 {
        match self {
            Self::Interrupted => 130,
            Self::Check(_) => 8,
            Self::Stage(_) | Self::Daemon { .. } | Self::Command { .. } => 1,
        }
    }

    fn hint(&self, is_kept: bool) -> &'static str {
        match self {
            Self::Interrupted => "",
            Self::Stage(_) => "check the temporary folder; TMPDIR names another",
            Self::Daemon { .. } | Self::Command { .. } | Self::Check(_) if is_kept => {
                "the nodes' logs lie in the folder named above"
            }
            Self::Daemon { .. } | Self::Command { .. } | Self::Check(_) => {
                "run it again with --keep to look at the nodes' logs"
            }
        }
    }
}

/// Runs the whole show; the exit code.
pub fn run(args: &TryArgs) -> ExitCode {
    let event_loop = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(event_loop) => event_loop,
        Err(error) => return exit::fail(&error, "it may be short of file descriptors or memory", 1),
    };
    match event_loop.block_on(show_and_end(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::fail(&error, error.hint(args.keep), error.code()),
    }
}

/// The show with its end: however it comes, no process and no folder is left.
async fn show_and_end(args: &TryArgs) -> Result<(), TryError> {
    // A liar has no say about others: one checker who lies keeps an honest trial from
    // being paid, until there are disputes.
    let founders = if args.liar.is_some() { NODES - 1 } else { NODES };
    let mut stage = Stage::set(args.keep, founders)?;
    let done = tokio::select! {
        biased;
        () = exit::end_signal() => Err(TryError::Interrupted),
        done = show(&mut stage, args) => done,
    };
    stage.end().await;
    done
}

async fn show(stage: &mut Stage, args: &TryArgs) -> Result<(), TryError> {
    if args.keep {
        println!("The nodes live in {}", stage.folder().display());
    }
    println!("Three nodes on 127.0.0.1 form a swarm of their own and look for better training recipes.\n");
    stage.start(args.liar.as_deref()).await?;
    watch::until_earned(stage, args, PATIENCE).await?;
    checks::conclude(stage, args).await
}
