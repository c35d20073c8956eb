//! The index: a sled database of what can be computed again from log and journal.
//!
//! sled 0.34.7 panics on damaged files, or opens them with rows missing and says
//! nothing. So every call runs under `catch_unwind`, and next to the rows stands a
//! digest over all of them, changed in the same batch and recomputed at the start.
//! Whatever does not agree is moved aside, and the caller fills the index anew.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// sled's page cache; the rows of 10,000 accounts fit.
const CACHE_BYTES: u64 = 16 << 20;

/// Indexes moved aside that are kept for a look; the next one takes the oldest place.
const BROKEN_MAX: usize = 3;

/// Rows written at once while the index is filled.
const BATCH_ROWS: usize = 1_000;

/// Where the two digests stand: no table has this first byte.
const META: &[u8] = b"\0meta";

/// What a row is about; the first byte of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Table {
    /// The newest receipt of an account.
    Heads = 1,
    /// What an account's chain counts.
    Balances = 2,
    /// What is known about a peer.
    Peers = 3,
}

/// One change: a row's new value, or `None` to remove it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which table.
    pub table: Table,
    /// The key within the table.
    pub key: Vec<u8>,
    /// The value.
    pub value: Option<Vec<u8>>,
}

/// A row's key within its table, and its value.
pub type KeyValue = (Vec<u8>, Vec<u8>);

impl Row {
    /// A row with a value.
    pub fn put(table: Table, key: &[u8], value: &[u8]) -> Self {
        Self { table, key: key.to_vec(), value: Some(value.to_vec()) }
    }

    fn full_key(&self) -> Vec<u8> {
        full_key(self.table, &self.key)
    }
}

fn full_key(table: Table, key: &[u8]) -> Vec<u8> {
    [&[table as u8], key].concat()
}

/// How the index was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexState {
    /// Its rows are those last written.
    Kept,
    /// There was none.
    New,
    /// It was damaged and has been moved aside; this one is empty.
    MovedAside {
        /// Where the damaged one lies.
        to: PathBuf,
        /// What was wrong.
        why: String,
    },
    /// None can be opened; every call fails with [`IndexError::Unavailable`].
    Unavailable {
        /// What was wrong.
        why: String,
    },
}

/// Why an index operation failed. The caller goes on without, or rebuilds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// There is no index.
    #[error("the index is not available")]
    Unavailable,
    /// The database said no, or panicked.
    #[error("the index fails: {0}")]
    Database(String),
}

/// The index of one state folder.
#[derive(Debug)]
pub struct Index {
    folder: PathBuf,
    state: IndexState,
    open: Option<OpenIndex>,
}

#[derive(Debug)]
struct OpenIndex {
    database: sled::Db,
    meta: Meta,
}

/// What stands beside the rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Meta {
    /// XOR of the hashes of all rows: it can be kept up to date row by row.
    rows: [u8; 32],
    /// The caller's digest of the state the rows were computed from.
    state: [u8; 32],
}

impl Meta {
    fn toggle(&mut self, key: &[u8], value: &[u8]) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(key.len() as u64).to_le_bytes());
        hasher.update(key);
        hasher.update(value);
        for (byte, hash) in self.rows.iter_mut().zip(hasher.finalize().as_bytes()) {
            *byte ^= hash;
        }
    }

    fn to_bytes(self) -> Vec<u8> {
        [self.rows, self.state].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (rows, state) = bytes.split_first_chunk()?;
        Some(Self { rows: *rows, state: state.try_into().ok()? })
    }
}

impl Index {
    /// Opens the index in `folder`, or an empty one in its place. Never fails: without
    /// an index the node is slower, not wrong.
    pub(super) fn open(folder: &Path) -> Self {
        let (opened, state) = match folder.exists() {
            true => (guarded(|| OpenIndex::open(folder)), IndexState::Kept),
            false => (guarded(|| OpenIndex::create(folder)), IndexState::New),
        };
        let (state, open) = match opened {
            Ok(open) => (state, Some(open)),
            Err(error) => replace(folder, error.to_string()),
        };
        Self { folder: folder.to_owned(), state, open }
    }

    /// How the index was found.
    pub fn state(&self) -> &IndexState {
        &self.state
    }

