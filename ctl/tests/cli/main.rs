//! The real program against sockets that replay literal answers: exit code,
//! standard output and standard error of every command, as frozen in `snapshots/`.
//! `UPDATE_SNAPSHOTS=1` writes them anew.

mod double;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use double::{Double, Reply, json};

const STATUS: &str = include_str!("../../../proto/tests/api/status.json");
const STATUS_IDLE: &str = include_str!("../../../proto/tests/api/status_idle.json");
const STATUS_CHECKING: &str = include_str!("../../../proto/tests/api/status_checking.json");
const STATUS_NO_WORKER: &str = include_str!("../../../proto/tests/api/status_no_worker.json");
const BALANCE: &str = include_str!("../../../proto/tests/api/balance.json");
const HISTORY: &str = include_str!("../../../proto/tests/api/history.json");
const EXPORT: &str = include_str!("../../../proto/tests/api/export.json");
const EXPORT_END: &str = include_str!("../../../proto/tests/api/export_end.json");
const EXPLAIN: &str = include_str!("../../../proto/tests/api/explain.json");
const RECEIPT: &str = include_str!("../../../proto/tests/api/receipt.json");
const VERIFY: &str = include_str!("../../../proto/tests/api/verify.json");
const VERIFY_BAD: &str = include_str!("../../../proto/tests/api/verify_bad.json");
const FRONTIER: &str = include_str!("../../../proto/tests/api/frontier.json");
const PEERS: &str = include_str!("../../../proto/tests/api/peers.json");
const PEERS_NONE: &str = include_str!("../../../proto/tests/api/peers_none.json");
const SWARM: &str = include_str!("../../../proto/tests/api/swarm.json");
const ERROR: &str = include_str!("../../../proto/tests/api/error.json");

/// A command with nothing of this test's environment in its way.
fn swarmctl(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_swarmctl"));
    command.args(arguments).stdin(Stdio::null());
    for variable in ["SWARM_SOCKET", "XDG_RUNTIME_DIR", "NO_COLOR"] {
        command.env_remove(variable);
    }
    command
}

/// Everything a user sees of a command, with the volatile folder filtered.
fn seen(mut command: Command, folder: &Path) -> String {
    let output = command.output().expect("the program starts");
    let text = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes)
            .replace(&folder.display().to_string(), "[folder]")
            .replace(env!("CARGO_PKG_VERSION"), "[version]")
    };
    let code = output.status.code().expect("an exit code");
    format!("exit {code}\n=== stdout\n{}=== stderr\n{}", text(&output.stdout), text(&output.stderr))
}

fn compare(name: &str, seen: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/snapshots/{name}.txt"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, seen).expect("the snapshot is written");
    }
    let frozen = fs::read_to_string(&path).unwrap_or_default();
    assert!(frozen == seen, "{name} differs from its snapshot; seen:\n{seen}\nfrozen:\n{frozen}");
}

