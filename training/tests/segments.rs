//! A run in pieces is the run in one piece, to the last bit.

#![expect(clippy::unwrap_used, reason = "a test says what it expects by unwrapping")]

use std::ops::ControlFlow;

use burn::tensor::Device;
use jobs::trial::segment_steps;
use jobs::{Recipe, Track};
use training::corpus;
use training::segment::{Outcome, run_segment};
use training::state::{self, State};
use training::step::Trainer;
use training::trial::Trial;

const SEGMENTS: u32 = 8;

/// A recipe and budget of which a run takes a fraction of a second.
fn trial() -> Trial {
    let track = Track { budget_gas: 1_200_000_000, ..Track::r11() };
    let recipe = Recipe {
        depth: 1,
        width: 16,
        heads: 2,
        mlp_ratio_eighths: 8,
        tokens_per_step: track.context,
        ..track.baseline.clone()
    };
    Trial::new(recipe, track, [9; 32], u64::MAX).unwrap()
}

fn run(trainer: &mut Trainer<'_>, trial: &Trial, segment: u32) -> (State, [u8; 32]) {
    let steps = segment_steps(trial.steps(), SEGMENTS, segment);
    let outcome = run_segment(trainer, steps, &mut |_, _| ControlFlow::Continue(()));
    let Outcome::Done { state, losses_hash } = outcome else {
        panic!("segment {segment} ended as {outcome:?}");
    };
    (state, losses_hash)
}

#[test]
fn resuming_from_any_segment_gives_the_bits_of_the_uninterrupted_run() {
    let (trial, text, device) = (trial(), corpus::text().unwrap(), Device::flex());
    let initial = State::initial(trial.recipe(), trial.seed());
    let mut whole = Trainer::new(&trial, text, &initial, &device);
    let mut bytes = initial.to_bytes(trial.recipe());
    for segment in 1..=SEGMENTS {
        let (state, losses) = run(&mut whole, &trial, segment);
        let start = segment_steps(trial.steps(), SEGMENTS, segment).start;
        let resumed = trial.state_after(start, &bytes).unwrap();
        let (replayed, replayed_losses) =
            run(&mut Trainer::new(&trial, text, &resumed, &device), &trial, segment);
        assert_eq!(losses, replayed_losses, "losses of segment {segment}");
        bytes = state.to_bytes(trial.recipe());
        assert_eq!(
            state::hash(&bytes),
            state::hash(&replayed.to_bytes(trial.recipe())),
            "state after segment {segment}"
        );
    }
    assert_eq!(whole.step(), trial.steps());
}

#[test]
fn a_stopped_segment_reports_no_state_and_a_diverged_one_neither() {
    let (trial, text, device) = (trial(), corpus::text().unwrap(), Device::flex());
    let mut initial = State::initial(trial.recipe(), trial.seed());
    let mut trainer = Trainer::new(&trial, text, &initial, &device);
    let mut seen = Vec::new();
    let outcome = run_segment(&mut trainer, 0..10, &mut |step, _| {
        seen.push(step);
        if step == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!((outcome, seen), (Outcome::Stopped, vec![0, 1, 2]));

    initial.weights.iter_mut().for_each(|weight| *weight *= 1e38);
    let mut trainer = Trainer::new(&trial, text, &initial, &device);
    let outcome = run_segment(&mut trainer, 0..10, &mut |_, _| ControlFlow::Continue(()));
    assert_eq!(outcome, Outcome::Diverged);
}

#[test]
fn another_seed_trains_on_other_bytes_from_other_weights() {
    let (trial, text, device) = (trial(), corpus::text().unwrap(), Device::flex());
    let other = Trial::new(trial.recipe().clone(), trial.track().clone(), [8; 32], u64::MAX).unwrap();
    let initial = |trial: &Trial| State::initial(trial.recipe(), trial.seed());
    assert_ne!(initial(&trial), initial(&other));
    // The same weights, but the other trial's data.
    let mut one = Trainer::new(&trial, text, &initial(&trial), &device);
    let mut two = Trainer::new(&other, text, &initial(&trial), &device);
    assert_ne!(one.advance().to_bits(), two.advance().to_bits());
}
