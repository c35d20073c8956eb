//! Cover: how much of each chain's money is real, from the set alone.
//!
//! Computed from zero in the order of acceptance, in which a receipt comes after
//! all it names; any such order gives the same amounts. *Final* cover is the same
//! from final receipts and frozen entries only, and never decreases.

use std::collections::BTreeMap;

use proto::ids::{AccountId, ReceiptId};

use crate::amount::Ucr;
use crate::body::{Body, Mint, Release, Settle};
use crate::sabotage::Sabotage;
use crate::set::{Entry, Use};
use crate::standing::Standing;

/// The real part of an account's money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    /// Free to spend.
    pub spendable: Ucr,
    /// Covered by holds and not paid out or returned.
    pub held: Ucr,
    /// Minted or settled, not vested.
    pub vesting: Ucr,
}

impl Counted {
    /// All parts together.
    pub(crate) fn sum(&self) -> u128 {
        [self.spendable, self.held, self.vesting].map(|part| u128::from(part.get())).iter().sum()
    }
}

/// Both sides of the conservation equation:
/// `minted = spendable + vesting + held`, where `held` is what holds cover and
/// neither settles nor releases have counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Sum of all counted mints.
    pub minted: u128,
    /// Sum over accounts.
    pub spendable: u128,
    /// Sum over accounts.
    pub vesting: u128,
    /// Sum over holds.
    pub held: u128,
}

impl Totals {
    /// Whether both sides are equal.
    pub fn is_conserved(&self) -> bool {
        self.minted == self.spendable + self.vesting + self.held
    }
}

/// Which receipts count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// All valid ones, by the rank of settles and releases.
    Valid,
    /// Final ones; of mints, settles and releases the frozen ones.
    Final,
}

/// The amounts of one scope.
#[derive(Debug, Default)]
pub(crate) struct Amounts {
    pub(crate) balances: BTreeMap<AccountId, Counted>,
    /// Of each mint, settle and release what counts, of each hold what is covered.
    pub(crate) counted: BTreeMap<ReceiptId, Ucr>,
    pub(crate) totals: Totals,
}

/// Cover and final cover of one state of the set.
#[derive(Debug)]
pub(crate) struct Cover {
    pub(crate) valid: Amounts,
    pub(crate) fin: Amounts,
}

impl Cover {
    pub(crate) fn of(standing: Standing<'_>) -> Self {
        let amounts = |scope| Walk { standing, scope, amounts: Amounts::default() }.run();
        Self { valid: amounts(Scope::Valid), fin: amounts(Scope::Final) }
    }
}

struct Walk<'a> {
    standing: Standing<'a>,
    scope: Scope,
    amounts: Amounts,
}

