//! The carrying out of one order.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use burn::tensor::Device;
use jobs::recipe::BytesError;
use jobs::track::TrackError;
use jobs::{Recipe, Track, trial};
use proto::frame::FrameError;
use proto::limits::SEGMENTS_MAX;
use proto::wire::worker::{BlockDone, Evaluate, Export, Progress, Run, StateDone, order, report};

use super::files::{self, FileError};
use super::reports::Reports;
use crate::bpb::Evaluator;
use crate::corpus::{self, CorpusError};
use crate::export::{self, ExportError};
use crate::segment::{Outcome, run_segment};
use crate::state::{self, State};
use crate::step::Trainer;
use crate::trial::{Trial, TrialError};

/// Time between two reports of progress: a supervisor expects one a second.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// What orders are carried out with.
pub(super) struct Bench {
    pub(super) device: Device,
    pub(super) memory_bytes: u64,
    pub(super) folder: PathBuf,
    pub(super) stop: Arc<AtomicBool>,
}

/// How an order ended that was carried out.
pub(super) enum Ended {
    /// All of it, or up to a loss that is no number.
    Finished { diverged: bool },
}

/// Why an order was not carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrderError {
    #[error("the order names no known recipe")]
    Recipe(#[from] BytesError),
    #[error("the order names no known track")]
    Track(#[from] TrackError),
    #[error("the seed is not 32 bytes")]
    Seed,
    #[error("the trial cannot be run")]
    Trial(#[from] TrialError),
    #[error(
        "segments {from} to {to} of {segments} are not a part of a run, which has at most {SEGMENTS_MAX}"
    )]
    Segments { from: u32, to: u32, segments: u32 },
    #[error("blocks {first} to {last} are not among the track's {blocks}")]
    Blocks { first: u32, last: u32, blocks: u32 },
    #[error("the model's cost on block {block} is not a number")]
    NoCost { block: u32 },
    #[error("a file cannot be used")]
    File(#[from] FileError),
    #[error("the corpus cannot be read")]
    Corpus(#[from] CorpusError),
    #[error("the weights cannot be exported")]
    Export(#[from] ExportError),
    #[error("stopped")]
    Stopped,
    #[error("the pipe failed")]
    Pipe(#[from] FrameError),
}

impl Bench {
    /// Carries out one order; everything but its end is reported here.
    pub(super) fn carry_out(
        &self,
        order: &order::Order,
        reports: &mut Reports<impl Write>,
    ) -> Result<Ended, OrderError> {
        match order {
            order::Order::Run(run) => self.run(run, reports),
            order::Order::Evaluate(evaluate) => self.evaluate(evaluate, reports),
            order::Order::Export(export) => self.export(export),
            order::Order::Stop(_) => Err(OrderError::Stopped),
        }
    }

    fn run(&self, run: &Run, reports: &mut Reports<impl Write>) -> Result<Ended, OrderError> {
        let Run { segments, from, to, .. } = *run;
        if !(1..=SEGMENTS_MAX).contains(&segments) || from > to || to > segments {
            return Err(OrderError::Segments { from, to, segments });
        }
        let seed = run.seed[..].try_into().map_err(|_| OrderError::Seed)?;
        let trial = self.trial(&run.recipe, &run.track, seed)?;
        let start = match from {
            0 => State::initial(trial.recipe(), trial.seed()),
            _ => {
                let done = trial::segment_steps(trial.steps(), segments, from).end;
                let bytes =
                    files::read_state(&self.folder, &run.state_file, state::bytes_of(trial.recipe()))?;
                trial.state_after(done, &bytes)?
            }
        };
        if from == 0 {
            self.report_state(&trial, 0, &start, Vec::new(), reports)?;
        }
        if from == to {
            return Ok(Ended::Finished { diverged: false });
        }
        let mut trainer = Trainer::new(&trial, corpus::text()?, &start, &self.device);
        for segment in from + 1..=to {
            let steps = trial::segment_steps(trial.steps(), segments, segment);
            let mut observer = Observer::new(trial.steps(), reports);
            let outcome = run_segment(&mut trainer, steps, &mut |step, loss| match self.is_stopped() {
                true => ControlFlow::Break(()),
                false => observer.observe(step, loss),
            });
            observer.end()?;
            match outcome {
                Outcome::Done { state, losses_hash } => {
                    self.report_state(&trial, segment, &state, losses_hash.to_vec(), reports)?;
                }
                Outcome::Diverged => return Ok(Ended::Finished { diverged: true }),
                Outcome::Stopped => return Err(OrderError::Stopped),
            }
        }
        Ok(Ended::Finished { diverged: false })
    }

    fn report_state(
        &self,
        trial: &Trial,
        segment: u32,
        state: &State,
        losses_hash: Vec<u8>,
        reports: &mut Reports<impl Write>,
    ) -> Result<(), OrderError> {
        let bytes = state.to_bytes(trial.recipe());
        let hash = state::hash(&bytes);
        let file = files::write_state(&self.folder, &hash, &bytes)?;
        let (state_hash, bytes) = (hash.to_vec(), bytes.len() as u64);
        let done = StateDone { segment, state_hash, losses_hash, file, bytes };
        Ok(reports.send(report::Report::State(done))?)
    }

    fn evaluate(&self, order: &Evaluate, reports: &mut Reports<impl Write>) -> Result<Ended, OrderError> {
        // The seed does not matter to an evaluation.
        let trial = self.trial(&order.recipe, &order.track, [0; 32])?;
        let (first, last, blocks) = (order.first, order.last, trial.track().eval_blocks);
        if first > last || last >= blocks {
            return Err(OrderError::Blocks { first, last, blocks });
        }
        let state = self.finished_state(&trial, &order.state_file)?;
        let evaluator = Evaluator::new(&trial, corpus::text()?, &state, &self.device);
        for number in first..=last {
            if self.is_stopped() {
                return Err(OrderError::Stopped);
            }
            let block = evaluator.block(number);
            if !block.is_finite() {
                return Err(OrderError::NoCost { block: number });
            }
            reports.send(report::Report::Block(BlockDone {
                block: number,
                sum_microbits: block.sum_microbits(),
                nats_hash: block.nats_hash().to_vec(),
            }))?;
        }
        Ok(Ended::Finished { diverged: false })
    }

    fn export(&self, order: &Export) -> Result<Ended, OrderError> {
        let trial = self.trial(&order.recipe, &order.track, [0; 32])?;
        let path = files::bare_path(&self.folder, &order.output_file)?;
        export::write(trial.recipe(), &self.finished_state(&trial, &order.state_file)?, &path)?;
        Ok(Ended::Finished { diverged: false })
    }

    fn trial(&self, recipe: &[u8], track: &[u8], seed: [u8; 32]) -> Result<Trial, OrderError> {
        let (recipe, track) = (Recipe::from_bytes(recipe)?, Track::from_bytes(track)?);
        Ok(Trial::new(recipe, track, seed, self.memory_bytes)?)
    }

    /// Reads a state of any step.
    fn finished_state(&self, trial: &Trial, file: &str) -> Result<State, OrderError> {
        let bytes = files::read_state(&self.folder, file, state::bytes_of(trial.recipe()))?;
        Ok(State::from_bytes(&bytes, trial.recipe()).map_err(TrialError::from)?)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

/// Turns losses into reports of progress.
struct Observer<'a, W> {
    steps: u64,
    reports: &'a mut Reports<W>,
    reported: Option<Instant>,
    losses: f64,
    count: u64,
    failed: Option<FrameError>,
}

impl<'a, W: Write> Observer<'a, W> {
    fn new(steps: u64, reports: &'a mut Reports<W>) -> Self {
        Self { steps, reports, reported: None, losses: 0.0, count: 0, failed: None }
    }

    fn observe(&mut self, step: u64, loss: f32) -> ControlFlow<()> {
        self.losses += f64::from(loss);
        self.count += 1;
        if self.reported.is_some_and(|at| at.elapsed() < PROGRESS_EVERY) {
            return ControlFlow::Continue(());
        }
        let nats = self.losses / self.count as f64;
        let loss_microbits = (nats / std::f64::consts::LN_2 * 1e6).round() as u64;
        let progress = Progress { step: step + 1, steps: self.steps, loss_microbits };
        (self.reported, self.losses, self.count) = (Some(Instant::now()), 0.0, 0);
        match self.reports.send(report::Report::Progress(progress)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn end(self) -> Result<(), FrameError> {
        self.failed.map_or(Ok(()), Err)
    }
}
