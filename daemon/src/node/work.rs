//! The one worker of the node: who uses it now, and what it reports.
//!
//! Orders are one segment or one evaluation long, so that a check never waits for a
//! whole trial and a yield never loses more than a segment.

use proto::ids::{BlobHash, NumericClass};
use proto::wire::worker::order::Order as OrderKind;
use proto::wire::worker::{Evaluate, Order, Run};

use super::Node;
use super::effect::{Effect, Note};
use super::input::WorkerReport;

/// Whose order the worker carries out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum User {
    Trial,
    Check,
}

/// What is known of the worker.
#[derive(Debug, Default)]
pub(super) struct Worker {
    class: Option<NumericClass>,
    device: String,
    up: bool,
    user: Option<User>,
    last_failure: Option<String>,
}

impl Worker {
    /// The class of the device, once a worker has said it.
    pub(super) fn class(&self) -> Option<NumericClass> {
        self.class
    }

    pub(super) fn device(&self) -> &str {
        &self.device
    }

    pub(super) fn last_failure(&self) -> Option<&str> {
        self.last_failure.as_deref()
    }

    pub(super) fn user(&self) -> Option<User> {
        self.user
    }

    pub(super) fn is_up(&self) -> bool {
        self.up
    }
}

/// An order and the states it reads.
pub(super) struct Work {
    pub(super) order: OrderKind,
    pub(super) needs: Vec<BlobHash>,
}

impl Work {
    /// Segments `from + 1` to `to` of a trial, starting in `state` unless `from` is 0.
    pub(super) fn run(what: &TrialBytes, from: u32, to: u32, state: Option<BlobHash>) -> Self {
        Self {
            order: OrderKind::Run(Run {
                recipe: what.recipe.clone(),
                track: what.track.clone(),
                seed: what.seed.to_vec(),
                segments: what.segments,
                from,
                to,
                state_file: state.map(state_file).unwrap_or_default(),
            }),
            needs: state.into_iter().collect(),
        }
    }

    /// Evaluation blocks `first` to `last` of a state.
    pub(super) fn evaluate(what: &TrialBytes, state: BlobHash, first: u32, last: u32) -> Self {
        Self {
            order: OrderKind::Evaluate(Evaluate {
                recipe: what.recipe.clone(),
                track: what.track.clone(),
                state_file: state_file(state),
                first,
                last,
            }),
            needs: vec![state],
        }
    }
}

/// What the worker must know of a trial.
#[derive(Debug, Clone)]
pub(super) struct TrialBytes {
    pub(super) recipe: Vec<u8>,
    pub(super) track: Vec<u8>,
    pub(super) seed: [u8; 32],
    pub(super) segments: u32,
}

/// The name under which the carrier puts a state into the worker's directory.
pub fn state_file(state: BlobHash) -> String {
    format!("{state}.state")
}

impl Node {
    /// Gives the worker something to do: checks before trials.
    pub(super) fn pump_worker(&mut self) {
        if !self.worker.up || self.worker.user.is_some() {
            return;
        }
        let (user, work) = if let Some(work) = self.next_check_work() {
            (User::Check, work)
        } else if let Some(work) = self.next_trial_work() {
            (User::Trial, work)
        } else {
            return;
        };
        self.worker.user = Some(user);
        self.effects.push(Effect::Work { order: Order { order: Some(work.order) }, needs: work.needs });
    }

    pub(super) fn device_free(&mut self, free: bool) {
        if !free && self.earn.set_device_free(false) {
            self.worker.user = None;
            self.worker.up = false;
            self.effects.push(Effect::StopWorker);
            self.checks.worker_lost();
        } else {
            self.earn.set_device_free(free);
        }
    }

    pub(super) fn worker_reports(&mut self, report: WorkerReport) {
        match report {
            WorkerReport::Ready { class, device } => {
                self.worker.up = true;
                self.worker.user = None;
                self.worker.class = Some(class);
                self.worker.device = device;
                self.recall_duties();
            }
            WorkerReport::Gone(reason) => {
                self.worker.up = false;
                self.worker.last_failure = Some(reason);
                // A state that kills the worker is not tried for ever.
                if self.worker.user.take() == Some(User::Check) {
                    self.check_failed();
                }
                self.checks.worker_lost();
            }
            WorkerReport::Progress { step, steps, loss_microbits } => {
                if self.worker.user == Some(User::Trial) {
                    self.note(Note::TrialProgress { step, steps, loss_microbits });
                    self.earn.progress(step, steps, loss_microbits);
                }
            }
            WorkerReport::State(state) => match self.worker.user {
                Some(User::Trial) => self.trial_state(state),
                Some(User::Check) => self.check_state(state),
                None => {}
            },
            WorkerReport::Block(block) => match self.worker.user {
                Some(User::Trial) => self.trial_block(block),
                Some(User::Check) => self.check_block(block),
                None => {}
            },
            WorkerReport::Finished { diverged } => match self.worker.user.take() {
                Some(User::Trial) => self.trial_order_done(diverged),
                Some(User::Check) if diverged => self.check_failed(),
                Some(User::Check) | None => {}
            },
            WorkerReport::Failed(reason) => {
                match self.worker.user.take() {
                    Some(User::Trial) => self.drop_trial(reason.clone()),
                    Some(User::Check) => self.check_failed(),
                    None => {}
                }
                self.worker.last_failure = Some(reason);
            }
        }
    }

    /// Moves a state that the worker wrote into the blob store; its hash, if it is one.
    pub(super) fn keep_state(&mut self, file: String, hash: &[u8]) -> Option<BlobHash> {
        let hash = BlobHash::try_from(hash).ok()?;
        self.effects.push(Effect::Keep { file, hash });
        Some(hash)
    }
}
