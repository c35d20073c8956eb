//! Anything the ledger's set can hold, checked.

use std::sync::Arc;

use proto::ids::AccountId;
use proto::wire::receipt as wire;

use crate::anchor::Anchor;
use crate::charter::Charter;
use crate::draw::Draw;
use crate::fork::ForkProof;
use crate::receipt::Receipt;
use crate::refusal::Refusal;

/// A checked item; cloning is cheap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// An entry of a chain.
    Receipt(Arc<Receipt>),
    /// Randomness for a claim.
    Draw(Arc<Draw>),
    /// A founder's statement over a chain.
    Anchor(Arc<Anchor>),
    /// Two contradicting receipts.
    Fork(Arc<ForkProof>),
}

impl Item {
    /// Does all that can be done without the ledger: canonical bytes, bounds, every
    /// signature and VRF proof (but for a settle's voucher, whose payer only the
    /// ledger knows).
    ///
    /// # Errors
    /// The first [`Refusal`] that applies.
    pub fn check(wire: &wire::Item, charter: &Charter) -> Result<Self, Refusal> {
        Ok(match wire.item.as_ref().ok_or(Refusal::Malformed)? {
            wire::item::Item::Receipt(envelope) => Receipt::check(envelope, charter)?.into(),
            wire::item::Item::Draw(draw) => Draw::check(draw, charter)?.into(),
            wire::item::Item::Anchor(envelope) => Anchor::check(envelope, charter)?.into(),
            wire::item::Item::Fork(fork) => ForkProof::check(fork, charter)?.into(),
        })
    }

    /// The wire form.
    pub fn to_wire(&self) -> wire::Item {
        let item = match self {
            Self::Receipt(receipt) => wire::item::Item::Receipt(receipt.envelope().clone()),
            Self::Draw(draw) => wire::item::Item::Draw(draw.to_wire()),
            Self::Anchor(anchor) => wire::item::Item::Anchor(anchor.envelope().clone()),
            Self::Fork(fork) => wire::item::Item::Fork(fork.to_wire()),
        };
        wire::Item { item: Some(item) }
    }

    /// What names it: the id of a receipt, draw or anchor, the key of a fork proof.
    pub fn key(&self) -> [u8; 32] {
        match self {
            Self::Receipt(receipt) => *receipt.id.as_bytes(),
            Self::Draw(draw) => *draw.id.as_bytes(),
            Self::Anchor(anchor) => *anchor.id.as_bytes(),
            Self::Fork(fork) => fork.key(),
        }
    }

    /// Whose bytes it is: the account of a receipt or fork, the founder of an
    /// anchor, the first founder of a draw.
    pub fn account(&self) -> AccountId {
        match self {
            Self::Receipt(receipt) => receipt.account,
            Self::Draw(draw) => draw.shares[0].founder,
            Self::Anchor(anchor) => anchor.founder,
            Self::Fork(fork) => fork.account(),
        }
    }

    /// The epoch it states; none for a fork proof.
    pub fn epoch(&self) -> Option<u64> {
        match self {
            Self::Receipt(receipt) => Some(receipt.epoch),
            Self::Draw(draw) => Some(draw.epoch),
            Self::Anchor(anchor) => Some(anchor.epoch),
            Self::Fork(_) => None,
        }
    }
}

impl From<Receipt> for Item {
    fn from(receipt: Receipt) -> Self {
        Self::Receipt(Arc::new(receipt))
    }
}

impl From<Draw> for Item {
    fn from(draw: Draw) -> Self {
        Self::Draw(Arc::new(draw))
    }
}

impl From<Anchor> for Item {
    fn from(anchor: Anchor) -> Self {
        Self::Anchor(Arc::new(anchor))
    }
}

impl From<ForkProof> for Item {
    fn from(fork: ForkProof) -> Self {
        Self::Fork(Arc::new(fork))
    }
}