impl Walk<'_> {
    fn run(mut self) -> Amounts {
        let set = self.standing.set;
        let in_scope = |entry: &&Entry| match self.scope {
            Scope::Valid => set.is_valid(&entry.receipt.id),
            Scope::Final => set.is_final(&entry.receipt.id),
        };
        let mut entries: Vec<&Entry> = set.entries().filter(in_scope).collect();
        entries.sort_by_key(|entry| entry.rank);
        for entry in entries {
            self.count(entry);
        }
        for counted in self.amounts.balances.values() {
            self.amounts.totals.spendable += u128::from(counted.spendable.get());
            self.amounts.totals.vesting += u128::from(counted.vesting.get());
            self.amounts.totals.held += u128::from(counted.held.get());
        }
        self.amounts
    }

    fn count(&mut self, entry: &Entry) {
        let (id, stated) = (entry.receipt.id, entry.facts.amount);
        match &entry.receipt.body {
            Body::Genesis(_) | Body::Claim(_) | Body::Attest(_) => {}
            Body::Mint(mint) => {
                let amount = if self.mint_counts(&id, mint) { stated } else { Ucr::ZERO };
                self.amounts.counted.insert(id, amount);
                self.amounts.totals.minted += u128::from(amount.get());
                let own = self.account(entry.receipt.account);
                own.vesting = add(own.vesting, amount);
            }
            Body::Vest(vest) => {
                for due in &vest.entries {
                    let amount = self.counted(&due.receipt);
                    let own = self.account(entry.receipt.account);
                    own.vesting = own.vesting.saturating_sub(amount);
                    own.spendable = add(own.spendable, amount);
                }
            }
            Body::Hold(_) => {
                let own = self.account(entry.receipt.account);
                let covered = stated.min(own.spendable);
                own.spendable = own.spendable.saturating_sub(covered);
                own.held = add(own.held, covered);
                self.amounts.counted.insert(id, covered);
            }
            Body::Settle(settle) => {
                let amount = self.settle_amount(&id, settle);
                self.amounts.counted.insert(id, amount);
                let own = self.account(entry.receipt.account);
                own.vesting = add(own.vesting, amount);
                if let Some(hold) = self.standing.set.entry(&settle.hold) {
                    let payer = self.account(hold.receipt.account);
                    payer.held = payer.held.saturating_sub(amount);
                }
            }
            Body::Release(release) => {
                let amount = self.release_amount(&id, stated, release);
                self.amounts.counted.insert(id, amount);
                let own = self.account(entry.receipt.account);
                own.held = own.held.saturating_sub(amount);
                own.spendable = add(own.spendable, amount);
            }
        }
    }

    fn account(&mut self, account: AccountId) -> &mut Counted {
        self.amounts.balances.entry(account).or_default()
    }

    fn counted(&self, id: &ReceiptId) -> Ucr {
        self.amounts.counted.get(id).copied().unwrap_or(Ucr::ZERO)
    }

    fn is_frozen(&self, id: &ReceiptId) -> bool {
        self.standing.set.is_frozen(id, self.standing.charter)
    }

    fn mint_counts(&self, id: &ReceiptId, mint: &Mint) -> bool {
        match self.scope {
            Scope::Valid => self.standing.mint_counts(id, mint),
            Scope::Final => self.is_frozen(id),
        }
    }

    fn settle_counts(&self, id: &ReceiptId, settle: &Settle) -> bool {
        match self.scope {
            Scope::Valid => self.standing.settle_counts(id, settle),
            Scope::Final => self.is_frozen(id),
        }
    }

    /// A settle collects what it states as far as its hold is covered.
    fn settle_amount(&self, id: &ReceiptId, settle: &Settle) -> Ucr {
        if self.standing.sabotage == Sabotage::CountUncovered {
            return settle.amount();
        }
        if !self.settle_counts(id, settle) {
            return Ucr::ZERO;
        }
        settle.amount().min(self.counted(&settle.hold))
    }

    /// A release returns what it states, never more than the covered hold less the
    /// settle that counts, and less the settle it names even where that is cut off:
    /// otherwise it would shrink when that settle becomes final.
    fn release_amount(&self, id: &ReceiptId, stated: Ucr, release: &Release) -> Ucr {
        if self.scope == Scope::Final && !self.is_frozen(id) {
            return Ucr::ZERO;
        }
        let covered = self.counted(&release.hold);
        let is_paid = |id: &&ReceiptId, settle: &Settle| {
            release.settle() == Some(**id) || self.settle_counts(id, settle)
        };
        let paid = self.standing.set.uses(Use::Settle, &release.hold).iter().filter_map(|id| {
            let Body::Settle(settle) = &self.standing.set.entry(id)?.receipt.body else { return None };
            is_paid(&id, settle).then(|| settle.amount())
        });
        stated.min(covered.saturating_sub(paid.max().unwrap_or(Ucr::ZERO)))
    }
}

/// What counts is at most what the chain states, and that fits.
fn add(to: Ucr, amount: Ucr) -> Ucr {
    to.checked_add(amount).expect("counted amounts are at most the stated ones")
}
