//! Daemons of a test, and what can be asked of them.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use credits::vrf::VrfKey;
use credits::{Delays, Founder, Rules, Voting};
use daemon::node::Keys;
use serde_json::Value;

/// The program under test.
pub(crate) const SWARMD: &str = env!("CARGO_BIN_EXE_swarmd");

/// Far above what a loaded machine needs, far below a hanging test run.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

static CORES: Mutex<()> = Mutex::new(());

/// Held by a test that needs the whole machine: whatever trains.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    // A failed test does not make the next one fail.
    CORES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks until there is something to see.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "{what} did not happen within {} s", DEADLINE.as_secs());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A command without whatever the environment of the tests configures.
pub(crate) fn command(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SWARM_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// How a program ended and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ended =
            Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) };
        assert!(!ended.stderr.contains("panicked"), "{ended:?}");
        ended
    }
}

impl Ended {
    /// Asserts the exit code and that standard error says all of this.
    pub(crate) fn check(&self, code: i32, says: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for part in says {
            assert!(self.stderr.contains(part), "{part:?} is not in: {}", self.stderr);
        }
    }
}

/// A temporary folder with a charter, in which the given nodes are founders.
pub(crate) struct Swarm {
    folder: tempfile::TempDir,
    name: &'static str,
    founders: usize,
}

impl Swarm {
    /// A swarm whose first `founders` nodes of [`Swarm::node`] are its founders.
    pub(crate) fn new(name: &'static str, founders: usize) -> Self {
        let swarm = Self { folder: tempfile::tempdir().unwrap(), name, founders };
        fs::write(swarm.charter(), swarm.rules()).unwrap();
        swarm
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn charter(&self) -> PathBuf {
        self.path("charter")
    }

    fn seed(&self, number: usize) -> [u8; 32] {
        blake3::derive_key("swarmd process test v1", &[self.name.as_bytes(), &[number as u8]].concat())
    }

    fn rules(&self) -> Vec<u8> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let founder = |number| Founder {
            account: Keys::from_seed(&self.seed(number)).account(),
            vrf_key: VrfKey::from_seed(&self.seed(number)).public(),
        };
        let rules = Rules {
            name: self.name.to_owned(),
            start_ms: u64::try_from(now.as_millis()).unwrap(),
            epoch_ms: 1000,
            founders: (0..self.founders).map(founder).collect(),
            threshold: 1,
            voting: Voting {
                founder_weight: 1_000_000_000_000,
                votes_expected: 6,
                votes_expected_dispute: 16,
                confirmations: 2,
            },
            segments: 8,
            delays: Delays { vest_epochs: 3, season_epochs: 1, grace_epochs: 24 },
            tracks: vec![jobs::Track::r11().id()],
            bootstrap: Vec::new(),
        };
        rules.sign(Keys::from_seed(&self.seed(0)).signing()).unwrap()
    }

    /// A node with its key in its folder, not running.
    pub(crate) fn node(&self, number: usize) -> Node {
        let node = self.stranger(&format!("node{number}"));
        fs::create_dir(&node.folder).unwrap();
        let mut options = fs::OpenOptions::new();
        let mut key =
            options.write(true).create_new(true).mode(0o600).open(node.folder.join("identity.key")).unwrap();
        key.write_all(&self.seed(number)).unwrap();
        node
    }

    /// A node without a folder, which makes its own key.
    pub(crate) fn stranger(&self, name: &str) -> Node {
        // Short: the path of a socket is bounded.
        let socket = self.path(&format!("{name}.sock"));
        let config = self.path("node.toml");
        fs::write(&config, "network.private_addresses = true\n").unwrap();
        Node { folder: self.path(name), socket, charter: Some(self.charter()), config, options: Vec::new() }
    }
}

/// How one daemon is started.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) folder: PathBuf,
    pub(crate) socket: PathBuf,
    pub(crate) charter: Option<PathBuf>,
    pub(crate) config: PathBuf,
    options: Vec<String>,
}

