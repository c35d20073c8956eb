//! Starting with something wrong: a sentence, a next step, an exit code, nothing lost.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;

use crate::nodes::{SWARMD, Swarm, command, swarmctl_in};

/// The end of `swarmd run` with this configuration file.
fn check_config(text: &str, code: i32, says: &[&str]) {
    let swarm = Swarm::new("config", 1);
    let node = swarm.stranger("node");
    fs::write(&node.config, text).unwrap();
    let ended = node.fails();
    ended.check(code, says);
    assert!(ended.stderr.contains(node.config.to_str().unwrap()), "{ended:?}");
    assert!(!node.folder.exists(), "a broken configuration changes nothing");
}

#[test]
fn a_broken_configuration_is_named_with_file_line_and_hint() {
    check_config(
        "[node]\nstate_dir = x y\n",
        2,
        &["node.toml, line 2, column 13: ", "hint: correct the line"],
    );
    check_config(
        "[network]\nmdsn = true\n",
        2,
        &["node.toml, line 2: unknown key network.mdsn", "hint: did you mean network.mdns?"],
    );
    check_config(
        "donate.when = \"sometimes\"\n",
        2,
        &["node.toml, line 1: donate.when must be \"never\" or \"always\"", "hint: correct the line"],
    );
}

#[test]
fn a_configuration_that_is_missing_is_named() {
    let swarm = Swarm::new("no-config", 1);
    let node = swarm.stranger("node");
    fs::remove_file(&node.config).unwrap();
    node.fails().check(2, &["error: cannot read the configuration ", "node.toml", "hint: "]);
}

#[test]
fn wrong_flags_are_usage() {
    let swarm = Swarm::new("flags", 1);
    let node = swarm.stranger("node");
    node.clone().with(&["--donate", "often"]).fails().check(2, &["--donate: donate.when must be", "hint: "]);
    node.clone().with(&["--log-level", "loud"]).fails().check(2, &["log.level \"loud\"", "hint: use error"]);
    node.with(&["--listen", "127.0.0.1:1"]).fails().check(2, &["--listen: network.listen must be", "hint: "]);
    let ended = command(SWARMD).arg("rnu").output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
}

#[test]
fn without_a_charter_there_is_no_swarm() {
    let swarm = Swarm::new("none", 1);
    let mut node = swarm.stranger("node");
    node.charter = None;
    node.fails()
        .check(1, &["error: no charter: this node is in no swarm yet", "hint: give one with --charter FILE"]);
    node.charter = Some(swarm.path("nowhere"));
    node.fails().check(1, &["nowhere", "No such file", "hint: check the path"]);
    assert!(!node.folder.exists());
}

#[test]
fn a_file_that_is_no_charter_is_refused() {
    let swarm = Swarm::new("charter", 1);
    let node = swarm.stranger("node");
    let good = fs::read(swarm.charter()).unwrap();
    let mut changed = good.clone();
    changed[good.len() / 2] ^= 1;
    for bytes in [&b"not a charter"[..], &good[..good.len() - 1], &changed, &[]] {
        fs::write(swarm.charter(), bytes).unwrap();
        node.fails().check(1, &["charter is not a charter: ", "hint: ask for the file again"]);
        assert!(!node.folder.exists());
    }
    fs::write(swarm.charter(), vec![0; 1 << 20]).unwrap();
    node.fails().check(1, &["charter is not a charter: ", "hint: ask for the file again"]);
}

#[test]
fn a_state_folder_of_another_swarm_is_left_as_it_is() {
    let (one, other) = (Swarm::new("one", 1), Swarm::new("other", 1));
    let mut node = one.node(0);
    node.start().stop("-TERM");
    let before = content(&node.folder);
    node.charter = Some(other.charter());
    node.fails()
        .check(1, &["error: the state folder ", "belongs to another swarm", "hint: give another folder"]);
    // The charter is not what binds a folder to its swarm: its files are.
    fs::copy(other.charter(), node.folder.join("charter")).unwrap();
    node.fails().check(
        1,
        &["error: the state folder belongs to swarm ", "hint: use one state folder for each swarm"],
    );
    fs::copy(one.charter(), node.folder.join("charter")).unwrap();
    assert_eq!(content(&node.folder), before);
    node.charter = None;
    assert_eq!(node.start().stop("-TERM"), Some(0));
}

/// Names and bytes of the truth in a state folder.
fn content(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let names = ["charter", "identity.key", "own-chain.journal", "ledger/00000001.seg"];
    names.map(|name| (name.to_owned(), fs::read(folder.join(name)).unwrap())).to_vec()
}

#[test]
fn a_state_folder_that_cannot_be_written_is_named() {
    // Root may write everywhere; nobody can make a folder below a file, nor on `/proc`.
    let swarm = Swarm::new("unwritable", 1);
    let mut node = swarm.stranger("node");
    fs::write(&node.folder, "mine").unwrap();
    node.fails().check(1, &["error: ", "node", "Not a directory", "hint: "]);
    assert_eq!(fs::read_to_string(&node.folder).unwrap(), "mine");
    node.folder = "/proc/swarmd".into();
    node.fails().check(1, &["error: ", "/proc/swarmd", "hint: "]);
}

