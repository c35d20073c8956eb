//! `swarmd try`: the whole loop, and each of its checks made to fail.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;

use crate::nodes::{DEADLINE, Ended, SWARMD, alone, command, kill, processes_with, wait_for};

/// The show with these options, in a temporary folder of its own that must be empty
/// afterwards, with no process left.
fn show(options: &[&str]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let output = command(SWARMD).arg("try").args(options).env("TMPDIR", folder.path()).output().unwrap();
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    gone(folder.path().to_str().unwrap());
    output.into()
}

/// A worker ends a moment after its daemon.
fn gone(folder: &str) {
    wait_for("the end of every process", || processes_with(folder).is_empty().then_some(()));
}

/// A lying worker program of `daemon/examples`, built beside this test.
fn liar(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(program.exists(), "{} is built with the tests of the workspace", program.display());
    program
}

#[test]
fn three_nodes_earn_and_agree() {
    let _alone = alone();
    let ended = show(&[]);
    ended.check(0, &[]);
    for part in [
        "All three are connected.",
        "was confirmed: minted, ",
        "(swarmctl ledger explain):",
        "Who re-ran a part of it",
        "(swarmctl search frontier):",
        "single runs, not yet records",
        "Balance of node 1 (swarmctl ledger balance):",
        "Balance of node 2 (swarmctl ledger balance):",
        "Balance of node 3 (swarmctl ledger balance):",
        "Every check held: ",
    ] {
        assert!(ended.stdout.contains(part), "{part:?} is not in: {}", ended.stdout);
    }
    for node in 1..=3 {
        let verified = format!("Ledger of node {node}: ");
        assert!(ended.stdout.contains(&verified), "{verified:?} is not in: {}", ended.stdout);
        let earned = format!("node {node} can spend ");
        assert!(ended.stdout.contains(&earned), "{earned:?} is not in: {}", ended.stdout);
    }
}

#[test]
fn a_node_killed_in_the_middle_goes_on_and_earns() {
    let _alone = alone();
    let ended = show(&["--kill"]);
    ended.check(0, &[]);
    let killed = ended.stdout.find("node 2 is killed in the middle of its trial").expect("node 2 was killed");
    assert!(ended.stdout[killed..].contains("node 2 can spend "), "{}", ended.stdout);
}

#[test]
fn one_changed_bit_of_a_ledger_is_found() {
    let _alone = alone();
    let ended = show(&["--tamper"]);
    ended.check(8, &["error: check failed: every ledger verifies: node 1: 00000001.seg, byte ", "hint: "]);
}

/// The liar is paid nothing, and the honest nodes are in the same run.
fn check_liar(name: &str) {
    let _alone = alone();
    let ended = show(&["--liar", liar(name).to_str().unwrap()]);
    ended.check(
        8,
        &["error: check failed: every node earned: node 3 claimed ", ", minted 0, can spend 0 ucr"],
    );
    for part in [
        "node 3 claims a trial",
        "node 1's claim was confirmed: minted, ",
        "node 2's claim was confirmed: minted, ",
        "node 1 can spend ",
        "node 2 can spend ",
        "What became of a claim of node 3 (swarmctl ledger explain):",
        "trace not open yet",
        ", minted none and has 0 ucr.",
    ] {
        assert!(ended.stdout.contains(part), "{part:?} is not in: {}", ended.stdout);
    }
    assert!(!ended.stdout.contains("node 3's claim was confirmed"), "{}", ended.stdout);
}

#[test]
fn a_worker_that_does_not_train_earns_nothing() {
    check_liar("liar_no_training");
}

#[test]
fn a_worker_that_reports_less_than_it_measured_earns_nothing() {
    check_liar("liar_wrong_metric");
}

#[test]
fn a_worker_with_the_trace_of_another_account_earns_nothing() {
    check_liar("liar_copied_trace");
}

#[test]
fn an_interrupt_leaves_nothing_behind() {
    let _alone = alone();
    for signal in ["-INT", "-TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command(SWARMD);
        command.arg("try").env("TMPDIR", folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let own = folder.path().to_str().unwrap();
        // `try`, three daemons and a worker of each: the worst moment.
        wait_for("the start of all workers", || (processes_with(own).len() >= 7).then_some(()));
        kill(signal, child.id());
        let started = std::time::Instant::now();
        while child.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < DEADLINE, "try does not end at {signal}");
            thread::yield_now();
        }
        let ended: Ended = child.wait_with_output().unwrap().into();
        ended.check(130, &["error: interrupted"]);
        gone(own);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{signal}");
    }
}
