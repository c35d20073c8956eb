//! A track and a recipe that tests calculate with by hand; apart from the built-in
//! tracks, so that those can be measured anew.

use proto::ids::{AccountId, BlobHash, ReceiptId};

use crate::decimal::Decimal;
use crate::recipe::{Optimizer, Recipe};
use crate::search::Attested;
use crate::track::Track;

pub(crate) fn recipe() -> Recipe {
    Recipe {
        depth: 1,
        width: 16,
        heads: 2,
        mlp_ratio_eighths: 16,
        learning_rate: Decimal::literal(300, -5),
        weight_decay: Decimal::literal(100, -3),
        warmup_milli: 100,
        warmdown_milli: 500,
        tokens_per_step: 32,
        init_scale: Decimal::literal(100, -2),
        optimizer: Optimizer::AdamW,
    }
}

pub(crate) fn track() -> Track {
    Track {
        name: "test".to_owned(),
        corpus: BlobHash::new([1; 32]),
        train: 0..1000,
        validation: 1000..1600,
        context: 16,
        budget_gas: 1_000_000_000,
        gas_table: 1,
        eval_windows: 32,
        eval_blocks: 8,
        numeric_profile: "canon-1".to_owned(),
        baseline: recipe(),
        pay_floor_microbits: 5_000_000,
    }
}

pub(crate) fn attested(number: u8, recipe: Recipe, metric_microbits: u64) -> Attested {
    Attested {
        claim: ReceiptId::new([number; 32]),
        account: AccountId::new([100 + number; 32]),
        recipe,
        metric_microbits,
        checkers: vec![AccountId::new([200; 32])],
    }
}
