//! The worker: a child process that computes, so that the daemon never touches a GPU
//! and a computation never touches the daemon.
//!
//! The child gets orders on standard input and reports on standard output, both as
//! frames of `worker.proto`. It is given one directory and almost no environment, and
//! is killed when it falls silent or says what makes no sense. What the reports mean
//! is not known here.

mod pipes;
mod supervise;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proto::wire::worker::{Order, report};
use rustix::process::Signal;
use tokio::sync::{Notify, mpsc};

pub use supervise::start;

use crate::config::WorkerConfig;

/// Orders that wait for the worker. It does one at a time; the next one may wait
/// behind it, and a stop behind that.
const ORDERS_MAX: usize = 4;

/// Reports that wait for the node. A worker reports once a second and at each segment
/// and block: 64 are about a minute of a node that is busy elsewhere.
const EVENTS_MAX: usize = 64;

/// Names the process that a worker is to die with.
const PARENT: &str = "SWARM_PARENT";

/// The program to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its file; a relative path is meant from the daemon's folder.
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

impl Program {
    /// A program that speaks the worker protocol when given the argument `worker`, as
    /// `swarmd` itself does.
    pub fn worker(path: &Path) -> Self {
        Self { path: path.to_owned(), args: vec!["worker".into()] }
    }

    /// The program that is configured, or `own`, this program's file.
    pub fn configured(config: &WorkerConfig, own: &Path) -> Self {
        Self::worker(config.program.as_deref().unwrap_or(own))
    }
}

/// How a worker is run and watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long a worker with something to do may say nothing. It reports once a second,
    /// but compiling kernels for a GPU the first time takes many.
    pub silence_max: Duration,
    /// How long it has to end after a stop.
    pub stop_max: Duration,
    /// Threads it computes with; all cores if absent.
    pub threads: Option<NonZeroU32>,
    /// Device it computes on; its own choice if absent.
    pub device: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            silence_max: Duration::from_secs(30),
            stop_max: Duration::from_secs(1),
            threads: None,
            device: None,
        }
    }
}

impl Settings {
    /// The usual bounds, with threads and device as configured.
    pub fn configured(config: &WorkerConfig) -> Self {
        Self { threads: config.threads, device: config.device.clone(), ..Self::default() }
    }
}

/// A running worker. Dropping the handle kills it.
#[derive(Debug)]
pub struct WorkerHandle {
    /// Where orders go. Closed when the worker no longer reads; dropping it stops the
    /// worker as [`Order`]'s stop does.
    pub orders: mpsc::Sender<Order>,
    /// What the worker says; the last event is [`WorkerEvent::Exited`].
    pub reports: mpsc::Receiver<WorkerEvent>,
    kill: Arc<Notify>,
    pid: u32,
}

impl WorkerHandle {
    /// Ends the worker and all processes it started, now. The event of its exit follows.
    pub fn kill(&self) {
        self.kill.notify_one();
    }

    /// The worker's process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }
}

/// What happens with a worker.
#[derive(Debug, Clone, PartialEq)]
pub enum WorkerEvent {
    /// It said this. The first report is its hello.
    Report(report::Report),
    /// It is gone; nothing follows.
    Exited {
        /// Why.
        reason: ExitReason,
        /// The end of what it wrote to standard error, at most 4 KiB.
        stderr: String,
    },
}

/// Why a worker is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitReason {
    /// It was told to stop and did.
    Stopped,
    /// It ended by itself with this status.
    Exited(i32),
    /// A signal ended it that was not ours: out of memory, a fault of a driver.
    Signalled(i32),
    /// Killed: it had something to do and said nothing for too long.
    Silent,
    /// Killed: what it said is not the protocol.
    Garbage(Garbage),
    /// Killed: it did not end in time after a stop.
    StopIgnored,
    /// Killed by [`WorkerHandle::kill`] or by dropping the handle.
    Killed,
}

/// How a worker's output is not the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Garbage {
    /// A frame announces more bytes than the bound.
    TooLong(u32),
    /// A frame does not decode, or holds no report.
    Malformed,
    /// The first report is no hello.
    NoHello,
    /// The output ends within a frame.
    CutOff,
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("stopped"),
            Self::Exited(status) => write!(f, "exited with status {status}"),
            Self::Signalled(signal) => write!(f, "ended by signal {signal}"),
            Self::Silent => f.write_str("killed: silent for too long"),
            Self::Garbage(Garbage::TooLong(bytes)) => write!(f, "killed: sent a frame of {bytes} bytes"),
            Self::Garbage(Garbage::Malformed) => f.write_str("killed: sent a frame that is no report"),
            Self::Garbage(Garbage::NoHello) => f.write_str("killed: did not begin with a hello"),
            Self::Garbage(Garbage::CutOff) => f.write_str("ended within a frame"),
            Self::StopIgnored => f.write_str("killed: did not stop when told to"),
            Self::Killed => f.write_str("killed"),
        }
    }
}

/// Why a worker did not start.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// Its folder cannot be made.
    #[error("cannot make the worker's folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The program is not there or cannot be run.
    #[error("cannot run the worker program {}", path.display())]
    Program {
        /// The program.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl SpawnError {
    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Folder { .. } => "make the folder writable, or choose another with --state-dir",
            Self::Program { .. } => "name a program that can be run with worker.program, or leave it out",
        }
    }
}

/// Why a worker is not tied to its parent.
#[derive(Debug, thiserror::Error)]
pub enum TieError {
    /// The parent is gone already.
    #[error("the daemon that started this worker is gone")]
    Orphaned,
    /// The system refused.
    #[error("cannot ask the system to end this worker with its daemon")]
    Refused(#[source] io::Error),
}

/// Makes the system kill this process when the daemon that started it ends, however
/// it ends. To be called first thing in the worker.
///
/// # Errors
/// [`TieError::Orphaned`] if the daemon ended before the call: nobody would kill us.
pub fn tie_to_parent() -> Result<(), TieError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| TieError::Refused(error.into()))?;
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().to_string());
    match std::env::var(PARENT) {
        Ok(named) if Some(&named) != parent.as_ref() => Err(TieError::Orphaned),
        Ok(_) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
