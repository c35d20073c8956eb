//! The rules of the house, checked over `cargo metadata` and all sources.
//!
//! Each rule stands in a file of `tidy/`; here they are applied to the repository, with
//! every offender reported at once, and shown to fire on small bad examples.

#![expect(clippy::unwrap_used, reason = "a broken repository is a failed test")]

#[path = "tidy/paths.rs"]
mod paths;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/workspace.rs"]
mod workspace;

use std::fmt;
use std::path::{Path, PathBuf};

/// One place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
struct Offence {
    /// The file, from the root of the repository.
    file: String,
    /// The line, or 0 for the whole file.
    line: usize,
    /// What is wrong there.
    what: String,
}

impl Offence {
    fn new(file: &str, line: usize, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.what),
            line => write!(f, "{}:{line}: {}", self.file, self.what),
        }
    }
}

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Fails with all of them.
fn report(mut offences: Vec<Offence>) {
    offences.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    let lines: Vec<String> = offences.iter().map(Offence::to_string).collect();
    assert!(
        lines.is_empty(),
        "{} offences against the rules of the house:\n{}",
        lines.len(),
        lines.join("\n")
    );
}

#[test]
fn sources_keep_the_rules() {
    let mut offences = Vec::new();
    let sources = workspace::sources(&root());
    assert!(sources.len() > 20, "only {} sources found", sources.len());
    for (file, text) in sources {
        offences.extend(source::check(&file, &text));
        offences.extend(paths::check(&file, &text));
    }
    report(offences);
}

#[test]
fn crates_import_in_one_direction() {
    let metadata = workspace::metadata(&root());
    report(workspace::check_dependencies(&metadata));
}

#[test]
fn folders_are_those_of_the_house() {
    report(workspace::check_folders(&root()));
}

#[test]
fn the_two_commands_are_told_and_run() {
    report(workspace::check_commands(&root()));
}

#[test]
fn every_crate_has_a_front_page() {
    report(workspace::check_readmes(&root()));
}

/// The lines and words of the offences of this text as this file.
fn found(file: &str, text: &str) -> Vec<(usize, String)> {
    let offences = source::check(file, text).into_iter().chain(paths::check(file, text));
    offences.map(|offence| (offence.line, offence.what)).collect()
}

fn check_fires(file: &str, text: &str, line: usize, what: &str) {
    assert_eq!(found(file, text), [(line, what.to_owned())], "{file}: {text}");
}

fn check_quiet(file: &str, text: &str) {
    assert_eq!(found(file, text), [], "{file}: {text}");
}

const FILE: &str = "daemon/src/example.rs";

#[test]
fn a_file_without_a_head_is_found() {
    check_quiet(FILE, "//! Holds nothing.\n");
    check_quiet("jobs/src/lib.rs", "#![doc = include_str!(\"../README.md\")]\n");
    check_fires(FILE, "fn f() {}\n", 1, "does not open with //!");
    check_fires(FILE, "// Holds nothing.\n", 1, "does not open with //!");
    check_fires(FILE, "", 1, "does not open with //!");
}

#[test]
fn a_long_file_is_found_and_its_tests_are_not_counted() {
    let body = "\n".repeat(499);
    let tests = "#[cfg(test)]\nmod tests {\n\n\n}\n";
    check_quiet(FILE, &format!("//! a\n{body}"));
    check_quiet(FILE, &format!("//! a\n{body}{tests}"));
    check_fires(FILE, &format!("//! a\n{body}\n"), 0, "has 501 lines without tests, 500 are allowed");
    check_fires(FILE, &format!("//! a\n{body}\n{tests}"), 0, "has 501 lines without tests, 500 are allowed");
}

#[test]
fn a_long_function_is_found_wherever_it_stands() {
    let body = |lines: usize| format!("{{{}}}", "\n".repeat(lines - 1));
    let long = "function f has 71 lines, 70 are allowed";
    for (before, after) in [
        ("", ""),
        ("impl X { ", " }"),
        ("trait X { ", " }"),
        ("impl X for Y { ", " }"),
        ("mod m { ", " }"),
        ("fn g() { ", " }"),
    ] {
        let text = |lines| format!("//! a\n\n{before}fn f() {}{after}\n", body(lines));
        let offences = found(FILE, &text(71));
        assert!(offences.contains(&(3, long.to_owned())), "{before}: {offences:?}");
        if !before.starts_with("fn") {
            check_quiet(FILE, &text(70));
        }
    }
    let documented = format!("//! a\n/// Many\n{}fn f() {}\n", "/// words.\n".repeat(80), body(70));
    check_quiet(FILE, &documented);
}

#[test]
fn many_parameters_are_found_and_self_is_not_counted() {
    let what = "function f has 7 parameters, 6 are allowed";
    check_quiet(FILE, "//! a\nfn f(a: A, b: B, c: C, d: D, e: E, f: F) {}\n");
    check_fires(FILE, "//! a\nfn f(a: A, b: B, c: C, d: D, e: E, f: F, g: G) {}\n", 2, what);
    check_quiet(FILE, "//! a\nimpl X { fn f(&mut self, a: A, b: B, c: C, d: D, e: E, f: F) {} }\n");
    check_fires(FILE, "//! a\ntrait X { fn f(&self, a: A, b: B, c: C, d: D, e: E, f: F, g: G); }\n", 2, what);
}

