//! The ledger: applies items to the set and answers about it.
//!
//! Everything it answers is a function of the set of accepted items. Time enters
//! only to hold back what is ahead of the clock and to drop what waits too long.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use proto::ids::{AccountId, DrawId, ReceiptId};

use crate::anchor::Anchor;
use crate::body::Body;
use crate::charter::Charter;
use crate::cover::Cover;
use crate::draw::Draw;
use crate::fork::ForkProof;
use crate::item::Item;
use crate::pool::{Pool, Wait};
use crate::receipt::{Balances, Draft, Receipt};
use crate::refusal::Refusal;
use crate::rules::{Candidate, Judge, Name, Stop};
use crate::sabotage::Sabotage;
use crate::set::{Chain, Set, Use};
use crate::standing::Standing;
use crate::terms::{ClaimTerms, Terms};

/// Receipts outside the valid prefix that are kept of a forked account: others may
/// name them; more are kept only when something waits for them.
const BRANCH_RECEIPTS_MAX: usize = 256;

/// Epochs that an item may be ahead of the clock.
const AHEAD_EPOCHS_MAX: u64 = 1;

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is part of the set now.
    New,
    /// It was part of the set before, or says nothing new.
    Duplicate,
    /// It waits for something it names, or for the clock.
    Pending,
    /// It is not and will not be part of the set.
    Refused(Refusal),
}

/// The answer to one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What became of it.
    pub verdict: Verdict,
    /// All that became part of the set by it, in an order in which everything comes
    /// after what it names: the item, a fork proof it revealed, items that waited.
    pub applied: Vec<Item>,
}

/// An account's newest valid receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its position.
    pub seq: u64,
    /// Its id.
    pub id: ReceiptId,
    /// Its epoch.
    pub epoch: u64,
}

/// The set of items and the functions of it.
pub struct Ledger {
    pub(crate) charter: Arc<Charter>,
    terms: Arc<dyn ClaimTerms>,
    pub(crate) sabotage: Sabotage,
    pub(crate) set: Set,
    pool: Pool,
    cover: OnceLock<Cover>,
}

impl Ledger {
    /// An empty ledger of one swarm.
    pub fn new(charter: Arc<Charter>, terms: Arc<dyn ClaimTerms>) -> Self {
        Self::sabotaged(charter, terms, Sabotage::None)
    }

    /// An empty ledger that leaves out one rule, for drills.
    #[doc(hidden)]
    pub fn sabotaged(charter: Arc<Charter>, terms: Arc<dyn ClaimTerms>, sabotage: Sabotage) -> Self {
        let set = Set::new(sabotage == Sabotage::IgnoreFork);
        Self { charter, terms, sabotage, set, pool: Pool::default(), cover: OnceLock::new() }
    }

    /// The swarm's rules.
    pub fn charter(&self) -> &Arc<Charter> {
        &self.charter
    }

