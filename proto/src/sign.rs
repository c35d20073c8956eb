//! Signature domains: no signature works in another role or swarm.
//!
//! A signed message is `domain ‖ digest`, the digest a BLAKE3 hash in derive-key
//! mode over the swarm id and the body. `verify_strict` alone decides, everywhere:
//! other ed25519 predicates disagree on crafted input and would split the ledger.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use crate::ids::{AccountId, SwarmId};

/// What a signature is for. Each role has its own hash context and prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// A receipt of an account's chain.
    Receipt,
    /// A payer's promise outside the chains.
    Voucher,
    /// A founder's share of a draw.
    Draw,
    /// A founder's statement over a chain.
    Anchor,
    /// The first words of a connection.
    Hello,
    /// The rules of a swarm.
    Charter,
}

impl Domain {
    /// The BLAKE3 derive-key context of this role's digest.
    pub const fn context(self) -> &'static str {
        match self {
            Self::Receipt => "swarm receipt v1",
            Self::Voucher => "swarm voucher v1",
            Self::Draw => "swarm draw v1",
            Self::Anchor => "swarm anchor v1",
            Self::Hello => "swarm hello v1",
            Self::Charter => "swarm charter v1",
        }
    }

    const fn prefix(self) -> &'static [u8] {
        match self {
            Self::Receipt => b"swarm-receipt-v1:",
            Self::Voucher => b"swarm-voucher-v1:",
            Self::Draw => b"swarm-draw-v1:",
            Self::Anchor => b"swarm-anchor-v1:",
            Self::Hello => b"swarm-hello-v1:",
            Self::Charter => b"swarm-charter-v1:",
        }
    }

    /// `derive_key(context, swarm ‖ kind u16le ‖ length u32le ‖ body)`.
    ///
    /// `kind` is the receipt's body field number, and 0 in the other roles.
    ///
    /// # Panics
    /// If the body is 4 GiB or longer; bodies are bounded far below.
    pub fn digest(self, swarm: &SwarmId, kind: u16, body: &[u8]) -> [u8; 32] {
        let length = u32::try_from(body.len()).expect("bodies are bounded far below 4 GiB");
        let mut hasher = blake3::Hasher::new_derive_key(self.context());
        hasher.update(swarm.as_bytes());
        hasher.update(&kind.to_le_bytes());
        hasher.update(&length.to_le_bytes());
        hasher.update(body);
        *hasher.finalize().as_bytes()
    }

    fn message(self, digest: &[u8; 32]) -> Vec<u8> {
        [self.prefix(), digest].concat()
    }

    /// Signs a digest made by [`Domain::digest`].
    pub fn sign(self, key: &SigningKey, digest: &[u8; 32]) -> [u8; 64] {
        key.sign(&self.message(digest)).to_bytes()
    }

    /// Whether `signature` is the account's over this digest in this role.
    pub fn is_signed(self, account: &AccountId, digest: &[u8; 32], signature: &[u8]) -> bool {
        let Ok(signature) = Signature::from_slice(signature) else {
            return false;
        };
        VerifyingKey::from_bytes(account.as_bytes())
            .is_ok_and(|key| key.verify_strict(&self.message(digest), &signature).is_ok())
    }
}

/// The account of a signing key.
pub fn account_of(key: &SigningKey) -> AccountId {
    AccountId::new(key.verifying_key().to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Domain; 6] =
        [Domain::Receipt, Domain::Voucher, Domain::Draw, Domain::Anchor, Domain::Hello, Domain::Charter];

    #[test]
    fn a_signature_works_in_its_own_role_and_swarm_only() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let account = account_of(&key);
        let swarm = SwarmId::new([1; 32]);
        for signed in ALL {
            let digest = signed.digest(&swarm, 0, b"body");
            let signature = signed.sign(&key, &digest);
            for asked in ALL {
                let own = asked == signed;
                assert_eq!(asked.is_signed(&account, &digest, &signature), own, "{signed:?} as {asked:?}");
                let asked_digest = asked.digest(&swarm, 0, b"body");
                assert_eq!(
                    asked.is_signed(&account, &asked_digest, &signature),
                    own,
                    "{signed:?} as {asked:?}"
                );
            }
            let elsewhere = signed.digest(&SwarmId::new([2; 32]), 0, b"body");
            assert!(!signed.is_signed(&account, &elsewhere, &signature));
            assert!(!signed.is_signed(&account, &digest, &signature[..63]));
        }
    }
}
