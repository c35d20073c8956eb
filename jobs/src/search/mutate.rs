//! Changing a few fields of a recipe, by factors where a field's effect is logarithmic.

use super::dice::Dice;
use crate::admission::{HEAD_DIMENSION_MIN, HEADS_MAX, WIDTH_STEP};
use crate::decimal::Decimal;
use crate::recipe::{Field, Recipe};
use crate::track::Track;

/// Most fields changed at once.
pub(super) const FIELDS_MAX: u64 = 3;

const DECIMAL_FACTORS: [f64; 4] = [0.5, 0.7, 1.4, 2.0];

/// Factors of whole numbers, in quarters.
const QUARTERS: [u32; 5] = [2, 3, 5, 6, 8];

const WARMUP_STEPS_MILLI: [i32; 6] = [-100, -50, -20, 20, 50, 100];
const WARMDOWN_STEPS_MILLI: [i32; 6] = [-400, -200, -100, 100, 200, 400];

/// Weight decays to start from where there was none.
const FIRST_DECAYS: [Decimal; 3] =
    [Decimal::literal(100, -4), Decimal::literal(300, -4), Decimal::literal(100, -3)];

/// The fields that have more than one value in this schema.
const MUTABLE: [Field; 10] = [
    Field::Depth,
    Field::Width,
    Field::Heads,
    Field::MlpRatioEighths,
    Field::LearningRate,
    Field::WeightDecay,
    Field::WarmupMilli,
    Field::WarmdownMilli,
    Field::TokensPerStep,
    Field::InitScale,
];

/// Changes 1 to 3 fields; `None` if one of those drawn has no other value in reach.
///
/// The result may break a rule of the track; the caller draws again.
pub(super) fn mutate(recipe: &Recipe, track: &Track, dice: &mut Dice) -> Option<Recipe> {
    let count = 1 + dice.below(FIELDS_MAX);
    let mut fields = Vec::new();
    let mut left = MUTABLE.to_vec();
    for _ in 0..count {
        let index = dice.below(left.len() as u64) as usize;
        fields.push(left.swap_remove(index));
    }
    // In the order of the schema, so that heads are chosen for the new width.
    fields.sort();
    let mut mutated = recipe.clone();
    for field in fields {
        change(&mut mutated, field, track, dice)?;
    }
    Some(mutated)
}

fn change(recipe: &mut Recipe, field: Field, track: &Track, dice: &mut Dice) -> Option<()> {
    match field {
        Field::Depth => recipe.depth = shifted(recipe.depth, dice.pick(&[-1, 1])?)?,
        Field::Width => {
            let steps = scaled(recipe.width, dice)?.div_ceil(WIDTH_STEP);
            recipe.width = other_than(recipe.width, steps * WIDTH_STEP)?;
        }
        Field::Heads => recipe.heads = other_heads(recipe, dice)?,
        Field::MlpRatioEighths => recipe.mlp_ratio_eighths = scaled(recipe.mlp_ratio_eighths, dice)?,
        Field::LearningRate => recipe.learning_rate = factored(recipe.learning_rate, dice)?,
        Field::WeightDecay => recipe.weight_decay = other_decay(recipe.weight_decay, dice)?,
        Field::WarmupMilli => {
            recipe.warmup_milli = shifted(recipe.warmup_milli, dice.pick(&WARMUP_STEPS_MILLI)?)?;
        }
        Field::WarmdownMilli => {
            recipe.warmdown_milli = shifted(recipe.warmdown_milli, dice.pick(&WARMDOWN_STEPS_MILLI)?)?;
        }
        Field::TokensPerStep => {
            let rows = scaled(recipe.tokens_per_step / track.context, dice)?;
            recipe.tokens_per_step = rows.checked_mul(track.context)?;
        }
        Field::InitScale => recipe.init_scale = factored(recipe.init_scale, dice)?,
        Field::Optimizer => return None,
    }
    Some(())
}

fn other_than(before: u32, after: u32) -> Option<u32> {
    (after != before).then_some(after)
}

fn shifted(value: u32, by: i32) -> Option<u32> {
    value.checked_add_signed(by)
}

/// The value times a drawn factor, rounded; `None` if that changes nothing.
fn scaled(value: u32, dice: &mut Dice) -> Option<u32> {
    let quarters = value.checked_mul(dice.pick(&QUARTERS)?)?;
    other_than(value, (quarters + 2) / 4)
}

fn factored(value: Decimal, dice: &mut Dice) -> Option<Decimal> {
    let after = value.scaled(dice.pick(&DECIMAL_FACTORS)?)?;
    (after != value).then_some(after)
}

fn other_decay(value: Decimal, dice: &mut Dice) -> Option<Decimal> {
    if value.is_zero() {
        return dice.pick(&FIRST_DECAYS);
    }
    if dice.below(5) == 0 { Some(Decimal::ZERO) } else { factored(value, dice) }
}

fn other_heads(recipe: &Recipe, dice: &mut Dice) -> Option<u32> {
    let fits = |heads: &u32| {
        let dimension = recipe.width / heads;
        let even = recipe.width.is_multiple_of(*heads) && dimension.is_multiple_of(2);
        even && dimension >= HEAD_DIMENSION_MIN && *heads != recipe.heads
    };
    let choices: Vec<u32> = (1..=HEADS_MAX).filter(fits).collect();
    dice.pick(&choices)
}
