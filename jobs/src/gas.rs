//! What work costs: the frozen price table, and the estimate of memory.
//!
//! Both are pure functions of recipe and track, known before a tensor exists: admission, quote
//! and pay need no meter and no trust. This is price table 1 of the crate's README.

use crate::admission::{self, RecipeError, STEPS_MIN};
use crate::recipe::{Recipe, VOCABULARY};
use crate::track::Track;

/// Gas for one byte read or written by an operation that is bound by memory.
pub const GAS_PER_BYTE: u64 = 8;

/// Bytes of one element, a 32-bit float.
pub const ELEMENT_BYTES: u64 = 4;

/// The backward pass over the forward pass, for every operation.
pub const BACKWARD_OVER_FORWARD: u64 = 2;

/// Elements that clipping and AdamW move for one weight: the gradient twice (norm, update), weight
/// and both moments read and written.
pub const OPTIMIZER_ELEMENTS: u64 = 8;

/// Memory of the runtime beside tensors: code, pools, the corpus.
const RUNTIME_BYTES: u64 = 64 << 20;

/// The price of a recipe on a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gas {
    /// Matrix products and attention of one token, forward.
    pub products_per_token: u64,
    /// Operations bound by memory of one token, forward.
    pub moves_per_token: u64,
    /// Clipping and the optimizer's update, once a step.
    pub optimizer_per_step: u64,
    /// One training step.
    pub per_step: u64,
    /// Steps the budget buys.
    pub steps: u64,
    /// The whole run: `per_step · steps`, at most the budget.
    pub total: u64,
}

/// Prices a recipe; what can be priced is admitted.
///
/// # Errors
/// The first rule of the track that the recipe breaks.
pub fn of(recipe: &Recipe, track: &Track) -> Result<Gas, RecipeError> {
    admission::check_fields(recipe, track)?;
    let products_per_token = products_per_token(recipe, track);
    let moves_per_token = moved_elements_per_token(recipe, track) * ELEMENT_BYTES * GAS_PER_BYTE;
    let optimizer_per_step = recipe.parameters() * OPTIMIZER_ELEMENTS * ELEMENT_BYTES * GAS_PER_BYTE;
    let forward = products_per_token + moves_per_token;
    let per_step =
        u64::from(recipe.tokens_per_step) * forward * (1 + BACKWARD_OVER_FORWARD) + optimizer_per_step;
    let steps = track.budget_gas / per_step;
    if steps < STEPS_MIN {
        return Err(RecipeError::TooFewSteps { gas_per_step: per_step, budget_gas: track.budget_gas, steps });
    }
    let total = per_step * steps;
    Ok(Gas { products_per_token, moves_per_token, optimizer_per_step, per_step, steps, total })
}

impl Recipe {
    /// Checks a recipe against every rule of a track.
    ///
    /// # Errors
    /// The first rule that it breaks, in the order of [`RecipeError`].
    pub fn check(&self, track: &Track) -> Result<(), RecipeError> {
        of(self, track).map(drop)
    }
}

/// `2mnk` of every matrix product that one token takes part in.
fn products_per_token(recipe: &Recipe, track: &Track) -> u64 {
    let (depth, width, hidden) = (u64::from(recipe.depth), u64::from(recipe.width), recipe.hidden());
    let projections = 2 * 4 * width * width;
    let mlp = 2 * 2 * width * hidden;
    // A token sees itself and all before it: (T + 1)/2 keys on average, once for the scores and
    // once for the values.
    let attention = 2 * width * (u64::from(track.context) + 1);
    let head = 2 * width * VOCABULARY;
    depth * (projections + mlp + attention) + head
}

/// Elements read and written by everything that is no matrix product.
fn moved_elements_per_token(recipe: &Recipe, track: &Track) -> u64 {
    let (depth, width, hidden) = (u64::from(recipe.depth), u64::from(recipe.width), recipe.hidden());
    let norm = 2 * width;
    let query_and_key_norms = 2 * norm;
    let rotary = 4 * width;
    // Scale with mask, then softmax, each read and written, over (T + 1)/2 keys on average.
    let softmax = 2 * u64::from(recipe.heads) * (u64::from(track.context) + 1);
    let residual = 3 * width;
    let activation = 2 * hidden;
    let layer = 2 * norm + query_and_key_norms + rotary + softmax + 2 * residual + activation;
    let embedding = 2 * width;
    let loss = 2 * VOCABULARY;
    embedding + depth * layer + norm + loss
}

