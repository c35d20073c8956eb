//! The numeric class: a short run whose end state names how this machine computes.
//!
//! Machines of one class get the same bits from the same trial, so they can check each other by
//! hash. The run touches every operation that training and evaluation use, with products long
//! enough (1,024 summands) to show how a matrix product splits its sums.

use burn::tensor::Device;
use jobs::{Decimal, Optimizer, Recipe, Track, counter_rng};
use proto::ids::NumericClass;

use crate::bpb::Evaluator;
use crate::state::{self, State};
use crate::step::Trainer;
use crate::trial::{PROFILE, Trial};

/// Steps of the run.
pub const STEPS: u64 = 20;

const CLASS_CONTEXT: &str = "swarm numeric class v1";

const SEED: [u8; 32] = *b"swarm numeric conformance seed 1";

const TEXT_BYTES: u64 = 16 << 10;

/// The run's recipe; frozen, as every class follows from it.
fn recipe() -> Recipe {
    Recipe {
        depth: 1,
        width: 32,
        heads: 2,
        mlp_ratio_eighths: 16,
        learning_rate: Decimal::literal(100, -4),
        weight_decay: Decimal::literal(100, -3),
        warmup_milli: 0,
        warmdown_milli: 500,
        tokens_per_step: 1024,
        init_scale: Decimal::literal(100, -2),
        optimizer: Optimizer::AdamW,
    }
}

fn track() -> Track {
    Track {
        name: "conformance".to_owned(),
        train: 0..TEXT_BYTES / 2,
        validation: TEXT_BYTES / 2..TEXT_BYTES,
        context: 64,
        budget_gas: 1 << 50,
        eval_windows: 16,
        eval_blocks: 1,
        numeric_profile: PROFILE.to_owned(),
        baseline: recipe(),
        ..Track::r11()
    }
}

/// Runs the conformance trial and names the class of this build on this device:
/// `derive_key("swarm numeric class v1", profile ‖ state hash after 20 steps ‖ nats hash)`.
pub fn numeric_class(device: &Device) -> NumericClass {
    let text: Vec<u8> = counter_rng::stream(&SEED, "conformance text", 0)
        .take(TEXT_BYTES as usize)
        .map(|bits| b'a' + counter_rng::below(bits, 26) as u8)
        .collect();
    let trial =
        Trial::unchecked(recipe(), track(), SEED).expect("the conformance recipe is within every bound");
    let mut trainer = Trainer::new(&trial, &text, &State::initial(trial.recipe(), &SEED), device);
    for _ in 0..STEPS {
        trainer.advance();
    }
    let end = trainer.state();
    let nats = Evaluator::new(&trial, &text, &end, device).block(0);
    let mut hasher = blake3::Hasher::new_derive_key(CLASS_CONTEXT);
    hasher.update(PROFILE.as_bytes());
    hasher.update(state::hash(&end.to_bytes(trial.recipe())).as_bytes());
    hasher.update(&nats.nats_hash());
    NumericClass::new(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_names_the_same_class() {
        let device = Device::flex();
        assert_eq!(numeric_class(&device), numeric_class(&device));
    }
}