/// Runs a command against a socket that replays `replies`, each for its target.
fn check(name: &str, arguments: &[&str], replies: Vec<(&'static str, Reply)>) {
    let double = Double::start(replies);
    let mut command = swarmctl(arguments);
    command.arg("--socket").arg(double.socket());
    let seen = seen(command, double.folder());
    double.finish();
    compare(name, &seen);
}

#[test]
fn every_command_says_its_answer() {
    let rows: [(&str, &[&str], &'static str, &'static str); 17] = [
        ("status", &["status"], "GET /v1/status", STATUS),
        ("status_idle", &["status"], "GET /v1/status", STATUS_IDLE),
        ("status_checking", &["status"], "GET /v1/status", STATUS_CHECKING),
        ("status_no_worker", &["status"], "GET /v1/status", STATUS_NO_WORKER),
        ("balance", &["ledger", "balance"], "GET /v1/ledger/balance", BALANCE),
        (
            "balance_of_another",
            &["ledger", "balance", "--account", "A1A1A1A1"],
            "GET /v1/ledger/balance?account=a1a1a1a1",
            BALANCE,
        ),
        ("history", &["ledger", "history"], "GET /v1/ledger/history", HISTORY),
        (
            "history_filtered",
            &["ledger", "history", "--kind", "mint", "--limit", "5"],
            "GET /v1/ledger/history?kind=mint&limit=5",
            HISTORY,
        ),
        ("explain", &["ledger", "explain", "last"], "GET /v1/ledger/explain/last", EXPLAIN),
        (
            "explain_colored",
            &["--color", "always", "ledger", "explain", "55555555"],
            "GET /v1/ledger/explain/55555555",
            EXPLAIN,
        ),
        ("receipt", &["ledger", "receipt", "77777777"], "GET /v1/ledger/receipt/77777777", RECEIPT),
        ("verify", &["ledger", "verify"], "POST /v1/ledger/verify", VERIFY),
        ("verify_bad", &["ledger", "verify"], "POST /v1/ledger/verify", VERIFY_BAD),
        ("frontier", &["search", "frontier"], "GET /v1/search/frontier", FRONTIER),
        ("peers", &["peer", "list"], "GET /v1/peers", PEERS),
        ("peers_none", &["peer", "list"], "GET /v1/peers", PEERS_NONE),
        ("swarm", &["swarm", "show"], "GET /v1/swarm", SWARM),
    ];
    for (name, arguments, target, answer) in rows {
        check(name, arguments, vec![(target, json(200, answer))]);
    }
}

#[test]
fn with_json_standard_output_is_the_answer_as_received() {
    let rows: [(&[&str], &'static str, &'static str, i32); 11] = [
        (&["status"], "GET /v1/status", STATUS, 0),
        (&["ledger", "balance"], "GET /v1/ledger/balance", BALANCE, 0),
        (&["ledger", "history"], "GET /v1/ledger/history", HISTORY, 0),
        (&["ledger", "explain", "last"], "GET /v1/ledger/explain/last", EXPLAIN, 0),
        (&["ledger", "receipt", "last"], "GET /v1/ledger/receipt/last", RECEIPT, 0),
        (&["ledger", "verify"], "POST /v1/ledger/verify", VERIFY, 0),
        (&["ledger", "verify"], "POST /v1/ledger/verify", VERIFY_BAD, 8),
        (&["search", "frontier"], "GET /v1/search/frontier", FRONTIER, 0),
        (&["peer", "list"], "GET /v1/peers", PEERS, 0),
        (&["peer", "list"], "GET /v1/peers", r#"{"schema":"swarm.peers/1","peers":[],"new":1}"#, 0),
        (&["swarm", "show"], "GET /v1/swarm", SWARM, 0),
    ];
    for (arguments, target, answer, code) in rows {
        let double = Double::start(vec![(target, json(200, answer))]);
        let output = swarmctl(arguments).arg("--json").arg("--socket").arg(double.socket()).output().unwrap();
        double.finish();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), answer.trim_end(), "{arguments:?}");
        assert_eq!(output.stderr.is_empty(), code == 0, "{arguments:?}");
    }
}

#[test]
fn an_export_joins_its_pages_in_each_form() {
    let pages = || {
        vec![
            ("GET /v1/ledger/export", json(200, EXPORT)),
            ("GET /v1/ledger/export?from_seq=4", json(200, EXPORT_END)),
        ]
    };
    check("export_csv", &["ledger", "export"], pages());
    check("export_jsonl", &["ledger", "export", "--format", "jsonl"], pages());
    check("export_json", &["ledger", "export", "--format", "json"], pages());
    check("export_json", &["ledger", "export", "--json"], pages());
}

#[test]
fn a_raw_receipt_is_its_bytes_and_nothing_else() {
    let double = Double::start(vec![("GET /v1/ledger/receipt/last", json(200, RECEIPT))]);
    let mut command = swarmctl(&["ledger", "receipt", "last", "--raw", "--socket"]);
    let output = command.arg(double.socket()).output().unwrap();
    double.finish();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, [0x0a, 0x03, 0x01, 0x02, 0x03]);
    assert!(output.stderr.is_empty());
}

