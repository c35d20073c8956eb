//! The set of items: what was accepted, indexed, and which part of each chain is
//! valid. It only grows, and no answer depends on the order in which it grew.
//!
//! Receipts stand in it once everything they name does; `rules` decides that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use proto::ids::{AccountId, AnchorId, DrawId, ReceiptId};

use crate::amount::Ucr;
use crate::anchor::Anchor;
use crate::body::{Body, Genesis, Mint};
use crate::charter::Charter;
use crate::draw::Draw;
use crate::fork::ForkProof;
use crate::item::Item;
use crate::receipt::Receipt;
use crate::terms::Terms;

/// What the rules found out about a receipt when they accepted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Facts {
    /// What a mint, settle or hold is about, or a release returns.
    pub(crate) amount: Ucr,
    /// Votes of an attestation.
    pub(crate) votes: u32,
    /// Terms of a claim.
    pub(crate) terms: Option<Terms>,
}

/// An accepted receipt.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) receipt: Arc<Receipt>,
    pub(crate) facts: Facts,
    /// Position in the order of acceptance, in which names come before namers.
    pub(crate) rank: u64,
}

/// How one receipt uses another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Use {
    /// An attestation of a claim.
    Attest,
    /// A mint of a claim.
    Mint,
    /// A fee mint of an attestation.
    Fee,
    /// A vest of a mint or settle.
    Vest,
    /// A settle of a hold.
    Settle,
    /// A release of a hold.
    Release,
}

/// One account's receipts: a path as long as it has not forked.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    /// Ids at each position, from position 1, in order.
    by_seq: Vec<BTreeSet<ReceiptId>>,
    /// The valid prefix.
    pub(crate) valid: Vec<Arc<Receipt>>,
    /// How much of the valid prefix is final.
    pub(crate) final_seq: u64,
    /// The proof with the lowest position, and there of the two lowest ids.
    pub(crate) fork: Option<Arc<ForkProof>>,
    /// Anchors over it, by epoch and id.
    pub(crate) anchors: BTreeMap<(u64, AnchorId), Arc<Anchor>>,
    /// Ids of all claims in it.
    pub(crate) claims: Vec<ReceiptId>,
    /// Number of all receipts in it.
    pub(crate) receipts: usize,
    /// Digest of what is known beside the valid prefix, until that changes.
    pub(crate) extras: OnceLock<[u8; 32]>,
}

impl Chain {
    /// Ids of all its receipts, valid or not.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &ReceiptId> {
        self.by_seq.iter().flatten()
    }
}

/// The set.
#[derive(Debug, Default)]
pub(crate) struct Set {
    entries: BTreeMap<ReceiptId, Entry>,
    pub(crate) chains: BTreeMap<AccountId, Chain>,
    pub(crate) draws: BTreeMap<DrawId, Arc<Draw>>,
    pub(crate) anchors: BTreeMap<AnchorId, Arc<Anchor>>,
    draws_of: BTreeMap<ReceiptId, BTreeSet<DrawId>>,
    uses: BTreeMap<(Use, ReceiptId), BTreeSet<ReceiptId>>,
    listed: BTreeMap<ReceiptId, BTreeSet<AccountId>>,
    /// Everything in order of acceptance, in which names come before namers.
    log: Vec<Item>,
    /// Positions of draws, anchors and fork proofs in it.
    ranks: BTreeMap<[u8; 32], u64>,
    /// Latest epoch of any draw or anchor.
    horizon: u64,
    /// A drill: keep whichever branch came first.
    ignores_forks: bool,
}

static NONE: BTreeSet<ReceiptId> = BTreeSet::new();
static NO_DRAWS: BTreeSet<DrawId> = BTreeSet::new();

impl Set {
    /// An empty set.
    pub(crate) fn new(ignores_forks: bool) -> Self {
        Self { ignores_forks, ..Self::default() }
    }

    /// An accepted receipt.
    pub(crate) fn entry(&self, id: &ReceiptId) -> Option<&Entry> {
        self.entries.get(id)
    }

    /// Everything that was accepted, in order; of fork proofs also those that a
    /// better one has replaced.
    pub(crate) fn log(&self) -> &[Item] {
        &self.log
    }

