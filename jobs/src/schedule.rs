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
