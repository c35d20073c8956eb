//! Files of the state folder that are not what was written.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::nodes::{Daemon, Swarm, alone, wait_for};

/// Header and frame of a file's first record.
const FIRST_PAYLOAD: usize = 48 + 9;

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
}

/// Waits until a daemon has signed this much.
fn signed(daemon: &Daemon, receipts: usize) -> Vec<String> {
    wait_for("receipts", || Some(daemon.own_receipts()).filter(|own| own.len() >= receipts))
}

#[test]
fn a_damaged_ledger_is_named_and_what_was_lost_comes_from_a_peer() {
    let _alone = alone();
    let swarm = Swarm::new("damage", 1);
    let earner = swarm.node(0).with(&["--donate", "always"]);
    let earning = earner.start();
    let reader = swarm.stranger("reader");
    let joined = reader.clone().with(&["--join", &earning.ticket()]);
    let reading = joined.start();
    let account = earning.status("/account").as_str().unwrap().to_owned();
    let own = signed(&earning, 3);
    wait_for("the copy", || {
        let copy = reading.ctl(&["ledger", "history", "--account", &account, "--json"]);
        (copy.code == Some(0) && reading.receipts_of(&account).starts_with(&own)).then_some(())
    });
    assert_eq!(reading.stop("-TERM"), Some(0));
    let segment = reader.folder.join("ledger/00000001.seg");
    let length = fs::metadata(&segment).unwrap().len();
    flip(&segment, FIRST_PAYLOAD);

    // Alone, it starts and says what is wrong, and loses nothing more.
    let reading = reader.start();
    assert!(reading.log().contains("state folder damaged"), "{}", reading.log());
    assert!(reading.log().contains("00000001.seg: records are not what was written"), "{}", reading.log());
    let verified = reading.ctl(&["ledger", "verify"]);
    verified.check(8, &[]);
    let said = format!("{}{}", verified.stdout, verified.stderr);
    assert!(said.contains("00000001.seg") && said.contains("48"), "{verified:?}");
    assert_eq!(reading.stop("-TERM"), Some(0));
    assert_eq!(fs::metadata(&segment).unwrap().len(), length);

    // With a peer the ledger is whole again. The damaged record stays where it is: `verify`
    // reads the log, and goes on to name it.
    let reading = joined.start();
    wait_for("the repair", || {
        let copy = reading.ctl(&["ledger", "history", "--account", &account, "--json"]);
        (copy.code == Some(0) && reading.receipts_of(&account).starts_with(&own)).then_some(())
    });
    reading.ctl(&["ledger", "verify"]).check(8, &[]);
    assert_eq!(reading.stop("-TERM"), Some(0));

    // What came from the peer is on disk: the next start needs none.
    let reading = reader.start();
    assert!(reading.receipts_of(&account).starts_with(&own));
}

#[test]
fn a_damaged_journal_stops_signing_and_nothing_else() {
    let _alone = alone();
    let swarm = Swarm::new("journal", 1);
    let node = swarm.node(0).with(&["--donate", "always"]);
    let daemon = node.start();
    let own = signed(&daemon, 2);
    daemon.kill();
    let journal = node.folder.join("own-chain.journal");
    flip(&journal, FIRST_PAYLOAD);
    let before = fs::read(&journal).unwrap();
    let daemon = node.start();
    assert!(daemon.log().contains("own-chain.journal: records are not what was written"), "{}", daemon.log());
    assert_eq!(daemon.status("/signing/state"), "refusing");
    let reason = daemon.status("/signing/reason");
    assert!(reason.as_str().unwrap().contains("the journal of the own chain is damaged"), "{reason}");
    assert!(daemon.own_receipts().starts_with(&own));
    assert_eq!(daemon.status("/doing/state"), "no_worker");
    assert_eq!(daemon.ask(&["swarm", "show"])["founders"][0]["is_self"], Value::Bool(true));
    daemon.kill();
    assert_eq!(fs::read(&journal).unwrap(), before);
}

#[test]
fn a_ledger_cut_in_the_middle_of_a_write_goes_on() {
    let _alone = alone();
    let swarm = Swarm::new("cut", 1);
    let node = swarm.node(0).with(&["--donate", "always"]);
    let daemon = node.start();
    let own = signed(&daemon, 2);
    daemon.kill();
    let segment = node.folder.join("ledger/00000001.seg");
    let bytes = fs::read(&segment).unwrap();
    fs::write(&segment, &bytes[..bytes.len() - 1]).unwrap();
    let daemon = node.start();
    assert!(daemon.log().contains("the last record is unfinished"), "{}", daemon.log());
    // The journal has what the log lost, if it was its own.
    assert!(daemon.own_receipts().starts_with(&own));
    wait_for("a receipt after the cut", || (daemon.own_receipts().len() > own.len()).then_some(()));
    assert_eq!(daemon.ask(&["ledger", "verify"])["ok"], true);
}
