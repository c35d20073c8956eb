//! The byte-level decoder: embedding, layers, untied head.

use burn::tensor::{Device, Int, Tensor, TensorData};
use jobs::recipe::VOCABULARY;
use jobs::{Recipe, Track};

use super::attention::{Attention, Tables};
use super::mlp::Mlp;
use super::norm::rms_norm;

/// The constants of a decoder: what does not change while it trains.
#[derive(Debug, Clone)]
pub struct Frame {
    depth: usize,
    tables: Tables,
    /// `0..256` as a row, to compare tokens with.
    alphabet: Tensor<2, Int>,
}

impl Frame {
    /// Makes the constants of a recipe's decoder on a device.
    pub fn new(recipe: &Recipe, track: &Track, device: &Device) -> Self {
        let (width, heads) = (recipe.width as usize, recipe.heads as usize);
        let alphabet: Vec<i32> = (0..VOCABULARY as i32).collect();
        Self {
            depth: recipe.depth as usize,
            tables: Tables::new(track.context as usize, width, heads, device),
            alphabet: Tensor::from_data(TensorData::new(alphabet, [1, VOCABULARY as usize]), device),
        }
    }

    /// Bytes as rows with a 1 at their value.
    ///
    /// # Shapes
    /// - output: `[bytes, 256]`
    pub fn one_hot(&self, bytes: &[u8]) -> Tensor<2> {
        let column: Vec<i32> = bytes.iter().map(|byte| i32::from(*byte)).collect();
        let data = TensorData::new(column, [bytes.len(), 1]);
        let column = Tensor::<2, Int>::from_data(data, &self.alphabet.device());
        column.equal(self.alphabet.clone()).float()
    }
}

#[derive(Debug)]
struct Layer {
    attention: Attention,
    mlp: Mlp,
}

/// A decoder with its weights in place.
#[derive(Debug)]
pub struct Gpt<'a> {
    frame: &'a Frame,
    embedding: Tensor<2>,
    layers: Vec<Layer>,
    head: Tensor<2>,
}

impl<'a> Gpt<'a> {
    /// Places weights, which come in the order of [`Recipe::weights`].
    ///
    /// # Panics
    /// If there are not as many as the frame's depth asks for.
    pub fn new(frame: &'a Frame, weights: Vec<Tensor<2>>) -> Self {
        let mut weights = weights.into_iter();
        let mut next = || weights.next().expect("the list of weights is made from the same recipe");
        let embedding = next();
        let layer = |next: &mut dyn FnMut() -> Tensor<2>| Layer {
            attention: Attention { query: next(), key: next(), value: next(), output: next() },
            mlp: Mlp { up: next(), down: next() },
        };
        let layers = (0..frame.depth).map(|_| layer(&mut next)).collect();
        let head = next();
        Self { frame, embedding, layers, head }
    }

    /// The logits of the byte that follows each position.
    ///
    /// `x ← onehot·E`; per layer `x ← x + attention(rms(x))`, `x ← x + mlp(rms(x))`;
    /// `logits = rms(x)·W_head`. The embedding is a matrix product so that its gradient is one
    /// too: a scatter would add in an order that is not fixed on every device.
    ///
    /// # Shapes
    /// - inputs: `batch · context` bytes, sequence after sequence
    /// - output: `[batch · context, 256]`
    pub fn logits(&self, inputs: &[u8]) -> Tensor<2> {
        let mut stream = self.frame.one_hot(inputs).matmul(self.embedding.clone());
        for layer in &self.layers {
            let mixed = layer.attention.forward(rms_norm(stream.clone()), &self.frame.tables);
            stream = stream.add(mixed);
            let thought = layer.mlp.forward(rms_norm(stream.clone()));
            stream = stream.add(thought);
        }
        rms_norm(stream).matmul(self.head.clone())
    }

