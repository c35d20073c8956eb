//! Whether a claim's mint stands: votes for it, refutations within its window.
//!
//! First form: round 0 only. One drawn refutation, anchored in time, fells a mint.

use proto::ids::{AnchorId, ReceiptId};

use crate::body::{Body, Mint, Settle, TrialMint};
use crate::charter::Charter;
use crate::rules::{confirmations, confirms};
use crate::sabotage::Sabotage;
use crate::set::{Entry, Set, Use};

/// The time in which a mint can be refuted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first anchor over the mint.
    pub opened_by: AnchorId,
    /// That anchor's epoch.
    pub opened: u64,
    /// The epoch at which it is past: refutations anchored earlier count.
    pub ends: u64,
}

/// The set as the questions of this file see it.
#[derive(Clone, Copy)]
pub(crate) struct Standing<'a> {
    pub(crate) set: &'a Set,
    pub(crate) charter: &'a Charter,
    pub(crate) sabotage: Sabotage,
}

impl Standing<'_> {
    /// The window of a receipt of its owner's chain.
    pub(crate) fn window(&self, id: &ReceiptId) -> Option<Window> {
        let anchor = self.set.first_anchor(id)?;
        let ends = anchor.epoch.saturating_add(self.charter.rules.delays.vest_epochs);
        Some(Window { opened_by: anchor.id, opened: anchor.epoch, ends })
    }

    /// Drawn attestations in valid prefixes that contradict a mint and were
    /// anchored before its window was past.
    pub(crate) fn refuters(&self, id: &ReceiptId, mint: &TrialMint) -> Vec<ReceiptId> {
        let contradicts = |entry: &&Entry| matches!(&entry.receipt.body, Body::Attest(attest) if !confirms(entry, attest, mint));
        let valid = self.set.uses(Use::Attest, &mint.claim).iter().filter_map(|id| self.set.valid(id));
        let against: Vec<ReceiptId> = valid.filter(contradicts).map(|entry| entry.receipt.id).collect();
        if against.is_empty() {
            return against;
        }
        let ends = self.window(id).map_or(u64::MAX, |window| window.ends);
        let is_in_time =
            |attest: &ReceiptId| self.set.first_anchor(attest).is_some_and(|anchor| anchor.epoch < ends);
        against.into_iter().filter(is_in_time).collect()
    }

    pub(crate) fn has_votes(&self, mint: &TrialMint) -> bool {
        let valid = mint.attests.iter().filter_map(|id| self.set.valid(id));
        let votes: u32 = valid.map(|entry| entry.facts.votes).sum();
        votes >= confirmations(self.charter, self.sabotage)
    }

    /// Whether a mint of a claim counts: frozen, or with its votes and unrefuted.
    fn trial_counts(&self, id: &ReceiptId, mint: &TrialMint) -> bool {
        self.set.is_valid(id)
            && (self.set.is_frozen(id, self.charter)
                || (self.has_votes(mint) && self.refuters(id, mint).is_empty()))
    }

    /// Whether a mint counts; a fee's does when the claim's does.
    pub(crate) fn mint_counts(&self, id: &ReceiptId, mint: &Mint) -> bool {
        let minted = match mint {
            Mint::Trial(trial) => return self.trial_counts(id, trial),
            Mint::Fee(fee) => &fee.mint,
        };
        if !self.set.is_valid(id) || self.set.is_frozen(id, self.charter) {
            return self.set.is_valid(id);
        }
        self.trial(minted).is_some_and(|trial| self.trial_counts(minted, trial))
    }

    /// The opening in a mint of a claim.
    pub(crate) fn trial(&self, id: &ReceiptId) -> Option<&TrialMint> {
        let Body::Mint(Mint::Trial(trial)) = &self.set.entry(id)?.receipt.body else { return None };
        Some(trial)
    }

    /// Whether a settle in a valid prefix counts: a frozen one does, another unless
    /// a frozen release of the hold does not name it.
    pub(crate) fn settle_counts(&self, id: &ReceiptId, settle: &Settle) -> bool {
        if !self.set.is_valid(id) || self.set.is_frozen(id, self.charter) {
            return self.set.is_valid(id);
        }
        let mut releases = self.set.uses(Use::Release, &settle.hold).iter();
        !releases.any(|release| !self.release_names(release, id) && self.set.is_frozen(release, self.charter))
    }

    /// Whether a release has this settle as its proof.
    pub(crate) fn release_names(&self, release: &ReceiptId, settle: &ReceiptId) -> bool {
        let body = self.set.entry(release).map(|entry| &entry.receipt.body);
        matches!(body, Some(Body::Release(release)) if release.settle() == Some(*settle))
    }
}