#[test]
fn a_wide_struct_is_found() {
    let fields = |count: usize| (0..count).map(|n| format!("f{n}: u8, ")).collect::<String>();
    let tuple = |count: usize| "u8, ".repeat(count);
    let what = "struct S has 15 fields, 14 are allowed";
    check_quiet(FILE, &format!("//! a\nstruct S {{ {} }}\n", fields(14)));
    check_fires(FILE, &format!("//! a\nstruct S {{ {} }}\n", fields(15)), 2, what);
    check_fires(FILE, &format!("//! a\nfn f() {{ struct S({}); }}\n", tuple(15)), 2, what);
}

#[test]
fn a_glob_re_export_is_found() {
    let what = "re-exports everything with *";
    check_quiet(FILE, "//! a\nuse super::*;\npub use a::b;\n");
    check_fires(FILE, "//! a\npub use a::*;\n", 2, what);
    check_fires(FILE, "//! a\npub(crate) use a::{b, c::*};\n", 2, what);
    check_fires(FILE, "//! a\nmod m { pub use a::*; }\n", 2, what);
}

#[test]
fn a_mod_rs_is_found() {
    check_fires("jobs/src/search/mod.rs", "//! a\n", 0, "is named mod.rs; use the folder's name");
}

#[test]
fn names_that_say_nothing_are_found() {
    for (text, name) in [
        ("struct PeerManager;", "PeerManager"),
        ("enum JobData {}", "JobData"),
        ("trait Helper {}", "Helper"),
        ("type NodeWrapper = u8;", "NodeWrapper"),
        ("mod util {}", "util"),
        ("mod common;", "common"),
    ] {
        check_fires(FILE, &format!("//! a\n{text}\n"), 2, &format!("the name {name} says nothing"));
    }
    check_quiet(FILE, "//! a\nstruct Database;\nstruct Managed;\nmod dataset;\n");
}

#[test]
fn an_ignored_test_is_found() {
    check_fires(FILE, "//! a\n#[test]\n#[ignore]\nfn f() {}\n", 3, "ignores a test");
    check_fires(FILE, "//! a\n#[ignore = \"slow\"]\nfn f() {}\n", 2, "ignores a test");
}

#[test]
fn a_file_that_is_no_rust_is_found() {
    let offences = found(FILE, "//! a\nfn f( {\n");
    assert!(offences[0].1.starts_with("does not parse"), "{offences:?}");
}

#[test]
fn what_a_pure_crate_may_not_name_is_found() {
    for name in [
        "tokio::spawn",
        "libp2p::PeerId",
        "burn::tensor",
        "rand::rng",
        "getrandom::fill",
        "std::fs::read",
        "std::net::IpAddr",
        "std::process::exit",
        "std::env::var",
        "std::thread::spawn",
        "std::time::SystemTime",
        "std::time::Instant",
        "::std::time::Instant",
        "rand_core::OsRng",
    ] {
        let plain = name.trim_start_matches("::");
        let (of, last) = plain.rsplit_once("::").unwrap();
        let what = |found: &str| format!("{found} has no place in a pure crate");
        for file in ["credits/src/ledger.rs", "jobs/src/search/sampler.rs"] {
            check_fires(file, &format!("//! a\nuse {name};\n"), 2, &what(plain));
            check_fires(
                file,
                &format!("//! a\nuse {of}::{{other, {last}}};\n").replace("other, ", ""),
                2,
                &what(plain),
            );
            check_fires(file, &format!("//! a\nfn f() {{ {name}; }}\n"), 2, &what(plain));
            check_fires(file, &format!("//! a\nfn f() {{ vec![{name}()]; }}\n"), 2, &what(plain));
        }
        check_quiet("credits/tests/files.rs", &format!("//! a\nuse {name};\n"));
        check_quiet("credits/src/ledger.rs", &format!("//! a\n#[cfg(test)]\nmod tests {{ use {name}; }}\n"));
        check_quiet("training/src/step.rs", &format!("//! a\nuse {name};\n"));
    }
    check_fires("jobs/src/gas.rs", "//! a\nuse std::time;\n", 2, "std::time has no place in a pure crate");
    check_fires("jobs/src/gas.rs", "//! a\nuse rand;\n", 2, "rand has no place in a pure crate");
    check_fires(
        "jobs/src/gas.rs",
        "//! a\nuse std::{\n    fmt,\n    fs::File,\n};\n",
        4,
        "std::fs::File has no place in a pure crate",
    );
    check_quiet(
        "jobs/src/gas.rs",
        "//! a\nuse std::time::Duration;\nuse crate::rand;\nfn f(rand: u8) { rand; }\n",
    );
}

