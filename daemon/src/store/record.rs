//! The framing of a record and the search for records in the bytes of a file.
//!
//! A file is a header and records. Header: magic (8 bytes), version `u32` LE, swarm
//! id (32 bytes), CRC-32 of these 44 bytes. Record: `length u32 LE | kind u8 |
//! crc32 u32 LE | payload`, the CRC over kind and payload. What a payload means, and
//! whether it is true, is decided by whoever reads it.

use proto::ids::SwarmId;

/// Bytes of a file's header.
pub(super) const HEADER_BYTES: usize = 48;

/// Bytes of a record before its payload.
pub(super) const FRAME_BYTES: usize = 9;

/// Longest payload: a bundle that fits one gossip message fits here with room.
pub(super) const PAYLOAD_BYTES_MAX: usize = 64 << 10;

/// Version of header and records.
const VERSION: u32 = 1;

/// What a file of this module holds; the first bytes of its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    /// A segment of the log.
    Segment,
    /// The journal of what this node signed.
    Journal,
}

impl FileKind {
    const fn magic(self) -> &'static [u8; 8] {
        match self {
            Self::Segment => b"swarmseg",
            Self::Journal => b"swarmjnl",
        }
    }
}

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Header {
    /// Of this version, for this swarm.
    Valid(SwarmId),
    /// Whole, but written by another version of this program.
    OtherVersion(u32),
    /// Shorter than a header: the crash came while the file was made.
    Short,
    /// Not what was written.
    Damaged,
}