    /// The digest given with the last change; compare it with the state's own before
    /// believing a row. All zero in an empty index.
    ///
    /// # Errors
    /// [`IndexError::Unavailable`].
    pub fn digest(&self) -> Result<[u8; 32], IndexError> {
        self.open.as_ref().map(|open| open.meta.state).ok_or(IndexError::Unavailable)
    }

    /// Applies changes at once, together with the digest of the state they lead to.
    ///
    /// # Errors
    /// As the variants of [`IndexError`] say; the index is closed after a failure.
    pub fn apply(&mut self, digest: [u8; 32], rows: &[Row]) -> Result<(), IndexError> {
        self.use_open(|open| open.apply(digest, rows))
    }

    /// A row's value.
    ///
    /// # Errors
    /// As the variants of [`IndexError`] say.
    pub fn get(&mut self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        self.use_open(|open| {
            let value = open.database.get(full_key(table, key)).map_err(failed)?;
            Ok(value.map(|value| value.to_vec()))
        })
    }

    /// All rows of a table, in order of their keys.
    ///
    /// # Errors
    /// As the variants of [`IndexError`] say.
    pub fn rows(&mut self, table: Table) -> Result<Vec<KeyValue>, IndexError> {
        self.use_open(|open| {
            let rows = open.database.scan_prefix([table as u8]);
            rows.map(|row| row.map(|(key, value)| (key[1..].to_vec(), value.to_vec())).map_err(failed))
                .collect()
        })
    }

    /// Moves what is there aside and fills an empty index; `done` is told the rows
    /// written so far.
    ///
    /// # Errors
    /// As the variants of [`IndexError`] say.
    pub fn rebuild(
        &mut self,
        digest: [u8; 32],
        rows: impl IntoIterator<Item = Row>,
        mut done: impl FnMut(usize),
    ) -> Result<(), IndexError> {
        close(self.open.take());
        (self.state, self.open) = replace(&self.folder, "does not agree with the log".to_owned());
        let mut rows = rows.into_iter();
        let mut written = 0;
        loop {
            let batch: Vec<Row> = rows.by_ref().take(BATCH_ROWS).collect();
            let is_last = batch.len() < BATCH_ROWS;
            // Until the last batch the digest says that the index is unfinished.
            self.apply(if is_last { digest } else { [0; 32] }, &batch)?;
            written += batch.len();
            done(written);
            if is_last {
                return self.flush();
            }
        }
    }

    /// Hands everything to the disk. Not a promise: that is why the log is the truth.
    ///
    /// # Errors
    /// As the variants of [`IndexError`] say.
    pub fn flush(&mut self) -> Result<(), IndexError> {
        self.use_open(|open| open.database.flush().map(|_| ()).map_err(failed))
    }

    fn use_open<T>(
        &mut self,
        call: impl FnOnce(&mut OpenIndex) -> Result<T, IndexError>,
    ) -> Result<T, IndexError> {
        let open = self.open.as_mut().ok_or(IndexError::Unavailable)?;
        let done = guarded(|| call(open));
        if let Err(error) = &done {
            self.state = IndexState::Unavailable { why: error.to_string() };
            close(self.open.take());
        }
        done
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        close(self.open.take());
    }
}

impl OpenIndex {
    fn database(folder: &Path) -> Result<sled::Db, IndexError> {
        let config = sled::Config::new().path(folder).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        config.open().map_err(failed)
    }

    /// An empty index. It has its digest row from the start: rows without one, and no
    /// rows at all, are what sled shows after damage.
    fn create(folder: &Path) -> Result<Self, IndexError> {
        let mut open = Self { database: Self::database(folder)?, meta: Meta::default() };
        open.apply([0; 32], &[])?;
        Ok(open)
    }

    fn open(folder: &Path) -> Result<Self, IndexError> {
        let database = Self::database(folder)?;
        let mut found = Meta::default();
        let mut said = None;
        for row in database.iter() {
            let (key, value) = row.map_err(failed)?;
            if key == META {
                said = Meta::from_bytes(&value);
            } else {
                found.toggle(&key, &value);
            }
        }
        match said.filter(|said| said.rows == found.rows) {
            Some(meta) => Ok(Self { database, meta }),
            None => Err(IndexError::Database("rows do not agree with their digest".to_owned())),
        }
    }

