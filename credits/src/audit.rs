//! The same balances a second time: written apart, from zero, as simply as can be.
//!
//! It shares with the ledger only the checked items, amounts, charter, terms and
//! trace hashes. It looks at what concerns money (chains, forks, finality, votes,
//! openings, holds) and trusts the items for the rest: rates, numeric classes and
//! whose VRF key is whose. Slow by intent: squares of the number of items.

use std::collections::{BTreeMap, BTreeSet};

use proto::ids::{AccountId, AnchorId, DrawId, ReceiptId};

use crate::amount::{Ucr, attest_fee};
use crate::anchor::Anchor;
use crate::body::{Attest, Body, Claim, FeeMint, Mint, Release, ReleaseProof, Settle, TrialMint, Vest};
use crate::charter::Charter;
use crate::draw::Draw;
use crate::item::Item;
use crate::receipt::{Balances, Receipt};
use crate::terms::{ClaimTerms, Terms};
use crate::trace;

/// What one account has, as the audit counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Money {
    /// Free to spend.
    pub spendable: u128,
    /// Covered by holds and not paid out or returned.
    pub held: u128,
    /// Minted or settled, not vested.
    pub vesting: u128,
}

/// What the audit found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audit {
    /// Every account that has ever counted anything.
    pub money: BTreeMap<AccountId, Money>,
    /// Sum of all mints that count.
    pub minted: u128,
}

impl Audit {
    /// Counts a set of items, in whatever order they are given, by cover.
    pub fn of(charter: &Charter, terms: &dyn ClaimTerms, items: &[Item]) -> Self {
        Self::both(charter, terms, items).0
    }

    /// Counts by cover and by final cover.
    pub fn both(charter: &Charter, terms: &dyn ClaimTerms, items: &[Item]) -> (Self, Self) {
        let mut books = Books::new(charter, terms, items);
        books.accept(items);
        books.walk_anchors();
        books.cut();
        (books.count(false), books.count(true))
    }

    /// What an account has.
    pub fn money_of(&self, account: &AccountId) -> Money {
        self.money.get(account).copied().unwrap_or_default()
    }

    /// Whether all that was minted is somewhere, and nothing else.
    pub fn is_conserved(&self) -> bool {
        let sum: u128 = self.money.values().map(|money| money.spendable + money.held + money.vesting).sum();
        sum == self.minted
    }
}

mod count;

struct Books<'a> {
    charter: &'a Charter,
    terms: &'a dyn ClaimTerms,
    draws: BTreeMap<DrawId, &'a Draw>,
    anchors: BTreeMap<AnchorId, &'a Anchor>,
    /// Positions at which fork proofs show an account.
    shown_forks: BTreeMap<AccountId, BTreeSet<u64>>,
    /// Accepted receipts, each after all it names.
    order: Vec<&'a Receipt>,
    receipts: BTreeMap<ReceiptId, &'a Receipt>,
    /// Of each receipt the founders that anchor it or something above it, those
    /// that list it, and the lowest epoch of an anchor over it.
    reached: BTreeMap<ReceiptId, BTreeSet<AccountId>>,
    listed: BTreeMap<ReceiptId, BTreeSet<AccountId>>,
    first_epoch: BTreeMap<ReceiptId, u64>,
    /// Receipts in valid prefixes.
    valid: BTreeSet<ReceiptId>,
}

impl<'a> Books<'a> {
    fn new(charter: &'a Charter, terms: &'a dyn ClaimTerms, items: &'a [Item]) -> Self {
        let mut books = Self {
            charter,
            terms,
            draws: BTreeMap::new(),
            anchors: BTreeMap::new(),
            shown_forks: BTreeMap::new(),
            order: Vec::new(),
            receipts: BTreeMap::new(),
            reached: BTreeMap::new(),
            listed: BTreeMap::new(),
            first_epoch: BTreeMap::new(),
            valid: BTreeSet::new(),
        };
        for item in items {
            match item {
                Item::Receipt(_) => {}
                Item::Draw(draw) => {
                    books.draws.insert(draw.id, draw);
                }
                Item::Anchor(anchor) => {
                    books.anchors.insert(anchor.id, anchor);
                }
                Item::Fork(fork) => {
                    books.shown_forks.entry(fork.account()).or_default().insert(fork.seq());
                }
            }
        }
        books
    }

