//! The configuration: a flag goes over the environment, that over the user's file, that
//! over the system's, that over the default. Nothing needs to be configured.
//!
//! Which keys there are and what they mean stands in `config/keys.rs`; this file puts
//! the sources together. It decides no default that depends on the machine: those are
//! `dirs`'.

mod file;
mod keys;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

pub use keys::{KEYS, Key, reference};

use keys::{Given, Value};

/// The system's file, below the user's.
pub const SYSTEM_FILE: &str = "/etc/swarmd/config.toml";

/// Everything that can be configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// This node and its files.
    pub node: NodeConfig,
    /// The network.
    pub network: NetworkConfig,
    /// Lending idle time.
    pub donate: DonateConfig,
    /// The worker process.
    pub worker: WorkerConfig,
    /// Logging.
    pub log: LogConfig,
    origins: BTreeMap<&'static str, Origin>,
}

/// Section `node`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeConfig {
    /// Folder of key, ledger and blobs.
    pub state_dir: Option<PathBuf>,
    /// File with the charter of the swarm.
    pub charter: Option<PathBuf>,
    /// Unix socket of the local interface.
    pub socket: Option<PathBuf>,
}

/// Section `network`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkConfig {
    /// Addresses to listen on, each of the form `quic://IP:PORT` or `tcp://IP:PORT`.
    pub listen: Vec<String>,
    /// Whether to look for peers on the local network.
    pub mdns: bool,
    /// Tickets of peers to stay connected to.
    pub join: Vec<String>,
    /// Whether private and loopback addresses are dialled.
    pub private_addresses: bool,
}

/// When the machine works for the swarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DonateWhen {
    /// Not at all.
    Never,
    /// All the time.
    Always,
}

/// Section `donate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DonateConfig {
    /// When the machine works for the swarm.
    pub when: DonateWhen,
}

/// Section `worker`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkerConfig {
    /// Program to run instead of this one.
    pub program: Option<PathBuf>,
    /// Threads of a worker; all cores if absent.
    pub threads: Option<NonZeroU32>,
    /// Device to compute on; chosen at run time if absent.
    pub device: Option<String>,
}

/// Section `log`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// A level, or filter directives as `tracing` knows them.
    pub level: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node: NodeConfig::default(),
            network: NetworkConfig {
                listen: vec!["quic://0.0.0.0:4747".to_owned(), "tcp://0.0.0.0:4747".to_owned()],
                mdns: true,
                join: Vec::new(),
                private_addresses: false,
            },
            donate: DonateConfig { when: DonateWhen::Never },
            worker: WorkerConfig::default(),
            log: LogConfig { level: "info".to_owned() },
            origins: BTreeMap::new(),
        }
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A line of a file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
    /// A flag of the command line.
    Flag {
        /// The flag with its dashes.
        flag: &'static str,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}, line {line}", path.display()),
            Self::Environment { variable } => write!(f, "variable {variable}"),
            Self::Flag { flag } => f.write_str(flag),
        }
    }
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file is there, or was named, and cannot be read.
    #[error("cannot read the configuration {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not TOML.
    #[error("{origin}, column {column}: {message}")]
    Syntax {
        /// The file and the line.
        origin: Origin,
        /// The column, from 1.
        column: usize,
        /// What the parser said.
        message: String,
    },
    /// There is no such key.
    #[error("{origin}: unknown key {key}")]
    UnknownKey {
        /// Where it stands.
        origin: Origin,
        /// The key with its section.
        key: String,
        /// The known key it resembles most, if any.
        meant: Option<&'static str>,
    },
    /// A key's value is not one it can have.
    #[error("{origin}: {key} must be {expected}")]
    WrongValue {
        /// Where it stands.
        origin: Origin,
        /// The key with its section.
        key: String,
        /// What it can be.
        expected: &'static str,
    },
}

impl ConfigError {
    /// What a person can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Read { .. } => "name a readable file with --config, or remove SWARM_CONFIG".to_owned(),
            Self::Syntax { .. } => "correct the line; text values stand in quotes".to_owned(),
            Self::UnknownKey { meant: Some(meant), .. } => format!("did you mean {meant}?"),
            Self::UnknownKey { meant: None, .. } => {
                let sections = "node, network, donate, worker, log";
                format!("remove it; the sections are {sections}")
            }
            Self::WrongValue { origin: Origin::File { .. }, .. } => "correct the line".to_owned(),
            Self::WrongValue { origin, .. } => format!("correct {origin}"),
        }
    }
}

