//! AdamW over all weights as one row, with the gradient scaled to a bounded norm first.
//!
//! One row keeps the update a dozen operations whatever the number of matrices. burn's own
//! clipping bounds each matrix by itself, which is another method.

use burn::tensor::Tensor;
use jobs::schedule::{ADAM_BETA_1, ADAM_BETA_2, ADAM_EPSILON, GRADIENT_NORM_MAX};

/// All weights and AdamW's two moments of each, in rows of equal length.
#[derive(Debug, Clone)]
pub struct AdamW {
    /// The weights.
    pub weights: Tensor<1>,
    /// Decaying mean of gradients.
    pub first: Tensor<1>,
    /// Decaying mean of squared gradients.
    pub second: Tensor<1>,
}

/// The rates of one update.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Learning rate.
    pub learning_rate: f32,
    /// Decoupled decay: weights shrink by `learning_rate · weight_decay`.
    pub weight_decay: f32,
    /// Updates so far, this one included.
    pub updates: u64,
}

impl AdamW {
    /// Applies one gradient.
    ///
    /// `g ← g · min(1, 1/‖g‖)`, `m ← β₁m + (1−β₁)g`, `v ← β₂v + (1−β₂)g²`,
    /// `w ← (1 − ηλ)w − η · (m / (1−β₁ᵗ)) / (√(v / (1−β₂ᵗ)) + ε)`.
    #[must_use]
    pub fn update(self, gradient: Tensor<1>, rates: Rates) -> Self {
        let norm = gradient.clone().square().sum().sqrt();
        let gradient = gradient.mul(norm.recip().mul_scalar(GRADIENT_NORM_MAX).clamp_max(1.0));
        let first = self.first.mul_scalar(ADAM_BETA_1).add(gradient.clone().mul_scalar(1.0 - ADAM_BETA_1));
        let second = self.second.mul_scalar(ADAM_BETA_2).add(gradient.square().mul_scalar(1.0 - ADAM_BETA_2));
        let correction = |beta: f32| (1.0 - power(f64::from(beta), rates.updates)) as f32;
        let scale = second.clone().div_scalar(correction(ADAM_BETA_2)).sqrt().add_scalar(ADAM_EPSILON);
        let direction = first.clone().div_scalar(correction(ADAM_BETA_1)).div(scale);
        let kept = self.weights.mul_scalar(1.0 - rates.learning_rate * rates.weight_decay);
        let weights = kept.sub(direction.mul_scalar(rates.learning_rate));
        Self { weights, first, second }
    }
}

/// `base^exponent` by squaring; `powi` may round differently on another target.
fn power(base: f64, exponent: u64) -> f64 {
    let (mut result, mut square, mut left) = (1.0, base, exponent);
    while left > 0 {
        if left & 1 == 1 {
            result *= square;
        }
        square *= square;
        left >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    fn row(elements: &[f32]) -> Tensor<1> {
        Tensor::from_data(TensorData::new(elements.to_vec(), [elements.len()]), &Device::flex())
    }

    fn check(found: &Tensor<1>, expected: &[f32]) {
        let found = found.to_data().try_to_vec::<f32>().unwrap();
        for (found, expected) in found.iter().zip(expected) {
            let error = (found - expected).abs() / expected.abs();
            assert!(error < 2e-6, "{found} instead of {expected}");
        }
    }

    #[test]
    fn two_updates_agree_with_numbers_worked_out_by_hand() {
        let start = AdamW { weights: row(&[1.0, -2.0]), first: row(&[0.0; 2]), second: row(&[0.0; 2]) };
        // Norm 0.5, so nothing is scaled. m = 0.1·g, v = 0.05·g², both corrections undo that:
        // the direction is the sign of g. w = 0.999·w ∓ 0.1, since ηλ = 0.1·0.01.
        let rates = Rates { learning_rate: 0.1, weight_decay: 0.01, updates: 1 };
        let once = start.update(row(&[0.3, -0.4]), rates);
        check(&once.first, &[0.03, -0.04]);
        check(&once.second, &[0.0045, 0.008]);
        check(&once.weights, &[0.899, -1.898]);
        // g = (−0.6, 0.8), norm 1. m = 0.9·(0.03, −0.04) + 0.1·g = (−0.033, 0.044);
        // v = 0.95·(0.0045, 0.008) + 0.05·g² = (0.022275, 0.0396). Corrections 0.19 and 0.0975:
        // m/0.19 = (−0.17368421, 0.23157895); √(v/0.0975) = (0.47797650, 0.63730200);
        // both directions ∓0.36337396. w = 0.999·w ± 0.036337396.
        let twice = once.update(row(&[-0.6, 0.8]), Rates { updates: 2, ..rates });
        check(&twice.first, &[-0.033, 0.044]);
        check(&twice.second, &[0.022_275, 0.0396]);
        check(&twice.weights, &[0.934_438_4, -1.932_439_4]);
    }

    #[test]
    fn a_gradient_above_the_bound_is_scaled_to_it() {
        let start = AdamW { weights: row(&[0.0; 2]), first: row(&[0.0; 2]), second: row(&[0.0; 2]) };
        let rates = Rates { learning_rate: 1e-3, weight_decay: 0.0, updates: 1 };
        // ‖(30, −40)‖ = 50: scaled to (0.6, −0.8) before the moments see it.
        let large = start.update(row(&[30.0, -40.0]), rates);
        check(&large.first, &[0.06, -0.08]);
        check(&large.second, &[0.018, 0.032]);
    }

    #[test]
    fn no_gradient_leaves_decay_alone() {
        let start = AdamW { weights: row(&[2.0]), first: row(&[0.0]), second: row(&[0.0]) };
        let rates = Rates { learning_rate: 0.5, weight_decay: 0.5, updates: 1 };
        let after = start.update(row(&[0.0]), rates);
        assert_eq!(after.weights.to_data().try_to_vec::<f32>().unwrap(), [1.5]);
    }

    #[test]
    fn powers_are_exact_where_they_can_be() {
        assert_eq!(power(0.5, 0), 1.0);
        assert_eq!(power(0.5, 10), 1.0 / 1024.0);
        assert_eq!(power(3.0, 5), 243.0);
    }
}
