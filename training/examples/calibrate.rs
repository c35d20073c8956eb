//! Measures R11: bits per byte and seconds of the baseline over seeds, and at a part of the budget.
//!
//! `cargo run --release -p training --features gpu --example calibrate -- [--budget GAS] [--seeds N] [--export FILE]
//! [RECIPE.toml]`. The budget defaults to the track's, the seeds to 5; a recipe file replaces the
//! baseline; the weights of the last seed are exported as safetensors.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::tensor::Device;
use jobs::{Recipe, Track, gas};
use training::bpb::Evaluator;
use training::conformance::numeric_class;
use training::corpus;
use training::export;
use training::state::State;
use training::step::Trainer;
use training::trial::Trial;

struct Arguments {
    track: Track,
    recipe: Recipe,
    seeds: u8,
    export: Option<PathBuf>,
}

fn arguments() -> Result<Arguments, Box<dyn Error>> {
    let track = Track::r11();
    let mut found = Arguments { recipe: track.baseline.clone(), track, seeds: 5, export: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match &argument[..] {
            "--budget" => found.track.budget_gas = value()?.parse()?,
            "--seeds" => found.seeds = value()?.parse()?,
            "--export" => found.export = Some(value()?.into()),
            file => found.recipe = Recipe::from_toml(&std::fs::read_to_string(file)?)?,
        }
    }
    Ok(found)
}

fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { track, recipe, seeds, export } = arguments()?;
    let started = Instant::now();
    let class = numeric_class(&Device::flex());
    println!("numeric class {} in {:.2} s", class.short(), started.elapsed().as_secs_f64());
    let price = gas::of(&recipe, &track)?;
    println!("{} weights, {} steps of {} gas", recipe.parameters(), price.steps, price.per_step);
    let mut scores = Vec::new();
    for seed in 0..seeds {
        let (score, seconds) = measure(&recipe, &track, [seed; 32], export.as_deref())?;
        println!("seed {seed}: {score:.6} bits per byte, {seconds:.2} s");
        scores.push(score);
    }
    let mean = scores.iter().sum::<f64>() / f64::from(seeds);
    let variance =
        scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / f64::from(seeds.max(2) - 1);
    let sigma = variance.sqrt();
    println!("mean {mean:.4}, sigma {sigma:.4}, mean + 4 sigma {:.4}", mean + 4.0 * sigma);
    Ok(())
}

/// Bits per byte and seconds of one trial, evaluation included.
fn measure(
    recipe: &Recipe,
    track: &Track,
    seed: [u8; 32],
    export: Option<&Path>,
) -> Result<(f64, f64), Box<dyn Error>> {
    let trial = Trial::new(recipe.clone(), track.clone(), seed, u64::MAX)?;
    let (text, device) = (corpus::text()?, Device::flex());
    let started = Instant::now();
    let mut trainer = Trainer::new(&trial, text, &State::initial(trial.recipe(), trial.seed()), &device);
    while trainer.step() < trial.steps() {
        trainer.advance();
    }
    let trained = started.elapsed().as_secs_f64();
    let score = Evaluator::new(&trial, text, &trainer.state(), &device).bits_per_byte();
    let seconds = started.elapsed().as_secs_f64();
    println!("  training {trained:.2} s, evaluation {:.2} s", seconds - trained);
    if let Some(file) = export {
        export::write(recipe, &trainer.state(), file)?;
    }
    Ok((score, seconds))
}