/// A value from the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The key it sets, one of [`KEYS`].
    pub key: &'static str,
    /// The flag with its dashes, for messages.
    pub flag: &'static str,
    /// The text given; lists are separated by commas.
    pub value: String,
}

/// The places where values come from.
pub struct Sources<'a> {
    /// The system's file, skipped if there is none.
    pub system_file: &'a Path,
    /// The user's file, skipped if there is none.
    pub user_file: &'a Path,
    /// A file that somebody named; it stands for the user's and must exist.
    pub named_file: Option<&'a Path>,
    /// Looks up an environment variable.
    pub environment: &'a dyn Fn(&str) -> Option<OsString>,
    /// The command line.
    pub flags: &'a [Flag],
}

impl Config {
    /// Puts all sources together.
    ///
    /// # Errors
    /// The first thing wrong with them, as [`ConfigError`] says.
    pub fn load(sources: &Sources<'_>) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        let named = sources.named_file.map(Path::to_owned);
        let named = named.or_else(|| (sources.environment)("SWARM_CONFIG").map(PathBuf::from));
        config.take_file(sources.system_file, false)?;
        match named {
            Some(path) => config.take_file(&path, true)?,
            None => config.take_file(sources.user_file, false)?,
        }
        for key in KEYS {
            let variable = key.variable();
            let Some(word) = (sources.environment)(&variable) else {
                continue;
            };
            let value = word.into_string().map_or(Value::Other, Value::Word);
            config.set(key, Given { value, base: None }, Origin::Environment { variable })?;
        }
        for flag in sources.flags {
            let origin = Origin::Flag { flag: flag.flag };
            let given = Given { value: Value::Word(flag.value.clone()), base: None };
            let key = keys::find(flag.key).expect("flags name keys of the table");
            config.set(key, given, origin)?;
        }
        Ok(config)
    }

