//! What to tell a peer one has, and what to send it: heads, gaps, bundles.
//!
//! Everything goes out in the order in which it was accepted here, so that each
//! item comes after all it names.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use proto::ids::AccountId;
use proto::limits::{GOSSIP_BYTES_MAX, GOSSIP_ITEMS_MAX, HEADS_MAX};
use proto::wire::sync as wire;

use crate::item::Item;
use crate::ledger::Ledger;
use crate::rules::{Name, names};

/// Framing of one item inside a list: its tag and length.
const ITEM_FRAMING_BYTES: usize = 8;

/// What a peer lacks of one account.
#[derive(Clone, Copy)]
struct Lack {
    /// Receipts of the valid prefix from this position on.
    from_seq: u64,
    /// Draws, anchors, fork proofs and receipts outside the valid prefix.
    extras: bool,
}

impl Ledger {
    /// The heads of the first `max` accounts, in order.
    pub fn summary(&self, max: usize) -> Vec<wire::Head> {
        let head = |account: &AccountId| {
            let head = self.head(account);
            wire::Head {
                account: account.to_vec(),
                seq: head.map_or(0, |head| head.seq),
                id: head.map(|head| head.id.to_vec()).unwrap_or_default(),
                extras_digest: self.extras_digest(account).to_vec(),
            }
        };
        self.set.chains.keys().take(max).map(head).collect()
    }

    /// Digest of the keys of all that is known about an account beside its valid
    /// prefix.
    fn extras_digest(&self, account: &AccountId) -> [u8; 32] {
        let Some(chain) = self.set.chains.get(account) else { return [0; 32] };
        *chain.extras.get_or_init(|| {
            let draws =
                chain.claims.iter().flat_map(|claim| self.set.draws_of(claim)).map(|id| *id.as_bytes());
            let anchors = chain.anchors.values().map(|anchor| *anchor.id.as_bytes());
            let outside = chain.ids().filter(|id| !self.set.is_valid(id)).map(|id| *id.as_bytes());
            let fork = chain.fork.iter().map(|fork| fork.key());
            let keys: BTreeSet<[u8; 32]> = draws.chain(anchors).chain(outside).chain(fork).collect();
            let mut hasher = blake3::Hasher::new_derive_key("swarm extras v1");
            keys.iter().for_each(|key| {
                hasher.update(key);
            });
            *hasher.finalize().as_bytes()
        })
    }

    /// What a peer with these heads lacks, up to a number of encoded bytes, and
    /// whether that cut it short: [`Ledger::missing_from`] at turn 0.
    pub fn missing(&self, theirs: &[wire::Head], bytes_max: usize) -> (Vec<Item>, bool) {
        self.missing_from(theirs, bytes_max, 0)
    }

    /// What a peer with these heads lacks, up to a number of encoded bytes, and
    /// whether that cut it short. Heads that are not well-formed are ignored; a list
    /// as long as a request may be says nothing about accounts after its last.
    ///
    /// Receipts come first, each after what it names. Of what is known beside the
    /// valid prefix of an account a head shows only that it differs, so that much of
    /// it may be known already: it is sent from another place at every `turn`, so
    /// that a short answer does not repeat itself for ever.
    pub fn missing_from(&self, theirs: &[wire::Head], bytes_max: usize, turn: u64) -> (Vec<Item>, bool) {
        let heads: BTreeMap<AccountId, &wire::Head> = theirs
            .iter()
            .filter_map(|head| Some((AccountId::try_from(&head.account[..]).ok()?, head)))
            .collect();
        let last = heads.last_key_value().map(|(account, _)| *account).filter(|_| theirs.len() >= HEADS_MAX);
        let lacks: BTreeMap<AccountId, Lack> = self
            .set
            .chains
            .keys()
            .filter(|account| last.is_none_or(|last| **account <= last))
            .map(|account| (*account, self.lack(account, heads.get(account).copied())))
            .collect();
        let lacking = self.set.log().iter().filter(|item| self.is_lacking(item, &lacks));
        let is_valid =
            |item: &&Item| matches!(item, Item::Receipt(receipt) if self.set.is_valid(&receipt.id));
        let (receipts, mut extras): (Vec<&Item>, Vec<&Item>) = lacking.partition(is_valid);
        let ahead = usize::try_from(turn % (extras.len() as u64).max(1)).unwrap_or(0);
        extras.rotate_left(ahead);
        let named = receipts.iter().flat_map(|receipt| {
            let names = self.named_by(receipt).into_iter();
            names.filter(|item| self.is_lacking(item, &lacks)).chain([(*receipt).clone()])
        });
        take_bytes(named.chain(extras.into_iter().cloned()), bytes_max)
    }

