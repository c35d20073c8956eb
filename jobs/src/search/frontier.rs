//! The attested trials with their lineage, best first.
//!
//! A claim does not say what it was derived from, so a parent is inferred from the recipes: a
//! hint for a reader, never a condition of pay.

use proto::ids::ReceiptId;

use super::{Attested, mutate};
use crate::recipe::Field;

/// How a trial comes from its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lineage {
    /// The same recipe, run again.
    Repeat,
    /// The nearest earlier recipe, as few fields away as one mutation changes.
    Mutation,
    /// No earlier recipe is near; compared with the best of the time.
    Best,
}

/// What a trial is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    /// The parent's claim.
    pub claim: ReceiptId,
    /// How the trial comes from it.
    pub lineage: Lineage,
    /// The trial's metric minus the parent's, in micro-bits per byte; below zero is better.
    pub difference_microbits: i64,
    /// The fields in which the recipes differ.
    pub changed: Vec<Field>,
}

/// One line of the frontier: a single run, not yet a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrontierRow<'a> {
    /// The trial, with who ran and who re-ran it.
    pub trial: &'a Attested,
    /// What it is compared with; `None` for the first of the log.
    pub parent: Option<Parent>,
    /// Whether it was better than every trial before it.
    pub was_best: bool,
}

/// Every attested trial with its parent, best metric first, earlier first among equals.
///
/// `log` is in the order of the ledger: a parent is always earlier in it. The parent is the
/// earlier trial whose recipe differs in fewest fields, at most 3; among several the best; without
/// one it is the best of all earlier trials.
pub fn frontier(log: &[Attested]) -> Vec<FrontierRow<'_>> {
    let mut rows: Vec<FrontierRow<'_>> = log
        .iter()
        .enumerate()
        .map(|(index, trial)| {
            let earlier = &log[..index];
            let was_best = earlier.iter().all(|other| trial.metric_microbits < other.metric_microbits);
            FrontierRow { trial, parent: parent(trial, earlier), was_best }
        })
        .collect();
    rows.sort_by_key(|row| row.trial.metric_microbits);
    rows
}

fn parent(trial: &Attested, earlier: &[Attested]) -> Option<Parent> {
    let best = earlier.iter().min_by_key(|other| other.metric_microbits)?;
    let nearest = earlier
        .iter()
        .map(|other| (trial.recipe.differences(&other.recipe), other))
        .filter(|(changed, _)| changed.len() as u64 <= mutate::FIELDS_MAX)
        .min_by_key(|(changed, other)| (changed.len(), other.metric_microbits));
    let (lineage, changed, other) = match nearest {
        Some((changed, other)) if changed.is_empty() => (Lineage::Repeat, changed, other),
        Some((changed, other)) => (Lineage::Mutation, changed, other),
        None => (Lineage::Best, trial.recipe.differences(&best.recipe), best),
    };
    let difference_microbits = difference(trial.metric_microbits, other.metric_microbits);
    Some(Parent { claim: other.claim, lineage, difference_microbits, changed })
}

/// `a − b`, held within the range of the result; metrics are far from its ends.
fn difference(a: u64, b: u64) -> i64 {
    i64::try_from(i128::from(a) - i128::from(b)).unwrap_or(if a > b { i64::MAX } else { i64::MIN })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{attested, recipe};
    use crate::recipe::Recipe;

    #[test]
    fn rows_are_best_first_with_what_they_are_compared_with() {
        let far = Recipe { depth: 3, width: 32, heads: 4, mlp_ratio_eighths: 32, ..recipe() };
        let log = [
            attested(1, recipe(), 2_500_000),
            attested(2, Recipe { depth: 2, ..recipe() }, 2_400_000),
            attested(3, far.clone(), 2_600_000),
            attested(4, Recipe { depth: 2, heads: 1, ..recipe() }, 2_450_000),
            attested(5, Recipe { warmup_milli: 0, ..far }, 2_300_000),
            attested(6, recipe(), 2_510_000),
        ];
        let rows: Vec<_> = frontier(&log)
            .into_iter()
            .map(|row| {
                let parent = row.parent.map(|parent| {
                    let changed = parent.changed.iter().map(|field| field.name()).collect::<Vec<_>>();
                    let claim = parent.claim.as_bytes()[0];
                    (claim, parent.lineage, parent.difference_microbits, changed.join(" "))
                });
                (row.trial.claim.as_bytes()[0], row.was_best, parent)
            })
            .collect();
        let compared = |claim, lineage, difference, changed: &str| {
            Some((claim, lineage, difference, changed.to_owned()))
        };
        assert_eq!(
            rows,
            [
                (5, true, compared(3, Lineage::Mutation, -300_000, "warmup_milli")),
                (2, true, compared(1, Lineage::Mutation, -100_000, "depth")),
                (4, false, compared(2, Lineage::Mutation, 50_000, "heads")),
                (1, true, None),
                (6, false, compared(1, Lineage::Repeat, 10_000, "")),
                (3, false, compared(2, Lineage::Best, 200_000, "depth width heads mlp_ratio_eighths")),
            ]
        );
    }

    #[test]
    fn of_equally_near_parents_the_better_is_named() {
        let log = [
            attested(1, Recipe { depth: 2, ..recipe() }, 2_500_000),
            attested(2, Recipe { depth: 3, ..recipe() }, 2_400_000),
            attested(3, Recipe { depth: 4, ..recipe() }, 2_450_000),
        ];
        let row = frontier(&log).into_iter().find(|row| row.trial.claim == log[2].claim).unwrap();
        assert_eq!(row.parent.unwrap().claim, log[1].claim);
    }

    #[test]
    fn an_empty_log_has_no_rows() {
        assert!(frontier(&[]).is_empty());
    }
}
