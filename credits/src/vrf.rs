//! Verifiable randomness: outputs nobody can choose, proofs anybody can check.
//!
//! Schnorrkel's VRF on Ristretto. Nothing here draws randomness: the nonce of a
//! proof comes from the caller's seed and the input, and never changes the output.

use rand_core::{CryptoRng, RngCore};
use schnorrkel::context::attach_rng;
use schnorrkel::vrf::{VRFPreOut, VRFProof};
use schnorrkel::{ExpansionMode, Keypair, MiniSecretKey, PublicKey, signing_context};

/// An output and the proof that it is the key's only one for its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VrfProof {
    /// The compressed point, unique for key and input.
    pub output: [u8; 32],
    /// The proof; several are possible for one output.
    pub proof: [u8; 64],
}

/// The secret half of an account's VRF key.
pub struct VrfKey(Keypair);

impl VrfKey {
    /// The VRF key of an identity seed: `derive_key("swarm vrf v1", seed)`, expanded.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let mini = blake3::derive_key("swarm vrf v1", seed);
        let mini = MiniSecretKey::from_bytes(&mini).expect("any 32 bytes are a mini secret key");
        Self(mini.expand_to_keypair(ExpansionMode::Uniform))
    }

    /// The public key, as in Genesis and charter.
    pub fn public(&self) -> [u8; 32] {
        self.0.public.to_bytes()
    }

    /// The output for an input, with a proof whose nonce comes from `nonce_seed`,
    /// the secret key and the input.
    pub fn prove(&self, input: &[u8], nonce_seed: [u8; 32]) -> VrfProof {
        let nonce = blake3::Hasher::new_keyed(&nonce_seed).update(input).finalize_xof();
        let proving = attach_rng(proof_transcript(), NonceBytes(nonce));
        let (inout, proof, _) = self.0.vrf_sign_extra(input_transcript(input), proving);
        VrfProof { output: inout.to_preout().to_bytes(), proof: proof.to_bytes() }
    }
}

/// Whether the output is that of this public key for this input.
pub fn verify(public: &[u8; 32], input: &[u8], proof: &VrfProof) -> bool {
    let Ok(key) = PublicKey::from_bytes(public) else { return false };
    let Ok(dleq) = VRFProof::from_bytes(&proof.proof) else { return false };
    let output = VRFPreOut(proof.output);
    key.vrf_verify_extra(input_transcript(input), &output, &dleq, proof_transcript()).is_ok()
}

/// Uniform bytes of an output: `derive_key("swarm vrf bits v1", output ‖ input)`.
pub fn bits(output: &[u8; 32], input: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("swarm vrf bits v1");
    hasher.update(output).update(input);
    *hasher.finalize().as_bytes()
}

fn input_transcript(input: &[u8]) -> impl schnorrkel::context::SigningTranscript + use<> {
    signing_context(b"swarm vrf v1").bytes(input)
}

fn proof_transcript() -> impl schnorrkel::context::SigningTranscript {
    signing_context(b"swarm vrf proof v1").bytes(b"")
}

/// The stream that the proof's nonce is drawn from.
struct NonceBytes(blake3::OutputReader);

impl RngCore for NonceBytes {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl CryptoRng for NonceBytes {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_is_unique_whatever_the_nonce() {
        let key = VrfKey::from_seed(&[1; 32]);
        let (one, other) = (key.prove(b"input", [1; 32]), key.prove(b"input", [2; 32]));
        assert_eq!(one.output, other.output);
        assert_ne!(one.proof, other.proof);
        assert_eq!(one, key.prove(b"input", [1; 32]));
        assert!(verify(&key.public(), b"input", &one));
        assert!(verify(&key.public(), b"input", &other));
    }

    #[test]
    fn other_inputs_keys_outputs_and_proofs_do_not_verify() {
        let (key, other) = (VrfKey::from_seed(&[1; 32]), VrfKey::from_seed(&[2; 32]));
        let good = key.prove(b"input", [1; 32]);
        assert!(!verify(&key.public(), b"inpu", &good));
        assert!(!verify(&other.public(), b"input", &good));
        let output = other.prove(b"input", [1; 32]).output;
        assert!(!verify(&key.public(), b"input", &VrfProof { output, ..good }));
        assert!(!verify(&key.public(), b"input", &VrfProof { output: [0; 32], ..good }));
        for byte in 0..64 {
            let mut proof = good.proof;
            proof[byte] ^= 1;
            assert!(!verify(&key.public(), b"input", &VrfProof { proof, ..good }), "byte {byte}");
        }
        assert!(!verify(&[0xff; 32], b"input", &good));
    }
}
