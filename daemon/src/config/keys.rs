//! The table of keys: name, meaning, default, and how a value is taken.
//!
//! The reference page is made from it, so what is not written here is not documented.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use super::{Config, DonateWhen};

/// More threads than any machine of today; a typing error is caught by it.
const THREADS_MAX: u32 = 1_024;

/// One key of the configuration.
#[derive(Debug)]
pub struct Key {
    /// Section and name, as `network.listen`.
    pub name: &'static str,
    /// What it does, for the reference page.
    pub doc: &'static str,
    /// What holds when nobody sets it, in words or as TOML.
    pub default: &'static str,
    pub(super) set: fn(&mut Config, Given) -> Result<(), Expected>,
}

/// What a value should have been.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected(pub(super) &'static str);

/// A value as its source wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Bare text from the environment or the command line.
    Word(String),
    /// A string of a file.
    Text(String),
    /// A truth value of a file.
    Truth(bool),
    /// A whole number of a file.
    Integer(i64),
    /// A list of strings of a file.
    List(Vec<String>),
    /// Anything that no key can have.
    Other,
}

/// A value and what relative paths in it start from.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) value: Value,
    pub(super) base: Option<PathBuf>,
}

impl Given {
    fn text(self) -> Option<String> {
        match self.value {
            Value::Word(text) | Value::Text(text) => Some(text).filter(|text| !text.is_empty()),
            Value::Truth(_) | Value::Integer(_) | Value::List(_) | Value::Other => None,
        }
    }

    fn path(self) -> Result<PathBuf, Expected> {
        let base = self.base.clone().unwrap_or_default();
        self.text().map(|text| base.join(text)).ok_or(Expected("a path"))
    }

    fn truth(self) -> Result<bool, Expected> {
        let truth = match self.value {
            Value::Truth(truth) => Some(truth),
            Value::Word(word) => word.parse().ok(),
            Value::Text(_) | Value::Integer(_) | Value::List(_) | Value::Other => None,
        };
        truth.ok_or(Expected("true or false"))
    }

    fn integer(self) -> Option<i64> {
        match self.value {
            Value::Integer(number) => Some(number),
            Value::Word(word) => word.parse().ok(),
            Value::Text(_) | Value::Truth(_) | Value::List(_) | Value::Other => None,
        }
    }

    fn list(self) -> Option<Vec<String>> {
        match self.value {
            Value::List(list) => Some(list),
            Value::Word(word) if word.is_empty() => Some(Vec::new()),
            Value::Word(word) => Some(word.split(',').map(|part| part.trim().to_owned()).collect()),
            Value::Text(_) | Value::Truth(_) | Value::Integer(_) | Value::Other => None,
        }
    }
}

/// Every key there is, in the order of the reference page.
pub static KEYS: &[Key] = &[
    Key {
        name: "node.state_dir",
        doc: "Folder of the node's key, ledger and blobs. Two nodes never share one, and the key \
              is never copied to a second machine.",
        default: "$XDG_STATE_HOME/swarmd",
        set: |config, given| given.path().map(|path| config.node.state_dir = Some(path)),
    },
    Key {
        name: "node.charter",
        doc: "File with the charter of the swarm to join.",
        default: "charter in the state folder",
        set: |config, given| given.path().map(|path| config.node.charter = Some(path)),
    },
    Key {
        name: "node.socket",
        doc: "Unix socket at which swarmctl finds the daemon.",
        default: "$XDG_RUNTIME_DIR/swarmd/api.sock",
        set: |config, given| given.path().map(|path| config.node.socket = Some(path)),
    },
    Key {
        name: "network.listen",
        doc: "Addresses to listen on. Port 0 takes any free port; an empty list only dials.",
        default: "[\"quic://0.0.0.0:4747\", \"tcp://0.0.0.0:4747\"]",
        set: set_listen,
    },
    Key {
        name: "network.mdns",
        doc: "Whether to look for nodes of the same swarm on the local network.",
        default: "true",
        set: |config, given| given.truth().map(|truth| config.network.mdns = truth),
    },
    Key {
        name: "network.join",
        doc: "Tickets of nodes to stay connected to, as `swarmctl swarm show` prints them.",
        default: "[]",
        set: |config, given| {
            let list = given.list().ok_or(Expected("a list of tickets"))?;
            config.network.join = list;
            Ok(())
        },
    },
    Key {
        name: "network.private_addresses",
        doc: "Whether private and loopback addresses are dialled: for swarms within one house.",
        default: "false",
        set: |config, given| given.truth().map(|truth| config.network.private_addresses = truth),
    },
    Key {
        name: "donate.when",
        doc: "When the machine works for the swarm: \"never\" or \"always\".",
        default: "\"never\"",
        set: set_donate,
    },
    Key {
        name: "worker.program",
        doc: "Program to run as worker instead of this one; it is given the argument `worker`.",
        default: "swarmd itself",
        set: |config, given| given.path().map(|path| config.worker.program = Some(path)),
    },
    Key {
        name: "worker.threads",
        doc: "Threads of a worker on the CPU.",
        default: "one for each core",
        set: set_threads,
    },
    Key {
        name: "worker.device",
        doc: "Device to compute on, as `swarmctl status` names it.",
        default: "a GPU if there is one, else the CPU",
        set: |config, given| {
            let device = given.text().ok_or(Expected("the name of a device"))?;
            config.worker.device = Some(device);
            Ok(())
        },
    },
    Key {
        name: "log.level",
        doc: "How much is logged: error, warn, info, debug, trace, or filter directives such as \
              `info,daemon::net=debug`.",
        default: "\"info\"",
        set: |config, given| {
            let expected = Expected("error, warn, info, debug, trace or filter directives");
            config.log.level = given.text().ok_or(expected)?;
            Ok(())
        },
    },
];