/// The header of a new file.
pub(super) fn header(kind: FileKind, swarm: &SwarmId) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    bytes.extend_from_slice(kind.magic());
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(swarm.as_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// Reads the header at the start of a file's bytes.
pub(super) fn read_header(kind: FileKind, bytes: &[u8]) -> Header {
    let Some((head, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Header::Short;
    };
    let (content, crc) = head.split_at(HEADER_BYTES - 4);
    if crc != crc32fast::hash(content).to_le_bytes() || &content[..8] != kind.magic() {
        return Header::Damaged;
    }
    let version = u32_at(content, 8);
    if version != VERSION {
        return Header::OtherVersion(version);
    }
    SwarmId::try_from(&content[12..]).map_or(Header::Damaged, Header::Valid)
}

/// Appends one record to `out`.
pub(super) fn encode(kind: u8, payload: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(payload.len()).expect("payloads are bounded by PAYLOAD_BYTES_MAX");
    out.extend_from_slice(&length.to_le_bytes());
    out.push(kind);
    out.extend_from_slice(&checksum(kind, payload).to_le_bytes());
    out.extend_from_slice(payload);
}

fn checksum(kind: u8, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(payload);
    hasher.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// A stretch of a file's bytes, in order and without gaps between stretches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stretch<'a> {
    /// A record that is what was written.
    Record { offset: usize, kind: u8, payload: &'a [u8] },
    /// Bytes that are no record, with records after them.
    Hole { offset: usize, end: usize },
    /// The end of the file from `offset` on holds no further record.
    Tail { offset: usize, shape: TailShape },
}

/// How the last bytes of a file fail to be a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TailShape {
    /// The start of a record whose rest is missing: a write that was cut off.
    CutOff,
    /// All bytes are there, but they are not what was written.
    Damaged,
}

/// Walks over the records of a file.
#[derive(Debug, Clone)]
pub(super) struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Which kind bytes exist in such a file.
    kinds: std::ops::RangeInclusive<u8>,
}

impl<'a> Scan<'a> {
    /// Walks over the whole of `bytes`, a file's content with its header.
    pub(super) fn new(bytes: &'a [u8], kinds: std::ops::RangeInclusive<u8>) -> Self {
        Self { bytes, at: HEADER_BYTES.min(bytes.len()), kinds }
    }

    /// The record at `at`, and where it ends.
    fn record(&self, at: usize) -> Option<(u8, &'a [u8], usize)> {
        let (length, kind) = self.frame(at)?;
        let start = at + FRAME_BYTES;
        let payload = self.bytes.get(start..start + length)?;
        let is_whole = u32_at(self.bytes, at + 5) == checksum(kind, payload);
        is_whole.then_some((kind, payload, start + length))
    }

    /// Length and kind of a frame at `at`, if they can be one's.
    fn frame(&self, at: usize) -> Option<(usize, u8)> {
        let frame = self.bytes.get(at..at.checked_add(FRAME_BYTES)?)?;
        let length = u32_at(frame, 0) as usize;
        let is_plausible = (1..=PAYLOAD_BYTES_MAX).contains(&length) && self.kinds.contains(&frame[4]);
        is_plausible.then_some((length, frame[4]))
    }

    /// Where the next record after the broken one at `at` stands.
    ///
    /// The broken record's own length is tried first: if a record stands behind it,
    /// the length is right. A byte-wise search follows only when that leads nowhere,
    /// so that bytes inside a payload are not looked at without need.
    fn next_record(&self, at: usize) -> Option<usize> {
        let behind = self.frame(at).map(|(length, _)| at + FRAME_BYTES + length);
        behind
            .filter(|&next| self.record(next).is_some())
            .or_else(|| (at + 1..self.bytes.len()).find(|&next| self.record(next).is_some()))
    }

    fn tail_shape(&self, at: usize) -> TailShape {
        let Some(frame) = self.bytes.get(at..at + FRAME_BYTES) else {
            return TailShape::CutOff;
        };
        let rest = &self.bytes[at + FRAME_BYTES..];
        let runs_over = u32_at(frame, 0) as usize > rest.len();
        // The CRC does not cover the length: if it fits all that is there, then nothing
        // is missing and it is the length that changed.
        let is_whole = u32_at(frame, 5) == checksum(frame[4], rest);
        match runs_over && !is_whole && self.frame(at).is_some() {
            true => TailShape::CutOff,
            false => TailShape::Damaged,
        }
    }
}

impl<'a> Iterator for Scan<'a> {
    type Item = Stretch<'a>;

    fn next(&mut self) -> Option<Stretch<'a>> {
        let offset = self.at;
        if offset >= self.bytes.len() {
            return None;
        }
        if let Some((kind, payload, end)) = self.record(offset) {
            self.at = end;
            return Some(Stretch::Record { offset, kind, payload });
        }
        if let Some(end) = self.next_record(offset) {
            self.at = end;
            return Some(Stretch::Hole { offset, end });
        }
        self.at = self.bytes.len();
        Some(Stretch::Tail { offset, shape: self.tail_shape(offset) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(payloads: &[&[u8]]) -> Vec<u8> {
        let mut bytes = header(FileKind::Segment, &SwarmId::new([7; 32]));
        for payload in payloads {
            encode(1, payload, &mut bytes);
        }
        bytes
    }

    fn scan(bytes: &[u8]) -> Vec<Stretch<'_>> {
        Scan::new(bytes, 1..=1).collect()
    }

    #[test]
    fn bytes_of_a_header_and_a_record_are_fixed() {
        let bytes = file(&[b"abc"]);
        assert_eq!(&bytes[..12], b"swarmseg\x01\0\0\0");
        assert_eq!(&bytes[12..44], &[7; 32]);
        // CRC-32 (IEEE) of 01 61 62 63.
        assert_eq!(&bytes[48..], b"\x03\0\0\0\x01\xa9\x20\x9d\x53abc");
    }

    #[test]
    fn headers_are_told_apart() {
        let swarm = SwarmId::new([7; 32]);
        let good = header(FileKind::Segment, &swarm);
        assert_eq!(read_header(FileKind::Segment, &good), Header::Valid(swarm));
        assert_eq!(read_header(FileKind::Journal, &good), Header::Damaged);
        assert_eq!(read_header(FileKind::Segment, &good[..47]), Header::Short);
        let mut later = good[..44].to_vec();
        later[8] = 9;
        later.extend_from_slice(&crc32fast::hash(&later).to_le_bytes());
        assert_eq!(read_header(FileKind::Segment, &later), Header::OtherVersion(9));
        for at in 0..HEADER_BYTES {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert_eq!(read_header(FileKind::Segment, &bad), Header::Damaged, "byte {at}");
        }
    }

    #[test]
    fn a_damaged_payload_costs_one_record() {
        let mut bytes = file(&[b"one", b"two", b"three"]);
        bytes[48 + 12 + 9] ^= 1;
        let found = scan(&bytes);
        assert_eq!(found[0], Stretch::Record { offset: 48, kind: 1, payload: b"one" });
        assert_eq!(found[1], Stretch::Hole { offset: 60, end: 72 });
        assert_eq!(found[2], Stretch::Record { offset: 72, kind: 1, payload: b"three" });
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn a_damaged_length_costs_one_record() {
        for wrong in [0, 1, 7, 200, 0xffff_ffff_u32] {
            let mut bytes = file(&[b"one", b"two", b"three"]);
            bytes[60..64].copy_from_slice(&wrong.to_le_bytes());
            let found = scan(&bytes);
            assert_eq!(found[1], Stretch::Hole { offset: 60, end: 72 }, "length {wrong}");
            assert_eq!(found[2], Stretch::Record { offset: 72, kind: 1, payload: b"three" });
        }
    }

    #[test]
    fn a_cut_off_tail_is_not_a_damaged_one() {
        let bytes = file(&[b"one", b"two"]);
        for end in 61..72 {
            let cut = &bytes[..end];
            assert_eq!(scan(cut)[1], Stretch::Tail { offset: 60, shape: TailShape::CutOff }, "cut at {end}");
        }
        for at in 60..72 {
            let mut bad = bytes.clone();
            bad[at] ^= 0x10;
            assert_eq!(scan(&bad)[1], Stretch::Tail { offset: 60, shape: TailShape::Damaged }, "byte {at}");
        }
    }

    #[test]
    fn a_zeroed_page_is_no_record() {
        let mut bytes = file(&[b"one"]);
        bytes.extend_from_slice(&[0; 4096]);
        assert_eq!(scan(&bytes)[1], Stretch::Tail { offset: 60, shape: TailShape::Damaged });
    }
}
