//! The state folder: the log of the ledger, the journal of the own chain, the index.
//!
//! The truth is in the append-only files; payloads are opaque here and are checked by
//! whoever reads them. The index holds only what can be computed again from them.
//! This module knows no receipt, no balance and no peer.

mod error;
mod index;
mod journal;
mod log;
mod record;
mod tail;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use proto::ids::SwarmId;
use rustix::fs::FlockOperation;

pub use error::{Damage, StoreError, What};
pub use index::{Index, IndexError, IndexState, KeyValue, Row, Table};
pub use journal::{JOURNAL_KIND_MAX, JournalRecord};

use journal::Journal;
use log::Log;
use record::{FileKind, HEADER_BYTES, Header};

/// An open state folder; nobody else can open it meanwhile.
#[derive(Debug)]
pub struct Store {
    log: Log,
    journal: Journal,
    index_folder: PathBuf,
    /// Opened when it is first asked for.
    index: Option<Index>,
    is_faulted: bool,
    /// Held for its lock alone.
    _lock: File,
}

/// What a state folder held when it was opened.
#[derive(Debug, Default)]
pub struct Opened {
    /// The payload of every record of the log that is what was written, in order.
    pub items: Vec<Vec<u8>>,
    /// Every record of the journal, in order.
    pub journal: Vec<JournalRecord>,
    /// What was found damaged, in log, then journal.
    pub damage: Vec<Damage>,
    /// Whether the journal can be continued. If not, nothing may be signed:
    /// [`Store::journal`] refuses.
    pub may_sign: bool,
}

impl Store {
    /// Opens a state folder for one swarm, making what is missing.
    ///
    /// A record unfinished at the very end of log or journal is cut off; any other
    /// damage stays as it is. Both are reported.
    ///
    /// # Errors
    /// [`StoreError::Locked`], [`StoreError::OtherSwarm`], [`StoreError::OtherVersion`]
    /// before anything is changed; [`StoreError::NotWritable`] or one of the faults of
    /// a disk.
    pub fn open(state: &Path, swarm: &SwarmId) -> Result<(Self, Opened), StoreError> {
        let folder = log::folder(state);
        make_folder(state)?;
        let lock = lock(&state.join("lock"))?;
        make_folder(&folder)?;
        let segments = log::segments(&folder)?;
        for segment in &segments {
            check_header(&segment.path, FileKind::Segment, Some(swarm))?;
        }
        let journal_file = journal::file(state);
        let had_journal = check_header(&journal_file, FileKind::Journal, Some(swarm))?.is_some();
        let mut opened = Opened::default();
        let (log, items) = Log::open(&folder, swarm, &mut opened.damage)?;
        if !had_journal && !items.is_empty() {
            let file = journal_file.clone();
            opened.damage.push(Damage { file, offset: 0, bytes: 0, what: What::Missing });
        }
        let (journal, records) = Journal::open(&journal_file, swarm, &mut opened.damage)?;
        opened.items = items;
        opened.journal = records;
        opened.may_sign = journal.damage().is_none();
        let index_folder = state.join("index");
        Ok((Self { log, journal, index_folder, index: None, is_faulted: false, _lock: lock }, opened))
    }

    /// Adds records to the log. They are durable after [`Store::commit`].
    ///
    /// # Errors
    /// [`StoreError::Refusing`] after a fault, [`StoreError::TooLong`],
    /// [`StoreError::Uncommitted`] when too much waits for a commit. Nothing of
    /// `items` is taken then.
    pub fn append_items(&mut self, items: &[Vec<u8>]) -> Result<(), StoreError> {
        self.check_working()?;
        for item in items {
            check_length(item)?;
        }
        let bytes: usize = items.iter().map(|item| item.len() + record::FRAME_BYTES).sum();
        if self.log.pending() + bytes > log::PENDING_BYTES_MAX {
            return Err(StoreError::Uncommitted { bytes: self.log.pending() });
        }
        items.iter().for_each(|item| self.log.append(item));
        Ok(())
    }