    /// Accepts receipts until no more can be.
    fn accept(&mut self, items: &'a [Item]) {
        let mut left: Vec<&Receipt> = items
            .iter()
            .filter_map(|item| match item {
                Item::Receipt(receipt) => Some(&**receipt),
                Item::Draw(_) | Item::Anchor(_) | Item::Fork(_) => None,
            })
            .collect();
        loop {
            let before = left.len();
            left.retain(|receipt| {
                if self.receipts.contains_key(&receipt.id) {
                    return false;
                }
                let fits = self.fits(receipt).is_some();
                if fits {
                    self.receipts.insert(receipt.id, receipt);
                    self.order.push(receipt);
                }
                !fits
            });
            if left.len() == before {
                return;
            }
        }
    }

    /// The receipts of a chain up to one of them, newest first.
    fn path(&self, from: Option<ReceiptId>) -> impl Iterator<Item = &'a Receipt> {
        std::iter::successors(from.and_then(|id| self.receipts.get(&id).copied()), |receipt| {
            receipt.prev.and_then(|prev| self.receipts.get(&prev).copied())
        })
    }

    fn is_below(&self, low: &ReceiptId, high: &ReceiptId) -> bool {
        self.path(Some(*high)).any(|receipt| receipt.id == *low)
    }

    /// Whether a receipt follows from its predecessor and what it names.
    fn fits(&self, receipt: &Receipt) -> Option<()> {
        let before = match receipt.prev {
            None => Balances::default(),
            Some(prev) => {
                let prev = self.receipts.get(&prev)?;
                let follows = prev.account == receipt.account
                    && prev.seq + 1 == receipt.seq
                    && prev.epoch <= receipt.epoch;
                follows.then_some(prev.after)?
            }
        };
        let [spendable, held, vesting, earned] = self.moved(receipt)?;
        let moved = |from: Ucr, by: i128| u64::try_from(i128::from(from.get()) + by).ok().map(Ucr::new);
        let after = Balances {
            spendable: moved(before.spendable, spendable)?,
            held: moved(before.held, held)?,
            vesting: moved(before.vesting, vesting)?,
            earned: moved(before.earned, earned)?,
        };
        (after == receipt.after).then_some(())
    }

    /// How a receipt moves spendable, held, vesting and earned.
    fn moved(&self, receipt: &Receipt) -> Option<[i128; 4]> {
        let own: Vec<&Receipt> = self.path(receipt.prev).collect();
        Some(match &receipt.body {
            Body::Genesis(_) | Body::Claim(_) => [0; 4],
            Body::Attest(attest) => {
                self.receipts.get(&attest.claim)?;
                self.draws.get(&attest.draw)?;
                (self.votes(receipt, attest)? > 0).then_some([0; 4])?
            }
            Body::Mint(mint) => {
                let amount = i128::from(self.mint_amount(mint, &own)?.get());
                [0, 0, amount, amount]
            }
            Body::Vest(vest) => {
                let amount = self.vest_amount(receipt, vest, &own)?;
                [amount, 0, -amount, 0]
            }
            Body::Hold(hold) => {
                let amount = i128::from(hold.amount.get());
                (hold.payee != receipt.account).then_some([-amount, amount, 0, 0])?
            }
            Body::Settle(settle) => {
                let amount = i128::from(self.settle_amount(receipt, settle, &own)?.get());
                [0, 0, amount, amount]
            }
            Body::Release(release) => {
                let (held, returned) = self.release_amounts(release, &own)?;
                [returned, -held, 0, 0]
            }
        })
    }

    fn claim(&self, id: &ReceiptId) -> Option<(&'a Receipt, &'a Claim, Terms)> {
        let receipt = *self.receipts.get(id)?;
        let Body::Claim(claim) = &receipt.body else { return None };
        Some((receipt, claim, self.terms.assess(claim).ok()?))
    }

    /// The votes of an attestation, by the formula of the README.
    fn votes(&self, receipt: &Receipt, attest: &Attest) -> Option<u32> {
        let (claim, body, terms) = self.claim(&attest.claim)?;
        let draw = self.draws.get(&attest.draw)?;
        let founders = &self.charter.rules.founders;
        let may_vote = |account: &AccountId| founders.len() == 1 || *account != claim.account;
        let among = founders.iter().filter(|founder| may_vote(&founder.account)).count() as u64;
        if !founders.iter().any(|founder| founder.account == receipt.account) || !may_vote(&receipt.account) {
            return None;
        }
        let mut input = b"swarm vote v1".to_vec();
        input.extend_from_slice(attest.claim.as_bytes());
        input.extend_from_slice(&attest.round.to_le_bytes());
        input.extend_from_slice(&draw.output);
        let bits = blake3::derive_key("swarm vrf bits v1", &[&attest.proof.output[..], &input].concat());
        let number = |at: usize| u64::from_le_bytes(bits[at..at + 8].try_into().expect("8 of 32 bytes"));
        let segment = number(8) % u64::from(body.segments) + 1;
        let block = number(16) % u64::from(terms.blocks);
        if (u64::from(attest.segment), u64::from(attest.block)) != (segment, block)
            || draw.claim != attest.claim
        {
            return None;
        }
        let widened = u64::from(self.charter.rules.voting.votes_expected)
            * (1 + receipt.epoch.checked_sub(draw.epoch)?.min(3));
        let chance = number(0) & 0xffff_ffff;
        let extra = u64::from(chance * among < (widened % among) << 32);
        u32::try_from(widened / among + extra).ok()
    }

    fn confirms(&self, attest: &ReceiptId, mint: &TrialMint) -> Option<bool> {
        let receipt = self.receipts.get(attest)?;
        let Body::Attest(attest) = &receipt.body else { return None };
        let block = mint.blocks.get(attest.block as usize)?;
        let block = trace::leaf_block(attest.block, block.sum_microbits, &block.nats_hash);
        let segment = mint.segment_leaves.get(attest.segment as usize)?;
        let digest = trace::attest_digest(&receipt.account, &mint.segment_leaves[0], segment, &block);
        Some(attest.claim == mint.claim && attest.digest == Some(digest))
    }

    fn mint_amount(&self, mint: &Mint, own: &[&Receipt]) -> Option<Ucr> {
        match mint {
            Mint::Trial(mint) => self.trial_amount(mint, own),
            Mint::Fee(fee) => self.fee_amount(fee, own),
        }
    }

    fn trial_amount(&self, mint: &TrialMint, own: &[&Receipt]) -> Option<Ucr> {
        let (_, claim, terms) = self.claim(&mint.claim)?;
        let is_first = !own.iter().any(
            |receipt| matches!(&receipt.body, Body::Mint(Mint::Trial(other)) if other.claim == mint.claim),
        );
        let is_own = own.iter().any(|receipt| receipt.id == mint.claim);
        let blocks = (0..).zip(&mint.blocks);
        let blocks = blocks.map(|(b, block)| trace::leaf_block(b, block.sum_microbits, &block.nats_hash));
        let leaves: Vec<[u8; 32]> = mint.segment_leaves.iter().copied().chain(blocks).collect();
        let is_opened = leaves.len() as u64 == 1 + u64::from(claim.segments) + u64::from(terms.blocks)
            && trace::root(&leaves) == claim.trace_root;
        let sum: u128 = mint.blocks.iter().map(|block| u128::from(block.sum_microbits)).sum();
        let is_metric = sum / u128::from(terms.eval_bytes) == u128::from(claim.metric_microbits);
        let voters: BTreeSet<AccountId> = mint
            .attests
            .iter()
            .filter_map(|id| self.receipts.get(id))
            .map(|receipt| receipt.account)
            .collect();
        let votes = self.votes_of(mint, |_| true);
        let is_voted = voters.len() == mint.attests.len()
            && mint.attests.iter().all(|attest| self.confirms(attest, mint) == Some(true))
            && votes >= u64::from(self.charter.rules.voting.confirmations);
        (is_first && is_own && is_opened && is_metric && is_voted).then_some(terms.worth)
    }

    fn votes_of(&self, mint: &TrialMint, counts: impl Fn(&ReceiptId) -> bool) -> u64 {
        let votes = mint.attests.iter().filter(|id| counts(id)).filter_map(|id| {
            let receipt = self.receipts.get(id)?;
            let Body::Attest(attest) = &receipt.body else { return None };
            (attest.draw == mint.draw).then_some(u64::from(self.votes(receipt, attest)?))
        });
        votes.sum()
    }

    fn fee_amount(&self, fee: &FeeMint, own: &[&Receipt]) -> Option<Ucr> {
        let attested = own.iter().find(|receipt| receipt.id == fee.attest)?;
        let Body::Attest(attest) = &attested.body else { return None };
        let Body::Mint(Mint::Trial(mint)) = &self.receipts.get(&fee.mint)?.body else { return None };
        let is_first = !own.iter().any(
            |receipt| matches!(&receipt.body, Body::Mint(Mint::Fee(other)) if other.attest == fee.attest),
        );
        let (_, claim, _) = self.claim(&attest.claim)?;
        let is_earned = is_first && attest.draw == mint.draw && self.confirms(&fee.attest, mint)?;
        is_earned.then(|| attest_fee(claim.gas, attest.segment, claim.segments))
    }

    fn vest_amount(&self, receipt: &Receipt, vest: &Vest, own: &[&Receipt]) -> Option<i128> {
        let mut seen: BTreeSet<ReceiptId> = BTreeSet::new();
        for earlier in own {
            if let Body::Vest(earlier) = &earlier.body {
                seen.extend(earlier.entries.iter().map(|entry| entry.receipt));
            }
        }
        let mut sum = 0;
        for entry in &vest.entries {
            let due = own.iter().find(|receipt| receipt.id == entry.receipt)?;
            let (delay, amount) = match &due.body {
                Body::Mint(mint) => (self.charter.rules.delays.vest_epochs, self.stated_mint(mint)?),
                Body::Settle(settle) => (self.charter.rules.delays.season_epochs, settle.amount()),
                Body::Genesis(_)
                | Body::Claim(_)
                | Body::Attest(_)
                | Body::Vest(_)
                | Body::Hold(_)
                | Body::Release(_) => return None,
            };
            let anchor = self.anchors.get(&entry.anchor)?;
            let is_due = self.is_below(&entry.receipt, &anchor.receipt)
                && receipt.epoch >= anchor.epoch.checked_add(delay)?
                && seen.insert(entry.receipt);
            sum += is_due.then(|| i128::from(amount.get()))?;
        }
        Some(sum)
    }

    /// The amount of an accepted mint.
    fn stated_mint(&self, mint: &Mint) -> Option<Ucr> {
        match mint {
            Mint::Trial(mint) => self.claim(&mint.claim).map(|(_, _, terms)| terms.worth),
            Mint::Fee(fee) => {
                let Body::Attest(attest) = &self.receipts.get(&fee.attest)?.body else { return None };
                let (_, claim, _) = self.claim(&attest.claim)?;
                Some(attest_fee(claim.gas, attest.segment, claim.segments))
            }
        }
    }

    fn settle_amount(&self, receipt: &Receipt, settle: &Settle, own: &[&Receipt]) -> Option<Ucr> {
        let payer = self.receipts.get(&settle.hold)?;
        let Body::Hold(hold) = &payer.body else { return None };
        let is_first = !own
            .iter()
            .any(|receipt| matches!(&receipt.body, Body::Settle(other) if other.hold == settle.hold));
        let is_promised = settle.voucher.as_ref().is_none_or(|voucher| {
            voucher.hold == settle.hold && voucher.is_signed_by(&payer.account, &self.charter.id)
        });
        let fits = hold.payee == receipt.account
            && receipt.epoch <= hold.expiry_epoch
            && settle.amount() <= hold.amount
            && is_first
            && is_promised;
        fits.then(|| settle.amount())
    }

    /// What leaves held, and what of it returns.
    fn release_amounts(&self, release: &Release, own: &[&Receipt]) -> Option<(i128, i128)> {
        let held = own.iter().find(|receipt| receipt.id == release.hold)?;
        let Body::Hold(hold) = &held.body else { return None };
        let is_first = !own
            .iter()
            .any(|receipt| matches!(&receipt.body, Body::Release(other) if other.hold == release.hold));
        let paid = match release.proof {
            ReleaseProof::Settle(id) => {
                let Body::Settle(settle) = &self.receipts.get(&id)?.body else { return None };
                (settle.hold == release.hold).then(|| settle.amount())?
            }
            ReleaseProof::ExpiredBy(id) => {
                let beyond = self.receipts.get(&id)?;
                let settles = |receipt: &Receipt| matches!(&receipt.body, Body::Settle(settle) if settle.hold == release.hold);
                let is_settled = self.path(Some(id)).any(settles);
                let is_expired =
                    beyond.account == hold.payee && beyond.epoch > hold.expiry_epoch && !is_settled;
                is_expired.then_some(Ucr::ZERO)?
            }
            ReleaseProof::ForkOf(account) => {
                (account == hold.payee && self.fork_of(&account).is_some()).then_some(Ucr::ZERO)?
            }
        };
        let amount = i128::from(hold.amount.get());
        is_first.then(|| (amount, amount - i128::from(paid.get())))
    }

    /// The lowest position with two receipts.
    fn fork_of(&self, account: &AccountId) -> Option<u64> {
        let mut at: BTreeMap<u64, usize> = BTreeMap::new();
        for receipt in self.receipts.values().filter(|receipt| receipt.account == *account) {
            *at.entry(receipt.seq).or_default() += 1;
        }
        let seen = at.into_iter().filter(|(_, count)| *count > 1).map(|(seq, _)| seq);
        let shown = self.shown_forks.get(account).into_iter().flatten().copied();
        seen.chain(shown).min()
    }
}
