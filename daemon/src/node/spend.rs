//! Holds and vouchers: the ledger's side of paying, for both parties.
//!
//! Jobs are not here: who places one decides when to hold, pay and settle.

use credits::{Body, Receipt, Release, ReleaseProof, Settle, Ucr, Voucher};
use prost::Message;
use proto::ids::{AccountId, ReceiptId};
use proto::wire::sync::refused::Reason;

use super::effect::{JournalKind, LocalRefusal};
use super::message::{Answer, Ask};
use super::peers::Purpose;
use super::{Node, Signing};

/// Epochs before a hold's expiry at which its payee settles by itself: an outage of two
/// epochs must neither lose what was promised nor keep the payer's rest for ever.
const SETTLE_BEFORE_EPOCHS: u64 = 3;

impl Node {
    /// The hold, if it stands in its payer's chain.
    fn hold(&self, id: &ReceiptId) -> Option<(AccountId, credits::Hold)> {
        let receipt = self.ledger.receipt(id)?;
        match &receipt.body {
            Body::Hold(hold) => Some((receipt.account, *hold)),
            Body::Genesis(_)
            | Body::Claim(_)
            | Body::Attest(_)
            | Body::Mint(_)
            | Body::Vest(_)
            | Body::Settle(_)
            | Body::Release(_) => None,
        }
    }

    /// Signs a voucher of an own hold and sends it to the payee.
    pub(super) fn pay(
        &mut self,
        hold: ReceiptId,
        cumulative: Ucr,
        segment: u32,
    ) -> Result<Option<ReceiptId>, LocalRefusal> {
        let account = self.keys.account;
        let (payer, terms) = self.hold(&hold).ok_or(LocalRefusal::NoHold)?;
        if payer != account || cumulative > terms.amount || self.settle_of(&hold, &terms).is_some() {
            return Err(LocalRefusal::NoHold);
        }
        let digest = [0; 32];
        let key = &self.keys.signing;
        let voucher = Voucher::sign(&self.charter.id, hold, cumulative, segment, digest, key);
        if !self.peers.is_connected(&terms.payee) {
            return Err(LocalRefusal::PayeeAway);
        }
        let purpose = Purpose::Voucher(hold, cumulative);
        self.ask(terms.payee, purpose, Ask::Voucher(Box::new(voucher)));
        Ok(None)
    }

    pub(super) fn voucher_came(&mut self, from: AccountId, voucher: Voucher) -> Answer {
        let Some((payer, terms)) = self.hold(&voucher.hold) else {
            return Answer::Refused(Reason::Unknown);
        };
        let fits = payer == from
            && terms.payee == self.keys.account
            && voucher.cumulative <= terms.amount
            && voucher.is_signed_by(&payer, &self.charter.id);
        if !fits {
            return Answer::Refused(Reason::NotAllowed);
        }
        if !self.may_serve() {
            return Answer::Refused(Reason::NotNow);
        }
        if self.money.keep_voucher(voucher.clone()) {
            self.journal(JournalKind::Voucher, voucher.to_wire().encode_to_vec());
        }
        Answer::Taken
    }

    /// Collects the highest voucher of a hold.
    pub(super) fn settle(&mut self, hold: ReceiptId) -> Result<ReceiptId, LocalRefusal> {
        let voucher = self.money.voucher(&hold).cloned().ok_or(LocalRefusal::NoVoucher)?;
        self.sign_settle(hold, Some(voucher))
    }

    fn sign_settle(&mut self, hold: ReceiptId, voucher: Option<Voucher>) -> Result<ReceiptId, LocalRefusal> {
        let settle = self.sign(Body::Settle(Settle { hold, voucher }))?;
        self.money.forget_hold(&hold);
        Ok(settle)
    }

    /// Remembers a hold if this account is its payee.
    pub(super) fn hold_came(&mut self, id: ReceiptId, hold: &credits::Hold) {
        if hold.payee == self.keys.account {
            self.money.expect_payment(id);
        }
    }