    /// The nats of each target: `log Σ exp(logits) − logits[target]`.
    ///
    /// # Shapes
    /// - inputs, targets: `batch · context` bytes
    /// - output: `[batch · context, 1]`
    pub fn nats(&self, inputs: &[u8], targets: &[u8]) -> Tensor<2> {
        let logits = self.logits(inputs);
        let column: Vec<i32> = targets.iter().map(|byte| i32::from(*byte)).collect();
        let data = TensorData::new(column, [targets.len(), 1]);
        let column = Tensor::<2, Int>::from_data(data, &self.frame.alphabet.device());
        // The maximum moves both terms alike, so it is a constant to the gradient.
        let maximum = logits.clone().detach().max_dim(1);
        let shifted = logits.sub(maximum);
        let log_sum = shifted.clone().exp().sum_dim(1).log();
        log_sum.sub(shifted.gather(1, column))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::State;

    fn recipe() -> Recipe {
        Recipe { depth: 2, width: 16, heads: 2, mlp_ratio_eighths: 16, ..Track::r11().baseline }
    }

    fn track() -> Track {
        Track { context: 16, ..Track::r11() }
    }

    const TEXT: &[u8] = b"in the beginning was the word, to be read";

    /// Mean nats with matrix `moved` shifted by `distance · direction`.
    fn loss(weights: &[Tensor<2>], moved: usize, direction: &Tensor<2>, distance: f32) -> f64 {
        let mut weights = weights.to_vec();
        weights[moved] = weights[moved].clone().add(direction.clone().mul_scalar(distance));
        let frame = Frame::new(&recipe(), &track(), &Device::flex());
        let nats = Gpt::new(&frame, weights).nats(&TEXT[..32], &TEXT[1..33]);
        let nats = nats.into_data().try_to_vec::<f32>().unwrap();
        nats.iter().map(|nats| f64::from(*nats)).sum::<f64>() / 32.0
    }

    #[test]
    fn gradients_agree_with_finite_differences_in_every_matrix() {
        let device = Device::flex();
        // The head's small initial scale would leave the other gradients within rounding.
        let mut state = State::initial(&recipe(), &[3; 32]);
        let head = state.weights.len() - 16 * 256;
        state.weights[head..].iter_mut().for_each(|weight| *weight *= 4.0);
        let row = Tensor::from_data(TensorData::new(state.weights.clone(), [state.weights.len()]), &device);
        let weights = crate::step::matrices(&recipe(), &row);
        let leaves: Vec<Tensor<2>> =
            weights.iter().map(|weight| weight.clone().autodiff().require_grad()).collect();
        let frame = Frame::new(&recipe(), &track(), &device);
        let gradients = Gpt::new(&frame, leaves.clone()).nats(&TEXT[..32], &TEXT[1..33]).mean().backward();
        for (moved, leaf) in leaves.iter().enumerate() {
            let gradient = leaf.grad(&gradients).unwrap();
            let norm = gradient.clone().square().sum().sqrt().into_scalar::<f32>();
            assert!(norm > 1e-3, "matrix {moved} has a gradient of {norm}");
            // Along its own direction the derivative is the gradient's norm. A step of 0.02 leaves
            // rounding of 1e-6 / 0.04 and a third-order term of the same size.
            let direction = gradient.div_scalar(norm);
            let rise = loss(&weights, moved, &direction, 0.02) - loss(&weights, moved, &direction, -0.02);
            let difference = rise / 0.04;
            let error = (difference - f64::from(norm)).abs() / f64::from(norm);
            assert!(error < 0.02, "matrix {moved}: {difference} instead of {norm}");
        }
    }

    #[test]
    fn one_hot_rows_pick_the_byte_and_equal_logits_cost_eight_bits() {
        let frame = Frame::new(&recipe(), &track(), &Device::flex());
        let rows = frame.one_hot(&[0, 255]).into_data().try_to_vec::<f32>().unwrap();
        let ones: Vec<usize> = (0..512).filter(|i| rows[*i] != 0.0).collect();
        assert_eq!((ones, rows.iter().sum::<f32>()), (vec![0, 511], 2.0));

        let mut state = State::initial(&recipe(), &[3; 32]);
        let head = state.weights.len() - 16 * 256;
        state.weights[head..].fill(0.0);
        let row =
            Tensor::from_data(TensorData::new(state.weights.clone(), [state.weights.len()]), &Device::flex());
        let nats = Gpt::new(&frame, crate::step::matrices(&recipe(), &row)).nats(&TEXT[..16], &TEXT[1..17]);
        for nats in nats.into_data().try_to_vec::<f32>().unwrap() {
            assert!((nats - 8.0 * std::f32::consts::LN_2).abs() < 1e-6, "{nats}");
        }
    }
}
