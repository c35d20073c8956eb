//! Where the node's files stand when nobody says otherwise.
//!
//! Under systemd its variables decide; else the XDG folders of the user.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use directories::ProjectDirs;

/// The socket of the service installed for the whole system.
pub const SYSTEM_SOCKET: &str = "/run/swarmd/api.sock";

/// Longest path of a unix socket: `sun_path` has 108 bytes with the final zero.
const SOCKET_BYTES_MAX: usize = 107;

/// The default places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirs {
    /// Folder of key, ledger and blobs.
    pub state: PathBuf,
    /// The user's configuration file.
    pub config_file: PathBuf,
    /// Socket that the daemon opens.
    pub socket: PathBuf,
}

/// Why a place cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirsError {
    /// The user has no home folder.
    #[error("there is no home folder to keep the node's state in")]
    NoHome,
    /// The system does not take so long a path for a socket.
    #[error("the path of the socket has {bytes} bytes, {SOCKET_BYTES_MAX} are possible: {}", path.display())]
    SocketTooLong {
        /// The path.
        path: PathBuf,
        /// Its bytes.
        bytes: usize,
    },
}

impl DirsError {
    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoHome => "set HOME, or give --state-dir and --socket",
            Self::SocketTooLong { .. } => "give a shorter path with --socket or node.socket",
        }
    }
}

impl Dirs {
    /// Finds the places; `environment` looks up a variable.
    ///
    /// # Errors
    /// [`DirsError::NoHome`].
    pub fn find(environment: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, DirsError> {
        let home = ProjectDirs::from("", "", "swarmd");
        let in_home = |pick: fn(&ProjectDirs) -> &Path| home.as_ref().map(|home| pick(home).to_owned());
        // systemd separates several folders with colons; the unit names one.
        let given = |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let state = given("STATE_DIRECTORY")
            .or_else(|| in_home(|home| home.state_dir().unwrap_or_else(|| home.data_local_dir())))
            .ok_or(DirsError::NoHome)?;
        let config = given("CONFIGURATION_DIRECTORY").or_else(|| in_home(ProjectDirs::config_dir));
        let socket = given("RUNTIME_DIRECTORY")
            .or_else(|| given("XDG_RUNTIME_DIR").map(|folder| folder.join("swarmd")))
            .map(|folder| folder.join("api.sock"))
            .unwrap_or_else(|| match rustix::process::geteuid().is_root() {
                true => PathBuf::from(SYSTEM_SOCKET),
                false => state.join("api.sock"),
            });
        let config_file = config.ok_or(DirsError::NoHome)?.join("config.toml");
        Ok(Self { state, config_file, socket })
    }
}

/// Where the daemon's socket may be, to be tried in this order: what was named by
/// flag, then by `SWARM_SOCKET`; if neither, the user's and then the system's.
pub fn sockets(named: Option<&Path>, environment: &dyn Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let named = named.map(Path::to_owned).or_else(|| environment("SWARM_SOCKET").map(PathBuf::from));
    if let Some(path) = named {
        return vec![path];
    }
    let user = environment("XDG_RUNTIME_DIR").map(|folder| Path::new(&folder).join("swarmd/api.sock"));
    user.into_iter().chain([PathBuf::from(SYSTEM_SOCKET)]).collect()
}

/// Whether a socket can have this path.
///
/// # Errors
/// [`DirsError::SocketTooLong`].
pub fn check_socket(path: &Path) -> Result<(), DirsError> {
    match path.as_os_str().len() {
        0..=SOCKET_BYTES_MAX => Ok(()),
        bytes => Err(DirsError::SocketTooLong { path: path.to_owned(), bytes }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        move |name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
    }

    #[test]
    fn under_systemd_its_variables_decide() {
        let dirs = Dirs::find(&environment(&[
            ("STATE_DIRECTORY", "/var/lib/swarmd"),
            ("CONFIGURATION_DIRECTORY", "/etc/swarmd"),
            ("RUNTIME_DIRECTORY", "/run/swarmd"),
            ("XDG_RUNTIME_DIR", "/run/user/1"),
        ]));
        let expected = Dirs {
            state: PathBuf::from("/var/lib/swarmd"),
            config_file: PathBuf::from("/etc/swarmd/config.toml"),
            socket: PathBuf::from("/run/swarmd/api.sock"),
        };
        assert_eq!(dirs, Ok(expected));
    }

    #[test]
    fn a_users_socket_stands_in_the_runtime_folder() {
        let dirs = Dirs::find(&environment(&[("STATE_DIRECTORY", "/s"), ("XDG_RUNTIME_DIR", "/run/user/1")]));
        assert_eq!(dirs.unwrap().socket, Path::new("/run/user/1/swarmd/api.sock"));
    }

    #[test]
    fn sockets_are_tried_in_the_documented_order() {
        let both = environment(&[("SWARM_SOCKET", "/e"), ("XDG_RUNTIME_DIR", "/run/user/1")]);
        assert_eq!(sockets(Some(Path::new("/f")), &both), [Path::new("/f")]);
        assert_eq!(sockets(None, &both), [Path::new("/e")]);
        let user = environment(&[("XDG_RUNTIME_DIR", "/run/user/1")]);
        let usual = [Path::new("/run/user/1/swarmd/api.sock"), Path::new("/run/swarmd/api.sock")];
        assert_eq!(sockets(None, &user), usual);
        assert_eq!(sockets(None, &environment(&[])), usual[1..]);
    }

    #[test]
    fn a_sockets_path_is_bounded() {
        assert_eq!(check_socket(Path::new(&"a".repeat(107))), Ok(()));
        let path = PathBuf::from("a".repeat(108));
        let error = DirsError::SocketTooLong { path: path.clone(), bytes: 108 };
        assert_eq!(check_socket(&path), Err(error));
    }
}
