//! Random numbers by position: integer, the same on every machine, readable in any order.
//!
//! Number `index` of a purpose is the little-endian u64 at byte `8 · index` of BLAKE3's extended
//! output in keyed mode, with the seed as key and `"swarm counter rng v1:" ‖ purpose` as input.

use blake3::OutputReader;

const INPUT_PREFIX: &[u8] = b"swarm counter rng v1:";

/// Indices are below this, so that the byte position fits.
pub const INDEX_END: u64 = 1 << 61;

/// Numbers that a stream makes at a time: 1 KiB is enough for BLAKE3 to work on many blocks at once.
const BUFFERED: usize = 128;

/// Number `index` of a purpose.
///
/// # Panics
/// If `index` is [`INDEX_END`] or more.
pub fn bits(seed: &[u8; 32], purpose: &str, index: u64) -> u64 {
    let mut bytes = [0; 8];
    reader(seed, purpose, index).fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// The numbers of a purpose from `index` on; the same as [`bits`], many times faster in a row.
///
/// # Panics
/// If `index` is [`INDEX_END`] or more.
pub fn stream(seed: &[u8; 32], purpose: &str, index: u64) -> Stream {
    Stream { reader: reader(seed, purpose, index), buffer: [0; 8 * BUFFERED], used: 8 * BUFFERED }
}

/// `bits` mapped to `0..end`: the upper half of the product `bits · end`.
///
/// One number is used whatever the end; the bias is below `end / 2^64`.
pub const fn below(bits: u64, end: u64) -> u64 {
    ((bits as u128 * end as u128) >> 64) as u64
}

/// The upper 24 bits of `bits` mapped to -1 (included) to 1 (excluded) in steps of 2^-23: exact.
pub const fn symmetric(bits: u64) -> f32 {
    ((bits >> 40) as i32 - (1 << 23)) as f32 / (1 << 23) as f32
}

/// An endless run of numbers, made by [`stream`].
pub struct Stream {
    reader: OutputReader,
    buffer: [u8; 8 * BUFFERED],
    used: usize,
}

impl Iterator for Stream {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.used == self.buffer.len() {
            self.reader.fill(&mut self.buffer);
            self.used = 0;
        }
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.buffer[self.used..self.used + 8]);
        self.used += 8;
        Some(u64::from_le_bytes(bytes))
    }
}

fn reader(seed: &[u8; 32], purpose: &str, index: u64) -> OutputReader {
    assert!(index < INDEX_END, "index {index} has no byte position");
    let mut hasher = blake3::Hasher::new_keyed(seed);
    hasher.update(INPUT_PREFIX);
    hasher.update(purpose.as_bytes());
    let mut reader = hasher.finalize_xof();
    reader.set_position(8 * index);
    reader
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_frozen() {
        assert_eq!(bits(&[7; 32], "data", 0), 4454551963514085839);
        assert_eq!(bits(&[7; 32], "data", 1), 2228494561383887199);
        assert_eq!(bits(&[7; 32], "data", 1_000_000_007), 3895848777715189564);
        assert_eq!(bits(&[7; 32], "init:head", 0), 6903642727333024764);
        assert_eq!(bits(&[8; 32], "data", 0), 17685658843581906995);
    }

    #[test]
    fn ends_of_the_conversions_are_exact() {
        assert_eq!((below(0, 10), below(u64::MAX, 10), below(u64::MAX, 1)), (0, 9, 0));
        assert_eq!((below(1 << 63, 10), below(u64::MAX, u64::MAX)), (5, u64::MAX - 1));
        assert_eq!((symmetric(0), symmetric(1 << 63)), (-1.0, 0.0));
        assert_eq!(symmetric(u64::MAX), 1.0 - 1.0 / 8_388_608.0);
    }

    #[test]
    #[should_panic(expected = "index 2305843009213693952 has no byte position")]
    fn an_index_without_a_byte_position_is_a_mistake() {
        bits(&[0; 32], "data", INDEX_END);
    }

    #[test]
    fn the_last_index_has_a_number() {
        assert_eq!(
            stream(&[0; 32], "data", INDEX_END - 1).next(),
            Some(bits(&[0; 32], "data", INDEX_END - 1))
        );
    }

    proptest! {
        #[test]
        fn a_stream_is_the_numbers_in_a_row(seed in any::<[u8; 32]>(), from in 0..10_000_u64) {
            let in_a_row: Vec<u64> = stream(&seed, "test", from).take(300).collect();
            let one_by_one: Vec<u64> = (from..from + 300).map(|index| bits(&seed, "test", index)).collect();
            prop_assert_eq!(in_a_row, one_by_one);
        }
    }
}
