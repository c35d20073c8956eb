//! The node's secret: one 32-byte seed in a file that only its owner may read.
//!
//! Account, peer identity and VRF key all follow from it. The file is made once, on
//! the first start, and never written again: who has it has the account.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use proto::ids::AccountId;
use rustix::fs::{CWD, RenameFlags};

/// The key's file within a state folder.
pub const FILE: &str = "identity.key";

const SEED_BYTES: usize = 32;

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be read.
    #[error("cannot read the node's key {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be made.
    #[error("cannot write the node's key {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes for a new key")]
    Random {
        /// What the system said.
        source: io::Error,
    },
    /// Others may read or write the file.
    #[error("others may open the node's key, mode {mode:03o}: {}", path.display())]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is not a key.
    #[error("the node's key has {bytes} bytes instead of {SEED_BYTES}: {}", path.display())]
    WrongLength {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
    },
}

impl IdentityError {
    /// What a person can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Read { .. } => "run swarmd as the user who owns the file".to_owned(),
            Self::Write { .. } => "choose a folder that you may write with --state-dir".to_owned(),
            Self::Random { .. } => "check that /dev/random can be read".to_owned(),
            Self::TooOpen { path, .. } => format!("run: chmod 600 {}", path.display()),
            Self::WrongLength { .. } => {
                "restore the file from a backup; without it the account is lost, and after moving \
                 the file away the next start makes a new one"
                    .to_owned()
            }
        }
    }
}

/// The node's secret seed.
#[derive(Clone)]
pub struct Identity {
    seed: [u8; SEED_BYTES],
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.account().short())
    }
}

impl Identity {
    /// The identity in a state folder, made if there is none yet.
    ///
    /// # Errors
    /// As the variants of [`IdentityError`] say.
    pub fn open(state: &Path) -> Result<Self, IdentityError> {
        let path = state.join(FILE);
        match File::open(&path) {
            Ok(file) => Self::read(&path, file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(&path),
            Err(source) => Err(IdentityError::Read { path, source }),
        }
    }

    /// An identity that is in no file, for swarms that live as long as a program.
    pub fn from_seed(seed: [u8; SEED_BYTES]) -> Self {
        Self { seed }
    }

    /// The seed, from which the VRF key and the peer identity are derived.
    pub fn seed(&self) -> &[u8; SEED_BYTES] {
        &self.seed
    }

    /// The key that signs everything.
    pub fn signing_key(&self) -> SigningKey {
        SigningKey::from_bytes(&self.seed)
    }

    /// The account.
    pub fn account(&self) -> AccountId {
        proto::sign::account_of(&self.signing_key())
    }

    fn read(path: &Path, mut file: File) -> Result<Self, IdentityError> {
        let read_error = |source| IdentityError::Read { path: path.to_owned(), source };
        let found = file.metadata().map_err(read_error)?;
        let mode = found.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(IdentityError::TooOpen { path: path.to_owned(), mode });
        }
        if found.len() != SEED_BYTES as u64 {
            return Err(IdentityError::WrongLength { path: path.to_owned(), bytes: found.len() });
        }
        let mut seed = [0; SEED_BYTES];
        file.read_exact(&mut seed).map_err(read_error)?;
        Ok(Self { seed })
    }

    /// Makes the file whole or not at all: it gets its name when it is on disk.
    fn make(path: &Path) -> Result<Self, IdentityError> {
        let write_error = |source| IdentityError::Write { path: path.to_owned(), source };
        let seed = random().map_err(|source| IdentityError::Random { source })?;
        let unnamed = path.with_extension(format!("new-{}", std::process::id()));
        let made = write(&unnamed, &seed).and_then(|()| {
            rustix::fs::renameat_with(CWD, &unnamed, CWD, path, RenameFlags::NOREPLACE)?;
            path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
        });
        if made.is_err() {
            // The half-made file holds a seed that nothing uses; the error says more.
            let _ = fs::remove_file(&unnamed);
        }
        match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::open_existing(path),
            other => other.map(|()| Self { seed }).map_err(write_error),
        }
    }

    /// Another process was faster; its key is the one.
    fn open_existing(path: &Path) -> Result<Self, IdentityError> {
        let file =
            File::open(path).map_err(|source| IdentityError::Read { path: path.to_owned(), source })?;
        Self::read(path, file)
    }
}

fn write(path: &Path, seed: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(seed)?;
    file.sync_all()
}

/// Random bytes of the system. `/dev/random` waits until the kernel has gathered
/// enough after booting; `/dev/urandom` would not.
fn random() -> io::Result<[u8; SEED_BYTES]> {
    let mut seed = [0; SEED_BYTES];
    File::open("/dev/random")?.read_exact(&mut seed)?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_first_start_makes_a_private_key_that_stays() {
        let state = tempfile::tempdir().unwrap();
        let made = Identity::open(state.path()).unwrap();
        let file = fs::metadata(state.path().join("identity.key")).unwrap();
        assert_eq!((file.len(), file.mode() & 0o777), (32, 0o600));
        assert_eq!(Identity::open(state.path()).unwrap().seed(), made.seed());
        assert_eq!(fs::read_dir(state.path()).unwrap().count(), 1);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(Identity::open(other.path()).unwrap().seed(), made.seed());
    }

    #[test]
    fn the_account_is_the_public_key_of_the_seed() {
        // RFC 8032, section 7.1, test 1.
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let account = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let seed = *seed.parse::<AccountId>().unwrap().as_bytes();
        let identity = Identity::from_seed(seed);
        assert_eq!(identity.account().to_string(), account);
        assert_eq!(format!("{identity:?}"), "Identity(d75a9801)");
    }

    #[test]
    fn a_key_that_others_may_open_is_refused() {
        let state = tempfile::tempdir().unwrap();
        Identity::open(state.path()).unwrap();
        let path = state.path().join(FILE);
        for mode in [0o640, 0o604, 0o620, 0o666] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = Identity::open(state.path()).unwrap_err();
            assert!(matches!(error, IdentityError::TooOpen { mode: found, .. } if found == mode), "{error}");
            assert_eq!(error.hint(), format!("run: chmod 600 {}", path.display()));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        Identity::open(state.path()).unwrap();
    }

    #[test]
    fn a_file_of_another_length_is_refused_and_kept() {
        for bytes in [0_usize, 31, 33] {
            let state = tempfile::tempdir().unwrap();
            let path = state.path().join(FILE);
            write(&path, &vec![1; bytes]).unwrap();
            let error = Identity::open(state.path()).unwrap_err();
            assert!(
                matches!(error, IdentityError::WrongLength { bytes: found, .. } if found == bytes as u64)
            );
            assert_eq!(fs::read(&path).unwrap().len(), bytes);
        }
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let place = tempfile::tempdir().unwrap();
        let error = Identity::open(&place.path().join("absent")).unwrap_err();
        assert!(matches!(error, IdentityError::Write { .. }), "{error}");
        fs::write(place.path().join("file"), b"").unwrap();
        let error = Identity::open(&place.path().join("file")).unwrap_err();
        assert!(matches!(error, IdentityError::Read { .. }), "{error}");
    }
}
