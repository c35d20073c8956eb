//! One run of a recipe by an account: its seed, its data order and its segments.

use std::ops::Range;

use proto::ids::{AccountId, RecipeId, TrackId};

use crate::counter_rng;
use crate::track::Track;

const SEED_CONTEXT: &str = "swarm trial seed v1";

/// The purpose of the numbers that choose training sequences.
const DATA_PURPOSE: &str = "data";

/// The seed of a trial: `derive_key("swarm trial seed v1", track ‖ recipe ‖ account ‖ nonce u64le)`.
///
/// Nobody owes the same bytes as another account, so a copied result is worthless.
pub fn seed(track: &TrackId, recipe: &RecipeId, account: &AccountId, nonce: u64) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(SEED_CONTEXT);
    hasher.update(track.as_bytes());
    hasher.update(recipe.as_bytes());
    hasher.update(account.as_bytes());
    hasher.update(&nonce.to_le_bytes());
    *hasher.finalize().as_bytes()
}

/// The steps of segment `segment` (from 1) of `segments`: `⌊(j−1)·steps/S⌋ .. ⌊j·steps/S⌋`.
///
/// # Panics
/// If `segment` is not 1 to `segments`.
pub fn segment_steps(steps: u64, segments: u32, segment: u32) -> Range<u64> {
    assert!((1..=segments).contains(&segment), "segment {segment} of {segments}");
    let bound = |j: u32| (u128::from(j) * u128::from(steps) / u128::from(segments)) as u64;
    bound(segment - 1)..bound(segment)
}

/// The bytes of training sequence `sequence`, counted through the whole run: the context and one
/// more, the last target.
///
/// It starts at `train.start + below(bits(seed, "data", sequence), length − context)`; sequence r
/// of step s has the number `s · tokens_per_step / context + r`.
pub fn sequence(track: &Track, seed: &[u8; 32], sequence: u64) -> Range<u64> {
    let context = u64::from(track.context);
    let starts = track.train.end - track.train.start - context;
    let start =
        track.train.start + counter_rng::below(counter_rng::bits(seed, DATA_PURPOSE, sequence), starts);
    start..start + context + 1
}
