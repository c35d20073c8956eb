//! What an account has, and what all have together.

use proto::ids::{AccountId, ReceiptId};

use crate::amount::Ucr;
use crate::cover::{Amounts, Counted, Totals};
use crate::ledger::Ledger;

/// All that is known of an account's money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BalanceView {
    /// By cover.
    pub counted: Counted,
    /// By final cover.
    pub fin: Counted,
    /// What the chain states beyond what is counted.
    pub uncovered: Ucr,
    /// Own claims that are not minted, refuted or closed.
    pub open_claims: Vec<ReceiptId>,
}

impl Ledger {
    /// All that is known of an account's money.
    pub fn balance(&self, account: &AccountId) -> BalanceView {
        let cover = self.cover();
        let of = |amounts: &Amounts| amounts.balances.get(account).copied().unwrap_or_default();
        let (counted, fin) = (of(&cover.valid), of(&cover.fin));
        let stated = self.declared(account);
        let stated = Counted { spendable: stated.spendable, held: stated.held, vesting: stated.vesting };
        let uncovered = u64::try_from(stated.sum().saturating_sub(counted.sum())).unwrap_or(u64::MAX);
        BalanceView { counted, fin, uncovered: Ucr::new(uncovered), open_claims: self.open_claims(account) }
    }

    /// Both sides of the conservation equation by cover.
    pub fn audit_totals(&self) -> Totals {
        self.cover().valid.totals
    }

    /// Both sides of the conservation equation by final cover.
    pub fn final_totals(&self) -> Totals {
        self.cover().fin.totals
    }

    /// What counts of a mint, settle or release, or is covered of a hold.
    pub fn counted_of(&self, id: &ReceiptId) -> Ucr {
        self.cover().valid.counted.get(id).copied().unwrap_or(Ucr::ZERO)
    }

    /// The same by final cover. An *anchored* hold is one with its amount here.
    pub fn final_of(&self, id: &ReceiptId) -> Ucr {
        self.cover().fin.counted.get(id).copied().unwrap_or(Ucr::ZERO)
    }
}
