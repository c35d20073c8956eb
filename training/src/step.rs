//! The training loop's one step: batch, forward, backward, update.

use burn::tensor::{Device, Tensor, TensorData};
use jobs::{Recipe, Track, trial};

use crate::model::gpt::{Frame, Gpt};
use crate::optimizer::{AdamW, Rates};
use crate::state::State;
use crate::trial::Trial;

/// A trial on a device, somewhere between its first and last step.
pub struct Trainer<'a> {
    trial: &'a Trial,
    text: &'a [u8],
    frame: Frame,
    optimizer: AdamW,
    step: u64,
}

impl<'a> Trainer<'a> {
    /// Places a state on a device.
    ///
    /// # Panics
    /// If the state is not one of the trial's recipe, or the text ends before the track's parts.
    pub fn new(trial: &'a Trial, text: &'a [u8], state: &State, device: &Device) -> Self {
        let row = |elements: &[f32]| {
            Tensor::<1>::from_data(TensorData::new(elements.to_vec(), [elements.len()]), device)
        };
        Self {
            trial,
            text,
            frame: Frame::new(trial.recipe(), trial.track(), device),
            optimizer: AdamW {
                weights: row(&state.weights),
                first: row(&state.first),
                second: row(&state.second),
            },
            step: state.step,
        }
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Does one step and returns the loss before it: the mean nats of the batch's targets.
    ///
    /// # Panics
    /// If the last step is done.
    pub fn advance(&mut self) -> f32 {
        let (inputs, targets) = batch(self.trial, self.text, self.step);
        let leaves = matrices(self.trial.recipe(), &self.optimizer.weights);
        let leaves: Vec<Tensor<2>> = leaves.into_iter().map(|leaf| leaf.autodiff().require_grad()).collect();
        let loss = Gpt::new(&self.frame, leaves.clone()).nats(&inputs, &targets).mean();
        let mut gradients = loss.backward();
        let rows = leaves.iter().map(|leaf| match leaf.grad_remove(&mut gradients) {
            Some(gradient) => gradient.flatten::<1>(0, 1),
            None => leaf.clone().without_autodiff().zeros_like().flatten(0, 1),
        });
        let gradient = Tensor::cat(rows.collect(), 0);
        let recipe = self.trial.recipe();
        let rates = Rates {
            learning_rate: recipe.learning_rate_at(self.step, self.trial.steps()),
            weight_decay: recipe.effective_weight_decay(),
            updates: self.step + 1,
        };
        self.optimizer = self.optimizer.clone().update(gradient, rates);
        self.step += 1;
        loss.into_scalar::<f32>()
    }

    /// Reads the state back.
    pub fn state(&self) -> State {
        let read = |row: &Tensor<1>| {
            row.to_data().try_to_vec::<f32>().expect("every tensor here is of 32-bit floats")
        };
        State {
            step: self.step,
            weights: read(&self.optimizer.weights),
            first: read(&self.optimizer.first),
            second: read(&self.optimizer.second),
        }
    }
}

/// The matrices of a recipe as they lie in a row of all weights.
pub(crate) fn matrices(recipe: &Recipe, row: &Tensor<1>) -> Vec<Tensor<2>> {
    let mut start = 0;
    let matrix = |weight: &jobs::weights::Weight| {
        let (inputs, outputs) = (weight.inputs as usize, weight.outputs as usize);
        let matrix = row.clone().narrow(0, start, inputs * outputs).reshape([inputs, outputs]);
        start += inputs * outputs;
        matrix
    };
    recipe.weights().iter().map(matrix).collect()
}

/// Inputs and targets of a step, sequence after sequence.
fn batch(run: &Trial, text: &[u8], step: u64) -> (Vec<u8>, Vec<u8>) {
    let track: &Track = run.track();
    let rows = u64::from(run.recipe().tokens_per_step / track.context);
    let ranges = (step * rows..(step + 1) * rows).map(|number| trial::sequence(track, run.seed(), number));
    shifted(text, ranges)
}

/// Bytes of the ranges without the last of each, and without the first of each.
pub(crate) fn shifted(text: &[u8], ranges: impl Iterator<Item = std::ops::Range<u64>>) -> (Vec<u8>, Vec<u8>) {
    let (mut inputs, mut targets) = (Vec::new(), Vec::new());
    for range in ranges {
        let bytes = &text[range.start as usize..range.end as usize];
        inputs.extend_from_slice(&bytes[..bytes.len() - 1]);
        targets.extend_from_slice(&bytes[1..]);
    }
    (inputs, targets)
}
