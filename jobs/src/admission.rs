//! Which recipes a track admits: the bound of every field and the refusal beyond it.
//!
//! The price of a step, and so the least number of steps, is checked in [`crate::gas`].

use crate::decimal::Decimal;
use crate::recipe::Recipe;
use crate::track::Track;

/// Most layers.
pub const DEPTH_MAX: u32 = 16;

/// Least width: two heads of 8.
pub const WIDTH_MIN: u32 = 16;

/// Most width.
pub const WIDTH_MAX: u32 = 512;

/// Widths are multiples of this, so that every MLP ratio gives a whole hidden width.
pub const WIDTH_STEP: u32 = 8;

/// Most attention heads.
pub const HEADS_MAX: u32 = 16;

/// Least width of a head: below it rotary positions have too few frequencies to tell places apart.
pub const HEAD_DIMENSION_MIN: u32 = 8;

/// Least MLP ratio, in eighths.
pub const MLP_RATIO_EIGHTHS_MIN: u32 = 4;

/// Most MLP ratio, in eighths.
pub const MLP_RATIO_EIGHTHS_MAX: u32 = 64;

/// Least learning rate: below it a step would change nothing and still be paid.
pub const LEARNING_RATE_MIN: Decimal = Decimal::literal(100, -6);

/// Most learning rate.
pub const LEARNING_RATE_MAX: Decimal = Decimal::literal(100, -3);

/// Least weight decay other than none.
pub const WEIGHT_DECAY_MIN: Decimal = Decimal::literal(100, -6);

/// Most weight decay.
pub const WEIGHT_DECAY_MAX: Decimal = Decimal::literal(100, -2);

/// Most warmup, in thousandths of the steps.
pub const WARMUP_MILLI_MAX: u32 = 500;

/// Most warmdown, in thousandths of the steps.
pub const WARMDOWN_MILLI_MAX: u32 = 1000;

/// Most tokens in a step.
pub const TOKENS_PER_STEP_MAX: u32 = 65_536;

/// Least initial scale.
pub const INIT_SCALE_MIN: Decimal = Decimal::literal(100, -3);

/// Most initial scale.
pub const INIT_SCALE_MAX: Decimal = Decimal::literal(400, -2);

/// Least steps of a run: every one of the most segments gets at least one.
pub const STEPS_MIN: u64 = 64;

