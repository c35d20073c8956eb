//! The text that comes with the program: unpacked once, checked against its hash.
//!
//! Where it comes from stands in `data/README.md`; which bytes are for what, in the tracks.

use std::io::Read;
use std::sync::OnceLock;

use proto::ids::BlobHash;

/// BLAKE3 of the text.
pub const HASH: BlobHash = BlobHash::new([
    0xe9, 0xce, 0xcd, 0x66, 0x18, 0xa7, 0x5d, 0x40, 0xad, 0x3a, 0xd2, 0xdd, 0x65, 0x8c, 0x16, 0xc7, 0x83,
    0xd3, 0x74, 0xb2, 0xe9, 0x2f, 0x13, 0x94, 0x09, 0x79, 0xd2, 0xfb, 0x15, 0x41, 0x89, 0xba,
]);

/// Bytes of the text.
pub const LENGTH: usize = 12_116_250;

static PACKED: &[u8] = include_bytes!("../data/corpus.zst");

static TEXT: OnceLock<Result<Vec<u8>, CorpusError>> = OnceLock::new();

/// Packed text that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CorpusError {
    /// The packed bytes do not unpack.
    #[error("the corpus does not unpack ({reason}), install the program again")]
    Unreadable {
        /// What the decoder said.
        reason: String,
    },
    /// The text is not the one that was packed.
    #[error("the corpus is damaged: its hash is {found}, expected {expected}, install the program again")]
    Damaged {
        /// Hash of what was unpacked.
        found: BlobHash,
        /// The hash it should have.
        expected: BlobHash,
    },
}

/// The text, unpacked at the first call.
///
/// # Errors
/// As [`decode`].
pub fn text() -> Result<&'static [u8], CorpusError> {
    match TEXT.get_or_init(|| decode(PACKED, &HASH)) {
        Ok(text) => Ok(text),
        Err(error) => Err(error.clone()),
    }
}

/// Unpacks zstd bytes and compares the hash of the text.
///
/// # Errors
/// [`CorpusError::Unreadable`] if they do not unpack, [`CorpusError::Damaged`] if the hash differs.
pub fn decode(packed: &[u8], expected: &BlobHash) -> Result<Vec<u8>, CorpusError> {
    let mut decoder = ruzstd::decoding::StreamingDecoder::new(packed)
        .map_err(|error| CorpusError::Unreadable { reason: error.to_string() })?;
    let mut text = Vec::with_capacity(LENGTH);
    // One byte more than the text has shows that there is more, whatever damaged bytes promise.
    decoder
        .by_ref()
        .take(LENGTH as u64 + 1)
        .read_to_end(&mut text)
        .map_err(|error| CorpusError::Unreadable { reason: error.to_string() })?;
    let found = BlobHash::new(*blake3::hash(&text).as_bytes());
    if found != *expected {
        return Err(CorpusError::Damaged { found, expected: *expected });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_unpacks_and_its_parts_begin_where_documents_do() {
        let text = text().unwrap();
        assert_eq!(text.len(), 12_116_250);
        assert!(std::str::from_utf8(text).is_ok());
        assert!(text.starts_with(b"1 Chronicles 1\n\n  1 Adam, Sheth, Enosh,\n"));
        let at = |start: usize, length: usize| std::str::from_utf8(&text[start..start + length]).unwrap();
        assert_eq!(at(11_094_015, 6), "Ruth 1");
        assert_eq!(at(11_160_284, 10), "Proverbs 1");
        assert!(!text.contains(&b'\r'));
    }

    #[test]
    fn damaged_bytes_are_an_error_and_never_a_text() {
        let mut torn = PACKED[..PACKED.len() / 2].to_vec();
        assert!(decode(&torn, &HASH).is_err());
        torn.truncate(3);
        assert!(matches!(decode(&torn, &HASH), Err(CorpusError::Unreadable { .. })));
        assert!(matches!(decode(b"", &HASH), Err(CorpusError::Unreadable { .. })));
        let other = BlobHash::new([1; 32]);
        let error = decode(PACKED, &other).unwrap_err();
        assert_eq!(error, CorpusError::Damaged { found: HASH, expected: other });
        assert!(error.to_string().starts_with("the corpus is damaged: its hash is e9cecd66"));
        for position in [1_000, 1_000_000, PACKED.len() - 10] {
            let mut flipped = PACKED.to_vec();
            flipped[position] ^= 0x40;
            assert!(decode(&flipped, &HASH).is_err(), "byte {position}");
        }
    }
}
