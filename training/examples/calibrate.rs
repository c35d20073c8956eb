//! Measures R11: bits per byte and seconds of the baseline over seeds, and at a part of the budget.
//!
//! `cargo run --release -p training --example calibrate [-- [--budget GAS] [RECIPE.toml]]`. The
//! budget defaults to the track's; a recipe file replaces the baseline.

use std::error::Error;
use std::time::Instant;

use burn::tensor::Device;
use jobs::{Recipe, Track, gas};
use training::bpb::Evaluator;
use training::corpus;
use training::state::State;
use training::step::Trainer;
use training::trial::Trial;

const SEEDS: u8 = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let mut track = Track::r11();
    let mut arguments = std::env::args().skip(1);
    let mut recipe = track.baseline.clone();
    while let Some(argument) = arguments.next() {
        if argument == "--budget" {
            track.budget_gas = arguments.next().ok_or("--budget needs a number")?.parse()?;
        } else {
            recipe = Recipe::from_toml(&std::fs::read_to_string(argument)?)?;
        }
    }
    let price = gas::of(&recipe, &track)?;
    println!("{} weights, {} steps of {} gas", recipe.parameters(), price.steps, price.per_step);
    let mut scores = Vec::new();
    for seed in 0..SEEDS {
        let (score, seconds) = measure(&recipe, &track, [seed; 32])?;
        println!("seed {seed}: {score:.4} bits per byte, {seconds:.2} s");
        scores.push(score);
    }
    let mean = scores.iter().sum::<f64>() / f64::from(SEEDS);
    let variance = scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / f64::from(SEEDS - 1);
    let sigma = variance.sqrt();
    println!("mean {mean:.4}, sigma {sigma:.4}, mean + 4 sigma {:.4}", mean + 4.0 * sigma);
    Ok(())
}

/// Bits per byte and seconds of one trial, evaluation included.
fn measure(recipe: &Recipe, track: &Track, seed: [u8; 32]) -> Result<(f64, f64), Box<dyn Error>> {
    let trial = Trial::new(recipe.clone(), track.clone(), seed, u64::MAX)?;
    let (text, device) = (corpus::text()?, Device::flex());
    let started = Instant::now();
    let mut trainer = Trainer::new(&trial, text, &State::initial(trial.recipe(), trial.seed()), &device);
    while trainer.step() < trial.steps() {
        trainer.advance();
    }
    let trained = started.elapsed().as_secs_f64();
    let score = Evaluator::new(&trial, text, &trainer.state(), &device).bits_per_byte();
    println!("  training {trained:.2} s, evaluation {:.2} s", started.elapsed().as_secs_f64() - trained);
    Ok((score, started.elapsed().as_secs_f64()))
}
