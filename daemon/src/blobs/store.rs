//! The folder of blobs: one file for each, named by its hash, with a quota.
//!
//! Nothing gets a name here whose bytes do not hash to it, and no path is handed
//! out before its file has been hashed again: a file damaged on disk is removed
//! and reported, never served. Which blobs are worth their space is not decided here.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bao_tree::BaoTree;
use bao_tree::io::outboard::PreOrderOutboard;
use bao_tree::io::sync::{CreateOutboard, ReadAt};
use proto::ids::BlobHash;
use proto::limits::BLOB_BYTES_MAX;

use super::{CHUNK_BYTES, GROUP};

/// Folder inside the store for files that are not complete yet.
const UNFINISHED: &str = "unfinished";

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such blob.
    #[error("blob {0} is not in the store")]
    Unknown(BlobHash),
    /// The file no longer hashes to its name; it has been removed.
    #[error("blob {0} was damaged on disk and has been removed")]
    Damaged(BlobHash),
    /// The quota has no room for it.
    #[error("blob of {size} bytes does not fit: {used} of {quota} bytes are taken")]
    Full {
        /// Size of the blob in bytes.
        size: u64,
        /// Bytes taken by blobs and by transfers under way.
        used: u64,
        /// The quota in bytes.
        quota: u64,
    },
    /// Larger than any blob may be.
    #[error("{size} bytes are more than a blob may have")]
    TooLarge {
        /// Size in bytes.
        size: u64,
    },
    /// The bytes do not hash to the expected name.
    #[error("bytes hash to {found}, not to {expected}")]
    WrongHash {
        /// The name asked for.
        expected: BlobHash,
        /// The name of the bytes.
        found: BlobHash,
    },
    /// The disk failed.
    #[error("cannot {doing} {}", path.display())]
    Disk {
        /// What was attempted.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A folder of blobs. Clones share it.
///
/// All operations block on the disk; call them from a thread that may.
#[derive(Debug, Clone)]
pub struct BlobStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    quota: u64,
    /// Held for a few map operations and a file removal, by whichever thread
    /// imports, fetches or removes; never while bytes are read or written.
    index: Mutex<Index>,
    unfinished_count: AtomicU64,
}

#[derive(Debug, Default)]
struct Index {
    sizes: BTreeMap<BlobHash, u64>,
    /// Bytes of finished blobs plus bytes reserved for unfinished ones.
    used: u64,
}

