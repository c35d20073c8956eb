//! Choosing what to try next, and the picture of what was found.
//!
//! Both are pure functions of the attested log, so every node computes them for itself and there
//! is no coordinator. Lineage in [`frontier`]; the two ways of drawing a recipe in `sample` and
//! `mutate`.

mod dice;
mod frontier;
mod mutate;
mod sample;

use std::collections::BTreeSet;

use proto::ids::{AccountId, ReceiptId, RecipeId};

use crate::recipe::Recipe;
use crate::track::Track;
use dice::Dice;

pub use frontier::{FrontierRow, Lineage, Parent, frontier};

/// One proposal in this many is random, so that the search cannot stay in one valley.
pub const RANDOM_ONE_IN: u64 = 5;

/// Draws after which a way of proposing gives up. On R11 a draw in four is admitted, so this many
/// failures mean that the neighbourhood is used up.
pub const DRAWS_MAX: u32 = 2048;

/// One attested trial: enough checkers got what its claim says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attested {
    /// The claim.
    pub claim: ReceiptId,
    /// Who ran it.
    pub account: AccountId,
    /// What was run.
    pub recipe: Recipe,
    /// Its metric, in micro-bits per byte; less is better.
    pub metric_microbits: u64,
    /// Who re-ran part of it and agreed.
    pub checkers: Vec<AccountId>,
}

/// The recipe to try next, or `None` when nothing new was found in [`DRAWS_MAX`] draws of each way.
///
/// `log` is in the order of the ledger; `known` are the ids of every recipe claimed or running,
/// attested or not. The proposal is admitted by the track and its id is neither in `log` nor in
/// `known`: the baseline while the log is empty; then by one chance in [`RANDOM_ONE_IN`] a random
/// recipe, else the best attested one (the baseline if there is none) with 1 to 3 fields changed.
pub fn propose(
    log: &[Attested],
    known: &BTreeSet<RecipeId>,
    track: &Track,
    seed: &[u8; 32],
) -> Option<Recipe> {
    let tried: BTreeSet<RecipeId> = log.iter().map(|trial| trial.recipe.id()).collect();
    let is_new = |recipe: &Recipe| {
        let id = recipe.id();
        recipe.check(track).is_ok() && !known.contains(&id) && !tried.contains(&id)
    };
    if log.is_empty() && is_new(&track.baseline) {
        return Some(track.baseline.clone());
    }
    let best = log.iter().min_by_key(|trial| trial.metric_microbits).map(|trial| &trial.recipe);
    let best = best.unwrap_or(&track.baseline);
    let mut dice = Dice::new(seed);
    if dice.below(RANDOM_ONE_IN) != 0 {
        let mutated = (0..DRAWS_MAX).find_map(|_| mutate::mutate(best, track, &mut dice).filter(is_new));
        if mutated.is_some() {
            return mutated;
        }
    }
    (0..DRAWS_MAX).map(|_| sample::sample(track, &mut dice)).find(is_new)
}
