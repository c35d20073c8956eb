//! What a recipe's rates mean for one step of one width.
//!
//! Rates are written for [`WIDTH_REFERENCE`], so that a recipe moves between widths unchanged.
//! Only operations that IEEE 754 rounds correctly are used: the same bits on every machine.

use crate::recipe::Recipe;

/// The width at which learning rate and weight decay apply as written.
pub const WIDTH_REFERENCE: u32 = 64;

/// Decay of AdamW's first moment.
pub const ADAM_BETA_1: f32 = 0.9;

/// Decay of AdamW's second moment.
pub const ADAM_BETA_2: f32 = 0.95;

/// Added to the root of AdamW's second moment.
pub const ADAM_EPSILON: f32 = 1e-8;

/// Gradients are scaled down to at most this Euclidean norm over all weights.
pub const GRADIENT_NORM_MAX: f32 = 1.0;

impl Recipe {
    /// The peak learning rate at this width: `learning_rate · √(64 / width)`.
    pub fn effective_learning_rate(&self) -> f32 {
        self.peak_rate() as f32
    }

    /// The weight decay at this width: `weight_decay · (64 / width)²`.
    ///
    /// Decoupled: a step multiplies each weight by `1 − learning_rate_at(step) · decay`.
    pub fn effective_weight_decay(&self) -> f32 {
        let ratio = f64::from(WIDTH_REFERENCE) / f64::from(self.width);
        (self.weight_decay.to_f64() * ratio * ratio) as f32
    }

    /// The learning rate of step `step` (from 0) of `steps`.
    ///
    /// The peak times the least of 1, `(step + 1) / warmup` and `(steps − step) / warmdown`, where
    /// warmup and warmdown are `⌊steps · milli / 1000⌋` steps; a part of no steps does not count.
    ///
    /// # Panics
    /// If `step` is not below `steps`.
    pub fn learning_rate_at(&self, step: u64, steps: u64) -> f32 {
        assert!(step < steps, "step {step} of a run of {steps}");
        let part = |milli: u32| steps * u64::from(milli) / 1000;
        let fraction = |done: u64, of: u64| if of == 0 { 1.0 } else { done as f64 / of as f64 };
        let rise = fraction(step + 1, part(self.warmup_milli));
        let fall = fraction(steps - step, part(self.warmdown_milli));
        (self.peak_rate() * rise.min(fall).min(1.0)) as f32
    }

    fn peak_rate(&self) -> f64 {
        let ratio = f64::from(WIDTH_REFERENCE) / f64::from(self.width);
        self.learning_rate.to_f64() * ratio.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn rates_hold_at_the_reference_width_and_move_with_it() {
        let at = |width| {
            let recipe = Recipe { width, ..fixtures::recipe() };
            (recipe.effective_learning_rate(), recipe.effective_weight_decay())
        };
        assert_eq!(at(64), (0.003, 0.1));
        assert_eq!(at(16), (0.006, 1.6));
        assert_eq!(at(256), (0.0015, 0.006_25));
    }

    #[test]
    fn the_rate_rises_holds_and_falls() {
        let recipe = Recipe { width: 64, warmup_milli: 200, warmdown_milli: 400, ..fixtures::recipe() };
        let rates: Vec<f32> = (0..10).map(|step| recipe.learning_rate_at(step, 10)).collect();
        assert_eq!(rates, [0.0015, 0.003, 0.003, 0.003, 0.003, 0.003, 0.003, 0.002_25, 0.0015, 0.000_75]);
        let flat = Recipe { warmup_milli: 0, warmdown_milli: 0, ..recipe };
        assert!((0..10).all(|step| flat.learning_rate_at(step, 10) == 0.003));
    }

    #[test]
    #[should_panic(expected = "step 10 of a run of 10")]
    fn there_is_no_step_after_the_last() {
        fixtures::recipe().learning_rate_at(10, 10);
    }
}
