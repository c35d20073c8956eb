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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use proptest::prelude::*;

    fn seed_of(track: u8, recipe: u8, account: u8, nonce: u64) -> [u8; 32] {
        let (track, recipe) = (TrackId::new([track; 32]), RecipeId::new([recipe; 32]));
        seed(&track, &recipe, &AccountId::new([account; 32]), nonce)
    }

    #[test]
    fn the_seed_is_frozen_and_depends_on_everything() {
        let first = seed_of(1, 2, 3, 4);
        assert_eq!(
            first.map(|byte| format!("{byte:02x}")).concat(),
            "b1bcf1dd0762559eae37b6bd349208bc8820c9f7b46bf4a6f1139a1b48156c5e"
        );
        for other in [seed_of(9, 2, 3, 4), seed_of(1, 9, 3, 4), seed_of(1, 2, 9, 4), seed_of(1, 2, 3, 9)] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn segments_are_floors() {
        let bounds = |steps, segments| -> Vec<(u64, u64)> {
            (1..=segments).map(|j| segment_steps(steps, segments, j)).map(|r| (r.start, r.end)).collect()
        };
        assert_eq!(bounds(10, 4), [(0, 2), (2, 5), (5, 7), (7, 10)]);
        assert_eq!(bounds(3, 1), [(0, 3)]);
        assert_eq!(bounds(2, 3), [(0, 0), (0, 1), (1, 2)]);
        assert_eq!(segment_steps(u64::MAX, 64, 64).end, u64::MAX);
    }

    #[test]
    fn the_data_order_is_frozen() {
        let starts: Vec<u64> = (0..6).map(|row| sequence(&fixtures::track(), &[7; 32], row).start).collect();
        assert_eq!(starts, [237, 118, 867, 282, 711, 771]);
    }

    proptest! {
        #[test]
        fn sequences_lie_in_the_training_bytes(seed in any::<[u8; 32]>(), number in 0..1_000_000_u64) {
            let mut track = fixtures::track();
            track.train = 500..520;
            let bytes = sequence(&track, &seed, number);
            prop_assert_eq!(bytes.end - bytes.start, 17);
            prop_assert!(track.train.start <= bytes.start && bytes.end <= track.train.end);
        }

        #[test]
        fn segments_cover_every_step_once(steps in 64..1_000_000_u64, segments in 1..=64_u32) {
            let mut next = 0;
            for segment in 1..=segments {
                let part = segment_steps(steps, segments, segment);
                prop_assert_eq!(part.start, next);
                prop_assert!(part.end > part.start);
                next = part.end;
            }
            prop_assert_eq!(next, steps);
        }
    }
}