impl BlobStore {
    /// Opens or creates the folder and counts what is there; leftovers of
    /// interrupted transfers are removed.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when the folder cannot be created or read.
    pub fn open(directory: impl Into<PathBuf>, quota_bytes: u64) -> Result<Self, StoreError> {
        let directory = directory.into();
        let unfinished = directory.join(UNFINISHED);
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).map_err(disk("clear", &unfinished))?;
        }
        fs::create_dir_all(&unfinished).map_err(disk("create", &unfinished))?;
        let mut index = Index::default();
        for entry in fs::read_dir(&directory).map_err(disk("list", &directory))? {
            let entry = entry.map_err(disk("list", &directory))?;
            // Anything that does not carry a hash as its name is not ours.
            let name = entry.file_name();
            let Some(hash) = name.to_str().and_then(|name| name.parse::<BlobHash>().ok()) else {
                continue;
            };
            let metadata = entry.metadata().map_err(disk("look at", &entry.path()))?;
            index.used = index.used.saturating_add(metadata.len());
            index.sizes.insert(hash, metadata.len());
        }
        let index = Mutex::new(index);
        let shared = Shared { directory, quota: quota_bytes, index, unfinished_count: AtomicU64::new(0) };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Stores bytes and returns their name.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::TooLarge`] or [`StoreError::Disk`].
    pub fn import(&self, bytes: &[u8]) -> Result<BlobHash, StoreError> {
        let mut unfinished = self.begin(bytes.len() as u64)?;
        unfinished.append(bytes)?;
        unfinished.finish(None).map(|(hash, _)| hash)
    }

    /// Copies a file into the store and returns its name and size in bytes.
    ///
    /// # Errors
    /// As [`BlobStore::import`]; also when the file grows while it is copied.
    pub fn import_file(&self, path: &Path) -> Result<(BlobHash, u64), StoreError> {
        let mut file = File::open(path).map_err(disk("open", path))?;
        let size = file.metadata().map_err(disk("look at", path))?.len();
        let mut unfinished = self.begin(size)?;
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            let count = file.read(&mut buffer).map_err(disk("read", path))?;
            if count == 0 {
                break;
            }
            unfinished.append(&buffer[..count])?;
        }
        let written = unfinished.written;
        unfinished.finish(None).map(|(hash, _)| (hash, written))
    }

    /// The size of a blob in bytes, if the store has it.
    pub fn size(&self, hash: &BlobHash) -> Option<u64> {
        self.index().sizes.get(hash).copied()
    }

    /// Whether the store has the blob.
    pub fn has(&self, hash: &BlobHash) -> bool {
        self.size(hash).is_some()
    }

    /// All blobs, in the order of their names.
    pub fn list(&self) -> Vec<BlobHash> {
        self.index().sizes.keys().copied().collect()
    }

    /// Bytes taken by blobs and reserved by transfers under way.
    pub fn used_bytes(&self) -> u64 {
        self.index().used
    }

    /// Hashes the file again and returns its path. The file must not be changed.
    ///
    /// # Errors
    /// [`StoreError::Unknown`]; [`StoreError::Damaged`] after removing a file
    /// that no longer matches; [`StoreError::Disk`].
    pub fn get(&self, hash: &BlobHash) -> Result<PathBuf, StoreError> {
        let (path, file) = self.open_file(hash)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(file).map_err(disk("read", &path))?;
        if hasher.finalize().as_bytes() != hash.as_bytes() {
            return Err(self.condemn(hash));
        }
        Ok(path)
    }

    /// Removes a blob; `false` if it was not there.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when the file cannot be removed.
    pub fn remove(&self, hash: &BlobHash) -> Result<bool, StoreError> {
        let path = self.path(hash);
        let mut index = self.index();
        let Some(&size) = index.sizes.get(hash) else {
            return Ok(false);
        };
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(disk("remove", &path)(error)),
        }
        index.sizes.remove(hash);
        index.used = index.used.saturating_sub(size);
        Ok(true)
    }

    /// Opens a blob for serving, with the hash tree of its present bytes.
    pub(super) fn open_verified(&self, hash: &BlobHash) -> Result<Verified, StoreError> {
        let (path, file) = self.open_file(hash)?;
        let outboard = PreOrderOutboard::<Vec<u8>>::create(&file, GROUP).map_err(disk("read", &path))?;
        if outboard.root.as_bytes() != hash.as_bytes() {
            return Err(self.condemn(hash));
        }
        Ok(Verified { file: PositionedFile(file), outboard })
    }

    /// Reserves room for `size` bytes and opens a file for them.
    pub(super) fn begin(&self, size: u64) -> Result<Unfinished, StoreError> {
        if size > BLOB_BYTES_MAX {
            return Err(StoreError::TooLarge { size });
        }
        let quota = self.shared.quota;
        let mut index = self.index();
        let used = index.used;
        let total = used.checked_add(size).filter(|total| *total <= quota);
        index.used = total.ok_or(StoreError::Full { size, used, quota })?;
        drop(index);
        let number = self.shared.unfinished_count.fetch_add(1, Ordering::Relaxed);
        let path = self.shared.directory.join(UNFINISHED).join(number.to_string());
        let reservation = Reservation { store: self.clone(), size, path };
        let file = File::create_new(&reservation.path).map_err(disk("create", &reservation.path))?;
        Ok(Unfinished { reservation, file, hasher: blake3::Hasher::new(), written: 0 })
    }

    /// Drops a file that does not match its name any more.
    pub(super) fn condemn(&self, hash: &BlobHash) -> StoreError {
        tracing::warn!(blob = %hash, "damaged blob removed");
        match self.remove(hash) {
            Ok(_) => StoreError::Damaged(*hash),
            Err(error) => error,
        }
    }

    fn open_file(&self, hash: &BlobHash) -> Result<(PathBuf, File), StoreError> {
        if !self.has(hash) {
            return Err(StoreError::Unknown(*hash));
        }
        let path = self.path(hash);
        match File::open(&path) {
            Ok(file) => Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(self.condemn(hash)),
            Err(error) => Err(disk("open", &path)(error)),
        }
    }

    fn path(&self, hash: &BlobHash) -> PathBuf {
        self.shared.directory.join(hash.to_string())
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        // No operation leaves the index half changed, so that a panic elsewhere
        // does not make it wrong.
        self.shared.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A blob opened for serving: the bytes and the tree over them, checked against the name.
pub(super) struct Verified {
    pub(super) file: PositionedFile,
    pub(super) outboard: PreOrderOutboard<Vec<u8>>,
}

impl Verified {
    /// The tree's geometry.
    pub(super) fn tree(&self) -> BaoTree {
        self.outboard.tree
    }
}

/// A file read at given positions by one thread.
pub(super) struct PositionedFile(File);

impl ReadAt for PositionedFile {
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut file = &self.0;
        file.seek(SeekFrom::Start(position))?;
        file.read(buffer)
    }
}

/// A blob being written. Dropped before [`Unfinished::finish`], it leaves nothing.
#[derive(Debug)]
pub(super) struct Unfinished {
    reservation: Reservation,
    file: File,
    hasher: blake3::Hasher,
    written: u64,
}

impl Unfinished {
    /// Appends bytes, never more than were reserved.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.written += bytes.len() as u64;
        if self.written > self.reservation.size {
            return Err(StoreError::TooLarge { size: self.written });
        }
        self.hasher.update(bytes);
        self.file.write_all(bytes).map_err(disk("write", &self.reservation.path))
    }

    /// Gives the bytes their name. Fails, and stores nothing, if a name is
    /// expected and the bytes have another.
    pub(super) fn finish(self, expected: Option<BlobHash>) -> Result<(BlobHash, PathBuf), StoreError> {
        let found = BlobHash::new(*self.hasher.finalize().as_bytes());
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            return Err(StoreError::WrongHash { expected, found });
        }
        // A name in the folder is a promise, so that the bytes are on disk before it.
        self.file.sync_all().map_err(disk("write", &self.reservation.path))?;
        let store = &self.reservation.store;
        let path = store.path(&found);
        let mut index = store.index();
        let Index { sizes, used } = &mut *index;
        if let Entry::Vacant(entry) = sizes.entry(found) {
            fs::rename(&self.reservation.path, &path).map_err(disk("name", &path))?;
            entry.insert(self.written);
            // Dropping the reservation gives its whole size back.
            *used = used.saturating_add(self.written);
        }
        drop(index);
        let directory = &store.shared.directory;
        File::open(directory).and_then(|folder| folder.sync_all()).map_err(disk("write", directory))?;
        Ok((found, path))
    }
}

/// Room in the quota and the file that will fill it; both go with it.
#[derive(Debug)]
struct Reservation {
    store: BlobStore,
    size: u64,
    path: PathBuf,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut index = self.store.index();
        index.used = index.used.saturating_sub(self.size);
        drop(index);
        // Finished files have been renamed away; what else stays is cleared at the next start.
        let _gone = fs::remove_file(&self.path);
    }
}

fn disk(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Disk { doing, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    // BLAKE3 of the three bytes "abc", from the reference test vectors.
    const ABC: &str = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85";

    fn files_in(directory: &Path) -> usize {
        fs::read_dir(directory).unwrap().count()
    }

    #[test]
    fn bytes_are_named_by_their_hash_and_survive_reopening() {
        let directory = tempfile::tempdir().unwrap();
        let store = BlobStore::open(directory.path(), 10).unwrap();
        let hash = store.import(b"abc").unwrap();
        assert_eq!(hash.to_string(), ABC);
        assert_eq!(store.import(b"abc").unwrap(), hash);
        assert_eq!((store.size(&hash), store.used_bytes()), (Some(3), 3));

        let store = BlobStore::open(directory.path(), 10).unwrap();
        assert_eq!(fs::read(store.get(&hash).unwrap()).unwrap(), b"abc");
        assert_eq!((store.list(), store.used_bytes()), (vec![hash], 3));
        assert!(store.remove(&hash).unwrap());
        assert!(!store.remove(&hash).unwrap());
        assert!(matches!(store.get(&hash), Err(StoreError::Unknown(_))));
        assert_eq!(store.used_bytes(), 0);
    }

    #[test]
    fn files_are_copied_under_the_hash_of_their_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().join("source");
        fs::write(&source, b"abc").unwrap();
        let store = BlobStore::open(directory.path().join("blobs"), 10).unwrap();
        assert_eq!(store.import_file(&source).unwrap(), (ABC.parse().unwrap(), 3));
        assert!(source.exists());
    }

    #[test]
    fn the_quota_counts_what_is_stored_and_what_is_under_way() {
        let directory = tempfile::tempdir().unwrap();
        let store = BlobStore::open(directory.path(), 10).unwrap();
        store.import(b"abc").unwrap();
        let under_way = store.begin(7).unwrap();
        assert!(matches!(store.import(b"d"), Err(StoreError::Full { size: 1, used: 10, quota: 10 })));
        drop(under_way);
        store.import(b"d").unwrap();
        assert_eq!(store.used_bytes(), 4);
        assert!(matches!(store.begin((4 << 30) + 1), Err(StoreError::TooLarge { .. })));
        assert_eq!(files_in(&directory.path().join(UNFINISHED)), 0);
    }

    #[test]
    fn a_damaged_file_is_removed_and_never_handed_out() {
        type Open = fn(&BlobStore, &BlobHash) -> Result<(), StoreError>;
        let read: Open = |store, hash| store.get(hash).map(|_| ());
        let serve: Open = |store, hash| store.open_verified(hash).map(|_| ());
        for open in [read, serve] {
            let directory = tempfile::tempdir().unwrap();
            let store = BlobStore::open(directory.path(), 10).unwrap();
            let hash = store.import(b"abc").unwrap();
            open(&store, &hash).unwrap();
            fs::write(directory.path().join(ABC), b"abd").unwrap();
            assert!(matches!(open(&store, &hash), Err(StoreError::Damaged(_))));
            assert!(matches!(open(&store, &hash), Err(StoreError::Unknown(_))));
            assert_eq!((files_in(directory.path()), store.used_bytes()), (1, 0));
        }
    }

    #[test]
    fn a_transfer_with_another_hash_or_more_bytes_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let store = BlobStore::open(directory.path(), 10).unwrap();
        let mut wrong = store.begin(3).unwrap();
        wrong.append(b"abd").unwrap();
        assert!(matches!(wrong.finish(Some(ABC.parse().unwrap())), Err(StoreError::WrongHash { .. })));
        let mut long = store.begin(3).unwrap();
        assert!(matches!(long.append(b"abcd"), Err(StoreError::TooLarge { size: 4 })));
        drop(long);
        assert_eq!((store.list(), store.used_bytes()), (Vec::new(), 0));
        assert_eq!(files_in(&directory.path().join(UNFINISHED)), 0);
    }

    #[test]
    fn leftovers_are_cleared_and_foreign_files_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join(UNFINISHED)).unwrap();
        fs::write(directory.path().join(UNFINISHED).join("0"), b"half").unwrap();
        fs::write(directory.path().join("notes"), b"mine").unwrap();
        let store = BlobStore::open(directory.path(), 10).unwrap();
        assert_eq!((store.list(), store.used_bytes()), (Vec::new(), 0));
        assert_eq!(files_in(&directory.path().join(UNFINISHED)), 0);
        assert!(directory.path().join("notes").exists());
    }
}