fn set_listen(config: &mut Config, given: Given) -> Result<(), Expected> {
    let expected = Expected("a list of quic://IP:PORT or tcp://IP:PORT");
    let list = given.list().ok_or(expected)?;
    let is_address = |text: &String| {
        let socket = text.strip_prefix("quic://").or_else(|| text.strip_prefix("tcp://"));
        socket.is_some_and(|socket| socket.parse::<SocketAddr>().is_ok())
    };
    if !list.iter().all(is_address) {
        return Err(expected);
    }
    config.network.listen = list;
    Ok(())
}

fn set_donate(config: &mut Config, given: Given) -> Result<(), Expected> {
    config.donate.when = match given.text().as_deref() {
        Some("never") => DonateWhen::Never,
        Some("always") => DonateWhen::Always,
        Some(_) | None => return Err(Expected("\"never\" or \"always\"")),
    };
    Ok(())
}

fn set_threads(config: &mut Config, given: Given) -> Result<(), Expected> {
    let number = given.integer().and_then(|number| u32::try_from(number).ok());
    let threads = number.filter(|&number| number <= THREADS_MAX).and_then(NonZeroU32::new);
    config.worker.threads = Some(threads.ok_or(Expected("a number from 1 to 1024"))?);
    Ok(())
}

impl Key {
    /// The environment variable that sets it: `SWARM_`, section and name; the section
    /// `node` goes without saying.
    pub fn variable(&self) -> String {
        let name = self.name.strip_prefix("node.").unwrap_or(self.name);
        format!("SWARM_{}", name.replace('.', "_").to_uppercase())
    }
}

/// The key of that name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// Whether a key is in this section.
pub(super) fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| key.name.split_once('.').is_some_and(|(section, _)| section == name))
}

/// The key that a mistyped name most likely means.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let distance = |key: &Key| {
        let without_section = key.name.split_once('.').map_or(key.name, |(_, rest)| rest);
        edits(name, key.name).min(edits(name, without_section))
    };
    // Three edits turn most short words into most others.
    let near = KEYS.iter().map(|key| (distance(key), key.name)).min()?;
    (near.0 <= 2).then_some(near.1)
}

/// The least number of characters to insert, remove or replace.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (removed, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = removed + 1;
        for (at, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

/// The reference page: every key with its variable, default and meaning, as TOML
/// comments.
pub fn reference() -> String {
    let mut page = String::new();
    let mut section = "";
    for key in KEYS {
        let (of, name) = key.name.split_once('.').unwrap_or(("", key.name));
        if of != section {
            page += &format!("{}[{of}]\n", if section.is_empty() { "" } else { "\n" });
            section = of;
        }
        page += &format!(
            "# {}\n# Variable: {}. Default: {}.\n# {name} =\n",
            key.doc,
            key.variable(),
            key.default
        );
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_follow_from_the_names() {
        let variable = |name| find(name).map(Key::variable);
        assert_eq!(variable("node.socket").as_deref(), Some("SWARM_SOCKET"));
        assert_eq!(variable("node.state_dir").as_deref(), Some("SWARM_STATE_DIR"));
        assert_eq!(variable("worker.program").as_deref(), Some("SWARM_WORKER_PROGRAM"));
    }

    #[test]
    fn edits_are_counted() {
        for (from, to, count) in [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("mdsn", "mdns", 2)]
        {
            assert_eq!(edits(from, to), count, "{from} {to}");
        }
    }

    #[test]
    fn the_reference_names_every_key_once_and_is_toml() {
        let page = reference();
        for key in KEYS {
            assert_eq!(page.matches(&format!("Variable: {}.", key.variable())).count(), 1, "{}", key.name);
        }
        assert!(page.starts_with("[node]\n# Folder of the node's key"), "{page}");
        page.parse::<toml::Table>().unwrap();
        let readme = include_str!("../../README.md");
        assert!(readme.contains(&page), "daemon/README.md shows another reference than this:\n{page}");
    }
}