    pub(crate) fn standing(&self) -> Standing<'_> {
        Standing { set: &self.set, charter: &self.charter, sabotage: self.sabotage }
    }

    fn judge(&self) -> Judge<'_> {
        Judge { set: &self.set, charter: &self.charter, terms: &*self.terms, sabotage: self.sabotage }
    }

    /// Cover of the set as it is, computed when first asked for after a change.
    pub(crate) fn cover(&self) -> &Cover {
        self.cover.get_or_init(|| Cover::of(self.standing()))
    }

    /// Applies a checked item. A known one changes nothing.
    pub fn apply(&mut self, item: Item, now_ms: u64) -> Outcome {
        let mut applied = self.wake_clock(now_ms);
        let verdict = self.offer(item, now_ms, &mut applied);
        Outcome { verdict, applied }
    }

    /// Drops items that have waited too long and applies those that were ahead of
    /// the clock and are so no more; returns what became part of the set.
    pub fn expire_pending(&mut self, now_ms: u64) -> Vec<Item> {
        let applied = self.wake_clock(now_ms);
        self.pool.expire(now_ms);
        applied
    }

    /// Number of items that wait.
    pub fn pending(&self) -> usize {
        self.pool.len()
    }

    /// What waiting items wait for, in order: what to ask others for.
    pub fn awaited(&self) -> impl Iterator<Item = Name> {
        self.pool.awaited()
    }

    fn wake_clock(&mut self, now_ms: u64) -> Vec<Item> {
        let mut applied = Vec::new();
        for item in self.pool.wake_upto(self.charter.epoch_at(now_ms)) {
            self.offer(item, now_ms, &mut applied);
        }
        applied
    }

    /// Tries an item, then all that waited for it, and so on.
    fn offer(&mut self, item: Item, now_ms: u64, applied: &mut Vec<Item>) -> Verdict {
        let mut seen = applied.len();
        let verdict = self.admit(item, now_ms, applied);
        let mut queue = VecDeque::new();
        loop {
            for name in applied[seen..].iter().flat_map(provides) {
                queue.extend(self.pool.wake(&name));
            }
            seen = applied.len();
            let Some(item) = queue.pop_front() else { return verdict };
            self.admit(item, now_ms, applied);
        }
    }

    /// Tries one item and puts it where it belongs.
    fn admit(&mut self, item: Item, now_ms: u64, applied: &mut Vec<Item>) -> Verdict {
        let latest = self.charter.epoch_at(now_ms).saturating_add(AHEAD_EPOCHS_MAX);
        if self.contains(&item) {
            return Verdict::Duplicate;
        }
        let is_ahead = item.epoch().filter(|epoch| *epoch > latest);
        let stop = match is_ahead {
            Some(epoch) => Err(vec![Wait::Epoch(epoch - AHEAD_EPOCHS_MAX)]),
            None => match self.insert(&item) {
                Ok(new) if new.is_empty() => return Verdict::Duplicate,
                Ok(new) => Ok(new),
                Err(Stop::Refused(refusal)) => return Verdict::Refused(refusal),
                Err(Stop::Missing(names)) => Err(names.into_iter().map(Wait::Name).collect()),
            },
        };
        match stop {
            Ok(new) => {
                self.cover = OnceLock::new();
                applied.extend(new);
                Verdict::New
            }
            Err(waits) => {
                let is_founder = self.charter.is_founder(&item.account());
                match self.pool.put(item, waits, is_founder, now_ms) {
                    true => Verdict::Pending,
                    false => Verdict::Refused(Refusal::PoolFull),
                }
            }
        }
    }

    /// Whether exactly this item is in the set.
    pub fn contains(&self, item: &Item) -> bool {
        match item {
            Item::Receipt(receipt) => self.set.entry(&receipt.id).is_some(),
            Item::Draw(draw) => self.set.draws.contains_key(&draw.id),
            Item::Anchor(anchor) => self.set.anchors.contains_key(&anchor.id),
            Item::Fork(fork) => self.fork_of(&fork.account()).is_some_and(|kept| kept.key() == fork.key()),
        }
    }

    /// Puts an item into the set; returns what is new in it.
    fn insert(&mut self, item: &Item) -> Result<Vec<Item>, Stop> {
        match item {
            Item::Receipt(receipt) => {
                let facts = self.try_receipt(receipt)?;
                let fork = self.set.insert_receipt(receipt, facts, &self.charter);
                Ok([item.clone()].into_iter().chain(fork.map(Item::Fork)).collect())
            }
            Item::Draw(draw) => {
                self.judge().draw(draw)?;
                self.set.insert_draw(draw);
                Ok(vec![item.clone()])
            }
            Item::Anchor(anchor) => {
                self.judge().anchor(anchor)?;
                self.set.insert_anchor(anchor, &self.charter);
                Ok(vec![item.clone()])
            }
            Item::Fork(fork) => {
                self.judge().fork(fork.account())?;
                let kept = self.set.insert_fork(fork, &self.charter);
                Ok(kept.map(Item::Fork).into_iter().collect())
            }
        }
    }

    fn try_receipt(&self, receipt: &Receipt) -> Result<crate::set::Facts, Stop> {
        if let Some(chain) = self.set.chains.get(&receipt.account) {
            let is_crowded = chain.receipts - chain.valid.len().min(chain.receipts) >= BRANCH_RECEIPTS_MAX;
            if chain.fork.is_some() && is_crowded && !self.pool.is_awaited(&Name::Receipt(receipt.id)) {
                return Err(Refusal::TooManyBranches.into());
            }
        }
        let candidate = Candidate {
            account: receipt.account,
            seq: receipt.seq,
            prev: receipt.prev,
            epoch: receipt.epoch,
            body: &receipt.body,
            opened_root: receipt.opened_root,
        };
        let judged = self.judge().receipt(&candidate)?;
        if judged.after != receipt.after {
            return Err(Refusal::WrongBalances.into());
        }
        Ok(judged.facts)
    }

    /// What the account's next receipt would be: position, predecessor and balances
    /// from its own chain, and every rule tried.
    ///
    /// # Errors
    /// The [`Refusal`] that the signed receipt would meet; [`Refusal::NamesMissing`]
    /// when something named is not in the set, [`Refusal::Forked`] when the account
    /// has forked, [`Refusal::WrongPlace`] unless a chain begins with a Genesis and
    /// has no other.
    pub fn draft(&self, account: &AccountId, epoch: u64, body: Body) -> Result<Draft, Refusal> {
        if self.is_forked(account) {
            return Err(Refusal::Forked);
        }
        let head = self.head(account);
        if head.is_none() != matches!(body, Body::Genesis(_)) {
            return Err(Refusal::WrongPlace);
        }
        Body::from_wire(&body.to_wire())?;
        let opened_root = body.opened_root();
        let seq = head.map_or(1, |head| head.seq + 1);
        let prev = head.map(|head| head.id);
        let candidate = Candidate { account: *account, seq, prev, epoch, body: &body, opened_root };
        let after = match self.judge().receipt(&candidate) {
            Ok(judged) => judged.after,
            Err(Stop::Refused(refusal)) => return Err(refusal),
            Err(Stop::Missing(_)) => return Err(Refusal::NamesMissing),
        };
        Ok(Draft { swarm: self.charter.id, account: *account, seq, prev, epoch, after, body })
    }

    /// The account's newest valid receipt.
    pub fn head(&self, account: &AccountId) -> Option<Head> {
        let last = self.chain(account).last()?;
        Some(Head { seq: last.seq, id: last.id, epoch: last.epoch })
    }

    /// An accepted receipt, whether or not it is still in a valid prefix.
    pub fn receipt(&self, id: &ReceiptId) -> Option<&Arc<Receipt>> {
        self.set.entry(id).map(|entry| &entry.receipt)
    }

    /// A draw.
    pub fn draw(&self, id: &DrawId) -> Option<&Arc<Draw>> {
        self.set.draws.get(id)
    }

    /// The valid prefix of an account's chain.
    pub fn chain(&self, account: &AccountId) -> &[Arc<Receipt>] {
        self.set.chains.get(account).map_or(&[], |chain| &chain.valid)
    }

    /// Accounts with a chain, in order.
    pub fn accounts(&self) -> impl Iterator<Item = AccountId> {
        self.set.chains.keys().copied()
    }

    /// Whether the account has signed two receipts for one position.
    pub fn is_forked(&self, account: &AccountId) -> bool {
        self.fork_of(account).is_some()
    }

    /// The proof of that.
    pub fn fork_of(&self, account: &AccountId) -> Option<Arc<ForkProof>> {
        self.set.chains.get(account)?.fork.clone()
    }

    /// Balances as the account's newest valid receipt states them.
    pub fn declared(&self, account: &AccountId) -> Balances {
        self.chain(account).last().map_or(Balances::default(), |last| last.after)
    }

    /// Draws of a claim, by id.
    pub fn draws_of(&self, claim: &ReceiptId) -> Vec<Arc<Draw>> {
        self.set.draws_of(claim).iter().map(|id| self.set.draws[id].clone()).collect()
    }

    /// Attestations of a claim in valid prefixes, by id.
    pub fn attests_of(&self, claim: &ReceiptId) -> Vec<Arc<Receipt>> {
        let valid = self.set.uses(Use::Attest, claim).iter().filter_map(|id| self.set.valid(id));
        valid.map(|entry| entry.receipt.clone()).collect()
    }

    /// The mint of a claim in a valid prefix.
    pub fn mint_of(&self, claim: &ReceiptId) -> Option<Arc<Receipt>> {
        let mut valid = self.set.uses(Use::Mint, claim).iter().filter_map(|id| self.set.valid(id));
        valid.next().map(|entry| entry.receipt.clone())
    }

    /// What a claim is worth and how it is evaluated.
    pub fn terms_of(&self, claim: &ReceiptId) -> Option<Terms> {
        self.set.entry(claim)?.facts.terms
    }

    /// Anchors over an account's chain, by epoch and id.
    pub fn anchors_over(&self, account: &AccountId) -> Vec<Arc<Anchor>> {
        let chain = self.set.chains.get(account);
        chain.into_iter().flat_map(|chain: &Chain| chain.anchors.values().cloned()).collect()
    }

    /// All claims in valid prefixes, by epoch and id.
    pub fn claims(&self) -> impl Iterator<Item = &Arc<Receipt>> {
        let all = self.set.chains.values().flat_map(|chain| &chain.claims);
        let mut valid: Vec<_> = all.filter_map(|id| self.set.valid(id)).map(|entry| &entry.receipt).collect();
        valid.sort_by_key(|receipt| (receipt.epoch, receipt.id));
        valid.into_iter()
    }

    /// Whether a quorum of founders' anchors lies at or above a receipt.
    pub fn is_final(&self, id: &ReceiptId) -> bool {
        self.set.is_final(id)
    }

    /// Whether a quorum of founders lists a receipt as done.
    pub fn is_frozen(&self, id: &ReceiptId) -> bool {
        self.set.is_frozen(id, &self.charter)
    }
}

/// What an item in the set is to those that wait.
fn provides(item: &Item) -> Vec<Name> {
    match item {
        Item::Receipt(receipt) => vec![Name::Receipt(receipt.id), Name::Chain(receipt.account)],
        Item::Draw(draw) => vec![Name::Draw(draw.id)],
        Item::Anchor(anchor) => vec![Name::Anchor(anchor.id)],
        Item::Fork(fork) => vec![Name::Fork(fork.account())],
    }
}
