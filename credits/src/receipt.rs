//! One checked entry of an account's chain, and the draft it is signed from.
//!
//! A [`Receipt`] exists only if its bytes are canonical, its signature strict and
//! its VRF proof valid. Whether it fits its chain is for `rules`.

use ed25519_dalek::SigningKey;
use prost::Message;
use proto::ids::{AccountId, ReceiptId, SwarmId};
use proto::limits::RECEIPT_BYTES_MAX;
use proto::sign::{Domain, account_of};
use proto::wire::receipt as wire;

use crate::amount::Ucr;
use crate::body::Body;
use crate::charter::Charter;
use crate::refusal::Refusal;
use crate::{votes, vrf};

/// The only version of receipts so far.
const VERSION: u32 = 1;

/// What an account states to have after a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balances {
    /// Free to spend.
    pub spendable: Ucr,
    /// Reserved by holds that have not ended.
    pub held: Ucr,
    /// Minted or settled, not vested yet.
    pub vesting: Ucr,
    /// All that was ever minted or settled.
    pub earned: Ucr,
}

/// A checked receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Hash of the body within the swarm; the signature is not part of it.
    pub id: ReceiptId,
    /// Whose chain it is in.
    pub account: AccountId,
    /// Its position, from 1.
    pub seq: u64,
    /// The receipt before it; `None` at position 1.
    pub prev: Option<ReceiptId>,
    /// The epoch it states.
    pub epoch: u64,
    /// Balances after it, as stated.
    pub after: Balances,
    /// What it says.
    pub body: Body,
    /// Root of the leaves that a trial mint opens, computed once.
    pub(crate) opened_root: Option<[u8; 32]>,
    envelope: wire::Envelope,
}

impl Receipt {
    /// Checks an envelope: canonical bytes, bounds, position, signature, VRF proof.
    ///
    /// # Errors
    /// The first [`Refusal`] that applies, in the order of the enum.
    pub fn check(envelope: &wire::Envelope, charter: &Charter) -> Result<Self, Refusal> {
        if envelope.body.len() > RECEIPT_BYTES_MAX {
            return Err(Refusal::TooLong);
        }
        let decoded = wire::Receipt::decode(&envelope.body[..]).map_err(|_| Refusal::Malformed)?;
        if decoded.encode_to_vec() != envelope.body {
            return Err(Refusal::NotCanonical);
        }
        let receipt = Self::read(decoded, envelope.clone(), &charter.id)?;
        let digest = receipt.id.as_bytes();
        if !Domain::Receipt.is_signed(&receipt.account, digest, &receipt.envelope.signature) {
            return Err(Refusal::BadSignature);
        }
        if let Body::Attest(attest) = &receipt.body {
            let input = votes::vote_input(&attest.claim, attest.round, &attest.draw_output);
            if !vrf::verify(&attest.vrf_key, &input, &attest.proof) {
                return Err(Refusal::BadProof);
            }
        }
        Ok(receipt)
    }

    fn read(decoded: wire::Receipt, envelope: wire::Envelope, swarm: &SwarmId) -> Result<Self, Refusal> {
        let header = decoded.header.ok_or(Refusal::Malformed)?;
        let body = decoded.body.ok_or(Refusal::Malformed)?;
        let account = AccountId::try_from(&header.account[..]).map_err(|_| Refusal::Malformed)?;
        let prev = match &header.prev[..] {
            [] => None,
            id => Some(ReceiptId::try_from(id).map_err(|_| Refusal::Malformed)?),
        };
        if header.version != VERSION {
            return Err(Refusal::UnknownVersion);
        }
        let body = Body::from_wire(&body)?;
        let is_genesis = matches!(body, Body::Genesis(_));
        if header.seq == 0 || (header.seq == 1) != prev.is_none() || (header.seq == 1) != is_genesis {
            return Err(Refusal::WrongPlace);
        }
        Ok(Self {
            id: ReceiptId::new(Domain::Receipt.digest(swarm, body.kind(), &envelope.body)),
            account,
            seq: header.seq,
            prev,
            epoch: header.epoch,
            after: Balances {
                spendable: Ucr::new(header.spendable_after),
                held: Ucr::new(header.held_after),
                vesting: Ucr::new(header.vesting_after),
                earned: Ucr::new(header.earned_after),
            },
            opened_root: body.opened_root(),
            body,
            envelope,
        })
    }

    /// The signed bytes, as received.
    pub fn envelope(&self) -> &wire::Envelope {
        &self.envelope
    }
}

/// A receipt that the rules accept and nobody has signed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub(crate) swarm: SwarmId,
    /// Whose chain it extends.
    pub account: AccountId,
    /// Its position, from 1.
    pub seq: u64,
    /// The receipt before it.
    pub prev: Option<ReceiptId>,
    /// The epoch it states.
    pub epoch: u64,
    /// Balances after it.
    pub after: Balances,
    /// What it says.
    pub body: Body,
}

impl Draft {
    /// Signs the draft.
    ///
    /// # Panics
    /// If the key is not the account's, or the body is one that no receipt may
    /// have: both are mistakes of the caller, never of a peer.
    pub fn sign(&self, key: &SigningKey) -> Receipt {
        assert_eq!(account_of(key), self.account, "a draft is signed with its account's key");
        let header = wire::Header {
            version: VERSION,
            account: self.account.to_vec(),
            seq: self.seq,
            prev: self.prev.map(ReceiptId::to_vec).unwrap_or_default(),
            epoch: self.epoch,
            spendable_after: self.after.spendable.get(),
            held_after: self.after.held.get(),
            vesting_after: self.after.vesting.get(),
            earned_after: self.after.earned.get(),
        };
        let decoded = wire::Receipt { header: Some(header), body: Some(self.body.to_wire()) };
        let body = decoded.encode_to_vec();
        assert!(body.len() <= RECEIPT_BYTES_MAX, "a body within its bounds fits a receipt");
        let digest = Domain::Receipt.digest(&self.swarm, self.body.kind(), &body);
        let envelope = wire::Envelope { body, signature: Domain::Receipt.sign(key, &digest).to_vec() };
        Receipt::read(decoded, envelope, &self.swarm).expect("the ledger drafts readable bodies")
    }
}
