//! Worker programs that are none: the daemon stays up and its status says why it has no
//! worker.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::nodes::{Swarm, wait_for};

/// The status of a daemon with this worker program names the reason.
fn check_worker(program: &str, reason: &str) {
    let swarm = Swarm::new("worker", 1);
    let daemon = swarm.node(0).with(&["--donate", "always", "--worker-program", program]).start();
    let shown = wait_for("a worker that is gone", || {
        let doing = daemon.status("/doing");
        (doing["state"] == "no_worker" && doing["reason"].as_str()?.contains(reason)).then_some(doing)
    });
    assert!(shown["reason"].as_str().unwrap().starts_with("no worker is up: "), "{shown}");
    let words = daemon.ctl(&["status"]);
    words.check(0, &[]);
    assert!(words.stdout.contains(reason), "{words:?}");
    assert_eq!(daemon.stop("-TERM"), Some(0));
}

#[test]
fn a_worker_program_that_is_not_there_is_named() {
    check_worker("/nowhere/worker", "cannot run the worker program /nowhere/worker");
}

#[test]
fn a_worker_program_that_is_no_program_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("worker");
    fs::write(&file, [0x7f, b'E', b'L', b'F', 0, 0, 0]).unwrap();
    check_worker(file.to_str().unwrap(), "cannot run the worker program");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    check_worker(file.to_str().unwrap(), "cannot run the worker program");
}

#[test]
fn a_worker_that_ends_or_speaks_another_language_is_named() {
    check_worker("/bin/false", "exited with status 1");
    check_worker("/bin/true", "exited with status 0");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("worker");
    fs::write(&file, "#!/bin/sh\necho hello, I am no worker\nsleep 60\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    // "hell" as a length.
    check_worker(file.to_str().unwrap(), "killed: sent a frame of 1819043176 bytes");
}
