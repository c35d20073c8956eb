//! The run of one segment: from a state to a state, with a hash of the losses between.

use std::ops::{ControlFlow, Range};

use crate::state::State;
use crate::step::Trainer;

/// How the run of a segment ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// All its steps are done.
    Done {
        /// The state after them.
        state: State,
        /// BLAKE3 of the losses of its steps as f32le.
        losses_hash: [u8; 32],
    },
    /// A loss or a weight is no longer a number.
    Diverged,
    /// The observer asked to stop.
    Stopped,
}

/// Runs the steps of one segment; `observe` sees each step's number and loss.
///
/// # Panics
/// If the trainer does not stand at the segment's first step.
pub fn run_segment(
    trainer: &mut Trainer<'_>,
    steps: Range<u64>,
    observe: &mut dyn FnMut(u64, f32) -> ControlFlow<()>,
) -> Outcome {
    assert_eq!(trainer.step(), steps.start, "a segment begins where the one before it ended");
    let mut losses = blake3::Hasher::new();
    for step in steps {
        let loss = trainer.advance();
        if !loss.is_finite() {
            return Outcome::Diverged;
        }
        losses.update(&loss.to_le_bytes());
        if observe(step, loss).is_break() {
            return Outcome::Stopped;
        }
    }
    let state = trainer.state();
    if state.check().is_err() {
        return Outcome::Diverged;
    }
    Outcome::Done { state, losses_hash: *losses.finalize().as_bytes() }
}