#[test]
fn errors_of_the_daemon_decide_the_exit_code() {
    let explain = ["ledger", "explain", "12345678"];
    let target = "GET /v1/ledger/explain/12345678";
    check("unknown_id", &explain, vec![(target, json(404, ERROR))]);
    check("unknown_id_json", &["--json", "ledger", "explain", "12345678"], vec![(target, json(404, ERROR))]);
    let rows = [
        ("refused", 1),
        ("usage", 2),
        ("unreachable", 3),
        ("not_permitted", 4),
        ("not_found", 5),
        ("timed_out", 6),
        ("not_enough_credits", 7),
        ("verification_failed", 8),
        ("version_mismatch", 9),
        ("network", 10),
        ("bug", 70),
    ];
    for (kind, code) in rows {
        let body = format!(r#"{{"schema":"swarm.error/1","kind":"{kind}","message":"why"}}"#);
        let double = Double::start(vec![("GET /v1/status", json(500, &body))]);
        let output = swarmctl(&["status", "--socket"]).arg(double.socket()).output().unwrap();
        double.finish();
        assert_eq!(output.status.code(), Some(code), "{kind}");
        assert_eq!(output.stderr, b"error: why\n", "{kind}");
        assert!(output.stdout.is_empty(), "{kind}");
    }
}

#[test]
fn another_version_is_said_to_be_one() {
    let newer = r#"{"schema":"swarm.status/2","account":"other"}"#;
    check("version_mismatch", &["status"], vec![("GET /v1/status", json(200, newer).version("9.9.9"))]);
    let fields = r#"{"schema":"swarm.status/1","account":"none"}"#;
    check("version_mismatch_fields", &["--json", "status"], vec![("GET /v1/status", json(200, fields))]);
    check("version_mismatch_other_answer", &["status"], vec![("GET /v1/status", json(200, PEERS_NONE))]);
}

#[test]
fn a_stranger_at_the_socket_is_not_believed() {
    check("stranger", &["status"], vec![("GET /v1/status", json(404, "<html>nothing here</html>"))]);
    check("stranger_hangs_up", &["status"], vec![("GET /v1/status", Reply::HangUp)]);
    check("too_long", &["status"], vec![("GET /v1/status", Reply::TooLong)]);
}

#[test]
fn a_daemon_that_does_not_answer_is_given_up() {
    check("timed_out", &["status", "--timeout", "1"], vec![("GET /v1/status", Reply::Silence)]);
}

#[test]
fn an_interrupt_is_exit_130() {
    let double = Double::start(vec![("GET /v1/status", Reply::Silence)]);
    let child = swarmctl(&["status", "--socket"]).arg(double.socket()).spawn().unwrap();
    double.wait_for_request();
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
    double.finish();
}

#[test]
fn no_daemon_is_said_with_the_places_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let missing = path.join("api.sock");
    let mut command = swarmctl(&["status", "--socket"]);
    command.arg(&missing);
    compare("no_daemon", &seen(command, path));

    let mut command = swarmctl(&["status", "--json"]);
    command.env("SWARM_SOCKET", &missing);
    compare("no_daemon_json", &seen(command, path));

    drop(std::os::unix::net::UnixListener::bind(&missing).unwrap());
    let mut command = swarmctl(&["status"]);
    command.env("SWARM_SOCKET", &missing);
    compare("daemon_gone", &seen(command, path));

    let mut command = swarmctl(&["status", "--socket"]);
    command.arg(path.join("x".repeat(120)));
    compare("socket_path_too_long", &seen(command, path));
}

#[test]
fn the_runtime_folder_comes_before_the_system_and_after_a_named_socket() {
    let double = Double::start(vec![("GET /v1/status", json(200, STATUS)); 2]);
    let runtime = double.folder().join("runtime");
    fs::create_dir_all(runtime.join("swarmd")).unwrap();
    fs::hard_link(double.socket(), runtime.join("swarmd/api.sock")).unwrap();
    let found = swarmctl(&["status"]).env("XDG_RUNTIME_DIR", &runtime).output().unwrap();
    assert_eq!(found.status.code(), Some(0));
    let mut command = swarmctl(&["status"]);
    command.env("XDG_RUNTIME_DIR", &runtime).env("SWARM_SOCKET", double.folder().join("other.sock"));
    compare("named_socket_only", &seen(command, double.folder()));
    let empty =
        swarmctl(&["status"]).env("XDG_RUNTIME_DIR", &runtime).env("SWARM_SOCKET", "").output().unwrap();
    assert_eq!(empty.status.code(), Some(0));
    double.finish();
}

/// A socket below a folder that only its owner may enter, asked by another user if
/// the test runs as root, else closed to everybody.
#[test]
fn a_socket_one_may_not_open_is_exit_4() {
    let outer = tempfile::tempdir().unwrap();
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    set(outer.path(), 0o755);
    let program = outer.path().join("swarmctl");
    fs::copy(env!("CARGO_BIN_EXE_swarmctl"), &program).unwrap();
    let inner = outer.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let socket: PathBuf = inner.join("api.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    set(&inner, 0o700);
    let mut command = Command::new(&program);
    command.args(["status", "--socket"]).arg(&socket);
    if is_root() {
        command.uid(65_534).gid(65_534);
    } else {
        set(&socket, 0o000);
    }
    compare("not_permitted", &seen(command, outer.path()));
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("`id` starts");
    output.stdout.trim_ascii() == b"0"
}

#[test]
fn wrong_arguments_are_exit_2_and_help_is_exit_0() {
    let folder = Path::new("/nonexistent");
    let rows: [(&str, &[&str]); 9] = [
        ("usage_no_command", &[]),
        ("usage_unknown_command", &["stauts"]),
        ("usage_bad_id", &["ledger", "explain", "1234"]),
        ("usage_bad_kind", &["ledger", "history", "--kind", "mints"]),
        ("usage_bad_limit", &["ledger", "history", "--limit", "0"]),
        ("usage_bad_timeout", &["status", "--timeout", "soon"]),
        ("usage_raw_json", &["ledger", "receipt", "last", "--raw", "--json"]),
        ("help_export", &["ledger", "export", "--help"]),
        ("version", &["--version"]),
    ];
    for (name, arguments) in rows {
        compare(name, &seen(swarmctl(arguments), folder));
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let double = Double::start(vec![("GET /v1/ledger/history", json(200, HISTORY))]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = swarmctl(&["ledger", "history", "--socket"]);
    let output = command.arg(double.socket()).stdout(writer).stderr(Stdio::piped()).output().unwrap();
    double.finish();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
}
