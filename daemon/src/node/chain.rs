//! The own chain: when this node may sign, and how a receipt is signed.

use std::sync::Arc;

use credits::{Body, Genesis, Item};
use proto::ids::{NumericClass, ReceiptId};

use super::effect::{Effect, JournalKind, LocalRefusal, Note};
use super::memory::encode_item;
use super::{Defect, Node};

/// A node whose worker never said its class signs its Genesis with this one; it has
/// no vote, and no claim of it can be checked.
const NO_CLASS: NumericClass = NumericClass::new([0; 32]);

/// Whether the node signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signing {
    /// After a start: until a peer has told what it knows of the own chain, or until
    /// the time is up. A restored old state would fork the chain otherwise.
    Waiting {
        /// When the wait ends.
        until_ms: u64,
    },
    /// Yes.
    Open,
    /// No, because the disk does not keep what is written.
    Disk(Arc<str>),
    /// No: the clock is too far from those of the peers.
    Clock,
    /// No: the ledger lacks receipts that this node has signed; peers have them.
    Behind,
    /// No: two receipts of the own account stand at one position.
    Forked,
}

impl std::fmt::Display for Signing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Waiting { .. } => f.write_str("waiting for a peer that knows the own chain"),
            Self::Open => f.write_str("open"),
            Self::Disk(reason) => write!(f, "the disk refuses to write: {reason}"),
            Self::Clock => f.write_str("the clock differs from the peers' by more than an epoch"),
            Self::Behind => f.write_str("the ledger lacks own receipts that the journal has"),
            Self::Forked => f.write_str("the own chain is forked"),
        }
    }
}

/// When this node may sign.
#[derive(Debug)]
pub(super) struct OwnChain {
    waiting_until_ms: Option<u64>,
    /// The highest position that this node is known to have signed.
    journalled_seq: u64,
    disk: Result<(), Arc<str>>,
}

impl OwnChain {
    pub(super) fn new(waiting_until_ms: u64) -> Self {
        Self { waiting_until_ms: Some(waiting_until_ms), journalled_seq: 0, disk: Ok(()) }
    }

    /// The journal has a receipt at this position: none may be signed there again.
    pub(super) fn journalled(&mut self, seq: u64) {
        self.journalled_seq = self.journalled_seq.max(seq);
    }

    pub(super) fn disk(&mut self, state: Result<(), Arc<str>>) {
        self.disk = state;
    }
}

impl Node {
    /// Whether the node signs now.
    pub fn signing(&self) -> Signing {
        if self.ledger.is_forked(&self.keys.account) {
            return Signing::Forked;
        }
        if let Err(reason) = &self.chain.disk {
            return Signing::Disk(Arc::clone(reason));
        }
        if let Some(until_ms) = self.chain.waiting_until_ms {
            return Signing::Waiting { until_ms };
        }
        let head = self.ledger.head(&self.keys.account);
        if head.map_or(0, |head| head.seq) < self.chain.journalled_seq {
            return Signing::Behind;
        }
        // A receipt ahead of the clock would be held back by everybody, this node too.
        let is_ahead = head.is_some_and(|head| head.epoch > self.epoch() + 1);
        if is_ahead || self.peers.clock_is_off(self.charter.rules.epoch_ms) {
            return Signing::Clock;
        }
        Signing::Open
    }

    pub(super) fn waits_for_head(&self) -> bool {
        self.chain.waiting_until_ms.is_some()
    }

    pub(super) fn chain_tick(&mut self) {
        if self.chain.waiting_until_ms.is_some_and(|until| self.now_ms >= until) {
            self.head_is_known();
        }
    }

    /// Whether this node may give what founders give: it must remember what it gave
    /// and know the time.
    pub(super) fn may_serve(&self) -> bool {
        match self.signing() {
            Signing::Open | Signing::Forked | Signing::Behind => true,
            Signing::Waiting { .. } | Signing::Disk(_) | Signing::Clock => false,
        }
    }

    /// A peer told what it has of the own chain, or nobody did in time.
    pub(super) fn head_is_known(&mut self) {
        if self.chain.waiting_until_ms.take().is_some() {
            self.note(Note::SigningOpen);
        }
    }

    /// Signs, journals, applies and floods a receipt of the own chain.
    pub(super) fn sign(&mut self, body: Body) -> Result<ReceiptId, LocalRefusal> {
        let signing = self.signing();
        if signing != Signing::Open {
            return Err(LocalRefusal::NotSigning(signing.to_string()));
        }
        if self.ledger.head(&self.keys.account).is_none() {
            self.sign_next(Body::Genesis(Genesis {
                vrf_key: self.keys.vrf.public(),
                numeric_class: self.worker.class().unwrap_or(NO_CLASS),
                payout: None,
                next_key_digest: None,
            }))?;
        }
        let item = self.sign_next(body)?;
        let bundle = self.ledger.with_names(&item);
        self.effects.push(Effect::Gossip(bundle));
        Ok(ReceiptId::new(item.key()))
    }

    fn sign_next(&mut self, body: Body) -> Result<Item, LocalRefusal> {
        let account = self.keys.account;
        let epoch = self.ledger.head(&account).map_or(0, |head| head.epoch).max(self.epoch());
        let receipt = self.ledger.draft(&account, epoch, body)?.sign(&self.keys.signing);
        self.chain.journalled(receipt.seq);
        let item = Item::Receipt(Arc::new(receipt));
        if self.settings.defect != Defect::NoJournal {
            self.journal(JournalKind::Receipt, encode_item(&item));
        }
        self.ingest(vec![item.clone()]);
        Ok(item)
    }
}