    /// Makes everything appended durable with one sync.
    ///
    /// # Errors
    /// A fault of the disk. What was appended is kept and written by a later
    /// [`Store::retry`]; until that succeeds the store refuses everything else.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        self.check_working()?;
        let done = self.log.commit();
        self.is_faulted = done.is_err();
        done
    }

    /// Adds a record to the journal; it is durable when this returns.
    ///
    /// # Errors
    /// [`StoreError::JournalDamaged`], [`StoreError::Refusing`], [`StoreError::TooLong`]
    /// or a fault of the disk. The record is not in the journal then, and what it
    /// signs must not leave the node.
    ///
    /// # Panics
    /// If the kind is not from 1 to [`JOURNAL_KIND_MAX`].
    pub fn journal(&mut self, kind: u8, payload: &[u8]) -> Result<(), StoreError> {
        self.check_working()?;
        check_length(payload)?;
        assert!((1..=JOURNAL_KIND_MAX).contains(&kind), "journal kind {kind} is out of range");
        let done = self.journal.append(kind, payload);
        self.is_faulted = matches!(&done, Err(error) if error.is_fault());
        done
    }

    /// Tries to get out of a fault: writes what is pending.
    ///
    /// # Errors
    /// The fault, if it persists.
    pub fn retry(&mut self) -> Result<(), StoreError> {
        self.journal.retry()?;
        self.log.commit()?;
        self.is_faulted = false;
        Ok(())
    }

    /// Whether a fault of the disk keeps the store from taking anything.
    pub fn is_refusing(&self) -> bool {
        self.is_faulted
    }

    /// What can be computed again, for fast answers.
    pub fn index(&mut self) -> &mut Index {
        self.index.get_or_insert_with(|| Index::open(&self.index_folder))
    }

    fn check_working(&self) -> Result<(), StoreError> {
        if self.is_faulted { Err(StoreError::Refusing) } else { Ok(()) }
    }
}

/// What a state folder holds, read without changing or locking it.
#[derive(Debug)]
pub struct Inspected {
    /// The swarm named by the first whole header; `None` in an empty folder.
    pub swarm: Option<SwarmId>,
    /// Segment file, offset and payload of each whole record of the log.
    pub items: Vec<(PathBuf, u64, Vec<u8>)>,
    /// Whole records of the journal.
    pub journal_records: usize,
    /// What is damaged. While a daemon runs on the folder, its last write may show
    /// here as cut off.
    pub damage: Vec<Damage>,
}

/// Reads every record of a state folder, changing nothing.
///
/// # Errors
/// [`StoreError::Read`], [`StoreError::OtherVersion`]; damage is no error.
pub fn inspect(state: &Path) -> Result<Inspected, StoreError> {
    let folder = log::folder(state);
    let segments = log::segments(&folder)?;
    let (journal_records, journal_damage) = journal::inspect(&journal::file(state))?;
    let damage = log::missing(&folder, &segments);
    let mut found = Inspected { swarm: None, items: Vec::new(), journal_records, damage };
    for segment in segments {
        found.swarm = found.swarm.or(check_header(&segment.path, FileKind::Segment, None)?);
        let content = log::read(&segment.path)?;
        let items = content.items.into_iter();
        found.items.extend(items.map(|(offset, payload)| (segment.path.clone(), offset, payload)));
        found.damage.extend(content.damage);
    }
    found.damage.extend(journal_damage);
    Ok(found)
}

fn make_folder(path: &Path) -> Result<(), StoreError> {
    // Nobody else has a reason to look into a node's state.
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| StoreError::NotWritable { path: path.to_owned(), source })
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let not_writable = |source| StoreError::NotWritable { path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(path).map_err(not_writable)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(StoreError::Locked { path: path.to_owned() }),
        Err(error) => Err(not_writable(error.into())),
    }
}

/// The swarm in a file's header, compared with `expected`; `None` where it cannot be
/// read from it.
fn check_header(
    path: &Path,
    kind: FileKind,
    expected: Option<&SwarmId>,
) -> Result<Option<SwarmId>, StoreError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|source| StoreError::read(path, source))?,
    };
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    file.take(HEADER_BYTES as u64)
        .read_to_end(&mut bytes)
        .map_err(|source| StoreError::read(path, source))?;
    match record::read_header(kind, &bytes) {
        Header::Valid(found) => match expected.filter(|expected| **expected != found) {
            Some(expected) => {
                Err(StoreError::OtherSwarm { path: path.to_owned(), found, expected: *expected })
            }
            None => Ok(Some(found)),
        },
        Header::OtherVersion(version) => Err(StoreError::OtherVersion { path: path.to_owned(), version }),
        Header::Short | Header::Damaged => Ok(None),
    }
}

fn check_length(payload: &[u8]) -> Result<(), StoreError> {
    match payload.len() {
        1..=record::PAYLOAD_BYTES_MAX => Ok(()),
        bytes => Err(StoreError::TooLong { bytes }),
    }
}

#[cfg(test)]
mod tests;
