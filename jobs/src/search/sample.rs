//! Random recipes: every field uniform on a grid, log-scaled where its effect is.
//!
//! The caller keeps what the track admits, which leaves the admitted grid points equally likely.

use super::dice::Dice;
use crate::admission::{DEPTH_MAX, TOKENS_PER_STEP_MAX};
use crate::decimal::Decimal;
use crate::recipe::{Optimizer, Recipe};
use crate::track::Track;

const WIDTHS: [u32; 11] = [16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512];
const HEADS: [u32; 8] = [1, 2, 3, 4, 6, 8, 12, 16];
const MLP_RATIOS_EIGHTHS: [u32; 8] = [4, 8, 12, 16, 24, 32, 48, 64];
const WARMUPS_MILLI: [u32; 6] = [0, 10, 20, 50, 100, 200];
const WARMDOWNS_MILLI: [u32; 6] = [0, 200, 400, 600, 800, 1000];

/// Six values to a decade, each about 1.5 times the last.
const MANTISSAS: [u32; 6] = [100, 150, 220, 330, 470, 680];

/// Draws a recipe, admitted or not.
pub(super) fn sample(track: &Track, dice: &mut Dice) -> Recipe {
    let mut choose = |values: &[u32]| dice.pick(values).expect("the grids are not empty");
    let depth = choose(&DEPTHS);
    let width = choose(&WIDTHS);
    let heads = choose(&HEADS);
    let mlp_ratio_eighths = choose(&MLP_RATIOS_EIGHTHS);
    let warmup_milli = choose(&WARMUPS_MILLI);
    let warmdown_milli = choose(&WARMDOWNS_MILLI);
    let doublings = (TOKENS_PER_STEP_MAX / track.context).ilog2();
    let tokens_per_step = track.context << dice.below(u64::from(doublings) + 1);
    Recipe {
        depth,
        width,
        heads,
        mlp_ratio_eighths,
        learning_rate: decades(dice, -6, 3),
        weight_decay: if dice.below(5) == 0 { Decimal::ZERO } else { decades(dice, -6, 4) },
        warmup_milli,
        warmdown_milli,
        tokens_per_step,
        init_scale: decades(dice, -3, 1),
        optimizer: Optimizer::AdamW,
    }
}

const DEPTHS: [u32; DEPTH_MAX as usize] = {
    let mut depths = [0; DEPTH_MAX as usize];
    let mut index = 0;
    while index < depths.len() {
        depths[index] = index as u32 + 1;
        index += 1;
    }
    depths
};

/// A value from `100 · 10^exponent` up, below `decades` decades more.
fn decades(dice: &mut Dice, exponent: i32, decades: u64) -> Decimal {
    let mantissa = dice.pick(&MANTISSAS).expect("the grid is not empty");
    Decimal::literal(mantissa, exponent + dice.below(decades) as i32)
}