    /// Where a key's value comes from.
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }

    fn take_file(&mut self, path: &Path, must_exist: bool) -> Result<(), ConfigError> {
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => return Ok(()),
            other => other.map_err(|source| ConfigError::Read { path: path.to_owned(), source })?,
        };
        for (key, value, origin) in file::entries(path, &text)? {
            // A path in a file is meant from where the file stands.
            let base = path.parent().map(Path::to_owned);
            self.set(key, Given { value, base }, origin)?;
        }
        Ok(())
    }

    fn set(&mut self, key: &'static Key, given: Given, origin: Origin) -> Result<(), ConfigError> {
        match (key.set)(self, given) {
            Ok(()) => {
                self.origins.insert(key.name, origin);
                Ok(())
            }
            Err(expected) => {
                Err(ConfigError::WrongValue { origin, key: key.name.to_owned(), expected: expected.0 })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place {
        folder: tempfile::TempDir,
        environment: BTreeMap<&'static str, &'static str>,
        flags: Vec<Flag>,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            Self { folder, environment: BTreeMap::new(), flags: Vec::new() }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn write(&self, name: &str, text: &str) {
            std::fs::write(self.path(name), text).unwrap();
        }

        fn load(&self) -> Result<Config, ConfigError> {
            Config::load(&Sources {
                system_file: &self.path("system.toml"),
                user_file: &self.path("user.toml"),
                named_file: None,
                environment: &|name| self.environment.get(name).map(OsString::from),
                flags: &self.flags,
            })
        }
    }

    /// The error and the hint of a user's file with this text.
    fn check_refused(text: &str, error: &str, hint: &str) {
        let place = Place::new();
        place.write("user.toml", text);
        let refused = place.load().unwrap_err();
        let shown = refused.to_string().replace(&place.path("user.toml").display().to_string(), "FILE");
        assert_eq!((shown.as_str(), refused.hint().as_str()), (error, hint), "{text}");
    }

    #[test]
    fn without_any_source_the_defaults_hold() {
        let config = Place::new().load().unwrap();
        assert_eq!(config, Config::default());
        assert_eq!(config.network.listen, ["quic://0.0.0.0:4747", "tcp://0.0.0.0:4747"]);
        assert_eq!(config.donate.when, DonateWhen::Never);
        assert_eq!(config.origin("log.level"), Origin::Default);
    }

    #[test]
    fn every_key_can_be_set_in_a_file() {
        let place = Place::new();
        place.write(
            "user.toml",
            r#"
            node = { state_dir = "state", charter = "/c/charter", socket = "s.sock" }
            worker.threads = 2
            worker.program = "../liar"
            worker.device = "cpu"
            [network]
            listen = ["quic://127.0.0.1:0", "tcp://[::1]:7400"]
            mdns = false
            join = ["ticket"]
            private_addresses = true
            [donate]
            when = "always"
            [log]
            level = "debug"
            "#,
        );
        let config = place.load().unwrap();
        assert_eq!(config.node.state_dir, Some(place.path("state")));
        assert_eq!(config.node.charter, Some(PathBuf::from("/c/charter")));
        assert_eq!(config.node.socket, Some(place.path("s.sock")));
        assert_eq!(config.worker.threads, NonZeroU32::new(2));
        assert_eq!(config.worker.program, Some(place.path("../liar")));
        assert_eq!(config.worker.device.as_deref(), Some("cpu"));
        assert_eq!(config.network.listen, ["quic://127.0.0.1:0", "tcp://[::1]:7400"]);
        assert!(!config.network.mdns && config.network.private_addresses);
        assert_eq!(config.network.join, ["ticket"]);
        assert_eq!(config.donate.when, DonateWhen::Always);
        assert_eq!(config.log.level, "debug");
        assert_eq!(KEYS.iter().filter(|key| config.origin(key.name) == Origin::Default).count(), 0);
        assert_eq!(config.origin("network.mdns"), Origin::File { path: place.path("user.toml"), line: 8 });
    }

    #[test]
    fn every_key_can_be_set_by_the_environment_and_by_a_flag() {
        for key in KEYS {
            let word = match key.name {
                "network.listen" => "quic://127.0.0.1:1,tcp://127.0.0.1:1",
                "network.mdns" | "network.private_addresses" => "true",
                "donate.when" => "always",
                "worker.threads" => "3",
                _ => "trace",
            };
            let variable = key.variable();
            let mut place = Place::new();
            place.environment.insert(variable.clone().leak(), word);
            let config = place.load().unwrap();
            assert_eq!(config.origin(key.name), Origin::Environment { variable });
            place.flags.push(Flag { key: key.name, flag: "--flag", value: word.to_owned() });
            let config = place.load().unwrap();
            assert_eq!(config.origin(key.name), Origin::Flag { flag: "--flag" });
        }
    }

    #[test]
    fn a_higher_source_wins() {
        let mut place = Place::new();
        let level = |place: &Place| place.load().unwrap().log.level;
        place.write("system.toml", "log.level = 'error'\nnetwork.join = ['a', 'b']");
        assert_eq!(level(&place), "error");
        place.write("user.toml", "log.level = 'warn'");
        assert_eq!(level(&place), "warn");
        place.environment.insert("SWARM_LOG_LEVEL", "debug");
        assert_eq!(level(&place), "debug");
        place.flags.push(Flag { key: "log.level", flag: "--log-level", value: "trace".to_owned() });
        assert_eq!(level(&place), "trace");
        assert_eq!(place.load().unwrap().network.join, ["a", "b"]);
    }

    #[test]
    fn a_named_file_stands_for_the_users_and_must_exist() {
        let mut place = Place::new();
        place.write("system.toml", "network.mdns = false");
        place.write("user.toml", "log.level = 'warn'");
        place.write("named.toml", "donate.when = 'always'");
        place
            .environment
            .insert("SWARM_CONFIG", place.path("named.toml").to_str().unwrap().to_owned().leak());
        let config = place.load().unwrap();
        assert_eq!((config.log.level.as_str(), config.donate.when), ("info", DonateWhen::Always));
        assert!(!config.network.mdns);
        std::fs::remove_file(place.path("named.toml")).unwrap();
        let error = place.load().unwrap_err();
        assert!(matches!(&error, ConfigError::Read { path, .. } if *path == place.path("named.toml")));
        assert_eq!(error.hint(), "name a readable file with --config, or remove SWARM_CONFIG");
    }

    #[test]
    fn unknown_keys_name_the_one_that_was_meant() {
        let rows = [
            ("[network]\nlisten = []\nmdsn = true", "FILE, line 3: unknown key network.mdsn", "network.mdns"),
            ("[node]\nstate_dri = 'x'", "FILE, line 2: unknown key node.state_dri", "node.state_dir"),
            ("state_dir = 'x'", "FILE, line 1: unknown key state_dir", "node.state_dir"),
            ("[logs]\nlevel = 'x'", "FILE, line 2: unknown key logs.level", "log.level"),
            ("[wroker]\nthreads = 1", "FILE, line 2: unknown key wroker.threads", "worker.threads"),
        ];
        for (text, error, meant) in rows {
            check_refused(text, error, &format!("did you mean {meant}?"));
        }
        let hint = "remove it; the sections are node, network, donate, worker, log";
        check_refused("\n[cheese]\nflavour = 1", "FILE, line 3: unknown key cheese.flavour", hint);
        check_refused("[cheese]", "FILE, line 1: unknown key cheese", hint);
    }

    #[test]
    fn wrong_values_name_what_is_expected() {
        let rows = [
            ("node.state_dir = 3", "node.state_dir must be a path"),
            ("node.charter = ''", "node.charter must be a path"),
            ("node = 3", "node must be a section"),
            (
                "network.listen = '127.0.0.1:1'",
                "network.listen must be a list of quic://IP:PORT or tcp://IP:PORT",
            ),
            (
                "network.listen = ['quic://host:1']",
                "network.listen must be a list of quic://IP:PORT or tcp://IP:PORT",
            ),
            ("network.mdns = 'yes'", "network.mdns must be true or false"),
            ("network.join = [1]", "network.join must be a list of tickets"),
            ("donate.when = 'idle'", "donate.when must be \"never\" or \"always\""),
            ("worker.threads = 0", "worker.threads must be a number from 1 to 1024"),
            ("worker.threads = 1025", "worker.threads must be a number from 1 to 1024"),
            ("worker.threads = '2'", "worker.threads must be a number from 1 to 1024"),
            ("worker.threads = { a = 2 }", "worker.threads must be a number from 1 to 1024"),
            ("worker.device = ''", "worker.device must be the name of a device"),
            ("log.level = 7", "log.level must be error, warn, info, debug, trace or filter directives"),
        ];
        for (text, error) in rows {
            check_refused(text, &format!("FILE, line 1: {error}"), "correct the line");
        }
    }

    #[test]
    fn a_wrong_value_outside_a_file_names_its_variable() {
        let mut place = Place::new();
        place.environment.insert("SWARM_WORKER_THREADS", "many");
        let error = place.load().unwrap_err();
        assert_eq!(
            error.to_string(),
            "variable SWARM_WORKER_THREADS: worker.threads must be a number from 1 to 1024"
        );
        assert_eq!(error.hint(), "correct variable SWARM_WORKER_THREADS");
    }

    #[test]
    fn broken_toml_names_line_and_column() {
        let hint = "correct the line; text values stand in quotes";
        let place = Place::new();
        for (text, line, column) in
            [("[node]\nstate_dir = x y", 2, 13), ("[node", 1, 6), ("a = 1\na = 2", 2, 1)]
        {
            place.write("user.toml", text);
            let error = place.load().unwrap_err();
            let ConfigError::Syntax { origin, column: found, .. } = &error else { panic!("{error}") };
            assert_eq!(*origin, Origin::File { path: place.path("user.toml"), line }, "{text}");
            assert_eq!((*found, error.hint().as_str()), (column, hint), "{text}");
        }
    }

    #[test]
    fn a_file_that_is_not_text_is_an_error() {
        let place = Place::new();
        std::fs::write(place.path("user.toml"), [0xff, 0xfe]).unwrap();
        assert!(matches!(place.load(), Err(ConfigError::Read { .. })));
    }
}