    fn lack(&self, account: &AccountId, theirs: Option<&wire::Head>) -> Lack {
        let Some(theirs) = theirs else { return Lack { from_seq: 1, extras: true } };
        let chain = self.chain(account);
        let at = usize::try_from(theirs.seq).unwrap_or(usize::MAX);
        let from_seq = match at.checked_sub(1).map(|below| chain.get(below)) {
            None => 1,
            Some(Some(same)) if same.id.as_bytes()[..] == theirs.id[..] => theirs.seq + 1,
            Some(Some(_)) => 1,
            Some(None) => u64::MAX,
        };
        Lack { from_seq, extras: self.extras_digest(account)[..] != theirs.extras_digest[..] }
    }

    fn is_lacking(&self, item: &Item, lacks: &BTreeMap<AccountId, Lack>) -> bool {
        let extras = |account: &AccountId| lacks.get(account).is_some_and(|lack| lack.extras);
        match item {
            Item::Receipt(receipt) if self.set.is_valid(&receipt.id) => {
                lacks.get(&receipt.account).is_some_and(|lack| receipt.seq >= lack.from_seq)
            }
            Item::Receipt(receipt) => extras(&receipt.account),
            Item::Draw(draw) => {
                self.set.entry(&draw.claim).is_some_and(|claim| extras(&claim.receipt.account))
            }
            Item::Anchor(anchor) => extras(&anchor.account),
            Item::Fork(fork) => extras(&fork.account()) && self.contains(item),
        }
    }

    /// An account's valid receipts from a position on, each after what it names,
    /// up to a number of encoded bytes, and whether that cut it short.
    pub fn range(&self, account: &AccountId, from_seq: u64, bytes_max: usize) -> (Vec<Item>, bool) {
        let own = self.chain(account).iter().filter(|receipt| receipt.seq >= from_seq);
        let mut wanted = BTreeSet::new();
        for receipt in own {
            let item = Item::Receipt(receipt.clone());
            wanted.extend(self.named_by(&item).iter().map(Item::key));
            wanted.insert(item.key());
        }
        let is_wanted = |item: &&Item| wanted.contains(&item.key());
        take_bytes(self.set.log().iter().filter(is_wanted).cloned(), bytes_max)
    }

    /// The item preceded by what it names itself (and by the Genesis, for the first
    /// receipt after it), as far as one gossip message holds; the item is always
    /// there, last.
    pub fn with_names(&self, item: &Item) -> Vec<Item> {
        let mut bytes = bytes_of(item);
        let mut bundle = vec![item.clone()];
        for named in self.named_by(item).into_iter().rev() {
            bytes += bytes_of(&named);
            if bytes > GOSSIP_BYTES_MAX || bundle.len() == GOSSIP_ITEMS_MAX {
                break;
            }
            bundle.push(named);
        }
        bundle.reverse();
        bundle
    }

    /// What an item names and the set has, in order of acceptance.
    fn named_by(&self, item: &Item) -> Vec<Item> {
        let named = match item {
            Item::Receipt(receipt) => {
                let genesis = receipt.prev.filter(|_| receipt.seq == 2).map(Name::Receipt);
                genesis.into_iter().chain(names(&receipt.body)).collect()
            }
            Item::Draw(draw) => vec![Name::Receipt(draw.claim)],
            Item::Anchor(anchor) => vec![Name::Receipt(anchor.receipt)],
            Item::Fork(_) => Vec::new(),
        };
        let found = named.iter().filter_map(|name| match name {
            Name::Receipt(id) => Some(Item::Receipt(self.receipt(id)?.clone())),
            Name::Draw(id) => Some(Item::Draw(self.set.draws.get(id)?.clone())),
            Name::Anchor(id) => Some(Item::Anchor(self.set.anchors.get(id)?.clone())),
            Name::Fork(account) => Some(Item::Fork(self.fork_of(account)?)),
            Name::Chain(_) => None,
        });
        let ranked = found.filter_map(|item| Some((self.set.rank(&item)?, item)));
        ranked.collect::<BTreeMap<u64, Item>>().into_values().collect()
    }
}

fn bytes_of(item: &Item) -> usize {
    item.to_wire().encoded_len() + ITEM_FRAMING_BYTES
}

/// Items from the front, each once, as long as they fit.
fn take_bytes(items: impl Iterator<Item = Item>, bytes_max: usize) -> (Vec<Item>, bool) {
    let (mut taken, mut seen, mut bytes) = (Vec::new(), BTreeSet::new(), 0);
    for item in items.filter(|item| seen.insert(item.key())) {
        bytes += bytes_of(&item);
        if bytes > bytes_max {
            return (taken, true);
        }
        taken.push(item);
    }
    (taken, false)
}