/// An upper estimate of a run's peak memory in bytes, the whole step in one batch.
///
/// Weights, gradients, both moments and two copies for a checkpoint; every activation that the
/// backward pass keeps, attention scores materialised; logits with their gradient.
///
/// # Errors
/// The first rule of the track that the recipe breaks.
pub fn peak_memory_bytes(recipe: &Recipe, track: &Track) -> Result<u64, RecipeError> {
    admission::check_fields(recipe, track)?;
    let (depth, width, hidden) = (u64::from(recipe.depth), u64::from(recipe.width), recipe.hidden());
    let scores = u64::from(recipe.heads) * u64::from(track.context);
    let layer = 16 * width + 4 * hidden + 4 * scores;
    let token = depth * layer + 4 * width + 4 * VOCABULARY;
    let elements = 6 * recipe.parameters() + u64::from(recipe.tokens_per_step) * token;
    Ok(elements * ELEMENT_BYTES + RUNTIME_BYTES)
}

/// Checks that a machine offering `offered` bytes can run the recipe.
///
/// # Errors
/// [`RecipeError::Memory`] if it cannot, or the first rule of the track that the recipe breaks.
pub fn check_memory(recipe: &Recipe, track: &Track, offered: u64) -> Result<(), RecipeError> {
    let needed = peak_memory_bytes(recipe, track)?;
    if needed > offered {
        return Err(RecipeError::Memory { needed, offered });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{recipe, track};

    #[test]
    fn a_tiny_recipe_costs_what_was_worked_out_by_hand() {
        // Products: 2·4·16² + 2·2·16·32 + 2·16·17 in the layer, 2·16·256 in the head.
        // Moves: 2·16 embedding; 4·32 norms, 64 rotary, 2·2·17 softmax, 2·48 residuals and 64
        // activation in the layer; 32 last norm; 512 loss: 996 elements of 4 bytes at 8 gas.
        // Optimizer: 10,240 weights · 8 elements · 4 bytes · 8 gas.
        assert_eq!(
            of(&recipe(), &track()),
            Ok(Gas {
                products_per_token: 12_832,
                moves_per_token: 31_872,
                optimizer_per_step: 2_621_440,
                per_step: 6_913_024,
                steps: 144,
                total: 995_475_456,
            })
        );
        assert_eq!(peak_memory_bytes(&recipe(), &track()), Ok(67_108_864 + 450_560));
    }

    #[test]
    fn the_dearest_admitted_step_does_not_overflow() {
        let recipe = Recipe {
            depth: 16,
            width: 512,
            heads: 16,
            mlp_ratio_eighths: 64,
            tokens_per_step: 65_536,
            ..recipe()
        };
        let track = Track { context: 1024, budget_gas: 1_000_000_000_000_000_000, ..track() };
        let gas = of(&recipe, &track).unwrap();
        assert_eq!((gas.per_step, gas.steps), (41_430_395_387_904, 24_136));
    }

    #[test]
    fn the_budget_must_buy_64_steps() {
        let track = |budget_gas| Track { budget_gas, ..track() };
        let enough = 64 * 6_913_024;
        assert_eq!(of(&recipe(), &track(enough)).map(|gas| gas.steps), Ok(64));
        assert_eq!(
            of(&recipe(), &track(enough - 1)),
            Err(RecipeError::TooFewSteps { gas_per_step: 6_913_024, budget_gas: enough - 1, steps: 63 })
        );
    }

    #[test]
    fn a_machine_must_offer_the_estimated_memory() {
        let needed = 67_559_424;
        assert_eq!(check_memory(&recipe(), &track(), needed), Ok(()));
        assert_eq!(
            check_memory(&recipe(), &track(), needed - 1),
            Err(RecipeError::Memory { needed, offered: needed - 1 })
        );
    }
}