    /// Position of an item in the log.
    pub(crate) fn rank(&self, item: &Item) -> Option<u64> {
        match item {
            Item::Receipt(receipt) => self.entries.get(&receipt.id).map(|entry| entry.rank),
            Item::Draw(_) | Item::Anchor(_) | Item::Fork(_) => self.ranks.get(&item.key()).copied(),
        }
    }

    fn push(&mut self, item: Item) {
        self.ranks.insert(item.key(), self.log.len() as u64);
        self.log.push(item);
    }

    /// Latest epoch of any draw or anchor.
    pub(crate) fn horizon(&self) -> u64 {
        self.horizon
    }

    /// Accepted receipts, valid or not.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The receipts that use another in one way, valid or not.
    pub(crate) fn uses(&self, of: Use, id: &ReceiptId) -> &BTreeSet<ReceiptId> {
        self.uses.get(&(of, *id)).unwrap_or(&NONE)
    }

    /// The draws of a claim.
    pub(crate) fn draws_of(&self, claim: &ReceiptId) -> &BTreeSet<DrawId> {
        self.draws_of.get(claim).unwrap_or(&NO_DRAWS)
    }

    /// Whether `low` is `high` or lies before it in its chain.
    pub(crate) fn is_on_path(&self, low: &ReceiptId, high: &ReceiptId) -> bool {
        let (Some(low), Some(high)) = (self.entries.get(low), self.entries.get(high)) else { return false };
        let (low, mut high) = (&low.receipt, &high.receipt);
        if low.account != high.account || low.seq > high.seq {
            return false;
        }
        let at_low =
            usize::try_from(low.seq - 1).ok().and_then(|at| self.chains[&low.account].by_seq.get(at));
        if at_low.is_some_and(|ids| ids.len() == 1) {
            return true;
        }
        while high.seq > low.seq {
            let Some(below) = high.prev.and_then(|prev| self.entries.get(&prev)) else { return false };
            high = &below.receipt;
        }
        high.id == low.id
    }

    /// The Genesis at the bottom of a receipt's path.
    pub(crate) fn genesis(&self, id: &ReceiptId) -> Option<&Genesis> {
        let mut entry = self.entries.get(id)?;
        let first = self.chains.get(&entry.receipt.account)?.by_seq.first()?;
        if let (1, Some(only)) = (first.len(), first.first()) {
            entry = self.entries.get(only)?;
        }
        while let Some(prev) = entry.receipt.prev {
            entry = self.entries.get(&prev)?;
        }
        let Body::Genesis(genesis) = &entry.receipt.body else { return None };
        Some(genesis)
    }

    /// Whether a receipt is in the valid prefix of its chain.
    pub(crate) fn is_valid(&self, id: &ReceiptId) -> bool {
        self.valid(id).is_some()
    }

    /// A receipt in the valid prefix of its chain.
    pub(crate) fn valid(&self, id: &ReceiptId) -> Option<&Entry> {
        let entry = self.entries.get(id)?;
        let at = usize::try_from(entry.receipt.seq - 1).ok()?;
        let standing = self.chains.get(&entry.receipt.account)?.valid.get(at)?;
        (standing.id == *id).then_some(entry)
    }

    /// Whether a quorum's anchors lie at or above it.
    pub(crate) fn is_final(&self, id: &ReceiptId) -> bool {
        self.valid(id).is_some_and(|entry| entry.receipt.seq <= self.chains[&entry.receipt.account].final_seq)
    }

    /// Whether a quorum lists it.
    pub(crate) fn is_frozen(&self, id: &ReceiptId, charter: &Charter) -> bool {
        let Some(founders) = self.listed.get(id) else { return false };
        self.is_final(id) && founders.len() >= charter.quorum_for(&self.entries[id].receipt.account)
    }

    /// Whether one founder lists it.
    pub(crate) fn is_listed_by(&self, id: &ReceiptId, founder: &AccountId) -> bool {
        self.listed.get(id).is_some_and(|founders| founders.contains(founder))
    }

    /// The first anchor over a receipt: of lowest epoch, then lowest id.
    pub(crate) fn first_anchor(&self, id: &ReceiptId) -> Option<&Arc<Anchor>> {
        let receipt = &self.entries.get(id)?.receipt;
        let reaching = self.chains.get(&receipt.account)?.anchors.values();
        reaching
            .filter(|anchor| anchor.seq >= receipt.seq)
            .find(|anchor| self.is_on_path(id, &anchor.receipt))
    }

