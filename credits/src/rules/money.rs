//! The rules of vests, holds, settles and releases.

use std::collections::BTreeSet;

use proto::ids::ReceiptId;

use crate::body::{Hold, Release, Settle, Vest, VestEntry};

use super::{Body, Candidate, Entry, Facts, Judge, Mint, Move, Refusal, ReleaseProof, Sabotage, Ucr, Use};

impl Judge<'_> {
    pub(super) fn vest(&self, receipt: &Candidate<'_>, vest: &Vest) -> Result<(Move, Facts), Refusal> {
        let distinct: BTreeSet<_> = vest.entries.iter().map(|entry| entry.receipt).collect();
        if distinct.len() != vest.entries.len() {
            return Err(Refusal::NameRepeated);
        }
        let mut amount = Ucr::ZERO;
        for entry in &vest.entries {
            amount = amount.checked_add(self.due(receipt, entry)?).ok_or(Refusal::Overflow)?;
        }
        Ok((Move::Vest(amount), Facts { amount, ..Facts::default() }))
    }

    /// What one entry of a vest is about, if it is due.
    fn due(&self, receipt: &Candidate<'_>, entry: &VestEntry) -> Result<Ucr, Refusal> {
        let own = self.own(receipt, &entry.receipt).ok_or(Refusal::WrongName)?;
        let delays = &self.charter.rules.delays;
        let delay = match &own.receipt.body {
            Body::Mint(Mint::Trial(_) | Mint::Fee(_)) => delays.vest_epochs,
            Body::Settle(_) => delays.season_epochs,
            Body::Genesis(_)
            | Body::Claim(_)
            | Body::Attest(_)
            | Body::Vest(_)
            | Body::Hold(_)
            | Body::Release(_) => return Err(Refusal::WrongName),
        };
        if self.is_used(receipt, Use::Vest, &entry.receipt) {
            return Err(Refusal::VestRepeated);
        }
        let anchor = self.set.anchors.get(&entry.anchor).ok_or(Refusal::WrongName)?;
        if !self.set.is_on_path(&entry.receipt, &anchor.receipt) {
            return Err(Refusal::NotAnchored);
        }
        if receipt.epoch - anchor.epoch < delay {
            return Err(Refusal::NotDue);
        }
        Ok(own.facts.amount)
    }

    pub(super) fn hold(&self, receipt: &Candidate<'_>, hold: &Hold) -> Result<(Move, Facts), Refusal> {
        if hold.per_segment == Ucr::ZERO || hold.amount < hold.per_segment {
            return Err(Refusal::WrongAmounts);
        }
        if hold.payee == receipt.account {
            return Err(Refusal::HoldForSelf);
        }
        if hold.expiry_epoch < receipt.epoch {
            return Err(Refusal::HoldExpired);
        }
        Ok((Move::Hold(hold.amount), Facts { amount: hold.amount, ..Facts::default() }))
    }

    pub(super) fn settle(&self, receipt: &Candidate<'_>, settle: &Settle) -> Result<(Move, Facts), Refusal> {
        let (entry, hold) = self.named_hold(&settle.hold)?;
        if settle.voucher.as_ref().is_some_and(|voucher| voucher.hold != settle.hold) {
            return Err(Refusal::WrongName);
        }
        if hold.payee != receipt.account {
            return Err(Refusal::NotThePayee);
        }
        if receipt.epoch > hold.expiry_epoch {
            return Err(Refusal::HoldExpired);
        }
        let payer = &entry.receipt.account;
        let signed = |voucher: &crate::voucher::Voucher| voucher.is_signed_by(payer, &self.charter.id);
        if !settle.voucher.as_ref().is_none_or(signed) {
            return Err(Refusal::VoucherUnsigned);
        }
        let amount = settle.amount();
        if amount > hold.amount {
            return Err(Refusal::VoucherAboveHold);
        }
        if self.is_used(receipt, Use::Settle, &settle.hold) && self.sabotage != Sabotage::SettleTwice {
            return Err(Refusal::SettleRepeated);
        }
        Ok((Move::Earn(amount), Facts { amount, ..Facts::default() }))
    }

    pub(super) fn release(
        &self,
        receipt: &Candidate<'_>,
        release: &Release,
    ) -> Result<(Move, Facts), Refusal> {
        self.own(receipt, &release.hold).ok_or(Refusal::WrongName)?;
        let (_, hold) = self.named_hold(&release.hold)?;
        let paid = match &release.proof {
            ReleaseProof::Settle(id) => self.settled(release, id)?,
            ReleaseProof::ExpiredBy(id) => {
                self.require_expired(release, hold, id)?;
                Ucr::ZERO
            }
            ReleaseProof::ForkOf(account) if *account == hold.payee => Ucr::ZERO,
            ReleaseProof::ForkOf(_) => return Err(Refusal::WrongName),
        };
        if self.is_used(receipt, Use::Release, &release.hold) {
            return Err(Refusal::ReleaseRepeated);
        }
        let returned = hold.amount.checked_sub(paid).ok_or(Refusal::NotEnough)?;
        Ok((Move::Release { held: hold.amount, returned }, Facts { amount: returned, ..Facts::default() }))
    }

    /// What the named settle collected of the hold.
    fn settled(&self, release: &Release, id: &ReceiptId) -> Result<Ucr, Refusal> {
        let entry = self.set.entry(id).ok_or(Refusal::WrongName)?;
        let Body::Settle(settle) = &entry.receipt.body else { return Err(Refusal::WrongName) };
        if settle.hold == release.hold { Ok(settle.amount()) } else { Err(Refusal::WrongName) }
    }

    /// Epochs never decrease along a chain, so a receipt of the payee beyond the
    /// expiry with no settle below it proves that none can follow.
    fn require_expired(&self, release: &Release, hold: &Hold, id: &ReceiptId) -> Result<(), Refusal> {
        let beyond = &self.set.entry(id).ok_or(Refusal::WrongName)?.receipt;
        if beyond.account != hold.payee {
            return Err(Refusal::WrongName);
        }
        let settles = self.set.uses(Use::Settle, &release.hold);
        let is_settled = settles.iter().any(|settle| self.set.is_on_path(settle, id));
        if beyond.epoch <= hold.expiry_epoch || is_settled {
            return Err(Refusal::HoldNotEnded);
        }
        Ok(())
    }

    fn named_hold(&self, id: &ReceiptId) -> Result<(&Entry, &Hold), Refusal> {
        let entry = self.set.entry(id).ok_or(Refusal::WrongName)?;
        let Body::Hold(hold) = &entry.receipt.body else { return Err(Refusal::WrongName) };
        Ok((entry, hold))
    }
}
