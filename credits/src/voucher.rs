//! A payer's cumulative promise for finished segments of a hold; the highest wins.

use ed25519_dalek::SigningKey;
use proto::ids::{AccountId, ReceiptId, SwarmId};
use proto::sign::Domain;
use proto::wire::receipt as wire;

use crate::amount::Ucr;
use crate::refusal::Refusal;

/// A promise outside the chains: of a hold, `cumulative` is the payee's.
///
/// It is not believed before [`Voucher::is_signed_by`] was asked: only who knows
/// the hold knows the payer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voucher {
    /// The hold that pays.
    pub hold: ReceiptId,
    /// All that was promised of it so far; never nothing.
    pub cumulative: Ucr,
    /// Segments finished.
    pub segment: u32,
    /// Digest of the last finished segment, as the job defines it.
    pub digest: [u8; 32],
    signature: [u8; 64],
}

impl Voucher {
    /// Signs a promise with the payer's key.
    pub fn sign(
        swarm: &SwarmId,
        hold: ReceiptId,
        cumulative: Ucr,
        segment: u32,
        digest: [u8; 32],
        payer: &SigningKey,
    ) -> Self {
        let mut voucher = Self { hold, cumulative, segment, digest, signature: [0; 64] };
        voucher.signature = Domain::Voucher.sign(payer, &voucher.signed_digest(swarm));
        voucher
    }

    /// Whether the payer of the hold signed it in this swarm.
    pub fn is_signed_by(&self, payer: &AccountId, swarm: &SwarmId) -> bool {
        Domain::Voucher.is_signed(payer, &self.signed_digest(swarm), &self.signature)
    }

    /// `hold ‖ cumulative u64le ‖ segment u32le ‖ digest`, under the voucher domain.
    fn signed_digest(&self, swarm: &SwarmId) -> [u8; 32] {
        let mut body = self.hold.to_vec();
        body.extend_from_slice(&self.cumulative.get().to_le_bytes());
        body.extend_from_slice(&self.segment.to_le_bytes());
        body.extend_from_slice(&self.digest);
        Domain::Voucher.digest(swarm, 0, &body)
    }

    /// Reads a voucher; its signature is not checked.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for wrong lengths, [`Refusal::OutOfBounds`] for a
    /// promise of nothing, which nobody needs to sign.
    pub fn from_wire(wire: &wire::Voucher) -> Result<Self, Refusal> {
        if wire.cumulative == 0 {
            return Err(Refusal::OutOfBounds);
        }
        Ok(Self {
            hold: ReceiptId::try_from(&wire.hold[..]).map_err(|_| Refusal::Malformed)?,
            cumulative: Ucr::new(wire.cumulative),
            segment: wire.segment,
            digest: wire.digest[..].try_into().map_err(|_| Refusal::Malformed)?,
            signature: wire.signature[..].try_into().map_err(|_| Refusal::Malformed)?,
        })
    }

    /// The wire form.
    pub fn to_wire(&self) -> wire::Voucher {
        wire::Voucher {
            hold: self.hold.to_vec(),
            cumulative: self.cumulative.get(),
            segment: self.segment,
            digest: self.digest.to_vec(),
            signature: self.signature.to_vec(),
        }
    }
}
