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
