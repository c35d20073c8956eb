//! The worker's place in the loop: started again when it ends, fed and emptied.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proto::ids::{BlobHash, NumericClass};
use proto::wire::worker::{Order, report};

use super::Runtime;
use crate::blobs::{BlobStore, StoreError};
use crate::node::input::{Input, WorkerReport};
use crate::node::state_file;
use crate::worker::{self, Program, Settings, WorkerEvent, WorkerHandle};

/// Pause before a worker that ended is started again; doubles with every failure.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// Longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Why a state could not be moved between the blob store and the worker's folder.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlaceError {
    /// The worker's folder.
    #[error("the worker's folder cannot be used")]
    Folder(#[from] io::Error),
    /// The blob store.
    #[error("the blob store does not give or take the state")]
    Store(#[from] StoreError),
    /// The worker named a state by another hash than its bytes have.
    #[error("the worker reported {reported} for a state of hash {actual}")]
    WrongHash {
        /// What it said.
        reported: BlobHash,
        /// What the bytes give.
        actual: BlobHash,
    },
    /// There is no worker, or it takes no orders.
    #[error("no worker takes the order")]
    NoWorker,
}

/// The worker process, or when there will be one again.
pub(super) struct WorkerSlot {
    program: Program,
    settings: Settings,
    folder: PathBuf,
    handle: Option<WorkerHandle>,
    /// `None` when no worker is wanted.
    due: Option<Instant>,
    pause: Duration,
}

impl WorkerSlot {
    pub(super) fn new(program: Program, settings: Settings, folder: PathBuf, is_wanted: bool) -> Self {
        let due = is_wanted.then(Instant::now);
        Self { program, settings, folder, handle: None, due, pause: PAUSE_MIN }
    }

    /// Whether a worker is wanted at all.
    pub(super) fn is_wanted(&self) -> bool {
        self.due.is_some()
    }

    /// Starts the worker if there is none and it is time; why it does not start.
    fn start_if_due(&mut self) -> Option<String> {
        if self.handle.is_some() || self.due.is_none_or(|due| Instant::now() < due) {
            return None;
        }
        let reason = match empty(&self.folder) {
            Err(error) => format!("cannot empty the worker's folder: {error}"),
            Ok(()) => match worker::start(&self.program, &self.folder, &self.settings) {
                Ok(handle) => {
                    self.handle = Some(handle);
                    return None;
                }
                Err(error) => {
                    let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
                    format!("{error}{cause}; {}", error.hint())
                }
            },
        };
        self.postpone();
        Some(reason)
    }

    /// The next event of the worker; never ends while there is none.
    pub(super) async fn event(&mut self) -> Option<WorkerEvent> {
        match &mut self.handle {
            Some(handle) => handle.reports.recv().await,
            None => std::future::pending().await,
        }
    }

    pub(super) fn kill(&mut self) {
        if let Some(handle) = &self.handle {
            handle.kill();
        }
    }

    fn ended(&mut self) {
        self.handle = None;
        self.postpone();
    }

    fn postpone(&mut self) {
        self.due = self.due.map(|_| Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }

    fn is_fine(&mut self) {
        self.pause = PAUSE_MIN;
    }

    pub(super) fn order(&mut self, order: Order) -> Result<(), PlaceError> {
        let handle = self.handle.as_ref().ok_or(PlaceError::NoWorker)?;
        handle.orders.try_send(order).map_err(|_| PlaceError::NoWorker)
    }

    /// Removes the states of the last order.
    pub(super) fn empty(&self) -> Result<(), PlaceError> {
        Ok(empty(&self.folder)?)
    }

    /// Puts a state of the blob store into the worker's folder.
    pub(super) fn place(&self, blobs: &BlobStore, hash: &BlobHash) -> Result<(), PlaceError> {
        let to = self.folder.join(state_file(*hash));
        let from = tokio::task::block_in_place(|| blobs.get(hash))?;
        // A copy, so that the worker cannot change what the store has.
        std::fs::copy(from, to)?;
        Ok(())
    }

    /// Moves a state that the worker wrote into the blob store.
    pub(super) fn take(&self, blobs: &BlobStore, file: &str, hash: &BlobHash) -> Result<(), PlaceError> {
        if file != state_file(*hash) {
            return Err(PlaceError::Folder(io::ErrorKind::InvalidFilename.into()));
        }
        let path = self.folder.join(file);
        let (actual, _) = blobs.import_file(&path)?;
        std::fs::remove_file(&path)?;
        if actual != *hash {
            return Err(PlaceError::WrongHash { reported: *hash, actual });
        }
        Ok(())
    }
}

/// Makes the folder if it is not there, and removes states that a former worker left.
fn empty(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "state") {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

impl Runtime {
    /// Starts the worker if one is wanted and due; if it does not start, the node knows why.
    pub(super) fn start_worker(&mut self) {
        if let Some(reason) = self.worker.start_if_due() {
            tracing::warn!(reason, "worker not started");
            self.input(Input::Worker(WorkerReport::Gone(reason)));
        }
    }

    pub(super) fn worker_event(&mut self, event: Option<WorkerEvent>) {
        let report = match event {
            Some(WorkerEvent::Report(report)) => translate(report),
            Some(WorkerEvent::Exited { reason, stderr }) => {
                tracing::warn!(%reason, stderr = stderr.trim(), "worker ended");
                self.worker.ended();
                let said = stderr.trim().lines().last().map(|line| format!(": {line}"));
                Some(WorkerReport::Gone(format!("the last one {reason}{}", said.unwrap_or_default())))
            }
            None => {
                self.worker.ended();
                Some(WorkerReport::Gone("the last one closed its pipes".to_owned()))
            }
        };
        let Some(report) = report else { return };
        match &report {
            WorkerReport::Ready { class, device } => {
                tracing::info!(class = %class.short(), device, "worker ready");
            }
            WorkerReport::Finished { .. } => self.worker.is_fine(),
            WorkerReport::Failed(reason) => tracing::warn!(reason, "worker order failed"),
            WorkerReport::Progress { .. }
            | WorkerReport::State(_)
            | WorkerReport::Block(_)
            | WorkerReport::Gone(_) => {}
        }
        self.input(Input::Worker(report));
    }
}

/// The node's form of a report; `None` for a hello without a class.
fn translate(report: report::Report) -> Option<WorkerReport> {
    Some(match report {
        report::Report::Hello(hello) => WorkerReport::Ready {
            class: NumericClass::try_from(&hello.numeric_class[..]).ok()?,
            device: hello.device,
        },
        report::Report::Progress(progress) => WorkerReport::Progress {
            step: progress.step,
            steps: progress.steps,
            loss_microbits: progress.loss_microbits,
        },
        report::Report::State(state) => WorkerReport::State(state),
        report::Report::Block(block) => WorkerReport::Block(block),
        report::Report::Finished(finished) => WorkerReport::Finished { diverged: finished.diverged },
        report::Report::Failed(failed) => WorkerReport::Failed(failed.reason),
    })
}
