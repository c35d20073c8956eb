//! `kill -9`, again and again: what was signed stays signed, and nothing is signed twice.

use crate::nodes::{Daemon, Swarm, alone, wait_for};

/// Often enough to hit a signature, a segment's end and the time after a start.
const ROUNDS: usize = 5;

/// What a moment to be killed at looks like, one per round.
fn moment(round: usize, daemon: &Daemon, before: usize) -> bool {
    let has_signed = daemon.own_receipts().len() > before;
    let in_a_trial = daemon.status("/doing")["step"].as_u64().is_some_and(|step| step > 0);
    if round.is_multiple_of(2) { has_signed } else { in_a_trial }
}

#[test]
fn a_killed_daemon_keeps_its_chain_and_never_forks() {
    let _alone = alone();
    let swarm = Swarm::new("crash", 2);
    let other = swarm.node(1).with(&["--donate", "always"]).start();
    let node = swarm.node(0).with(&["--donate", "always", "--join", &other.ticket()]);
    let mut daemon = node.start();
    let account = daemon.status("/account").as_str().unwrap().to_owned();
    let mut known: Vec<String> = Vec::new();
    for round in 0..ROUNDS {
        wait_for("the moment to kill", || moment(round, &daemon, known.len()).then_some(()));
        let seen = daemon.own_receipts();
        assert!(seen.starts_with(&known), "round {round}: {known:?} became {seen:?}");
        daemon.kill();
        daemon = node.start();
        assert_eq!(daemon.status("/account"), account.as_str(), "round {round}");
        known = daemon.own_receipts();
        assert!(known.starts_with(&seen), "round {round}: {seen:?} became {known:?}");
    }
    assert!(known.len() >= 3, "only {known:?} was signed");
    // The other has followed the whole chain and seen no second branch of it.
    let followed = wait_for("the other's copy of the chain", || {
        let copy = other.receipts_of(&account);
        copy.starts_with(&known).then_some(copy)
    });
    let own = daemon.own_receipts();
    assert!(own.starts_with(&followed) || followed.starts_with(&own), "{own:?} is not {followed:?}");
    for daemon in [&daemon, &other] {
        assert_eq!(daemon.ask(&["ledger", "balance", "--account", &account])["is_forked"], false);
        assert_eq!(daemon.ask(&["ledger", "verify"])["ok"], true);
        assert!(!daemon.log().contains("account forked"), "{}", daemon.log());
    }
    // A second daemon of an account would fork it: after all that there is one.
    assert_eq!(daemon.stop("-TERM"), Some(0));
    assert_eq!(other.stop("-TERM"), Some(0));
}