    fn apply(&mut self, digest: [u8; 32], rows: &[Row]) -> Result<(), IndexError> {
        let mut meta = Meta { state: digest, ..self.meta };
        let mut last: std::collections::BTreeMap<Vec<u8>, &Row> = std::collections::BTreeMap::new();
        for row in rows {
            last.insert(row.full_key(), row);
        }
        let mut batch = sled::Batch::default();
        for (key, row) in last {
            if let Some(old) = self.database.get(&key).map_err(failed)? {
                meta.toggle(&key, &old);
            }
            match &row.value {
                Some(value) => {
                    meta.toggle(&key, value);
                    batch.insert(key, value.as_slice());
                }
                None => batch.remove(key),
            }
        }
        batch.insert(META, meta.to_bytes());
        self.database.apply_batch(batch).map_err(failed)?;
        self.meta = meta;
        Ok(())
    }
}

/// An empty index in the place of a damaged one.
fn replace(folder: &Path, why: String) -> (IndexState, Option<OpenIndex>) {
    let to = match move_aside(folder) {
        Ok(to) => to,
        Err(error) => return (IndexState::Unavailable { why: format!("{why}; {error}") }, None),
    };
    match guarded(|| OpenIndex::create(folder)) {
        Ok(open) => (IndexState::MovedAside { to, why }, Some(open)),
        Err(error) => (IndexState::Unavailable { why: error.to_string() }, None),
    }
}

/// Renames the folder to the first free `index.broken-N`.
fn move_aside(folder: &Path) -> std::io::Result<PathBuf> {
    let place = |number: usize| folder.with_extension(format!("broken-{number}"));
    let free = (1..=BROKEN_MAX).find(|&number| !place(number).exists());
    let number = match free {
        Some(number) => number,
        None => {
            fs::remove_dir_all(place(1))?;
            for number in 1..BROKEN_MAX {
                fs::rename(place(number + 1), place(number))?;
            }
            BROKEN_MAX
        }
    };
    if folder.exists() {
        fs::rename(folder, place(number))?;
    }
    Ok(place(number))
}

/// Drops the database where a panic of its destructor does no harm.
fn close(open: Option<OpenIndex>) {
    // The index can be rebuilt, so a failure to close it changes nothing.
    let _ = catch_unwind(AssertUnwindSafe(move || drop(open)));
}

fn failed(error: sled::Error) -> IndexError {
    IndexError::Database(error.to_string())
}