    /// After a start: holds that name this account and that it has not settled.
    pub(super) fn recall_holds(&mut self) {
        let accounts: Vec<AccountId> = self.ledger.accounts().collect();
        let own: Vec<_> = accounts
            .iter()
            .flat_map(|account| self.ledger.chain(account))
            .filter_map(|receipt| Some((receipt.id, self.hold(&receipt.id)?.1)))
            .filter(|(id, terms)| self.settle_of(id, terms).is_none())
            .collect();
        own.iter().for_each(|(id, terms)| self.hold_came(*id, terms));
    }

    /// The payee settled a hold: if it is ours, the rest comes back.
    pub(super) fn settle_came(&mut self, hold: ReceiptId) {
        if self.hold(&hold).is_some_and(|(payer, _)| payer == self.keys.account) {
            self.release_ended();
        }
    }

    /// Settles what is about to expire and releases what has ended.
    pub(super) fn holds_tick(&mut self) {
        if self.signing() != Signing::Open {
            return;
        }
        let epoch = self.epoch();
        let expiring = |hold: &ReceiptId| {
            self.hold(hold).is_some_and(|(_, terms)| epoch + SETTLE_BEFORE_EPOCHS >= terms.expiry_epoch)
        };
        let due: Vec<ReceiptId> = self.money.payable().filter(expiring).collect();
        for hold in due {
            // Without a voucher nothing is collected: that gives the payer all of it
            // back at once. What is refused now is tried until it is too late.
            let voucher = self.money.voucher(&hold).cloned();
            let is_over = self.hold(&hold).is_none_or(|(_, terms)| epoch > terms.expiry_epoch);
            if self.sign_settle(hold, voucher).is_err() && is_over {
                self.money.forget_hold(&hold);
            }
        }
        self.release_ended();
    }

    fn release_ended(&mut self) {
        if self.signing() != Signing::Open {
            return;
        }
        for (hold, terms) in self.open_holds() {
            let Some(proof) = self.end_of(&hold, &terms) else { continue };
            // What is refused now is tried at the next look.
            let _ = self.sign(Body::Release(Release { hold, proof }));
        }
    }

    /// Own holds without a release.
    fn open_holds(&self) -> Vec<(ReceiptId, credits::Hold)> {
        let mut open = Vec::new();
        for receipt in self.ledger.chain(&self.keys.account) {
            match &receipt.body {
                Body::Hold(hold) => open.push((receipt.id, *hold)),
                Body::Release(release) => open.retain(|(hold, _)| *hold != release.hold),
                Body::Genesis(_)
                | Body::Claim(_)
                | Body::Attest(_)
                | Body::Mint(_)
                | Body::Vest(_)
                | Body::Settle(_) => {}
            }
        }
        open
    }

    fn settle_of(&self, hold: &ReceiptId, terms: &credits::Hold) -> Option<&Receipt> {
        let settles = |receipt: &Receipt| match &receipt.body {
            Body::Settle(settle) => settle.hold == *hold,
            Body::Genesis(_)
            | Body::Claim(_)
            | Body::Attest(_)
            | Body::Mint(_)
            | Body::Vest(_)
            | Body::Hold(_)
            | Body::Release(_) => false,
        };
        let chain = self.ledger.chain(&terms.payee);
        chain.iter().find(|receipt| settles(receipt)).map(AsRef::as_ref)
    }

    fn end_of(&self, hold: &ReceiptId, terms: &credits::Hold) -> Option<ReleaseProof> {
        if let Some(settle) = self.settle_of(hold, terms) {
            return Some(ReleaseProof::Settle(settle.id));
        }
        if self.ledger.is_forked(&terms.payee) {
            return Some(ReleaseProof::ForkOf(terms.payee));
        }
        let chain = self.ledger.chain(&terms.payee);
        let beyond = chain.iter().find(|receipt| receipt.epoch > terms.expiry_epoch)?;
        Some(ReleaseProof::ExpiredBy(beyond.id))
    }
}
