//! Two receipts of one account at one position: self-proving.

use proto::ids::AccountId;
use proto::wire::receipt as wire;

use crate::charter::Charter;
use crate::receipt::Receipt;
use crate::refusal::Refusal;

/// A checked proof that an account signed two receipts for one position. Neither
/// needs to fit the rules: signing both is the offence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkProof {
    /// The receipt with the lower id.
    pub first: Receipt,
    /// The receipt with the higher id.
    pub second: Receipt,
}

impl ForkProof {
    /// Pairs two receipts; `None` if they do not contradict each other.
    pub fn new(one: &Receipt, other: &Receipt) -> Option<Self> {
        let is_fork = one.account == other.account && one.seq == other.seq && one.id != other.id;
        let (first, second) = if one.id < other.id { (one, other) } else { (other, one) };
        is_fork.then(|| Self { first: first.clone(), second: second.clone() })
    }

    /// Checks both receipts and their order.
    ///
    /// # Errors
    /// The first [`Refusal`] that applies.
    pub fn check(wire: &wire::ForkProof, charter: &Charter) -> Result<Self, Refusal> {
        let first = Receipt::check(wire.first.as_ref().ok_or(Refusal::Malformed)?, charter)?;
        let second = Receipt::check(wire.second.as_ref().ok_or(Refusal::Malformed)?, charter)?;
        if second.id < first.id {
            return Err(Refusal::NotCanonical);
        }
        Self::new(&first, &second).ok_or(Refusal::NotAFork)
    }

    /// Whose chain forked.
    pub fn account(&self) -> AccountId {
        self.first.account
    }

    /// The position of the fork.
    pub fn seq(&self) -> u64 {
        self.first.seq
    }

    /// `derive_key("swarm fork v1", first id ‖ second id)`.
    pub fn key(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("swarm fork v1");
        hasher.update(self.first.id.as_bytes()).update(self.second.id.as_bytes());
        *hasher.finalize().as_bytes()
    }

    /// The wire form.
    pub fn to_wire(&self) -> wire::ForkProof {
        wire::ForkProof {
            first: Some(self.first.envelope().clone()),
            second: Some(self.second.envelope().clone()),
        }
    }
}
