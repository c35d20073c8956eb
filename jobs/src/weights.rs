//! The weights of a recipe's model: names, shapes and how each is drawn.
//!
//! No tensors here; the engine builds them from this list.

use crate::counter_rng;
use crate::recipe::{Recipe, VOCABULARY};

/// One weight matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Weight {
    /// Its name in states and exports.
    pub name: String,
    /// Inputs: the matrix maps a row of this many elements.
    pub inputs: u64,
    /// Outputs: to a row of this many.
    pub outputs: u64,
    /// Initial elements lie between minus this and this.
    pub initial_bound: f32,
}

impl Weight {
    /// The initial elements, row by row (`[inputs, outputs]`).
    ///
    /// Element i is `symmetric(bits(seed, "init:" ‖ name, i)) · initial_bound`, one f32 product.
    pub fn initial(&self, seed: &[u8; 32]) -> impl Iterator<Item = f32> {
        let bound = self.initial_bound;
        let count = usize::try_from(self.inputs * self.outputs).expect("admitted weights fit in memory");
        counter_rng::stream(seed, &format!("init:{}", self.name), 0)
            .take(count)
            .map(move |bits| counter_rng::symmetric(bits) * bound)
    }
}

impl Recipe {
    /// Every weight of the model in the order of the forward pass.
    ///
    /// Uniform on ±√3·σ, so with standard deviation σ = scale · factor. The factor is 1 for the
    /// embedding, `1/√inputs` for matrices, `1/√(2·depth·inputs)` for the two that write into the
    /// residual stream, and `1/inputs` for the head, so that an untrained model is nearly uniform.
    pub fn weights(&self) -> Vec<Weight> {
        let (width, hidden) = (u64::from(self.width), self.hidden());
        let scale = self.init_scale.to_f64();
        let weight = |name: String, inputs: u64, outputs: u64, factor: f64| {
            let initial_bound = (3_f64.sqrt() * scale * factor) as f32;
            Weight { name, inputs, outputs, initial_bound }
        };
        let matrix = |inputs: u64| 1.0 / (inputs as f64).sqrt();
        let residual = |inputs: u64| 1.0 / (2.0 * f64::from(self.depth) * inputs as f64).sqrt();
        let mut weights = vec![weight("embedding".to_owned(), VOCABULARY, width, 1.0)];
        for layer in 0..self.depth {
            let name = |part: &str| format!("layers.{layer}.{part}");
            weights.push(weight(name("attention.query"), width, width, matrix(width)));
            weights.push(weight(name("attention.key"), width, width, matrix(width)));
            weights.push(weight(name("attention.value"), width, width, matrix(width)));
            weights.push(weight(name("attention.output"), width, width, residual(width)));
            weights.push(weight(name("mlp.up"), width, hidden, matrix(width)));
            weights.push(weight(name("mlp.down"), hidden, width, residual(hidden)));
        }
        weights.push(weight("head".to_owned(), width, VOCABULARY, 1.0 / width as f64));
        weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn a_tiny_model_has_these_weights() {
        let weights = fixtures::recipe().weights();
        let list: Vec<_> =
            weights.iter().map(|w| (w.name.as_str(), w.inputs, w.outputs, w.initial_bound)).collect();
        assert_eq!(
            list,
            [
                ("embedding", 256, 16, 1.732_050_8),
                ("layers.0.attention.query", 16, 16, 0.433_012_7),
                ("layers.0.attention.key", 16, 16, 0.433_012_7),
                ("layers.0.attention.value", 16, 16, 0.433_012_7),
                ("layers.0.attention.output", 16, 16, 0.306_186_22),
                ("layers.0.mlp.up", 16, 32, 0.433_012_7),
                ("layers.0.mlp.down", 32, 16, 0.216_506_35),
                ("head", 16, 256, 0.108_253_17),
            ]
        );
    }

    #[test]
    fn the_list_has_as_many_weights_as_are_priced() {
        for (depth, width) in [(1, 16), (3, 48), (16, 512)] {
            let recipe = Recipe { depth, width, mlp_ratio_eighths: 20, ..fixtures::recipe() };
            let count: u64 = recipe.weights().iter().map(|weight| weight.inputs * weight.outputs).sum();
            assert_eq!(count, recipe.parameters(), "depth {depth} width {width}");
        }
    }

    #[test]
    fn initial_elements_are_frozen() {
        let head = fixtures::recipe().weights().pop().unwrap();
        let elements: Vec<f32> = head.initial(&[7; 32]).collect();
        assert_eq!(elements.len(), 4096);
        assert_eq!(elements[..3], [-0.027_226_28, -0.054_637_615, 0.046_029_89]);
        let mean_square = elements.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / 4096.0;
        // Standard deviation 1/16; 4096 draws give its square within 4 % at four of their sigma
        // (a uniform square has relative deviation 0.894).
        assert!((mean_square * 256.0 - 1.0).abs() < 0.056, "{mean_square}");
    }
}
