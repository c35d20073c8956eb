//! Where a claim stands, and what an account has to do about it.

use proto::ids::{AccountId, DrawId, ReceiptId};

use crate::body::Body;
use crate::ledger::Ledger;
use crate::rules::CLAIM_EPOCHS;
use crate::set::Use;
use crate::standing::Window;
use crate::votes::{Ballot, Duty};

/// Where a claim stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimVerdict {
    /// Not a claim in a valid prefix.
    Unknown,
    /// Waiting for a draw, for votes or for its mint.
    Open {
        /// Draws there are.
        draws: usize,
        /// Votes with a digest, of the draw that has most.
        votes: u32,
        /// Votes that say the claimant did not serve, of all draws.
        unavailable: u32,
    },
    /// Minted, and nothing speaks against it.
    Minted {
        /// The mint.
        mint: ReceiptId,
        /// Whether it has its votes; they may be gone with a fork.
        stands: bool,
        /// Whether a quorum lists it: nothing can fell it any more.
        is_frozen: bool,
        /// Its window, once an anchor lies over it.
        window: Option<Window>,
    },
    /// Minted and refuted.
    Refuted {
        /// The mint that fell.
        mint: ReceiptId,
        /// The attestations against it.
        by: Vec<ReceiptId>,
    },
    /// Not minted in time.
    Closed,
}

impl Ledger {
    /// Where a claim stands. A claim counts as closed once some draw or anchor in
    /// the set states an epoch at which it could not be minted any more.
    pub fn verdict_of(&self, claim: &ReceiptId) -> ClaimVerdict {
        let Some(entry) = self.set.valid(claim).filter(|entry| entry.facts.terms.is_some()) else {
            return ClaimVerdict::Unknown;
        };
        let standing = self.standing();
        if let Some(receipt) = self.mint_of(claim) {
            let mint = receipt.id;
            let trial = standing.trial(&mint).expect("a mint of a claim opens its trace");
            let is_frozen = self.is_frozen(&mint);
            let by = standing.refuters(&mint, trial);
            if !is_frozen && !by.is_empty() {
                return ClaimVerdict::Refuted { mint, by };
            }
            let stands = is_frozen || standing.has_votes(trial);
            return ClaimVerdict::Minted { mint, stands, is_frozen, window: standing.window(&mint) };
        }
        let draws = self.draws_of(claim);
        let since = draws.iter().map(|draw| draw.epoch).max().unwrap_or(entry.receipt.epoch);
        if self.set.horizon() > since.saturating_add(CLAIM_EPOCHS) {
            return ClaimVerdict::Closed;
        }
        let attests = self.set.uses(Use::Attest, claim).iter().filter_map(|id| self.set.valid(id));
        let ballots: Vec<(DrawId, bool, u32)> = attests
            .filter_map(|entry| {
                let Body::Attest(attest) = &entry.receipt.body else { return None };
                Some((attest.draw, attest.digest.is_some(), entry.facts.votes))
            })
            .collect();
        let of = |draw: &DrawId| {
            ballots
                .iter()
                .filter(|(of, has_digest, _)| of == draw && *has_digest)
                .map(|ballot| ballot.2)
                .sum()
        };
        let votes = draws.iter().map(|draw| of(&draw.id)).max().unwrap_or(0);
        let unavailable = ballots.iter().filter(|ballot| !ballot.1).map(|ballot| ballot.2).sum();
        ClaimVerdict::Open { draws: draws.len(), votes, unavailable }
    }

    /// What an account has to re-run of a claim, given its random output for the
    /// draw (the VRF of [`vote_input`](crate::votes::vote_input)); `None` when it
    /// has no vote, or computes other bits than the claimant.
    pub fn duty(
        &self,
        claim: &ReceiptId,
        draw: &DrawId,
        account: &AccountId,
        output: &[u8; 32],
        epoch: u64,
    ) -> Option<Duty> {
        let entry = self.set.entry(claim)?;
        let draw = self.set.draws.get(draw).filter(|draw| draw.claim == *claim)?;
        let Body::Claim(body) = &entry.receipt.body else { return None };
        let head = self.head(account)?;
        if self.set.genesis(&head.id)?.numeric_class != body.numeric_class {
            return None;
        }
        let ballot = Ballot {
            claim: *claim,
            claimant: entry.receipt.account,
            draw_output: &draw.output,
            draw_epoch: draw.epoch,
            segments: body.segments,
            blocks: entry.facts.terms?.blocks,
        };
        ballot.duty(&self.charter, account, output, 0, epoch)
    }
}
