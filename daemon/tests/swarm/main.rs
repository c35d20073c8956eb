//! Fifty nodes in one process and virtual time, from one seed: the same state machine
//! that runs in production, over a network and disks that misbehave.
//!
//! A failing seed is printed; `SWARM_SEED=<seed>` replays that one alone.

#![expect(clippy::unwrap_used, reason = "a test says what it expects by unwrapping")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a checker looks for some kinds and counts the rest")]

mod checkers;
mod faults;
mod network;
mod scenarios;
mod worker;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use daemon::node::Defect;
use network::Counts;

/// Seeds of one run.
const SEEDS: u64 = 200;

/// Receipts that every seed must reach to mean anything.
const RECEIPTS_MIN: u64 = 300;

fn seeds() -> Vec<u64> {
    match std::env::var("SWARM_SEED") {
        Ok(seed) => vec![seed.parse().expect("SWARM_SEED is a number")],
        Err(_) => (0..SEEDS).collect(),
    }
}

/// Runs seeds on all cores; what was counted, and the seeds that failed with why.
fn run_all(seeds: &[u64], defect: Defect, stop_at_first: bool) -> (Counts, Vec<(u64, String)>) {
    let next = AtomicU64::new(0);
    let results = Mutex::new((Counts::default(), Vec::new()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(seed) = usize::try_from(index).ok().and_then(|index| seeds.get(index)) else {
                        return;
                    };
                    if stop_at_first && !results.lock().unwrap().1.is_empty() {
                        return;
                    }
                    let (counts, outcome) = scenarios::run(*seed, defect);
                    let mut results = results.lock().unwrap();
                    results.0.add(&counts);
                    if let Err(reason) = outcome {
                        results.1.push((*seed, reason));
                    }
                }
            });
        }
    });
    results.into_inner().unwrap()
}

#[test]
fn fifty_nodes_converge_and_conserve_through_every_fault() {
    let seeds = seeds();
    let (counts, failures) = run_all(&seeds, Defect::None, false);
    println!("{} seeds: {counts:#?}", seeds.len());
    for (seed, reason) in &failures {
        println!("SWARM_SEED={seed} fails: {reason}");
    }
    assert!(failures.is_empty(), "{} of {} seeds fail", failures.len(), seeds.len());
    for (name, count) in counts.rows() {
        assert!(count > 0 || seeds.len() == 1, "no seed had any of: {name}");
    }
    assert!(counts.receipts_fewest >= RECEIPTS_MIN, "a seed had {} receipts", counts.receipts_fewest);
}

#[test]
fn a_sole_founder_checks_and_pays_itself() {
    for seed in 0..5 {
        assert!(scenarios::run_alone(seed) >= credits::Ucr::new(99), "seed {seed}");
    }
}

#[track_caller]
fn check_caught(defect: Defect) {
    let (_, failures) = run_all(&seeds(), defect, true);
    let caught = failures.first();
    println!("{defect:?}: {caught:?}");
    assert!(caught.is_some(), "{defect:?} went unnoticed");
}

#[test]
fn a_hold_settled_twice_is_caught() {
    check_caught(Defect::Ledger(credits::Sabotage::SettleTwice));
}

#[test]
fn signing_without_the_journal_is_caught() {
    check_caught(Defect::NoJournal);
}

#[test]
fn ignoring_a_fork_is_caught() {
    check_caught(Defect::Ledger(credits::Sabotage::IgnoreFork));
}

#[test]
fn minting_with_one_attestation_is_caught() {
    check_caught(Defect::Ledger(credits::Sabotage::MintWithOne));
}

#[test]
fn counting_uncovered_money_is_caught() {
    check_caught(Defect::Ledger(credits::Sabotage::CountUncovered));
}