/// Why a track does not admit a recipe, in the order in which the rules are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecipeError {
    /// Layers out of range.
    #[error("depth {depth} is outside 1 to {DEPTH_MAX}")]
    Depth {
        /// The recipe's.
        depth: u32,
    },
    /// Width out of range.
    #[error("width {width} is outside {WIDTH_MIN} to {WIDTH_MAX}")]
    Width {
        /// The recipe's.
        width: u32,
    },
    /// Width not on the grid.
    #[error("width {width} is not a multiple of {WIDTH_STEP}")]
    WidthStep {
        /// The recipe's.
        width: u32,
    },
    /// Heads out of range.
    #[error("heads {heads} is outside 1 to {HEADS_MAX}")]
    Heads {
        /// The recipe's.
        heads: u32,
    },
    /// Heads that do not share the width evenly.
    #[error("width {width} cannot be shared by {heads} heads, choose a divisor of the width")]
    HeadsShare {
        /// The recipe's width.
        width: u32,
        /// The recipe's heads.
        heads: u32,
    },
    /// Heads too narrow, or of odd width, which rotary positions cannot pair.
    #[error(
        "a head is {dimension} wide, it must be even and at least {HEAD_DIMENSION_MIN}: choose fewer heads"
    )]
    HeadDimension {
        /// Width of one head.
        dimension: u32,
    },
    /// MLP ratio out of range.
    #[error("mlp_ratio_eighths {eighths} is outside {MLP_RATIO_EIGHTHS_MIN} to {MLP_RATIO_EIGHTHS_MAX}")]
    MlpRatio {
        /// The recipe's.
        eighths: u32,
    },
    /// Learning rate out of range.
    #[error("learning_rate {rate} is outside {LEARNING_RATE_MIN} to {LEARNING_RATE_MAX}")]
    LearningRate {
        /// The recipe's.
        rate: Decimal,
    },
    /// Weight decay out of range.
    #[error("weight_decay {decay} is neither 0 nor {WEIGHT_DECAY_MIN} to {WEIGHT_DECAY_MAX}")]
    WeightDecay {
        /// The recipe's.
        decay: Decimal,
    },
    /// Warmup out of range.
    #[error("warmup_milli {milli} is above {WARMUP_MILLI_MAX}")]
    Warmup {
        /// The recipe's.
        milli: u32,
    },
    /// Warmdown out of range.
    #[error("warmdown_milli {milli} is above {WARMDOWN_MILLI_MAX}")]
    Warmdown {
        /// The recipe's.
        milli: u32,
    },
    /// Warmup and warmdown that overlap.
    #[error("warmup_milli and warmdown_milli are {sum} together, at most 1000 fit in a run")]
    ScheduleOverlap {
        /// Their sum.
        sum: u32,
    },
    /// Tokens in a step out of range.
    #[error("tokens_per_step {tokens} is outside {context} to {TOKENS_PER_STEP_MAX}")]
    TokensPerStep {
        /// The recipe's.
        tokens: u32,
        /// The track's context, the least.
        context: u32,
    },
    /// Tokens in a step that are no whole number of sequences.
    #[error("tokens_per_step {tokens} is not a multiple of the track's context {context}")]
    TokensPerStepShare {
        /// The recipe's.
        tokens: u32,
        /// The track's context.
        context: u32,
    },
    /// Initial scale out of range.
    #[error("init_scale {scale} is outside {INIT_SCALE_MIN} to {INIT_SCALE_MAX}")]
    InitScale {
        /// The recipe's.
        scale: Decimal,
    },
    /// A step so dear that the budget buys too few.
    #[error(
        "a step costs {gas_per_step} gas and the budget of {budget_gas} buys {steps}, \
         at least {STEPS_MIN} are needed: choose a smaller model or fewer tokens_per_step"
    )]
    TooFewSteps {
        /// Price of one step.
        gas_per_step: u64,
        /// The track's budget.
        budget_gas: u64,
        /// Steps the budget buys.
        steps: u64,
    },
    /// More memory than there is on offer.
    #[error("the run needs about {needed} bytes of memory and {offered} are offered")]
    Memory {
        /// The estimate.
        needed: u64,
        /// What the machine offers.
        offered: u64,
    },
}

/// Checks every field by itself and against its neighbours; not yet the price of a step.
pub(crate) fn check_fields(recipe: &Recipe, track: &Track) -> Result<(), RecipeError> {
    check_shape(recipe)?;
    check_training(recipe, track)
}

fn check_shape(recipe: &Recipe) -> Result<(), RecipeError> {
    let Recipe { depth, width, heads, mlp_ratio_eighths: eighths, .. } = *recipe;
    if !(1..=DEPTH_MAX).contains(&depth) {
        return Err(RecipeError::Depth { depth });
    }
    if !(WIDTH_MIN..=WIDTH_MAX).contains(&width) {
        return Err(RecipeError::Width { width });
    }
    if !width.is_multiple_of(WIDTH_STEP) {
        return Err(RecipeError::WidthStep { width });
    }
    if !(1..=HEADS_MAX).contains(&heads) {
        return Err(RecipeError::Heads { heads });
    }
    if !width.is_multiple_of(heads) {
        return Err(RecipeError::HeadsShare { width, heads });
    }
    let dimension = recipe.head_dimension();
    if dimension < HEAD_DIMENSION_MIN || !dimension.is_multiple_of(2) {
        return Err(RecipeError::HeadDimension { dimension });
    }
    if !(MLP_RATIO_EIGHTHS_MIN..=MLP_RATIO_EIGHTHS_MAX).contains(&eighths) {
        return Err(RecipeError::MlpRatio { eighths });
    }
    Ok(())
}

