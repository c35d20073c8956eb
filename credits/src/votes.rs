//! Who checks a claim, and what: votes drawn by verifiable randomness.
//!
//! First form: only the charter's founders have weight, each the same, and those
//! that may not serve the claimant have none. So votes are a function of charter,
//! claim, draw and the account's own output alone, and never change afterwards.

use proto::ids::{AccountId, ReceiptId};

use crate::charter::Charter;
use crate::vrf;

/// Epochs after a draw by which the expected votes have widened as far as they do.
const WIDENING_EPOCHS: u64 = 3;

/// What an account has to re-run for a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duty {
    /// How many votes its word has.
    pub votes: u32,
    /// Segment to re-run, from 1.
    pub segment: u32,
    /// Evaluation block to recompute, from 0.
    pub block: u32,
}

/// The VRF input of a vote: `"swarm vote v1" ‖ claim id ‖ round u32le ‖ draw output`.
pub fn vote_input(claim: &ReceiptId, round: u32, draw_output: &[u8; 32]) -> Vec<u8> {
    [&b"swarm vote v1"[..], claim.as_bytes(), &round.to_le_bytes(), draw_output].concat()
}

/// One claim with one draw, as a vote on it sees it.
#[derive(Debug, Clone, Copy)]
pub struct Ballot<'a> {
    /// The claim.
    pub claim: ReceiptId,
    /// Whose claim it is.
    pub claimant: AccountId,
    /// The draw's output.
    pub draw_output: &'a [u8; 32],
    /// The draw's epoch.
    pub draw_epoch: u64,
    /// Segments of the trial.
    pub segments: u32,
    /// Evaluation blocks of its track.
    pub blocks: u32,
}

impl Ballot<'_> {
    /// The duty of an account whose random output is `output`, at an epoch; `None`
    /// when it has no vote. Votes never become fewer as epochs pass, and segment
    /// and block stay the same.
    pub fn duty(
        &self,
        charter: &Charter,
        account: &AccountId,
        output: &[u8; 32],
        round: u32,
        epoch: u64,
    ) -> Option<Duty> {
        if !charter.serves(account, &self.claimant) || self.segments == 0 || self.blocks == 0 {
            return None;
        }
        let input = vote_input(&self.claim, round, self.draw_output);
        let bits = vrf::bits(output, &input);
        let word = |at: usize| u64::from_le_bytes(bits[at..at + 8].try_into().expect("8 of 32 bytes"));
        let chance = u32::from_le_bytes(bits[..4].try_into().expect("4 of 32 bytes"));
        let widening = epoch.saturating_sub(self.draw_epoch).min(WIDENING_EPOCHS) + 1;
        let weight = u128::from(charter.rules.voting.founder_weight);
        let all = weight * charter.servers_of(&self.claimant) as u128;
        let share = u128::from(charter.rules.voting.votes_expected) * u128::from(widening) * weight;
        let extra = u128::from(chance) * all < (share % all) << 32;
        let votes = u32::try_from(share / all).expect("expected votes are bounded") + u32::from(extra);
        let draw = |at: usize, among: u32| {
            u32::try_from(word(at) % u64::from(among)).expect("a remainder is below its divisor")
        };
        let duty = Duty { votes, segment: draw(8, self.segments) + 1, block: draw(16, self.blocks) };
        Some(duty).filter(|duty| duty.votes > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charter::{Delays, Founder, Rules, Voting};
    use ed25519_dalek::SigningKey;
    use proto::sign::account_of;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn charter(founders: u8, votes_expected: u32) -> Charter {
        let founder = |seed| Founder { account: account_of(&key(seed)), vrf_key: [0; 32] };
        let rules = Rules {
            name: "test".to_owned(),
            start_ms: 0,
            epoch_ms: 1,
            founders: (1..=founders).map(founder).collect(),
            threshold: 1,
            voting: Voting {
                founder_weight: u64::MAX,
                votes_expected,
                votes_expected_dispute: 16,
                confirmations: 1,
            },
            segments: 8,
            delays: Delays { vest_epochs: 1, season_epochs: 1, grace_epochs: 1 },
            tracks: Vec::new(),
            bootstrap: Vec::new(),
        };
        let file = rules.sign(&key(1)).unwrap();
        Charter::from_bytes(&file).unwrap()
    }

    fn ballot<'a>(claimant: u8, draw_output: &'a [u8; 32]) -> Ballot<'a> {
        let claim = ReceiptId::new([1; 32]);
        let claimant = account_of(&key(claimant));
        Ballot { claim, claimant, draw_output, draw_epoch: 10, segments: 8, blocks: 4 }
    }

    /// Votes of founder 2 at some epochs, summed over many random outputs.
    fn votes(founders: u8, expected: u32, claimant: u8, epoch: u64) -> u32 {
        let charter = charter(founders, expected);
        let voter = account_of(&key(2));
        let vote = |i: u16| {
            let output = blake3::hash(&i.to_le_bytes());
            ballot(claimant, &[7; 32]).duty(&charter, &voter, output.as_bytes(), 0, epoch)
        };
        (0..1000).filter_map(vote).map(|duty| duty.votes).sum()
    }

    #[test]
    fn votes_are_the_expected_ones_shared_among_those_who_may_serve() {
        // Founders, λ, claimant, epochs after the draw: mean votes of one founder.
        for (founders, expected, claimant, after, thousand) in [
            (3, 6, 9, 0, 2000..=2000),
            (3, 6, 1, 0, 3000..=3000),
            (3, 6, 2, 0, 0..=0),
            (2, 6, 1, 0, 6000..=6000),
            (3, 6, 9, 1, 4000..=4000),
            (3, 6, 9, 3, 8000..=8000),
            (3, 6, 9, 9, 8000..=8000),
            // Six votes among sixteen: three of eight, within 4 σ = 61.
            (16, 6, 99, 0, 314..=436),
            (16, 6, 99, 1, 689..=811),
            (16, 6, 99, 3, 1439..=1561),
        ] {
            let sum = votes(founders, expected, claimant, 10 + after);
            assert!(thousand.contains(&sum), "{sum} not in {thousand:?}, {founders} founders, {after} after");
        }
    }

    #[test]
    fn segments_and_blocks_are_spread_evenly_and_stay() {
        let charter = charter(3, 6);
        let voter = account_of(&key(2));
        let mut seen = [[0_u32; 4]; 8];
        for i in 0..3200_u16 {
            let output = blake3::hash(&i.to_le_bytes());
            let duty =
                |epoch| ballot(9, &[7; 32]).duty(&charter, &voter, output.as_bytes(), 0, epoch).unwrap();
            let (early, late) = (duty(10), duty(13));
            assert_eq!((early.segment, early.block), (late.segment, late.block));
            seen[early.segment as usize - 1][early.block as usize] += 1;
        }
        // Each of 32 pairs 100 times, within 5 σ = 50.
        assert!(seen.as_flattened().iter().all(|count| (50..150).contains(count)), "{seen:?}");
    }

    #[test]
    fn who_is_no_founder_has_no_vote_and_a_sole_founder_serves_itself() {
        let duty = |founders: u8, voter: u8, claimant: u8| {
            ballot(claimant, &[7; 32]).duty(&charter(founders, 6), &account_of(&key(voter)), &[5; 32], 0, 10)
        };
        assert_eq!(duty(3, 9, 1), None);
        assert_eq!(duty(3, 1, 1), None);
        assert_eq!(duty(1, 1, 1).map(|duty| duty.votes), Some(6));
        assert_eq!(duty(1, 1, 9).map(|duty| duty.votes), Some(6));
    }
}