    /// Accepts a receipt; returns the fork proof this reveals, if it is a better one.
    pub(crate) fn insert_receipt(
        &mut self,
        receipt: &Arc<Receipt>,
        facts: Facts,
        charter: &Charter,
    ) -> Option<Arc<ForkProof>> {
        let rank = self.log.len() as u64;
        self.log.push(Item::Receipt(receipt.clone()));
        self.entries.insert(receipt.id, Entry { receipt: receipt.clone(), facts, rank });
        self.index(receipt);
        let chain = self.chains.entry(receipt.account).or_default();
        let at = usize::try_from(receipt.seq - 1).expect("a chain fits memory");
        if chain.by_seq.len() == at {
            chain.by_seq.push(BTreeSet::new());
        }
        chain.by_seq[at].insert(receipt.id);
        chain.extras = OnceLock::new();
        chain.receipts += 1;
        let is_next = chain.valid.last().map(|last| last.id) == receipt.prev;
        let is_forked = chain.fork.is_some() && !self.ignores_forks;
        let is_sibling = chain.by_seq[at].len() > 1;
        if is_next && !is_forked {
            chain.valid.push(receipt.clone());
        }
        let better = if is_sibling || is_forked {
            self.fold_fork(receipt.account, receipt.seq, &[], charter)
        } else {
            None
        };
        if is_forked && better.is_none() {
            self.settle_chain(&receipt.account, charter);
        }
        better
    }

    fn index(&mut self, receipt: &Receipt) {
        let mut add = |of, id: ReceiptId| {
            self.uses.entry((of, id)).or_default().insert(receipt.id);
        };
        match &receipt.body {
            Body::Genesis(_) | Body::Hold(_) => {}
            Body::Claim(_) => self.chains.entry(receipt.account).or_default().claims.push(receipt.id),
            Body::Attest(attest) => add(Use::Attest, attest.claim),
            Body::Mint(Mint::Trial(mint)) => add(Use::Mint, mint.claim),
            Body::Mint(Mint::Fee(mint)) => add(Use::Fee, mint.attest),
            Body::Vest(vest) => vest.entries.iter().for_each(|entry| add(Use::Vest, entry.receipt)),
            Body::Settle(settle) => add(Use::Settle, settle.hold),
            Body::Release(release) => add(Use::Release, release.hold),
        }
    }

    /// Accepts a draw.
    pub(crate) fn insert_draw(&mut self, draw: &Arc<Draw>) {
        self.draws.insert(draw.id, draw.clone());
        self.draws_of.entry(draw.claim).or_default().insert(draw.id);
        self.push(Item::Draw(draw.clone()));
        self.horizon = self.horizon.max(draw.epoch);
        let claimant = self.entries.get(&draw.claim).map(|entry| entry.receipt.account);
        if let Some(chain) = claimant.and_then(|claimant| self.chains.get_mut(&claimant)) {
            chain.extras = OnceLock::new();
        }
    }

    /// Accepts an anchor.
    pub(crate) fn insert_anchor(&mut self, anchor: &Arc<Anchor>, charter: &Charter) {
        self.anchors.insert(anchor.id, anchor.clone());
        for id in &anchor.listed {
            self.listed.entry(*id).or_default().insert(anchor.founder);
        }
        self.push(Item::Anchor(anchor.clone()));
        self.horizon = self.horizon.max(anchor.epoch);
        let chain = self.chains.entry(anchor.account).or_default();
        chain.extras = OnceLock::new();
        chain.anchors.insert((anchor.epoch, anchor.id), anchor.clone());
        self.settle_chain(&anchor.account, charter);
    }

    /// Accepts a fork proof; returns what is kept of it, if that is a better one.
    pub(crate) fn insert_fork(&mut self, fork: &ForkProof, charter: &Charter) -> Option<Arc<ForkProof>> {
        self.fold_fork(fork.account(), fork.seq(), &[&fork.first, &fork.second], charter)
    }