impl Node {
    /// This node with more options of `swarmd run`.
    pub(crate) fn with(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(|option| (*option).to_owned()));
        self
    }

    fn command(&self) -> Command {
        let mut command = command(SWARMD);
        command.arg("run").arg("--state-dir").arg(&self.folder).arg("--socket").arg(&self.socket);
        command.arg("--config").arg(&self.config).args(["--mdns", "false", "--worker-threads", "1"]);
        if !self.options.iter().any(|option| option == "--listen") {
            command.args(["--listen", "quic://127.0.0.1:0,tcp://127.0.0.1:0"]);
        }
        if let Some(charter) = &self.charter {
            command.arg("--charter").arg(charter);
        }
        command.args(&self.options);
        command
    }

    /// Starts a daemon that is expected to end by itself, and waits until it has.
    pub(crate) fn fails(&self) -> Ended {
        let mut child = self.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let deadline = Instant::now() + DEADLINE;
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                child.kill().unwrap();
                panic!("still runs: {:?}", child.wait_with_output().unwrap());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        child.wait_with_output().unwrap().into()
    }

    /// Starts a daemon and waits until it answers.
    pub(crate) fn start(&self) -> Daemon {
        let log = self.socket.with_extension("log");
        let stderr = fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let child = self.command().stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
        let mut daemon = Daemon { child, socket: self.socket.clone(), log };
        wait_for("a daemon's answer", || {
            let ended = daemon.child.try_wait().unwrap();
            assert!(ended.is_none(), "the daemon ended: {}", daemon.log());
            (daemon.ctl(&["status"]).code == Some(0)).then_some(())
        });
        daemon
    }
}

/// A daemon that runs. Dropping it kills it.
pub(crate) struct Daemon {
    child: Child,
    socket: PathBuf,
    log: PathBuf,
}

impl Daemon {
    /// What it has logged, in all its lives.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// `swarmctl` with its socket.
    pub(crate) fn ctl(&self, words: &[&str]) -> Ended {
        let output = command(SWARMD).arg("ctl").args(words).arg("--socket").arg(&self.socket).output();
        output.unwrap().into()
    }

    /// The answer to a question that must be answered.
    pub(crate) fn ask(&self, words: &[&str]) -> Value {
        let ended = self.ctl(&[words, &["--json"]].concat());
        assert_eq!(ended.code, Some(0), "{words:?}: {ended:?}, {}", self.log());
        serde_json::from_str(&ended.stdout).unwrap()
    }

    /// Its ticket.
    pub(crate) fn ticket(&self) -> String {
        self.ask(&["swarm", "show"])["ticket"].as_str().unwrap().to_owned()
    }

    /// A figure of its status, by JSON pointer.
    pub(crate) fn status(&self, pointer: &str) -> Value {
        self.ask(&["status"]).pointer(pointer).unwrap().clone()
    }

    /// The ids of an account's receipts as this daemon has them, oldest first.
    pub(crate) fn receipts_of(&self, account: &str) -> Vec<String> {
        let answer = self.ask(&["ledger", "history", "--account", account, "--limit", "1000"]);
        let rows = answer["rows"].as_array().unwrap();
        rows.iter().map(|row| row["receipt"].as_str().unwrap().to_owned()).collect()
    }

    /// The ids of its own receipts, none before the first.
    pub(crate) fn own_receipts(&self) -> Vec<String> {
        let account = self.status("/account");
        let known = self.ctl(&["ledger", "history", "--json"]).code == Some(0);
        if known { self.receipts_of(account.as_str().unwrap()) } else { Vec::new() }
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end with a signal and waits; its exit code.
    pub(crate) fn stop(mut self, signal: &str) -> Option<i32> {
        kill(signal, self.child.id());
        wait_for("the daemon's end", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal.
pub(crate) fn kill(signal: &str, pid: u32) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

/// The program under the name `swarmctl`, in a folder.
pub(crate) fn swarmctl_in(folder: &Path) -> PathBuf {
    let path = folder.join("swarmctl");
    symlink(SWARMD, &path).unwrap();
    path
}

/// Ids of the processes whose command line has this text.
pub(crate) fn processes_with(text: &str) -> Vec<String> {
    let named = |entry: fs::DirEntry| {
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        let has = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(text);
        (has(&line) || has(&environment)).then(|| entry.file_name().to_string_lossy().into_owned())
    };
    fs::read_dir("/proc").unwrap().filter_map(|entry| named(entry.ok()?)).collect()
}
