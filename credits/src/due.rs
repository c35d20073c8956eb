//! What can be done about an account's receipts now: vested by itself, listed by
//! a founder.

use proto::ids::{AccountId, AnchorId, ReceiptId};
use proto::limits::{ANCHOR_LISTED_MAX, VEST_ENTRIES_MAX};

use crate::amount::Ucr;
use crate::body::{Body, Mint, Release};
use crate::ledger::Ledger;
use crate::set::{Entry, Use};
use crate::verdict::ClaimVerdict;

impl Ledger {
    /// The account's receipts that count, are due at an epoch and not vested, each
    /// with the anchor that makes it due first; at most as many as one vest takes.
    pub fn vestable(&self, account: &AccountId, epoch: u64) -> Vec<(ReceiptId, AnchorId)> {
        let is_vested =
            |id: &ReceiptId| self.set.uses(Use::Vest, id).iter().any(|vest| self.set.is_valid(vest));
        let due = self.chain(account).iter().filter_map(|receipt| {
            let entry = self.set.entry(&receipt.id)?;
            if entry.facts.amount == Ucr::ZERO || is_vested(&receipt.id) {
                return None;
            }
            let delay = self.delay_of(entry)?;
            let anchor = self.set.first_anchor(&receipt.id)?;
            (epoch >= anchor.epoch.saturating_add(delay)).then_some((receipt.id, anchor.id))
        });
        due.take(VEST_ENTRIES_MAX).collect()
    }

    /// Epochs from the first anchor over a receipt to its being due; `None` when it
    /// never is.
    fn delay_of(&self, entry: &Entry) -> Option<u64> {
        let (id, delays, standing) = (&entry.receipt.id, &self.charter.rules.delays, self.standing());
        match &entry.receipt.body {
            Body::Mint(mint) => standing.mint_counts(id, mint).then_some(delays.vest_epochs),
            Body::Settle(settle) => standing.settle_counts(id, settle).then_some(delays.season_epochs),
            Body::Genesis(_)
            | Body::Claim(_)
            | Body::Attest(_)
            | Body::Vest(_)
            | Body::Hold(_)
            | Body::Release(_) => None,
        }
    }

    /// What an honest founder may list of an account's chain at an epoch and has not
    /// listed yet; at most as many as one anchor takes.
    ///
    /// Mints past their window that stand, fees of frozen mints past their own,
    /// settles and releases of final holds; of one hold never both a settle and a
    /// release that does not name it, in whatever anchors.
    pub fn listable(&self, account: &AccountId, founder: &AccountId, epoch: u64) -> Vec<ReceiptId> {
        let can_list = |id: &ReceiptId| {
            self.set.entry(id).is_some_and(|entry| {
                !self.set.is_listed_by(id, founder)
                    && !self.is_frozen(id)
                    && self.is_done(entry, founder, epoch)
            })
        };
        let ids = self.chain(account).iter().map(|receipt| receipt.id);
        ids.filter(can_list).take(ANCHOR_LISTED_MAX).collect()
    }

    fn is_done(&self, entry: &Entry, founder: &AccountId, epoch: u64) -> bool {
        let (id, standing) = (&entry.receipt.id, self.standing());
        match &entry.receipt.body {
            Body::Mint(mint) => {
                let is_past = standing.window(id).is_some_and(|window| epoch >= window.ends);
                is_past
                    && standing.mint_counts(id, mint)
                    && match mint {
                        Mint::Trial(_) => true,
                        Mint::Fee(fee) => self.is_frozen(&fee.mint),
                    }
            }
            Body::Settle(settle) => {
                let contradicts = |release: &&ReceiptId| !standing.release_names(release, id);
                let mut releases = self.set.uses(Use::Release, &settle.hold).iter().filter(contradicts);
                self.is_final(&settle.hold)
                    && standing.settle_counts(id, settle)
                    && !releases.any(|release| self.set.is_listed_by(release, founder))
            }
            Body::Release(release) => self.is_release_done(release, founder),
            Body::Genesis(_) | Body::Claim(_) | Body::Attest(_) | Body::Vest(_) | Body::Hold(_) => false,
        }
    }

    /// No settle but the one it names may be listed by this founder or stand.
    fn is_release_done(&self, release: &Release, founder: &AccountId) -> bool {
        let is_other = |settle: &&ReceiptId| release.settle() != Some(**settle);
        let mut others = self.set.uses(Use::Settle, &release.hold).iter().filter(is_other);
        self.is_final(&release.hold)
            && !others.any(|settle| self.set.is_valid(settle) || self.set.is_listed_by(settle, founder))
    }

    /// Own claims of an account that can still be minted.
    pub(crate) fn open_claims(&self, account: &AccountId) -> Vec<ReceiptId> {
        let claims = self.set.chains.get(account).into_iter().flat_map(|chain| &chain.claims);
        let is_open = |id: &&ReceiptId| matches!(self.verdict_of(id), ClaimVerdict::Open { .. });
        claims.filter(is_open).copied().collect()
    }
}
