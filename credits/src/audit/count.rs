//! The audit's second half: how far chains are valid and final, and what counts.

use std::collections::{BTreeMap, BTreeSet};

use proto::ids::{AccountId, ReceiptId};

use crate::body::{Body, Mint, ReleaseProof, TrialMint};
use crate::receipt::Receipt;

use super::{Audit, Books};

impl Books<'_> {
    /// Notes for every receipt who anchors and lists it, and since when.
    pub(super) fn walk_anchors(&mut self) {
        for anchor in self.anchors.values() {
            if !self.receipts.contains_key(&anchor.receipt) {
                continue;
            }
            let path: Vec<ReceiptId> = self.path(Some(anchor.receipt)).map(|receipt| receipt.id).collect();
            for id in &path {
                self.reached.entry(*id).or_default().insert(anchor.founder);
                let first = self.first_epoch.entry(*id).or_insert(anchor.epoch);
                *first = anchor.epoch.min(*first);
            }
            for id in anchor.listed.iter().filter(|id| path.contains(id)) {
                self.listed.entry(*id).or_default().insert(anchor.founder);
            }
        }
    }

    fn is_word_of_all(&self, said: &BTreeMap<ReceiptId, BTreeSet<AccountId>>, receipt: &Receipt) -> bool {
        let founders = &self.charter.rules.founders;
        let others = founders.iter().filter(|founder| founder.account != receipt.account).count().max(1);
        let by = said.get(&receipt.id).map_or(0, BTreeSet::len);
        by >= others.min(self.charter.rules.threshold as usize)
    }

    fn is_final(&self, receipt: &Receipt) -> bool {
        self.valid.contains(&receipt.id) && self.is_word_of_all(&self.reached, receipt)
    }

    fn is_frozen(&self, receipt: &Receipt) -> bool {
        self.is_final(receipt) && self.is_word_of_all(&self.listed, receipt)
    }

    /// Keeps of each chain what is valid: all of a path; of a tree what lies below
    /// the fork or up to the highest final receipt, whichever is more.
    pub(super) fn cut(&mut self) {
        let accounts: BTreeSet<AccountId> = self.order.iter().map(|receipt| receipt.account).collect();
        for account in accounts {
            let own = || self.order.iter().filter(|receipt| receipt.account == account);
            let newest = match self.fork_of(&account) {
                None => own().max_by_key(|receipt| receipt.seq),
                Some(fork) => {
                    let anchored = own()
                        .filter(|receipt| receipt.seq >= fork && self.is_word_of_all(&self.reached, receipt));
                    let highest = anchored.max_by(|a, b| a.seq.cmp(&b.seq).then(b.id.cmp(&a.id)));
                    highest.or_else(|| {
                        own().filter(|receipt| receipt.seq < fork).max_by_key(|receipt| receipt.seq)
                    })
                }
            };
            let valid: Vec<ReceiptId> =
                self.path(newest.map(|receipt| receipt.id)).map(|receipt| receipt.id).collect();
            self.valid.extend(valid);
        }
    }

    /// Walks all that is in scope, in the order of acceptance, and moves the money.
    pub(super) fn count(&self, only_final: bool) -> Audit {
        let mut audit = Audit::default();
        let mut amounts: BTreeMap<ReceiptId, u128> = BTreeMap::new();
        for receipt in &self.order {
            let in_scope = if only_final { self.is_final(receipt) } else { self.valid.contains(&receipt.id) };
            if in_scope {
                self.count_one(receipt, only_final, &mut amounts, &mut audit);
            }
        }
        audit
    }

    fn count_one(
        &self,
        receipt: &Receipt,
        only_final: bool,
        amounts: &mut BTreeMap<ReceiptId, u128>,
        audit: &mut Audit,
    ) {
        let known =
            |id: &ReceiptId, amounts: &BTreeMap<ReceiptId, u128>| amounts.get(id).copied().unwrap_or(0);
        let counts = if only_final { self.is_frozen(receipt) } else { self.counts(receipt) };
        let own = audit.money.entry(receipt.account).or_default();
        let amount = match &receipt.body {
            Body::Genesis(_) | Body::Claim(_) | Body::Attest(_) => return,
            Body::Mint(mint) => {
                let stated = self.stated_mint(mint).map_or(0, |amount| u128::from(amount.get()));
                let amount = if counts { stated } else { 0 };
                own.vesting += amount;
                audit.minted += amount;
                amount
            }
            Body::Vest(vest) => {
                let amount = vest.entries.iter().map(|entry| known(&entry.receipt, amounts)).sum();
                own.vesting -= amount;
                own.spendable += amount;
                amount
            }
            Body::Hold(hold) => {
                let amount = own.spendable.min(u128::from(hold.amount.get()));
                own.spendable -= amount;
                own.held += amount;
                amount
            }
            Body::Settle(settle) => {
                let stated = if counts { u128::from(settle.amount().get()) } else { 0 };
                let amount = stated.min(known(&settle.hold, amounts));
                own.vesting += amount;
                let payer = self.receipts[&settle.hold].account;
                audit.money.entry(payer).or_default().held -= amount;
                amount
            }
            Body::Release(release) => {
                let covered = known(&release.hold, amounts);
                let paid = self.paid(&release.hold, &release.proof, only_final);
                let stated = self.returned(receipt);
                let amount = if counts { stated.min(covered.saturating_sub(paid)) } else { 0 };
                own.held -= amount;
                own.spendable += amount;
                amount
            }
        };
        amounts.insert(receipt.id, amount);
    }

    /// What a release states to return.
    fn returned(&self, receipt: &Receipt) -> u128 {
        let before = receipt.prev.map_or(0, |prev| self.receipts[&prev].after.spendable.get());
        u128::from(receipt.after.spendable.get() - before)
    }

    /// What has gone from a hold: to the settle that counts, or that is named.
    fn paid(&self, hold: &ReceiptId, proof: &ReleaseProof, only_final: bool) -> u128 {
        let paid = self.order.iter().filter_map(|receipt| {
            let Body::Settle(settle) = &receipt.body else { return None };
            let counts = if only_final { self.is_frozen(receipt) } else { self.counts(receipt) };
            let is_meant = settle.hold == *hold && (counts || *proof == ReleaseProof::Settle(receipt.id));
            is_meant.then(|| u128::from(settle.amount().get()))
        });
        paid.max().unwrap_or(0)
    }

    /// Whether a receipt counts by cover.
    fn counts(&self, receipt: &Receipt) -> bool {
        if !self.valid.contains(&receipt.id) {
            return false;
        }
        match &receipt.body {
            Body::Mint(Mint::Trial(mint)) => self.is_frozen(receipt) || self.stands(receipt, mint),
            Body::Mint(Mint::Fee(fee)) => self.is_frozen(receipt) || self.counts(self.receipts[&fee.mint]),
            Body::Settle(settle) => {
                let names_it = ReleaseProof::Settle(receipt.id);
                let outranks = |release: &Receipt| {
                    matches!(&release.body, Body::Release(body) if body.hold == settle.hold && body.proof != names_it)
                        && self.is_frozen(release)
                };
                self.is_frozen(receipt) || !self.order.iter().any(|release| outranks(release))
            }
            Body::Genesis(_)
            | Body::Claim(_)
            | Body::Attest(_)
            | Body::Vest(_)
            | Body::Hold(_)
            | Body::Release(_) => true,
        }
    }

    /// Whether a mint has its votes and nobody refuted it in time.
    fn stands(&self, receipt: &Receipt, mint: &TrialMint) -> bool {
        let votes = self.votes_of(mint, |id| self.valid.contains(id));
        let ends = self.first_epoch.get(&receipt.id);
        let ends = ends.map_or(u64::MAX, |first| first.saturating_add(self.charter.rules.delays.vest_epochs));
        let refutes = |other: &Receipt| {
            matches!(&other.body, Body::Attest(attest) if attest.claim == mint.claim)
                && self.valid.contains(&other.id)
                && self.confirms(&other.id, mint) != Some(true)
                && self.first_epoch.get(&other.id).is_some_and(|epoch| *epoch < ends)
        };
        votes >= u64::from(self.charter.rules.voting.confirmations)
            && !self.order.iter().any(|other| refutes(other))
    }
}
