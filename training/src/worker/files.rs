//! The worker's folder: states by their hash, exports by a bare name.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use proto::ids::BlobHash;

use crate::state;

/// Letters of a file name.
const NAME_BYTES_MAX: usize = 128;

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// A name that could lead out of the folder, or is not one of ours.
    #[error("{name:?} is not a bare file name of letters, digits, dots, hyphens and underscores")]
    Name { name: String },
    /// A state that is not named by its hash.
    #[error("{name:?} is not the name of a state, which is its hash and .state")]
    StateName { name: String },
    /// The file cannot be read.
    #[error("the state file {name} cannot be read")]
    Read {
        name: String,
        #[source]
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("the file {name} cannot be written")]
    Write {
        name: String,
        #[source]
        source: io::Error,
    },
    /// The file has another length than a state of the recipe.
    #[error("the state file {name} has {found} bytes, {expected} are expected")]
    Length { name: String, found: u64, expected: u64 },
    /// The bytes are not those that the name promises.
    #[error("the state file {name} is damaged: its bytes hash to {found}")]
    Damaged { name: String, found: BlobHash },
}

/// The file name of a state.
pub(super) fn state_name(hash: &BlobHash) -> String {
    format!("{hash}.state")
}

/// Reads a state of `length` bytes and compares it with the hash in its name.
pub(super) fn read_state(folder: &Path, name: &str, length: usize) -> Result<Vec<u8>, FileError> {
    let expected: BlobHash = name
        .strip_suffix(".state")
        .and_then(|stem| stem.parse().ok())
        .ok_or_else(|| FileError::StateName { name: name.to_owned() })?;
    let error = |source| FileError::Read { name: name.to_owned(), source };
    let path = folder.join(state_name(&expected));
    let found = fs::metadata(&path).map_err(error)?.len();
    if found != length as u64 {
        return Err(FileError::Length { name: name.to_owned(), found, expected: length as u64 });
    }
    let bytes = fs::read(&path).map_err(error)?;
    let found = state::hash(&bytes);
    if found != expected {
        return Err(FileError::Damaged { name: name.to_owned(), found });
    }
    Ok(bytes)
}

/// Writes a state under its hash, whole or not at all.
pub(super) fn write_state(folder: &Path, hash: &BlobHash, bytes: &[u8]) -> Result<String, FileError> {
    let name = state_name(hash);
    let error = |source| FileError::Write { name: name.clone(), source };
    let unfinished = folder.join(format!("{name}.part"));
    fs::write(&unfinished, bytes).map_err(error)?;
    fs::rename(&unfinished, folder.join(&name)).map_err(error)?;
    Ok(name)
}

/// The path of a bare name in the folder.
pub(super) fn bare_path(folder: &Path, name: &str) -> Result<PathBuf, FileError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_bare =
        (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(allowed);
    if !is_bare {
        return Err(FileError::Name { name: name.to_owned() });
    }
    Ok(folder.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bare_names_become_paths() {
        let folder = Path::new("/w");
        assert_eq!(
            bare_path(folder, "model-1_b.safetensors").unwrap(),
            Path::new("/w/model-1_b.safetensors")
        );
        for name in ["", ".", "..", ".hidden", "a/b", "/etc/passwd", "a\\b", "a b", "a\0", &"a".repeat(129)] {
            assert!(matches!(bare_path(folder, name), Err(FileError::Name { .. })), "{name:?}");
        }
    }

    #[test]
    fn states_read_back_and_damage_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let hash = state::hash(b"four");
        let name = write_state(folder.path(), &hash, b"four").unwrap();
        assert_eq!(name, format!("{hash}.state"));
        assert_eq!(read_state(folder.path(), &name, 4).unwrap(), b"four");
        let read = |name: &str| read_state(folder.path(), name, 4).unwrap_err();
        assert!(matches!(read_state(folder.path(), &name, 5).unwrap_err(), FileError::Length { .. }));
        assert!(matches!(read(&format!("../{name}")), FileError::StateName { .. }));
        assert!(matches!(read("four"), FileError::StateName { .. }));
        assert!(matches!(read(&format!("{}.state", "0".repeat(64))), FileError::Read { .. }));
        fs::write(folder.path().join(&name), b"five").unwrap();
        assert!(matches!(read(&name), FileError::Damaged { .. }));
    }
}
