//! What this node has signed or must not forget, durable before it is acted on.
//!
//! A node that forgets a signature signs a second receipt at the same place of its
//! chain, and that costs it the account. So a damaged journal is never cut or
//! continued: the store opens, and refuses to write here. Only a record whose end is
//! missing is cut: nobody has seen what it signs, because the write never returned.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use proto::ids::SwarmId;

use super::log::new_file;
use super::record::{self, FileKind, Header, Scan, Stretch, TailShape};
use super::tail::Tail;
use super::{Damage, StoreError, What};

/// The kinds of journal records are numbered by the caller, from 1 to this. They are
/// bounded because an unknown kind is one of the signs of damage.
pub const JOURNAL_KIND_MAX: u8 = 15;

/// One journal record: its kind and its payload, both the caller's.
pub type JournalRecord = (u8, Vec<u8>);

/// The journal's file within a state folder.
pub(super) fn file(state: &Path) -> PathBuf {
    state.join("own-chain.journal")
}

/// The journal, open for appending unless it is damaged.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    /// The end, or the damage that forbids to write.
    tail: Result<Tail, Damage>,
}

/// Everything in a journal's bytes: the records, where it continues, the damage.
struct Content {
    records: Vec<JournalRecord>,
    end: usize,
    cut_off: Option<Damage>,
    damage: Option<Damage>,
}

fn read(path: &Path, bytes: &[u8]) -> Content {
    let damage_at = |offset: usize, end: usize, what| {
        Some(Damage { file: path.to_owned(), offset: offset as u64, bytes: (end - offset) as u64, what })
    };
    let mut content = Content { records: Vec::new(), end: bytes.len(), cut_off: None, damage: None };
    match record::read_header(FileKind::Journal, bytes) {
        Header::Valid(_) | Header::OtherVersion(_) => {}
        Header::Short => {
            content.cut_off = damage_at(0, bytes.len(), What::CutOff);
            content.end = 0;
            return content;
        }
        Header::Damaged => content.damage = damage_at(0, record::HEADER_BYTES, What::Header),
    }
    for stretch in Scan::new(bytes, 1..=JOURNAL_KIND_MAX) {
        match stretch {
            Stretch::Record { kind, payload, .. } => content.records.push((kind, payload.to_vec())),
            Stretch::Hole { offset, end } => {
                content.damage = content.damage.or_else(|| damage_at(offset, end, What::Record));
            }
            Stretch::Tail { offset, shape: TailShape::CutOff } => {
                content.cut_off = damage_at(offset, bytes.len(), What::CutOff);
                content.end = offset;
            }
            Stretch::Tail { offset, shape: TailShape::Damaged } => {
                content.damage = content.damage.or_else(|| damage_at(offset, bytes.len(), What::Record));
            }
        }
    }
    content
}

/// The damage of a journal file, without opening it for writing.
pub(super) fn inspect(path: &Path) -> Result<(usize, Vec<Damage>), StoreError> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((0, Vec::new())),
        Err(source) => Err(StoreError::read(path, source)),
        Ok(bytes) => {
            let content = read(path, &bytes);
            Ok((content.records.len(), content.cut_off.into_iter().chain(content.damage).collect()))
        }
    }
}

impl Journal {
    /// Opens the file, making it if there is none, and yields all records.
    pub(super) fn open(
        path: &Path,
        swarm: &SwarmId,
        damage: &mut Vec<Damage>,
    ) -> Result<(Self, Vec<JournalRecord>), StoreError> {
        let fault = |source| StoreError::fault(path, source);
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let tail = new_file(path, FileKind::Journal, swarm).map_err(fault)?;
                return Ok((Self { path: path.to_owned(), tail: Ok(tail) }, Vec::new()));
            }
            other => other.map_err(|source| StoreError::read(path, source))?,
        };
        let content = read(path, &bytes);
        damage.extend(content.cut_off);
        damage.extend(content.damage.clone());
        let tail = match (content.damage, content.end) {
            (Some(damage), _) => Err(damage),
            (None, 0) => Ok(new_file(path, FileKind::Journal, swarm).map_err(fault)?),
            (None, end) => {
                let file = OpenOptions::new().write(true).open(path).map_err(fault)?;
                Ok(Tail::new(file, end as u64, bytes.len() as u64).map_err(fault)?)
            }
        };
        Ok((Self { path: path.to_owned(), tail }, content.records))
    }

    /// The damage that keeps the journal from being continued.
    pub(super) fn damage(&self) -> Option<&Damage> {
        self.tail.as_ref().err()
    }

    /// Adds one record, durable on return. After an error the record is not there.
    pub(super) fn append(&mut self, kind: u8, payload: &[u8]) -> Result<(), StoreError> {
        let tail = self.writable()?;
        let before = tail.length();
        record::encode(kind, payload, tail.buffer());
        if let Err(source) = tail.commit() {
            tail.take_back(before);
            return Err(StoreError::fault(&self.path, source));
        }
        Ok(())
    }

    /// Brings the file back to its last durable length after a fault.
    pub(super) fn retry(&mut self) -> Result<(), StoreError> {
        match &mut self.tail {
            Ok(tail) => tail.commit().map_err(|source| StoreError::fault(&self.path, source)),
            Err(_) => Ok(()),
        }
    }

    fn writable(&mut self) -> Result<&mut Tail, StoreError> {
        match &mut self.tail {
            Ok(tail) => Ok(tail),
            Err(damage) => Err(StoreError::JournalDamaged { damage: damage.clone() }),
        }
    }
}
