//! Randomness for a claim that nobody had when the claim was signed: the VRF
//! outputs of a quorum of founders.

use ed25519_dalek::SigningKey;
use proto::ids::{AccountId, DrawId, ReceiptId};
use proto::limits::FOUNDERS_MAX;
use proto::sign::{Domain, account_of};
use proto::wire::receipt as wire;

use crate::charter::Charter;
use crate::refusal::Refusal;
use crate::vrf::{self, VrfKey, VrfProof};

/// The VRF input of a share: `"swarm draw v1" ‖ claim id`.
pub fn share_input(claim: &ReceiptId) -> Vec<u8> {
    [&b"swarm draw v1"[..], claim.as_bytes()].concat()
}

/// One founder's checked share of a draw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrawShare {
    /// Whose share it is.
    pub founder: AccountId,
    /// The epoch it states, at least the claim's.
    pub epoch: u64,
    /// Its output, with the proof.
    pub proof: VrfProof,
    signature: [u8; 64],
}

impl DrawShare {
    /// Makes a founder's share. Whether the founder should draw this claim now is
    /// the caller's to know.
    pub fn make(
        charter: &Charter,
        claim: &ReceiptId,
        epoch: u64,
        key: &SigningKey,
        vrf_key: &VrfKey,
        nonce_seed: [u8; 32],
    ) -> Self {
        let proof = vrf_key.prove(&share_input(claim), nonce_seed);
        let mut share = Self { founder: account_of(key), epoch, proof, signature: [0; 64] };
        share.signature = Domain::Draw.sign(key, &share.signed_digest(charter, claim));
        share
    }

    /// Checks a share of a claim: a founder's, signed, with a valid proof.
    ///
    /// # Errors
    /// The first [`Refusal`] that applies, in the order of the enum but with
    /// [`Refusal::NotAFounder`] before the signature: only the charter knows the key.
    pub fn check(wire: &wire::DrawShare, claim: &ReceiptId, charter: &Charter) -> Result<Self, Refusal> {
        let share = Self {
            founder: AccountId::try_from(&wire.founder[..]).map_err(|_| Refusal::Malformed)?,
            epoch: wire.epoch,
            proof: VrfProof {
                output: wire.output[..].try_into().map_err(|_| Refusal::Malformed)?,
                proof: wire.proof[..].try_into().map_err(|_| Refusal::Malformed)?,
            },
            signature: wire.signature[..].try_into().map_err(|_| Refusal::Malformed)?,
        };
        let founder = charter.founder(&share.founder).ok_or(Refusal::NotAFounder)?;
        let digest = share.signed_digest(charter, claim);
        if !Domain::Draw.is_signed(&share.founder, &digest, &share.signature) {
            return Err(Refusal::BadSignature);
        }
        if !vrf::verify(&founder.vrf_key, &share_input(claim), &share.proof) {
            return Err(Refusal::BadProof);
        }
        Ok(share)
    }

    /// `claim ‖ founder ‖ epoch u64le ‖ output`, under the draw domain.
    fn signed_digest(&self, charter: &Charter, claim: &ReceiptId) -> [u8; 32] {
        let mut body = claim.to_vec();
        body.extend_from_slice(self.founder.as_bytes());
        body.extend_from_slice(&self.epoch.to_le_bytes());
        body.extend_from_slice(&self.proof.output);
        Domain::Draw.digest(&charter.id, 0, &body)
    }

    /// The wire form.
    pub fn to_wire(&self) -> wire::DrawShare {
        wire::DrawShare {
            founder: self.founder.to_vec(),
            epoch: self.epoch,
            output: self.proof.output.to_vec(),
            proof: self.proof.proof.to_vec(),
            signature: self.signature.to_vec(),
        }
    }

    /// Where it stands among the shares of a draw.
    fn rank(&self, claim: &ReceiptId) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("swarm draw order v1");
        hasher.update(claim.as_bytes()).update(self.founder.as_bytes());
        *hasher.finalize().as_bytes()
    }
}

/// The shares of a quorum of founders for one claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draw {
    /// Hash of the claim and of founder, epoch and output of every share.
    pub id: DrawId,
    /// The claim.
    pub claim: ReceiptId,
    /// The shares, in order of `H(claim ‖ founder)`.
    pub shares: Vec<DrawShare>,
    /// The latest epoch of the shares.
    pub epoch: u64,
    /// `H(claim ‖ outputs in order)`.
    pub output: [u8; 32],
}

impl Draw {
    /// Puts shares into their order. Whether they are a quorum is asked when the
    /// draw is applied, where the claimant is known.
    ///
    /// # Errors
    /// [`Refusal::OutOfBounds`] for no share, too many or two of one founder.
    pub fn assemble(claim: ReceiptId, mut shares: Vec<DrawShare>) -> Result<Self, Refusal> {
        shares.sort_by_key(|share| share.rank(&claim));
        let is_repeated = shares.windows(2).any(|pair| pair[0].founder == pair[1].founder);
        let epoch = shares.iter().map(|share| share.epoch).max();
        let (Some(epoch), false, 1..=FOUNDERS_MAX) = (epoch, is_repeated, shares.len()) else {
            return Err(Refusal::OutOfBounds);
        };
        let mut name = blake3::Hasher::new_derive_key("swarm draw id v1");
        let mut output = blake3::Hasher::new_derive_key("swarm draw output v1");
        name.update(claim.as_bytes());
        output.update(claim.as_bytes());
        for share in &shares {
            name.update(share.founder.as_bytes());
            name.update(&share.epoch.to_le_bytes());
            name.update(&share.proof.output);
            output.update(&share.proof.output);
        }
        let id = DrawId::new(*name.finalize().as_bytes());
        Ok(Self { id, claim, shares, epoch, output: *output.finalize().as_bytes() })
    }

    /// Checks a draw: every share, and their order.
    ///
    /// # Errors
    /// The first [`Refusal`] that applies.
    pub fn check(wire: &wire::Draw, charter: &Charter) -> Result<Self, Refusal> {
        let claim = ReceiptId::try_from(&wire.claim[..]).map_err(|_| Refusal::Malformed)?;
        if wire.shares.len() > FOUNDERS_MAX {
            return Err(Refusal::OutOfBounds);
        }
        let check = |share| DrawShare::check(share, &claim, charter);
        let shares: Vec<DrawShare> = wire.shares.iter().map(check).collect::<Result<_, _>>()?;
        let draw = Self::assemble(claim, shares.clone())?;
        if draw.shares != shares {
            return Err(Refusal::NotCanonical);
        }
        Ok(draw)
    }

    /// The wire form.
    pub fn to_wire(&self) -> wire::Draw {
        let shares = self.shares.iter().map(DrawShare::to_wire).collect();
        wire::Draw { claim: self.claim.to_vec(), shares }
    }
}
