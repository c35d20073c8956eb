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