    /// Keeps of each account the proof at the lowest position, and there that of
    /// the two lowest ids known: the same whatever came first.
    fn fold_fork(
        &mut self,
        account: AccountId,
        seq: u64,
        shown: &[&Receipt],
        charter: &Charter,
    ) -> Option<Arc<ForkProof>> {
        let chain = self.chains.get(&account)?;
        let kept = chain.fork.clone();
        if kept.as_ref().is_some_and(|kept| kept.seq() < seq) {
            return None;
        }
        let at = usize::try_from(seq - 1).ok().and_then(|at| chain.by_seq.get(at));
        let accepted = at.into_iter().flatten().map(|id| &*self.entries[id].receipt);
        let before =
            kept.iter().filter(|kept| kept.seq() == seq).flat_map(|kept| [&kept.first, &kept.second]);
        let all: BTreeMap<ReceiptId, &Receipt> = accepted
            .chain(before)
            .chain(shown.iter().copied())
            .map(|receipt| (receipt.id, receipt))
            .collect();
        let mut lowest = all.values();
        let fork = Arc::new(ForkProof::new(lowest.next()?, lowest.next()?)?);
        if kept.is_some_and(|kept| kept == fork) {
            return None;
        }
        let chain = self.chains.entry(account).or_default();
        chain.fork = Some(fork.clone());
        chain.extras = OnceLock::new();
        self.push(Item::Fork(fork.clone()));
        self.settle_chain(&account, charter);
        Some(fork)
    }

    /// Works out how far a chain is final and, if it has forked, how far it is
    /// valid: up to its highest final receipt, or to before the fork when none is
    /// at or above it.
    fn settle_chain(&mut self, account: &AccountId, charter: &Charter) {
        let chain = &self.chains[account];
        let quorum = charter.quorum_for(account);
        let Some(fork) = chain.fork.as_ref().filter(|_| !self.ignores_forks) else {
            let final_seq = self.highest_final_of_path(chain, quorum);
            self.chains.entry(*account).or_default().final_seq = final_seq;
            return;
        };
        let highest = self.highest_final_of_tree(chain, quorum);
        let mut valid = Vec::new();
        let mut at = match highest {
            Some(id) if self.entries[&id].receipt.seq >= fork.seq() => Some(id),
            Some(_) | None => self.last_before(chain, fork.seq()),
        };
        while let Some(entry) = at.and_then(|id| self.entries.get(&id)) {
            valid.push(entry.receipt.clone());
            at = entry.receipt.prev;
        }
        valid.reverse();
        let final_seq = highest.map_or(0, |id| self.entries[&id].receipt.seq);
        let chain = self.chains.entry(*account).or_default();
        chain.valid = valid;
        chain.final_seq = final_seq;
    }

    /// The receipt just below the lowest fork: the only one at its position.
    fn last_before(&self, chain: &Chain, seq: u64) -> Option<ReceiptId> {
        let below = usize::try_from(seq - 1).ok()?.min(chain.by_seq.len());
        chain.by_seq[..below].last()?.first().copied()
    }

    /// In an unforked chain: the position that a quorum's highest anchors reach.
    fn highest_final_of_path(&self, chain: &Chain, quorum: usize) -> u64 {
        let mut reach: BTreeMap<AccountId, u64> = BTreeMap::new();
        for anchor in chain.anchors.values() {
            let highest = reach.entry(anchor.founder).or_default();
            *highest = anchor.seq.max(*highest);
        }
        let mut reach: Vec<u64> = reach.into_values().collect();
        reach.sort_unstable_by(|a, b| b.cmp(a));
        reach.get(quorum.saturating_sub(1)).copied().unwrap_or(0)
    }

    /// In a forked one: the highest receipt that a quorum's anchors lie at or above,
    /// be it on several branches; the one with the lowest id of several.
    fn highest_final_of_tree(&self, chain: &Chain, quorum: usize) -> Option<ReceiptId> {
        let mut founders: BTreeMap<ReceiptId, BTreeSet<AccountId>> = BTreeMap::new();
        for anchor in chain.anchors.values() {
            let mut at = Some(anchor.receipt);
            while let Some(entry) = at.and_then(|id| self.entries.get(&id)) {
                // What it has reached before, it has reached to the bottom.
                if !founders.entry(entry.receipt.id).or_default().insert(anchor.founder) {
                    break;
                }
                at = entry.receipt.prev;
            }
        }
        let seq = |id: &ReceiptId| self.entries[id].receipt.seq;
        let reached = founders.iter().filter(|(_, founders)| founders.len() >= quorum).map(|(id, _)| *id);
        reached.max_by(|a, b| seq(a).cmp(&seq(b)).then(b.cmp(a)))
    }
}
