//! The metric: bits per byte on the track's validation windows.
//!
//! Windows lie side by side, `context` targets each, and nothing is carried from one to the
//! next. A block is evaluated as one batch, by whoever checks it too, so that a checker of the
//! same numeric class gets the same bits without evaluating the rest.

use burn::tensor::{Device, Tensor, TensorData};

use crate::model::gpt::{Frame, Gpt};
use crate::state::State;
use crate::step::{matrices, shifted};
use crate::trial::Trial;

/// What one block of windows costs a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Its number.
    pub number: u32,
    /// Summed cross-entropy of each window's targets, in nats.
    pub nats: Vec<f64>,
}

impl Block {
    /// The sum over the windows of `round(nats / ln 2 · 10⁶)`.
    ///
    /// Rounding can leave a sure prediction a hair below nothing; that counts as nothing.
    pub fn sum_microbits(&self) -> u64 {
        let microbits = |nats: &f64| (nats.max(0.0) / std::f64::consts::LN_2 * 1e6).round() as u64;
        self.nats.iter().map(microbits).sum()
    }

    /// BLAKE3 of `number u32le ‖ nats of each window f64le`.
    pub fn nats_hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.number.to_le_bytes());
        for nats in &self.nats {
            hasher.update(&nats.to_le_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    /// Whether every window has a cost that is a number.
    pub fn is_finite(&self) -> bool {
        self.nats.iter().all(|nats| nats.is_finite())
    }
}

/// A model ready to be evaluated.
pub struct Evaluator<'a> {
    trial: &'a Trial,
    text: &'a [u8],
    frame: Frame,
    weights: Vec<Tensor<2>>,
}

impl<'a> Evaluator<'a> {
    /// Places a state's weights on a device.
    pub fn new(trial: &'a Trial, text: &'a [u8], state: &State, device: &Device) -> Self {
        let row = TensorData::new(state.weights.clone(), [state.weights.len()]);
        let weights = matrices(trial.recipe(), &Tensor::from_data(row, device));
        Self { trial, text, frame: Frame::new(trial.recipe(), trial.track(), device), weights }
    }

    /// Evaluates one block.
    ///
    /// # Panics
    /// If the track has no such block.
    pub fn block(&self, number: u32) -> Block {
        let track = self.trial.track();
        let windows = track.block_windows(number).map(|window| track.window(window));
        let (inputs, targets) = shifted(self.text, windows);
        let costs = Gpt::new(&self.frame, self.weights.clone()).nats(&inputs, &targets).into_data();
        let costs = costs.try_to_vec::<f32>().expect("every tensor here is of 32-bit floats");
        let window = |costs: &[f32]| costs.iter().map(|nats| f64::from(*nats)).sum();
        Block { number, nats: costs.chunks_exact(track.context as usize).map(window).collect() }
    }

    /// The metric over all blocks, in bits per byte.
    pub fn bits_per_byte(&self) -> f64 {
        let track = self.trial.track();
        let microbits: u64 = (0..track.eval_blocks).map(|block| self.block(block).sum_microbits()).sum();
        microbits as f64 / 1e6 / track.eval_bytes() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nats_become_rounded_microbits_window_by_window() {
        // 2 ln 2 is 2 bits; 1 nat is 1.442695041 bits; 1e-7 nats is 0.144 micro-bits.
        let nats = vec![2.0 * std::f64::consts::LN_2, 1.0, 1e-7, -1e-9];
        let block = Block { number: 3, nats };
        assert_eq!(block.sum_microbits(), 2_000_000 + 1_442_695);
        assert!(block.is_finite());
        assert!(!Block { number: 3, nats: vec![1.0, f64::NAN] }.is_finite());
    }

    #[test]
    fn the_hash_covers_the_number_and_every_window() {
        let hash = |number, nats: &[f64]| Block { number, nats: nats.to_vec() }.nats_hash();
        let mut bytes = vec![3, 0, 0, 0];
        bytes.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
        assert_eq!(hash(3, &[1.0]), *blake3::hash(&bytes).as_bytes());
        assert_ne!(hash(3, &[1.0]), hash(4, &[1.0]));
        assert_ne!(hash(3, &[1.0, 2.0]), hash(3, &[1.0, 2.5]));
    }
}