#[test]
fn a_key_that_others_may_read_or_that_is_cut_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let swarm = Swarm::new("key", 1);
    let node = swarm.node(0);
    let key = node.folder.join("identity.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    node.fails().check(1, &["error: others may open the node's key, mode 644", "hint: run: chmod 600 "]);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&key, [7; 31]).unwrap();
    node.fails().check(1, &["error: the node's key has 31 bytes instead of 32", "hint: restore the file"]);
    assert_eq!(fs::read(&key).unwrap(), [7; 31]);
}

#[test]
fn a_port_in_use_is_named() {
    let swarm = Swarm::new("port", 1);
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    for listen in
        [format!("tcp://{}", tcp.local_addr().unwrap()), format!("quic://{}", udp.local_addr().unwrap())]
    {
        let node = swarm.stranger("node").with(&["--listen", &listen]);
        let says = [
            "error: ",
            &listen,
            "in use",
            "hint: another program may use the port: give another with --listen",
        ];
        node.fails().check(1, &says);
    }
}

#[test]
fn a_second_daemon_on_a_folder_or_a_socket_is_refused() {
    let swarm = Swarm::new("second", 2);
    let (first, second) = (swarm.node(0), swarm.node(1));
    let daemon = first.start();
    let mut same_folder = second.clone();
    same_folder.folder.clone_from(&first.folder);
    same_folder.fails().check(1, &["error: the state folder is in use: ", "hint: stop the other swarmd"]);
    let mut same_socket = second.clone();
    same_socket.socket.clone_from(&first.socket);
    same_socket.fails().check(1, &["error: a daemon is already running at ", "hint: "]);
    // The first was not disturbed, and its socket goes with it.
    assert_eq!(daemon.status("/schema"), "swarm.status/1");
    assert_eq!(daemon.stop("-TERM"), Some(0));
    assert!(!first.socket.exists());
    // What a killed daemon left is taken over.
    second.start().kill();
    assert!(second.socket.exists());
    assert_eq!(second.start().stop("-INT"), Some(0));
}

#[test]
fn a_socket_path_that_is_too_long_or_taken_is_named() {
    let swarm = Swarm::new("socket", 1);
    let mut node = swarm.stranger("node");
    node.socket = swarm.path(&"x".repeat(120));
    node.fails()
        .check(1, &["error: the path of the socket has ", "107 are possible", "hint: give a shorter path"]);
    node.socket = swarm.path("mine");
    fs::write(&node.socket, "mine").unwrap();
    node.fails().check(1, &["error: ", "mine exists and is no socket", "hint: "]);
    assert_eq!(fs::read_to_string(&node.socket).unwrap(), "mine");
}

#[test]
fn tickets_of_another_swarm_and_no_tickets_are_refused() {
    let (one, other) = (Swarm::new("ticket-one", 1), Swarm::new("ticket-other", 1));
    let ticket = other.node(0).start().ticket();
    let node = one.node(0);
    let refused = node.clone().with(&["--join", &ticket]).fails();
    refused.check(
        1,
        &["error: network.join: the ticket is for another swarm", "hint: ask for a ticket of the swarm"],
    );
    for text in ["swarm1aaaa", "hello", &ticket[..ticket.len() - 1]] {
        let refused = node.clone().with(&["--join", text]).fails();
        refused.check(1, &["error: network.join: not a ticket: ", "hint: copy the whole ticket"]);
    }
}

#[test]
fn a_daemon_that_does_not_run_is_said_not_to() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("api.sock");
    let swarmctl = swarmctl_in(folder.path());
    for program in [command(SWARMD).arg("ctl"), &mut command(&swarmctl)] {
        let ended =
            crate::nodes::Ended::from(program.arg("status").arg("--socket").arg(&socket).output().unwrap());
        ended.check(3, &["error: ", socket.to_str().unwrap(), "hint: "]);
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn the_program_named_swarmctl_is_swarmctl() {
    let swarm = Swarm::new("swarmctl", 1);
    let daemon = swarm.node(0).start();
    let swarmctl = swarmctl_in(&swarm.path(""));
    let ask = |program: &mut std::process::Command| {
        let output = program.args(["swarm", "show", "--json"]).env("SWARM_SOCKET", swarm.path("node0.sock"));
        crate::nodes::Ended::from(output.output().unwrap())
    };
    let (named, sub) = (ask(&mut command(&swarmctl)), ask(command(SWARMD).arg("ctl")));
    named.check(0, &[]);
    let answer: serde_json::Value = serde_json::from_str(&named.stdout).unwrap();
    assert_eq!((&answer["schema"], &answer["name"]), (&"swarm.swarm/1".into(), &"swarmctl".into()));
    sub.check(0, &[]);
    let help = crate::nodes::Ended::from(command(&swarmctl).arg("--help").output().unwrap());
    assert!(help.stdout.contains("Usage: swarmctl "), "{help:?}");
    drop(daemon);
}
