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

/// What a journal record holds; its payload is the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum JournalKind {
    /// A receipt of the own chain.
    Receipt = 1,
    /// A share of a draw that this node gave as a founder.
    Share = 2,
    /// An anchor that this node signed as a founder.
    Anchor = 3,
    /// A step of an own trial.
    Trial = 4,
    /// A voucher given or taken.
    Voucher = 5,
}

impl JournalKind {
    const ALL: [Self; 5] = [Self::Receipt, Self::Share, Self::Anchor, Self::Trial, Self::Voucher];

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|&kind| kind as u8 == byte)
    }
}

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

/// The records of a journal, in order.
type Records = Vec<(JournalKind, Vec<u8>)>;

/// Everything in a journal's bytes: the records, where it continues, the damage.
struct Content {
    records: Records,
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
    for stretch in Scan::new(bytes, 1..=JournalKind::ALL.len() as u8) {
        match stretch {
            Stretch::Record { kind, payload, .. } => {
                let kind = JournalKind::from_byte(kind).expect("the scan was told which kinds exist");
                content.records.push((kind, payload.to_vec()));
            }
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
    ) -> Result<(Self, Records), StoreError> {
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
    pub(super) fn append(&mut self, kind: JournalKind, payload: &[u8]) -> Result<(), StoreError> {
        let tail = self.writable()?;
        let before = tail.length();
        record::encode(kind as u8, payload, tail.buffer());
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
