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

/// Draws after which a way of proposing gives up. R11 admits one random recipe in ten and nearly all
/// mutations of its baseline, so this many failures mean that nothing new is in reach.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{attested, recipe, track};
    use proptest::prelude::*;

    /// The fixture, with a budget that admits models of some size.
    fn roomy() -> Track {
        Track { budget_gas: 100_000_000_000, ..track() }
    }

    fn seed(number: u32) -> [u8; 32] {
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&number.to_le_bytes());
        seed
    }

    #[test]
    fn the_baseline_comes_first_and_once() {
        let baseline = roomy().baseline;
        for number in 0..50 {
            let first = propose(&[], &BTreeSet::new(), &roomy(), &seed(number));
            assert_eq!(first, Some(baseline.clone()), "seed {number}");
            let known = BTreeSet::from([baseline.id()]);
            let second = propose(&[], &known, &roomy(), &seed(number)).unwrap();
            assert_ne!(second, baseline, "seed {number}");
        }
    }

    #[test]
    fn a_fifth_is_random_and_the_rest_changes_one_to_three_fields_of_the_best() {
        let best = Recipe { depth: 2, width: 48, heads: 3, ..recipe() };
        let log = [
            attested(1, recipe(), 2_500_000),
            attested(2, best.clone(), 2_400_000),
            attested(3, Recipe { depth: 4, ..recipe() }, 2_400_000),
        ];
        let mut by_changes = [0; 12];
        for number in 0..2000 {
            let proposed = propose(&log, &BTreeSet::new(), &roomy(), &seed(number)).unwrap();
            by_changes[proposed.differences(&best).len()] += 1;
        }
        // 400 of 2000 expected random, standard deviation 18; four of those allowed. A random
        // recipe that is near the best by chance is rarer than one in a thousand.
        let random: i32 = by_changes[4..].iter().sum();
        assert!((400 - 72..=400 + 72).contains(&random), "{by_changes:?}");
        assert_eq!(by_changes[0], 0);
        // Each count is drawn as often, but more fields are refused more often.
        for changes in 1..=3 {
            assert!((250..=900).contains(&by_changes[changes]), "{by_changes:?}");
        }
    }

    #[test]
    fn every_field_is_mutated_and_every_one_sampled() {
        let log = [attested(1, recipe(), 2_400_000)];
        let mut changed = BTreeSet::new();
        let mut depths = BTreeSet::new();
        for number in 0..1000 {
            let proposed = propose(&log, &BTreeSet::new(), &roomy(), &seed(number)).unwrap();
            let fields = proposed.differences(&recipe());
            if fields.len() <= 3 {
                changed.extend(fields);
            } else {
                depths.insert(proposed.depth);
            }
        }
        assert_eq!(changed.len(), 10, "{changed:?}");
        assert!(depths.len() >= 8, "{depths:?}");
    }

    #[test]
    fn a_used_up_neighbourhood_gives_none() {
        // The budget buys the baseline's 64 steps and nothing dearer; that leaves too few recipes
        // to draw by chance, and all that are drawn become known.
        let track = Track { budget_gas: 64 * 6_913_024, ..track() };
        let mut known = BTreeSet::new();
        for number in 0..40_000 {
            let Some(recipe) = propose(&[], &known, &track, &seed(number)) else {
                return;
            };
            assert!(known.insert(recipe.id()));
        }
        panic!("never used up");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_search_never_repeats_itself_nor_leaves_the_track(start in any::<u32>()) {
            let mut log: Vec<Attested> = Vec::new();
            let mut known = BTreeSet::new();
            for round in 0..40_u8 {
                let proposed = propose(&log, &known, &roomy(), &seed(start.wrapping_add(round.into())));
                let proposed = proposed.expect("the space is large");
                prop_assert_eq!(proposed.check(&roomy()), Ok(()));
                prop_assert!(known.insert(proposed.id()));
                // Half of what is known is attested, with any metric.
                if round % 2 == 0 {
                    let metric = 2_000_000 + u64::from(proposed.id().as_bytes()[0]);
                    log.push(attested(round, proposed, metric));
                }
            }
        }

        #[test]
        fn what_is_in_the_log_is_not_proposed_even_if_not_known(start in any::<u32>()) {
            let mut log: Vec<Attested> = Vec::new();
            for round in 0..20_u8 {
                let proposed = propose(&log, &BTreeSet::new(), &roomy(), &seed(start)).unwrap();
                prop_assert!(log.iter().all(|trial| trial.recipe != proposed));
                log.push(attested(round, proposed, 2_000_000));
            }
        }
    }
}
