//! What the ledger is told about claims: worth, blocks and bytes by the tracks a node knows.

use std::collections::BTreeMap;

use credits::{Claim, ClaimTerms, Terms, TermsFault, Ucr, trial_worth};
use proto::ids::TrackId;

use crate::gas;
use crate::recipe::Recipe;
use crate::track::Track;

/// The tracks by which claims are priced.
///
/// All nodes of a swarm must have the same ones, those its charter lists.
#[derive(Debug, Clone)]
pub struct Tracks(BTreeMap<TrackId, Track>);

impl Tracks {
    /// These tracks.
    pub fn new(tracks: impl IntoIterator<Item = Track>) -> Self {
        Self(tracks.into_iter().map(|track| (track.id(), track)).collect())
    }

    /// Every track that comes with the program.
    pub fn builtin() -> Self {
        Self::new(Track::builtin())
    }

    /// The track of an id.
    pub fn get(&self, id: &TrackId) -> Option<&Track> {
        self.0.get(id)
    }
}

impl ClaimTerms for Tracks {
    /// The faults in this order: unknown track, malformed recipe, out of range, wrong gas.
    fn assess(&self, claim: &Claim) -> Result<Terms, TermsFault> {
        let track = self.get(&claim.track).ok_or(TermsFault::UnknownTrack)?;
        let recipe = Recipe::from_bytes(&claim.recipe).map_err(|_| TermsFault::MalformedRecipe)?;
        let gas = gas::of(&recipe, track).map_err(|_| TermsFault::OutOfRange)?;
        if claim.gas != gas.total {
            return Err(TermsFault::WrongGas);
        }
        let is_paid = claim.metric_microbits <= track.pay_floor_microbits;
        let worth = if is_paid { trial_worth(gas.total) } else { Ucr::ZERO };
        Ok(Terms { worth, blocks: track.eval_blocks, eval_bytes: track.eval_bytes() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{recipe, track};
    use proto::ids::NumericClass;

    /// A track whose trial of the fixture recipe costs 14,465 steps: 99,996,892,160 gas.
    fn tracks() -> (Tracks, TrackId) {
        let track = Track { budget_gas: 100_000_000_000, ..track() };
        (Tracks::new([track.clone()]), track.id())
    }

    fn claim() -> Claim {
        Claim {
            track: tracks().1,
            recipe: recipe().to_bytes(),
            nonce: 0,
            gas: 99_996_892_160,
            metric_microbits: 5_000_000,
            trace_root: [0; 32],
            segments: 4,
            numeric_class: NumericClass::new([0; 32]),
        }
    }

    fn assess(change: impl Fn(&mut Claim)) -> Result<Terms, TermsFault> {
        let mut claim = claim();
        change(&mut claim);
        tracks().0.assess(&claim)
    }

    #[test]
    fn a_claim_up_to_the_pay_floor_is_worth_its_gas_and_above_it_nothing() {
        let terms = |worth| Ok(Terms { worth: Ucr::new(worth), blocks: 8, eval_bytes: 512 });
        assert_eq!(assess(|_| ()), terms(99));
        assert_eq!(assess(|claim| claim.metric_microbits = 0), terms(99));
        assert_eq!(assess(|claim| claim.metric_microbits = 5_000_001), terms(0));
        assert_eq!(assess(|claim| claim.metric_microbits = u64::MAX), terms(0));
    }

    #[test]
    fn faults_are_named_in_their_order() {
        let unknown = |claim: &mut Claim| claim.track = TrackId::new([0; 32]);
        let malformed = |claim: &mut Claim| claim.recipe.push(0);
        let outside = |claim: &mut Claim| claim.recipe = Recipe { depth: 17, ..recipe() }.to_bytes();
        assert_eq!(assess(unknown), Err(TermsFault::UnknownTrack));
        assert_eq!(assess(malformed), Err(TermsFault::MalformedRecipe));
        assert_eq!(assess(|claim| claim.recipe.clear()), Err(TermsFault::MalformedRecipe));
        assert_eq!(assess(outside), Err(TermsFault::OutOfRange));
        assert_eq!(assess(|claim| claim.gas += 1), Err(TermsFault::WrongGas));
        assert_eq!(assess(|claim| claim.gas -= 1), Err(TermsFault::WrongGas));
        let all = |claim: &mut Claim| {
            claim.gas = 0;
            outside(claim);
            malformed(claim);
            unknown(claim);
        };
        assert_eq!(assess(all), Err(TermsFault::UnknownTrack));
    }

    #[test]
    fn the_built_in_tracks_are_known() {
        assert_eq!(Tracks::builtin().get(&Track::r11().id()), Some(&Track::r11()));
    }
}