#[test]
fn who_may_name_training_and_ctl_is_checked() {
    for name in ["training", "ctl"] {
        let what = format!("only main.rs may name {name}");
        check_fires("daemon/src/node/earn.rs", &format!("//! a\nuse {name}::worker;\n"), 2, &what);
        check_fires("daemon/src/api.rs", &format!("//! a\nfn f() {{ {name}::run() }}\n"), 2, &what);
        check_fires("daemon/src/api.rs", &format!("//! a\nuse {name};\n"), 2, &what);
        for file in ["daemon/src/main.rs", "daemon/tests/process/main.rs", "daemon/examples/liar.rs"] {
            check_quiet(file, &format!("//! a\nuse {name}::worker;\n"));
        }
        check_quiet("daemon/src/api.rs", &format!("//! a\nuse crate::{name}::x;\nfn f({name}: u8) {{}}\n"));
    }
}

#[test]
fn wrong_dependencies_are_found() {
    let package = |name: &str, dependencies: &[(&str, Option<&str>)]| {
        let dependencies: Vec<_> = dependencies
            .iter()
            .map(|(name, kind)| serde_json::json!({ "name": name, "kind": kind }))
            .collect();
        serde_json::json!({ "name": name, "id": name, "dependencies": dependencies })
    };
    let node = |id: &str, dependencies: &[(&str, Option<&str>)]| {
        let dependencies: Vec<_> = dependencies
            .iter()
            .map(|(id, kind)| serde_json::json!({ "pkg": id, "dep_kinds": [{ "kind": kind }] }))
            .collect();
        serde_json::json!({ "id": id, "deps": dependencies })
    };
    let metadata = serde_json::json!({
        "workspace_members": ["proto", "credits", "jobs", "training", "ctl", "daemon", "extra"],
        "packages": [
            package("proto", &[("prost", None), ("jobs", Some("dev"))]),
            package("credits", &[("proto", None), ("tokio", None), ("proptest", Some("dev"))]),
            package("jobs", &[("credits", None), ("rand_core", None), ("rand", None), ("burn-tensor", Some("build"))]),
            package("training", &[("jobs", None), ("credits", None)]),
            package("ctl", &[("jobs", None), ("middle", None)]),
            package("daemon", &[("ctl", None), ("training", None)]),
            package("extra", &[]),
            package("middle", &[]),
            package("libp2p-core", &[]),
            package("burn", &[]),
        ],
        "resolve": { "nodes": [
            node("ctl", &[("middle", None), ("burn", Some("dev"))]),
            node("middle", &[("libp2p-core", None), ("burn", Some("build"))]),
            node("libp2p-core", &[]),
            node("burn", &[]),
        ] },
    });
    let offences = workspace::check_dependencies(&metadata);
    let words: Vec<String> = offences.iter().map(Offence::to_string).collect();
    let expected = [
        "Cargo.toml: extra is no crate of the house",
        "proto/Cargo.toml: may not depend on jobs",
        "credits/Cargo.toml: a pure crate may not depend on tokio",
        "jobs/Cargo.toml: a pure crate may not depend on rand",
        "jobs/Cargo.toml: a pure crate may not depend on burn-tensor",
        "training/Cargo.toml: may not depend on credits",
        "ctl/Cargo.toml: links libp2p-core by way of ctl > middle > libp2p-core",
    ];
    assert_eq!(words, expected);
}

#[test]
fn wrong_folders_and_front_pages_are_found() {
    let place = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = place.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    for name in ["proto", "credits", "jobs", "training", "ctl", "daemon"] {
        write(&format!("{name}/README.md"), "# It\n");
        write(&format!("{name}/src/lib.rs"), "#![doc = include_str!(\"../README.md\")]\n");
    }
    for name in ["systemd/swarmd.service", "Cargo.toml", "Cargo.lock", "README.md", "target/x", ".ci/run"] {
        write(name, "cargo run --release -- try\ncargo test --release --workspace\n");
    }
    assert_eq!(workspace::check_commands(place.path()), []);
    assert_eq!(workspace::check_folders(place.path()), []);
    assert_eq!(workspace::check_readmes(place.path()), []);
    write("docs/page.md", "");
    write("notes.txt", "");
    write(".ci/run", "cargo test --workspace\ncargo run --release -- try\n");
    write("ctl/src/lib.rs", "//! No front page.\n");
    std::fs::remove_file(place.path().join("jobs/README.md")).unwrap();
    std::fs::remove_dir_all(place.path().join("systemd")).unwrap();
    let words = |offences: Vec<Offence>| offences.iter().map(Offence::to_string).collect::<Vec<_>>();
    let commands = words(workspace::check_commands(place.path()));
    assert_eq!(commands, [".ci/run: does not name `cargo test --release --workspace`"]);
    assert_eq!(
        words(workspace::check_folders(place.path())),
        [
            "docs: has no place at the top level",
            "notes.txt: has no place at the top level",
            "systemd: is missing at the top level",
        ]
    );
    assert_eq!(
        words(workspace::check_readmes(place.path())),
        ["jobs/README.md: is missing", "ctl/src/lib.rs: does not include the README as its documentation",]
    );
}
