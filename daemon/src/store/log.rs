//! The log of everything the ledger is made of: numbered segment files that only grow.
//!
//! Damage is found and named, never repaired here: what a record held is asked from
//! peers again. Only the end of the last segment is ever cut, where a crash leaves a
//! record unfinished.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use proto::ids::SwarmId;

use super::record::{self, FileKind, HEADER_BYTES, Header, Scan, Stretch};
use super::tail::Tail;
use super::{Damage, StoreError, What};

/// A segment that has grown to this size is followed by a new one.
pub(super) const SEGMENT_BYTES: u64 = 16 << 20;

/// What may wait for a commit: a burst of sync answers, of which each has 1 MiB.
pub(super) const PENDING_BYTES_MAX: usize = 8 << 20;

/// Kind byte of a record with one item.
pub(super) const ITEM: u8 = 1;

/// The folder of the segments within a state folder.
pub(super) fn folder(state: &Path) -> PathBuf {
    state.join("ledger")
}

/// One segment file as it was found.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) number: u32,
    pub(super) path: PathBuf,
}

/// The segments in order of their numbers.
///
/// # Errors
/// [`StoreError::Read`] when the folder cannot be listed.
pub(super) fn segments(folder: &Path) -> Result<Vec<Segment>, StoreError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|source| StoreError::read(folder, source))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|source| StoreError::read(folder, source))?.path();
        if let Some(number) = number_of(&path) {
            found.push(Segment { number, path });
        }
    }
    found.sort_by_key(|segment| segment.number);
    Ok(found)
}

fn number_of(path: &Path) -> Option<u32> {
    let digits = path.file_name()?.to_str()?.strip_suffix(".seg")?;
    let is_number = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

/// What was read from one segment.
pub(super) struct Content {
    /// Offset and payload of each whole record.
    pub(super) items: Vec<(u64, Vec<u8>)>,
    pub(super) damage: Vec<Damage>,
    /// Length of the file.
    pub(super) length: u64,
    /// Where the last segment continues; `None` if it should not be continued.
    pub(super) end: Option<u64>,
}

/// Reads one segment. Its swarm has been compared before.
///
/// # Errors
/// [`StoreError::Read`]; damage is no error.
pub(super) fn read(path: &Path) -> Result<Content, StoreError> {
    let read_error = |source| StoreError::read(path, source);
    let bound = SEGMENT_BYTES + PENDING_BYTES_MAX as u64;
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(read_error)?;
    let length = file.metadata().map_err(read_error)?.len();
    file.take(bound).read_to_end(&mut bytes).map_err(read_error)?;
    let damage_at = |offset: usize, end: u64, what| Damage {
        file: path.to_owned(),
        offset: offset as u64,
        bytes: end - offset as u64,
        what,
    };
    let mut content =
        Content { items: Vec::new(), damage: Vec::new(), length, end: Some(bytes.len() as u64) };
    match record::read_header(FileKind::Segment, &bytes) {
        Header::Valid(_) | Header::OtherVersion(_) => {}
        Header::Short => {
            content.damage.push(damage_at(0, length, What::CutOff));
            content.end = Some(0);
            return Ok(content);
        }
        Header::Damaged => {
            content.damage.push(damage_at(0, HEADER_BYTES as u64, What::Header));
            content.end = None;
        }
    }
    for stretch in Scan::new(&bytes, ITEM..=ITEM) {
        match stretch {
            Stretch::Record { offset, payload, .. } => content.items.push((offset as u64, payload.to_vec())),
            Stretch::Hole { offset, end } => {
                content.damage.push(damage_at(offset, end as u64, What::Record));
            }
            Stretch::Tail { offset, shape } => {
                content.damage.push(damage_at(offset, bytes.len() as u64, shape.into()));
                content.end = content.end.map(|_| offset as u64);
            }
        }
    }
    if length > bound {
        content.damage.push(damage_at(bytes.len(), length, What::TooLong));
        content.end = None;
    }
    Ok(content)
}

/// Gaps in the numbers, as damage of the files that should be there.
pub(super) fn missing(folder: &Path, segments: &[Segment]) -> Vec<Damage> {
    let mut expected = 1;
    let mut damage = Vec::new();
    for segment in segments {
        if segment.number > expected {
            damage.push(Damage {
                file: file_name(folder, expected),
                offset: 0,
                bytes: 0,
                what: What::Missing,
            });
        }
        expected = segment.number + 1;
    }
    damage
}

fn file_name(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number:08}.seg"))
}

/// The log, open for appending.
#[derive(Debug)]
pub(super) struct Log {
    folder: PathBuf,
    swarm: SwarmId,
    number: u32,
    tail: Tail,
}

impl Log {
    /// Opens the folder, reads all of it and cuts an unfinished record at the end.
    pub(super) fn open(
        folder: &Path,
        swarm: &SwarmId,
        damage: &mut Vec<Damage>,
    ) -> Result<(Self, Vec<Vec<u8>>), StoreError> {
        let segments = segments(folder)?;
        damage.extend(missing(folder, &segments));
        let mut items = Vec::new();
        let mut last = None;
        for segment in segments {
            let content = read(&segment.path)?;
            items.extend(content.items.into_iter().map(|(_, payload)| payload));
            damage.extend(content.damage);
            last = Some((segment, content.end, content.length));
        }
        let (number, tail) = match last {
            None => (1, new_segment(folder, 1, swarm)?),
            Some((segment, None, _)) => (segment.number + 1, new_segment(folder, segment.number + 1, swarm)?),
            Some((segment, Some(0), _)) => (segment.number, new_segment(folder, segment.number, swarm)?),
            Some((segment, Some(end), length)) => {
                let fault = |source| StoreError::fault(&segment.path, source);
                let file = OpenOptions::new().write(true).open(&segment.path).map_err(fault)?;
                (segment.number, Tail::new(file, end, length).map_err(fault)?)
            }
        };
        Ok((Self { folder: folder.to_owned(), swarm: *swarm, number, tail }, items))
    }

    /// Adds one record; durable after the next commit.
    pub(super) fn append(&mut self, payload: &[u8]) {
        record::encode(ITEM, payload, self.tail.buffer());
    }

    /// Bytes that wait for a commit.
    pub(super) fn pending(&self) -> usize {
        self.tail.pending()
    }

    /// Makes everything appended durable, in a new segment if the last one is full.
    pub(super) fn commit(&mut self) -> Result<(), StoreError> {
        let pending = self.tail.pending();
        if pending > 0 && self.tail.length() - pending as u64 >= SEGMENT_BYTES {
            let mut next = new_segment(&self.folder, self.number + 1, &self.swarm)?;
            next.buffer().append(self.tail.buffer());
            self.tail = next;
            self.number += 1;
        }
        self.tail.commit().map_err(|source| StoreError::fault(&file_name(&self.folder, self.number), source))
    }
}

/// Makes the file, or makes it anew where a crash or a full disk left it unfinished.
fn new_segment(folder: &Path, number: u32, swarm: &SwarmId) -> Result<Tail, StoreError> {
    let path = file_name(folder, number);
    new_file(&path, FileKind::Segment, swarm).map_err(|source| StoreError::fault(&path, source))
}

/// A file with nothing but its header, durable together with its name.
pub(super) fn new_file(path: &Path, kind: FileKind, swarm: &SwarmId) -> io::Result<Tail> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    let mut tail = Tail::new(file, 0, 0)?;
    tail.buffer().extend_from_slice(&record::header(kind, swarm));
    tail.commit()?;
    if let Some(parent) = path.parent() {
        File::open(parent)?.sync_all()?;
    }
    Ok(tail)
}
