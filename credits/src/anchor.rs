//! One founder's statement over a chain: how far it goes, and what in it is done.

use ed25519_dalek::SigningKey;
use prost::Message;
use proto::ids::{AccountId, AnchorId, ReceiptId};
use proto::limits::{ANCHOR_LISTED_MAX, RECEIPT_BYTES_MAX};
use proto::sign::{Domain, account_of};
use proto::wire::receipt as wire;

use crate::charter::Charter;
use crate::refusal::Refusal;

/// A checked anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// Hash of the body within the swarm.
    pub id: AnchorId,
    /// Who states it.
    pub founder: AccountId,
    /// Whose chain it is over.
    pub account: AccountId,
    /// Position of the receipt it reaches up to.
    pub seq: u64,
    /// That receipt.
    pub receipt: ReceiptId,
    /// The founder's epoch.
    pub epoch: u64,
    /// Receipts at or below it that are done, in order of their ids.
    pub listed: Vec<ReceiptId>,
    envelope: wire::Envelope,
}

impl Anchor {
    /// Signs a statement. What an honest founder may list, the ledger says.
    ///
    /// # Panics
    /// If more is listed than an anchor may list.
    pub fn sign(
        charter: &Charter,
        (account, seq, receipt): (AccountId, u64, ReceiptId),
        epoch: u64,
        mut listed: Vec<ReceiptId>,
        key: &SigningKey,
    ) -> Self {
        assert!(listed.len() <= ANCHOR_LISTED_MAX, "an anchor lists at most {ANCHOR_LISTED_MAX}");
        listed.sort_unstable();
        listed.dedup();
        let wire = wire::Anchor {
            founder: account_of(key).to_vec(),
            account: account.to_vec(),
            seq,
            id: receipt.to_vec(),
            epoch,
            listed: listed.iter().map(|id| id.to_vec()).collect(),
        };
        let body = wire.encode_to_vec();
        let digest = Domain::Anchor.digest(&charter.id, 0, &body);
        let envelope = wire::Envelope { body, signature: Domain::Anchor.sign(key, &digest).to_vec() };
        Self {
            id: AnchorId::new(digest),
            founder: account_of(key),
            account,
            seq,
            receipt,
            epoch,
            listed,
            envelope,
        }
    }

    /// Checks an envelope: canonical bytes, bounds, a founder that may serve the
    /// account, its signature.
    ///
    /// # Errors
    /// The first [`Refusal`] that applies.
    pub fn check(envelope: &wire::Envelope, charter: &Charter) -> Result<Self, Refusal> {
        if envelope.body.len() > RECEIPT_BYTES_MAX {
            return Err(Refusal::TooLong);
        }
        let decoded = wire::Anchor::decode(&envelope.body[..]).map_err(|_| Refusal::Malformed)?;
        if decoded.encode_to_vec() != envelope.body {
            return Err(Refusal::NotCanonical);
        }
        let receipt_id = |bytes: &Vec<u8>| ReceiptId::try_from(&bytes[..]).map_err(|_| Refusal::Malformed);
        let digest = Domain::Anchor.digest(&charter.id, 0, &envelope.body);
        let anchor = Self {
            id: AnchorId::new(digest),
            founder: AccountId::try_from(&decoded.founder[..]).map_err(|_| Refusal::Malformed)?,
            account: AccountId::try_from(&decoded.account[..]).map_err(|_| Refusal::Malformed)?,
            seq: decoded.seq,
            receipt: receipt_id(&decoded.id)?,
            epoch: decoded.epoch,
            listed: decoded.listed.iter().map(receipt_id).collect::<Result<_, _>>()?,
            envelope: envelope.clone(),
        };
        if !anchor.listed.is_sorted_by(|a, b| a < b) {
            return Err(Refusal::NotCanonical);
        }
        if anchor.listed.len() > ANCHOR_LISTED_MAX {
            return Err(Refusal::OutOfBounds);
        }
        if !Domain::Anchor.is_signed(&anchor.founder, &digest, &envelope.signature) {
            return Err(Refusal::BadSignature);
        }
        if !charter.serves(&anchor.founder, &anchor.account) {
            return Err(Refusal::NotAFounder);
        }
        Ok(anchor)
    }

    /// The signed bytes, as received.
    pub fn envelope(&self) -> &wire::Envelope {
        &self.envelope
    }
}
