//! 32-byte names: one type per thing that is named, so that no two are confused.
//!
//! All print as lower-case hex. How each is computed stands where it is computed.

use std::fmt;
use std::str::FromStr;

/// Text that is not 64 hex digits, or bytes that are not 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a 32-byte id in hex")]
pub struct IdError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Takes the 32 bytes as they are.
            pub const fn new(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The 32 bytes as a vector, for a wire message.
            pub fn to_vec(self) -> Vec<u8> {
                self.0.to_vec()
            }

            /// The first 8 hex digits, for people.
            pub fn short(&self) -> String {
                self.to_string()[..8].to_owned()
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = IdError;

            fn try_from(bytes: &[u8]) -> Result<Self, IdError> {
                bytes.try_into().map(Self).map_err(|_| IdError)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.short())
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                if text.len() != 64 || !text.is_ascii() {
                    return Err(IdError);
                }
                let mut bytes = [0; 32];
                for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
                    let digit = |c: u8| char::from(c).to_digit(16).ok_or(IdError);
                    *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).map_err(|_| IdError)?;
                }
                Ok(Self(bytes))
            }
        }
    };
}

id!(
    /// An account: its ed25519 public key. Also the identity of its node.
    AccountId
);
id!(
    /// A swarm: the hash of its charter.
    SwarmId
);
id!(
    /// A receipt: the hash of its body within one swarm.
    ReceiptId
);
id!(
    /// A draw: the hash of a claim and the shares drawn for it.
    DrawId
);
id!(
    /// An anchor: the hash of its body within one swarm.
    AnchorId
);
id!(
    /// A recipe: the hash of its canonical bytes.
    RecipeId
);
id!(
    /// A track: the hash of its manifest.
    TrackId
);
id!(
    /// A numeric class: machines that compute the same bits.
    NumericClass
);
id!(
    /// A job, chosen by its requester.
    JobId
);
id!(
    /// Bytes by their plain BLAKE3 hash: a blob, a training state, a leaf.
    BlobHash
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trips_and_short_is_its_start() {
        let id = AccountId::new([0xab; 32]);
        let text = id.to_string();
        assert_eq!(text, "ab".repeat(32));
        assert_eq!(text.parse::<AccountId>(), Ok(id));
        assert_eq!(id.short(), "abababab");
        assert_eq!(AccountId::try_from(&[0xab; 32][..]), Ok(id));
    }

    #[test]
    fn wrong_text_and_wrong_lengths_are_refused() {
        for text in ["", "ab", &"g".repeat(64), &"é".repeat(32), &"a".repeat(65)] {
            assert_eq!(text.parse::<ReceiptId>(), Err(IdError), "{text}");
        }
        assert_eq!(BlobHash::try_from(&[0; 31][..]), Err(IdError));
    }
}
