//! R11 learns what it should.

use burn::tensor::Device;
use jobs::Track;
use training::bpb::Evaluator;
use training::corpus;
use training::state::State;
use training::step::Trainer;
use training::trial::Trial;

/// Bits per byte that the baseline reaches with any seed: the mean of five seeds and four of
/// their standard deviations, see `benches/README.md`.
const BOUND: f64 = 3.453;

#[test]
fn r11_begins_near_eight_bits_and_ends_below_the_measured_bound() {
    let track = Track::r11();
    let trial =
        Trial::new(track.baseline.clone(), track, *b"a seed that no calibration used.", u64::MAX).unwrap();
    let (text, device) = (corpus::text().unwrap(), Device::flex());
    let initial = State::initial(trial.recipe(), trial.seed());
    let untrained = Evaluator::new(&trial, text, &initial, &device).bits_per_byte();
    assert!((untrained - 8.0).abs() < 0.3, "untrained: {untrained} bits per byte");
    let mut trainer = Trainer::new(&trial, text, &initial, &device);
    while trainer.step() < trial.steps() {
        assert!(trainer.advance().is_finite());
    }
    let trained = Evaluator::new(&trial, text, &trainer.state(), &device).bits_per_byte();
    assert!(trained < BOUND, "trained: {trained} bits per byte");
}