/// Runs a call into sled and turns a panic into an error.
fn guarded<T>(call: impl FnOnce() -> Result<T, IndexError>) -> Result<T, IndexError> {
    // What the closure touched is dropped after a panic, never used again.
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(IndexError::Database(text.unwrap_or("panic").to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: u32) -> Vec<Row> {
        (0..count).map(|n| Row::put(Table::Heads, &n.to_be_bytes(), &[n as u8; 40])).collect()
    }

    fn place() -> (tempfile::TempDir, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("index");
        (place, folder)
    }

    #[test]
    fn rows_come_back_after_reopening() {
        let (_place, folder) = place();
        let mut index = Index::open(&folder);
        assert_eq!(*index.state(), IndexState::New);
        assert_eq!(index.digest(), Ok([0; 32]));
        index.apply([1; 32], &rows(300)).unwrap();
        let changes =
            [Row::put(Table::Heads, &[0, 0, 0, 1], b"new"), Row { value: None, ..rows(3)[2].clone() }];
        index.apply([2; 32], &changes).unwrap();
        index
            .apply([3; 32], &[Row::put(Table::Peers, b"p", b"old"), Row::put(Table::Peers, b"p", b"q")])
            .unwrap();
        index.flush().unwrap();
        drop(index);
        let mut index = Index::open(&folder);
        assert_eq!(*index.state(), IndexState::Kept);
        assert_eq!(index.digest(), Ok([3; 32]));
        assert_eq!(index.get(Table::Heads, &[0, 0, 0, 1]), Ok(Some(b"new".to_vec())));
        assert_eq!(index.get(Table::Heads, &[0, 0, 0, 2]), Ok(None));
        assert_eq!(index.rows(Table::Heads).unwrap().len(), 299);
        assert_eq!(index.rows(Table::Balances), Ok(Vec::new()));
        assert_eq!(index.rows(Table::Peers), Ok(vec![(b"p".to_vec(), b"q".to_vec())]));
    }

    #[test]
    fn a_rebuilt_index_holds_only_the_new_rows() {
        let (place, folder) = place();
        let mut index = Index::open(&folder);
        index.apply([1; 32], &[Row::put(Table::Peers, b"gone", b"x")]).unwrap();
        let mut steps = Vec::new();
        index.rebuild([9; 32], rows(2_500), |done| steps.push(done)).unwrap();
        assert_eq!(steps, [1_000, 2_000, 2_500]);
        assert_eq!(index.digest(), Ok([9; 32]));
        assert_eq!(index.get(Table::Peers, b"gone"), Ok(None));
        assert!(place.path().join("index.broken-1").is_dir());
    }

    #[test]
    fn garbage_in_the_folder_is_moved_aside() {
        for name in ["db", "conf"] {
            let (place, folder) = place();
            let mut index = Index::open(&folder);
            index.apply([1; 32], &rows(10)).unwrap();
            drop(index);
            fs::write(folder.join(name), b"garbage garbage garbage").unwrap();
            let mut index = Index::open(&folder);
            let to = place.path().join("index.broken-1");
            assert!(
                matches!(index.state(), IndexState::MovedAside { to: found, .. } if *found == to),
                "{name}: {:?}",
                index.state()
            );
            assert_eq!(index.rows(Table::Heads), Ok(Vec::new()));
            index.apply([2; 32], &rows(10)).unwrap();
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_leaves_no_index() {
        let (place, _) = place();
        fs::write(place.path().join("file"), b"").unwrap();
        let mut index = Index::open(&place.path().join("file/index"));
        assert!(matches!(index.state(), IndexState::Unavailable { .. }), "{:?}", index.state());
        assert_eq!(index.digest(), Err(IndexError::Unavailable));
        assert_eq!(index.get(Table::Heads, b"x"), Err(IndexError::Unavailable));
    }

    #[test]
    fn at_most_three_broken_ones_are_kept() {
        let (place, folder) = place();
        let mut index = Index::open(&folder);
        for round in 0..5 {
            index.rebuild([round; 32], rows(3), |_| {}).unwrap();
        }
        let broken: Vec<_> = fs::read_dir(place.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.contains("broken"))
            .collect();
        assert_eq!(broken.len(), 3, "{broken:?}");
        assert_eq!(index.rows(Table::Heads).unwrap().len(), 3);
    }

    /// sled alone reports none of these and loses rows or panics; here a row is right
    /// or the index is empty.
    #[test]
    fn damage_never_yields_a_wrong_row() {
        let (_place, folder) = place();
        let mut index = Index::open(&folder);
        index.apply([1; 32], &rows(200)).unwrap();
        index.flush().unwrap();
        drop(index);
        let good = fs::read(folder.join("db")).unwrap();
        let live = good.iter().rposition(|&byte| byte != 0).unwrap() + 1;
        let seed = 0x5eed_u64;
        println!("seed {seed:#x}");
        let mut random = seed;
        for round in 0..24 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (random >> 33) as usize % live;
            let mut bad = good.clone();
            match round % 3 {
                0 => bad[at] ^= 1 << (random % 8),
                1 => bad.truncate(at),
                _ => bad[at..].iter_mut().take(512).for_each(|byte| *byte = 0),
            }
            let (_place, folder) = place();
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("db"), bad).unwrap();
            let mut index = Index::open(&folder);
            let found = index.rows(Table::Heads).unwrap();
            let is_whole = found.len() == 200 && found.iter().all(|(key, value)| value[..] == [key[3]; 40]);
            assert!(is_whole || found.is_empty(), "round {round}, byte {at}: {} rows", found.len());
            assert!(is_whole || index.digest() == Ok([0; 32]), "round {round}, byte {at}");
        }
    }
}
