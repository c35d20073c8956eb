//! Rules on the repository as a whole: who depends on whom, which folders there are,
//! and that every crate has its front page.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{Offence, paths};

/// Each crate and the crates of the house that it may depend on.
const HOUSE: [(&str, &[&str]); 6] = [
    ("proto", &[]),
    ("credits", &["proto"]),
    ("jobs", &["proto", "credits"]),
    ("training", &["proto", "jobs"]),
    ("ctl", &["proto", "credits", "jobs"]),
    ("daemon", &["proto", "credits", "jobs", "training", "ctl"]),
];

/// Top-level entries besides the crates and names that begin with a dot.
const TOP_LEVEL: [&str; 8] = [
    "systemd",
    "Cargo.toml",
    "Cargo.lock",
    "README.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "rustfmt.toml",
    "target",
];

/// Dependencies by whose names clock, chance, tasks and devices come in.
const IMPURE: [&str; 8] = ["tokio", "libp2p", "burn", "rand", "getrandom", "rustix", "quinn", "mio"];

/// The traits of a source of chance, without one; what it can be given by features is
/// named by `OsRng`, which a pure source does not name.
const TRAITS_ONLY: &str = "rand_core";

/// What `swarmctl` must not link.
const HEAVY: [&str; 2] = ["burn", "libp2p"];

/// Every Rust source of the crates, with its path from the root.
pub(crate) fn sources(root: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, _) in HOUSE {
        collect(root, &root.join(name), &mut found);
    }
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

/// What `cargo metadata` says, without asking the network.
pub(crate) fn metadata(root: &Path) -> Value {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--offline", "--locked", "--format-version", "1"]).current_dir(root);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap()
}

/// Whether `name` is `of` or one of its parts, as `burn-tensor` is of `burn`.
fn is_part(name: &str, of: &str) -> bool {
    name == of || name.strip_prefix(of).is_some_and(|rest| rest.starts_with(['-', '_']))
}

/// Directions, purity, and what `ctl` links.
pub(crate) fn check_dependencies(metadata: &Value) -> Vec<Offence> {
    let mut offences = Vec::new();
    let members: BTreeSet<&str> =
        list(metadata, "workspace_members").iter().filter_map(Value::as_str).collect();
    for package in list(metadata, "packages") {
        if !members.contains(text(package, "id")) {
            continue;
        }
        let name = text(package, "name");
        let file = format!("{name}/Cargo.toml");
        let Some((_, allowed)) = HOUSE.iter().find(|(known, _)| *known == name) else {
            offences.push(Offence::new("Cargo.toml", 0, format!("{name} is no crate of the house")));
            continue;
        };
        for dependency in list(package, "dependencies") {
            let of = text(dependency, "name");
            let is_of_house = HOUSE.iter().any(|(known, _)| *known == of);
            if is_of_house && !allowed.contains(&of) {
                offences.push(Offence::new(&file, 0, format!("may not depend on {of}")));
            }
            let is_impure = of != TRAITS_ONLY && IMPURE.iter().any(|impure| is_part(of, impure));
            if paths::PURE.contains(&name) && dependency["kind"] != "dev" && is_impure {
                offences.push(Offence::new(&file, 0, format!("a pure crate may not depend on {of}")));
            }
        }
    }
    // In the order of the house, so that the report is read from the bottom up.
    let place = |offence: &Offence| {
        HOUSE.iter().position(|(name, _)| offence.file == format!("{name}/Cargo.toml")).map_or(0, |at| at + 1)
    };
    offences.sort_by_key(place);
    offences.extend(check_links(metadata));
    offences
}

/// Follows the normal dependencies of `ctl`, with features resolved.
fn check_links(metadata: &Value) -> Vec<Offence> {
    let packages = list(metadata, "packages");
    let names: BTreeMap<&str, &str> =
        packages.iter().map(|package| (text(package, "id"), text(package, "name"))).collect();
    let nodes: BTreeMap<&str, &Value> =
        list(&metadata["resolve"], "nodes").iter().map(|node| (text(node, "id"), node)).collect();
    let Some(start) = packages.iter().find(|package| text(package, "name") == "ctl") else {
        return vec![Offence::new("ctl/Cargo.toml", 0, "is missing")];
    };
    let start = text(start, "id");
    let mut ways = BTreeMap::from([(start, names[start].to_owned())]);
    let mut open = vec![start];
    let mut offences = Vec::new();
    while let Some(id) = open.pop() {
        let way = ways[id].clone();
        for dependency in list(nodes[id], "deps") {
            let next = text(dependency, "pkg");
            let is_normal = list(dependency, "dep_kinds").iter().any(|kind| kind["kind"].is_null());
            if !is_normal || ways.contains_key(next) {
                continue;
            }
            let way = format!("{way} > {}", names[next]);
            if HEAVY.iter().any(|heavy| is_part(names[next], heavy)) {
                let what = format!("links {} by way of {way}", names[next]);
                offences.push(Offence::new("ctl/Cargo.toml", 0, what));
            }
            ways.insert(next, way);
            open.push(next);
        }
    }
    offences
}

/// That the top level holds what the house names, and nothing else.
pub(crate) fn check_folders(root: &Path) -> Vec<Offence> {
    let crates = HOUSE.iter().map(|(name, _)| *name);
    let allowed: BTreeSet<&str> = crates.clone().chain(TOP_LEVEL).collect();
    let entries = tracked(root).unwrap_or_else(|| {
        let entries = fs::read_dir(root).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    });
    let unknown = entries.iter().filter(|name| !name.starts_with('.') && !allowed.contains(name.as_str()));
    let mut offences: Vec<Offence> =
        unknown.map(|name| Offence::new(name, 0, "has no place at the top level")).collect();
    for name in crates.chain(["systemd", "Cargo.toml", "Cargo.lock", "README.md"]) {
        if !entries.contains(name) {
            offences.push(Offence::new(name, 0, "is missing at the top level"));
        }
    }
    offences
}

/// First parts of the files under version control; `None` in a copy without it.
fn tracked(root: &Path) -> Option<BTreeSet<String>> {
    if !root.join(".git").exists() {
        return None;
    }
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output().ok()?;
    let files = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    let first = |file: &str| file.split('/').next().unwrap_or_default().to_owned();
    Some(files.split_terminator('\0').map(first).collect())
}

/// That what the README tells people to run is what is run before a merge.
pub(crate) fn check_commands(root: &Path) -> Vec<Offence> {
    let mut offences = Vec::new();
    for command in ["cargo run --release -- try", "cargo test --release --workspace"] {
        for file in ["README.md", ".ci/run"] {
            let text = fs::read_to_string(root.join(file)).unwrap_or_default();
            if !text.contains(command) {
                offences.push(Offence::new(file, 0, format!("does not name `{command}`")));
            }
        }
    }
    offences
}

/// That every crate has a README and shows it as its documentation.
pub(crate) fn check_readmes(root: &Path) -> Vec<Offence> {
    let mut offences = Vec::new();
    for (name, _) in HOUSE {
        let (readme, lib) = (format!("{name}/README.md"), format!("{name}/src/lib.rs"));
        if !root.join(&readme).is_file() {
            offences.push(Offence::new(&readme, 0, "is missing"));
        }
        let source = fs::read_to_string(root.join(&lib)).unwrap_or_default();
        if !source.starts_with("#![doc = include_str!(\"../README.md\")]") {
            offences.push(Offence::new(&lib, 0, "does not include the README as its documentation"));
        }
    }
    offences
}
