//! What can be wrong with a state folder, in words a person can act on.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use proto::ids::SwarmId;

use super::record::{PAYLOAD_BYTES_MAX, TailShape};

/// A stretch of a file that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// Its first damaged byte.
    pub offset: u64,
    /// How many bytes are affected.
    pub bytes: u64,
    /// What is wrong with them.
    pub what: What,
}

/// The kinds of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// One or more records are not what was written; those behind them are whole.
    Record,
    /// A record's end is missing, as a crash leaves it. It was cut off if the folder
    /// was opened for writing.
    CutOff,
    /// The file's header is not what was written; its records were read all the same.
    Header,
    /// The file is longer than the program writes.
    TooLong,
    /// The file should be there and is not.
    Missing,
}

impl From<TailShape> for What {
    fn from(shape: TailShape) -> Self {
        match shape {
            TailShape::CutOff => Self::CutOff,
            TailShape::Damaged => Self::Record,
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            What::Record => "records are not what was written",
            What::CutOff => "the last record is unfinished",
            What::Header => "the header is not what was written",
            What::TooLong => "longer than the program writes",
            What::Missing => return write!(f, "{}: the file is missing", self.file.display()),
        };
        write!(f, "{}: {what} ({} bytes from byte {})", self.file.display(), self.bytes, self.offset)
    }
}

/// Why a state folder cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be made or written.
    #[error("the state folder cannot be written: {}", path.display())]
    NotWritable {
        /// The folder, or the file in it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has the folder open.
    #[error("the state folder is in use: {} is locked", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The folder belongs to another swarm.
    #[error("the state folder belongs to swarm {}, not to {}: {}", found.short(), expected.short(), path.display())]
    OtherSwarm {
        /// The file that says so.
        path: PathBuf,
        /// The swarm it names.
        found: SwarmId,
        /// The swarm asked for.
        expected: SwarmId,
    },
    /// The folder was written by another version of the program.
    #[error("written in format {version}, which this program does not know: {}", path.display())]
    OtherVersion {
        /// The file that says so.
        path: PathBuf,
        /// The format it names.
        version: u32,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no room left.
    #[error("the disk is full: cannot write {}", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk takes no writes.
    #[error("the disk is read-only: cannot write {}", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk fails.
    #[error("the disk fails: cannot write {}", path.display())]
    Device {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An earlier write failed and has not been made good.
    #[error("nothing is stored since an earlier write failed")]
    Refusing,
    /// The journal cannot be continued.
    #[error("the journal of the own chain is damaged, nothing is signed: {damage}")]
    JournalDamaged {
        /// Where and how.
        damage: Damage,
    },
    /// A record is empty or above the bound.
    #[error("a record of {bytes} bytes is not within 1 to {PAYLOAD_BYTES_MAX}")]
    TooLong {
        /// Its bytes.
        bytes: usize,
    },
    /// Too much was appended without a commit.
    #[error("{bytes} bytes wait for a commit already")]
    Uncommitted {
        /// The bytes that wait.
        bytes: usize,
    },
}

impl StoreError {
    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.to_owned(), source }
    }

    /// A failed write, told apart by what a person can do about it.
    pub(super) fn fault(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        let kind = source.kind();
        if matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return Self::DiskFull { path, source };
        }
        if matches!(kind, io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied) {
            return Self::ReadOnly { path, source };
        }
        Self::Device { path, source }
    }

    /// Whether the disk failed, so that the same call may succeed later.
    pub fn is_fault(&self) -> bool {
        matches!(self, Self::DiskFull { .. } | Self::ReadOnly { .. } | Self::Device { .. })
    }

    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotWritable { .. } => {
                "choose a folder that you may write with node.state_dir or --state-dir"
            }
            Self::Locked { .. } => "stop the other swarmd, or give this one its own --state-dir",
            Self::OtherSwarm { .. } => "use one state folder for each swarm: give another --state-dir",
            Self::OtherVersion { .. } => "run the version of swarmd that wrote the folder",
            Self::Read { .. } => "check that the file is readable and the disk is in order",
            Self::DiskFull { .. } => "free some space; the node goes on by itself",
            Self::ReadOnly { .. } => "make the disk writable; the node goes on by itself",
            Self::Device { .. } => "check the disk; the node goes on by itself when it works again",
            Self::Refusing => "see the first error in the log for the cause",
            Self::JournalDamaged { .. } => {
                "restore the file from a backup of this machine; an older copy costs the account \
                 if anything was signed since"
            }
            Self::TooLong { .. } | Self::Uncommitted { .. } => "report this as a bug",
        }
    }
}