fn check_training(recipe: &Recipe, track: &Track) -> Result<(), RecipeError> {
    let rate = recipe.learning_rate;
    if !(LEARNING_RATE_MIN..=LEARNING_RATE_MAX).contains(&rate) {
        return Err(RecipeError::LearningRate { rate });
    }
    let decay = recipe.weight_decay;
    if !decay.is_zero() && !(WEIGHT_DECAY_MIN..=WEIGHT_DECAY_MAX).contains(&decay) {
        return Err(RecipeError::WeightDecay { decay });
    }
    let (warmup, warmdown) = (recipe.warmup_milli, recipe.warmdown_milli);
    if warmup > WARMUP_MILLI_MAX {
        return Err(RecipeError::Warmup { milli: warmup });
    }
    if warmdown > WARMDOWN_MILLI_MAX {
        return Err(RecipeError::Warmdown { milli: warmdown });
    }
    if warmup + warmdown > 1000 {
        return Err(RecipeError::ScheduleOverlap { sum: warmup + warmdown });
    }
    let (tokens, context) = (recipe.tokens_per_step, track.context);
    if !(context..=TOKENS_PER_STEP_MAX).contains(&tokens) {
        return Err(RecipeError::TokensPerStep { tokens, context });
    }
    if !tokens.is_multiple_of(context) {
        return Err(RecipeError::TokensPerStepShare { tokens, context });
    }
    let scale = recipe.init_scale;
    if !(INIT_SCALE_MIN..=INIT_SCALE_MAX).contains(&scale) {
        return Err(RecipeError::InitScale { scale });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    /// `change` breaks a rule with this text; `neighbour` just does not.
    fn check(change: impl Fn(&mut Recipe), neighbour: impl Fn(&mut Recipe), expected: &str) {
        let track = Track { budget_gas: 1_000_000_000_000_000, ..fixtures::track() };
        let mut recipe = fixtures::recipe();
        neighbour(&mut recipe);
        assert_eq!(recipe.check(&track), Ok(()), "neighbour of {expected}");
        change(&mut recipe);
        assert_eq!(recipe.check(&track).unwrap_err().to_string(), expected);
    }

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn each_bound_of_the_shape_refuses_and_its_neighbour_escapes() {
        check(|r| r.depth = 0, |r| r.depth = 1, "depth 0 is outside 1 to 16");
        check(|r| r.depth = 17, |r| r.depth = 16, "depth 17 is outside 1 to 16");
        check(|r| r.width = 8, |r| r.width = 16, "width 8 is outside 16 to 512");
        check(|r| r.width = 520, |r| r.width = 512, "width 520 is outside 16 to 512");
        check(|r| r.width = 20, |r| r.width = 24, "width 20 is not a multiple of 8");
        check(|r| r.heads = 0, |r| r.heads = 1, "heads 0 is outside 1 to 16");
        check(|r| r.heads = 17, |r| (r.width, r.heads) = (512, 16), "heads 17 is outside 1 to 16");
        check(
            |r| r.heads = 3,
            |r| (r.width, r.heads) = (32, 4),
            "width 32 cannot be shared by 3 heads, choose a divisor of the width",
        );
        check(
            |r| r.heads = 4,
            |r| r.heads = 2,
            "a head is 4 wide, it must be even and at least 8: choose fewer heads",
        );
        check(
            |r| r.heads = 8,
            |r| (r.width, r.heads) = (72, 6),
            "a head is 9 wide, it must be even and at least 8: choose fewer heads",
        );
        check(
            |r| r.mlp_ratio_eighths = 3,
            |r| r.mlp_ratio_eighths = 4,
            "mlp_ratio_eighths 3 is outside 4 to 64",
        );
        check(
            |r| r.mlp_ratio_eighths = 65,
            |r| r.mlp_ratio_eighths = 64,
            "mlp_ratio_eighths 65 is outside 4 to 64",
        );
    }

    #[test]
    fn each_bound_of_the_training_refuses_and_its_neighbour_escapes() {
        check(
            |r| r.learning_rate = decimal("0.0000999"),
            |r| r.learning_rate = decimal("0.0001"),
            "learning_rate 9.99e-5 is outside 0.0001 to 0.1",
        );
        check(
            |r| r.learning_rate = decimal("0.101"),
            |r| r.learning_rate = decimal("0.1"),
            "learning_rate 0.101 is outside 0.0001 to 0.1",
        );
        check(
            |r| r.weight_decay = decimal("9.99e-5"),
            |r| r.weight_decay = decimal("0.0001"),
            "weight_decay 9.99e-5 is neither 0 nor 0.0001 to 1.0",
        );
        check(
            |r| r.weight_decay = decimal("1.01"),
            |r| r.weight_decay = decimal("1"),
            "weight_decay 1.01 is neither 0 nor 0.0001 to 1.0",
        );
        check(
            |r| r.weight_decay = decimal("1e-10"),
            |r| r.weight_decay = Decimal::ZERO,
            "weight_decay 1e-10 is neither 0 nor 0.0001 to 1.0",
        );
        check(|r| r.warmup_milli = 501, |r| r.warmup_milli = 500, "warmup_milli 501 is above 500");
        check(
            |r| r.warmdown_milli = 1001,
            |r| (r.warmup_milli, r.warmdown_milli) = (0, 1000),
            "warmdown_milli 1001 is above 1000",
        );
        check(
            |r| r.warmdown_milli = 901,
            |r| r.warmdown_milli = 900,
            "warmup_milli and warmdown_milli are 1001 together, at most 1000 fit in a run",
        );
        check(
            |r| r.tokens_per_step = 15,
            |r| r.tokens_per_step = 16,
            "tokens_per_step 15 is outside 16 to 65536",
        );
        check(
            |r| r.tokens_per_step = 65_552,
            |r| r.tokens_per_step = 65_536,
            "tokens_per_step 65552 is outside 16 to 65536",
        );
        check(
            |r| r.tokens_per_step = 40,
            |r| r.tokens_per_step = 48,
            "tokens_per_step 40 is not a multiple of the track's context 16",
        );
        check(
            |r| r.init_scale = decimal("0.0999"),
            |r| r.init_scale = decimal("0.1"),
            "init_scale 0.0999 is outside 0.1 to 4.0",
        );
        check(
            |r| r.init_scale = decimal("4.01"),
            |r| r.init_scale = decimal("4"),
            "init_scale 4.01 is outside 0.1 to 4.0",
        );
    }

    #[test]
    fn a_step_too_dear_says_what_to_choose() {
        let track = Track { budget_gas: 100_000_000, ..fixtures::track() };
        assert_eq!(
            fixtures::recipe().check(&track).unwrap_err().to_string(),
            "a step costs 6913024 gas and the budget of 100000000 buys 14, at least 64 are needed: \
             choose a smaller model or fewer tokens_per_step"
        );
    }

    #[test]
    fn extreme_numbers_are_refused_without_overflow() {
        let recipe = Recipe {
            depth: u32::MAX,
            width: u32::MAX,
            heads: u32::MAX,
            mlp_ratio_eighths: u32::MAX,
            warmup_milli: u32::MAX,
            warmdown_milli: u32::MAX,
            tokens_per_step: u32::MAX,
            ..fixtures::recipe()
        };
        assert_eq!(recipe.check(&fixtures::track()), Err(RecipeError::Depth { depth: u32::MAX }));
        let recipe = Recipe { depth: 1, width: 16, heads: 1, mlp_ratio_eighths: 8, ..recipe };
        assert_eq!(recipe.check(&fixtures::track()), Err(RecipeError::Warmup { milli: u32::MAX }));
    }
}
