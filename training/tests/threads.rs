//! The number of threads changes no bit.

#![expect(clippy::unwrap_used, reason = "a test says what it expects by unwrapping")]

use std::process::Command;

use burn::tensor::Device;
use jobs::Track;
use training::conformance::numeric_class;
use training::corpus;
use training::state::{self, State};
use training::step::Trainer;
use training::trial::Trial;

/// Set for the processes that only compute and print.
const PRINTING: &str = "TRAINING_TEST_PRINTS";

#[test]
fn one_two_and_four_threads_compute_the_same_bits() {
    if std::env::var_os(PRINTING).is_some() {
        println!("bits: {} {}", numeric_class(&Device::flex()), three_steps());
        return;
    }
    let bits = |threads: &str| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "one_two_and_four_threads_compute_the_same_bits", "--nocapture"])
            .env(PRINTING, "1")
            .env("RAYON_NUM_THREADS", threads)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line =
            text.lines().find_map(|line| line.split_once("bits: ")).expect("the child prints its bits");
        line.1.to_owned()
    };
    let one = bits("1");
    assert_eq!(one.len(), 64 + 1 + 64);
    assert_eq!(one, bits("2"));
    assert_eq!(one, bits("4"));
}

/// Three steps of R11's baseline, whose products are longer than the conformance run's.
fn three_steps() -> String {
    let track = Track::r11();
    let trial = Trial::new(track.baseline.clone(), track, [5; 32], u64::MAX).unwrap();
    let state = State::initial(trial.recipe(), trial.seed());
    let mut trainer = Trainer::new(&trial, corpus::text().unwrap(), &state, &Device::flex());
    for _ in 0..3 {
        trainer.advance();
    }
    state::hash(&trainer.state().to_bytes(trial.recipe())).to_string()
}
