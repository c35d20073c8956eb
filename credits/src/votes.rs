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
