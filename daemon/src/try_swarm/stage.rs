//! The three nodes: their folders, their processes, and asking them things.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use credits::vrf::VrfKey;
use credits::{Delays, Founder, Rules, Voting};
use proto::api::ApiAnswer;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::TryError;
use crate::node::Keys;

/// Nodes of the show.
pub(super) const NODES: usize = 3;

/// The node whose worker may lie.
pub(super) const LIAR: usize = NODES - 1;

/// How long a daemon may take until its socket answers.
const START_MAX: Duration = Duration::from_secs(20);

/// How long the last writes of a killed worker may keep the folder from being removed.
const REMOVE_MAX: Duration = Duration::from_secs(10);

/// A node's log in its folder.
const LOG: &str = "log";

/// Lines of a log that are shown when its daemon does not start.
const LAST_WORDS: usize = 2;

/// One node: its folder and its process.
struct Seat {
    folder: PathBuf,
    daemon: Option<Child>,
    worker_program: Option<PathBuf>,
}

/// The three nodes. Dropping it ends them and removes their folders.
pub(super) struct Stage {
    folder: PathBuf,
    keep: bool,
    program: PathBuf,
    seats: Vec<Seat>,
    tickets: Vec<String>,
}

impl Stage {
    /// Makes three identities and the charter, of which the first `founders` are founders.
    pub(super) fn set(keep: bool, founders: usize) -> io::Result<Self> {
        let mut random = [0; 32];
        getrandom(&mut random)?;
        let folder =
            std::env::temp_dir().join(format!("swarmd-try-{}", &blake3::hash(&random).to_hex()[..8]));
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let mut stage =
            Self { folder, keep, program: std::env::current_exe()?, seats: Vec::new(), tickets: Vec::new() };
        let seeds: Vec<[u8; 32]> = (0..NODES)
            .map(|node| blake3::derive_key("swarmd try node v1", &[&random[..], &[node as u8]].concat()))
            .collect();
        let charter = charter(&seeds[..founders])?;
        for (index, seed) in seeds.iter().enumerate() {
            let folder = stage.folder.join(format!("node{}", index + 1));
            fs::DirBuilder::new().mode(0o700).create(&folder)?;
            fs::write(folder.join("charter"), &charter)?;
            let mut options = fs::OpenOptions::new();
            let mut key =
                options.write(true).create_new(true).mode(0o600).open(folder.join(crate::identity::FILE))?;
            key.write_all(seed)?;
            stage.seats.push(Seat { folder, daemon: None, worker_program: None });
        }
        Ok(stage)
    }

    /// Where everything is.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of a node's ledger.
    pub(super) fn ledger_folder(&self, node: usize) -> PathBuf {
        self.seats[node].folder.join("ledger")
    }

    /// Starts the daemons one after the other; each joins those before it.
    pub(super) async fn start(&mut self, liar: Option<&Path>) -> Result<(), TryError> {
        self.seats[LIAR].worker_program = liar.map(Path::to_owned);
        for node in 0..NODES {
            self.start_node(node).await?;
        }
        Ok(())
    }

    /// Starts one daemon and waits until it answers.
    pub(super) async fn start_node(&mut self, node: usize) -> Result<(), TryError> {
        let daemon = self.command(node)?.spawn()?;
        self.seats[node].daemon = Some(daemon);
        let deadline = Instant::now() + START_MAX;
        loop {
            if let Some(Ok(Some(status))) = self.seats[node].daemon.as_mut().map(Child::try_wait) {
                let text = format!("it ended with {status}: {}", self.last_words(node));
                return Err(TryError::Daemon { node: node + 1, text });
            }
            match self.ask(node, &["swarm", "show"]).await {
                Ok(ApiAnswer::Swarm(swarm)) => {
                    self.tickets.extend(swarm.ticket);
                    return Ok(());
                }
                Ok(_) | Err(_) if Instant::now() < deadline => sleep(Duration::from_millis(50)).await,
                Ok(_) => {
                    let text = format!("no answer within {} s", START_MAX.as_secs());
                    return Err(TryError::Daemon { node: node + 1, text });
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn command(&self, node: usize) -> io::Result<Command> {
        let seat = &self.seats[node];
        let log = fs::OpenOptions::new().create(true).append(true).open(seat.folder.join(LOG))?;
        let mut command = Command::new(&self.program);
        command.arg("run").arg("--state-dir").arg(&seat.folder).arg("--socket").arg(self.socket(node));
        command.args(["--listen", "quic://127.0.0.1:0,tcp://127.0.0.1:0", "--mdns", "false"]);
        command.args(["--donate", "always", "--worker-threads", "1", "--log-level", "debug,libp2p=error"]);
        // A file of its own instead of the user's: the show does not depend on that.
        let config = seat.folder.join("config.toml");
        fs::write(&config, "[network]\nprivate_addresses = true\n")?;
        command.arg("--config").arg(config);
        if !self.tickets.is_empty() {
            command.arg("--join").arg(self.tickets.join(","));
        }
        if let Some(program) = &seat.worker_program {
            command.arg("--worker-program").arg(program);
        }
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SWARM_"))
        {
            command.env_remove(name);
        }
        // A group of its own: an interrupt from the terminal is handled here, which ends it.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).process_group(0).kill_on_drop(true);
        Ok(command)
    }

    /// The end of a node's log.
    fn last_words(&self, node: usize) -> String {
        let log = fs::read(self.seats[node].folder.join(LOG)).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LAST_WORDS)..].join("; ")
    }

    /// Ends a node's daemon without warning.
    pub(super) async fn kill_node(&mut self, node: usize) -> io::Result<()> {
        match self.seats[node].daemon.take() {
            Some(mut daemon) => daemon.kill().await,
            None => Ok(()),
        }
    }

    /// Ends all daemons and removes what they wrote, unless it is to be kept.
    pub(super) async fn end(mut self) {
        for node in 0..self.seats.len() {
            if let Err(error) = self.kill_node(node).await {
                eprintln!("warning: node {} could not be ended: {error}", node + 1);
            }
        }
        // The workers end with their daemons, a moment later; until then they may write.
        let deadline = Instant::now() + REMOVE_MAX;
        while !self.keep && self.folder.exists() && Instant::now() < deadline {
            if fs::remove_dir_all(&self.folder).is_err() {
                sleep(Duration::from_millis(50)).await;
            }
        }
    }

    fn socket(&self, node: usize) -> PathBuf {
        self.seats[node].folder.join("api.sock")
    }

    /// What `swarmctl ... --json` of a node answers.
    pub(super) async fn ask(&self, node: usize, words: &[&str]) -> Result<ApiAnswer, TryError> {
        let output = self.output(node, &[words, &["--json"]].concat()).await?;
        // An answer that something does not verify is one too, with an exit status of its own.
        serde_json::from_slice(&output.stdout).map_err(|error| {
            let error = format!("its answer cannot be read: {error}");
            failed(node, words, if output.status.success() { error } else { text(&output.stderr) })
        })
    }

    /// The standard output of `swarmctl` of a node.
    pub(super) async fn swarmctl(&self, node: usize, words: &[&str]) -> Result<String, TryError> {
        let output = self.output(node, words).await?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(failed(node, words, text(&output.stderr))),
        }
    }

    async fn output(&self, node: usize, words: &[&str]) -> io::Result<Output> {
        let mut command = Command::new(&self.program);
        command.arg("ctl").args(words).arg("--socket").arg(self.socket(node));
        command.stdin(Stdio::null()).process_group(0).kill_on_drop(true).output().await
    }
}

fn failed(node: usize, words: &[&str], text: String) -> TryError {
    TryError::Command { command: words.join(" "), node: node + 1, text }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// For a panic: [`Stage::end`] has done the same before, and waited.
impl Drop for Stage {
    fn drop(&mut self) {
        for seat in &mut self.seats {
            if let Some(daemon) = &mut seat.daemon {
                // It has ended by itself: that is what is wanted.
                let _ = daemon.start_kill();
            }
        }
        if !self.keep {
            // What cannot be removed stays in the system's temporary folder.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

fn getrandom(buffer: &mut [u8; 32]) -> io::Result<()> {
    io::Read::read_exact(&mut fs::File::open("/dev/urandom")?, buffer)
}

/// The charter of the show: epochs of two seconds, every founder on duty.
///
/// A claim may be minted for eight epochs after its draw: long enough for checks on two
/// busy cores that three nodes share.
fn charter(seeds: &[[u8; 32]]) -> io::Result<Vec<u8>> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let founder = |seed: &[u8; 32]| Founder {
        account: Keys::from_seed(seed).account(),
        vrf_key: VrfKey::from_seed(seed).public(),
    };
    let rules = Rules {
        name: "try".to_owned(),
        start_ms: u64::try_from(now.as_millis()).unwrap_or_default(),
        epoch_ms: 2000,
        founders: seeds.iter().map(founder).collect(),
        threshold: 2,
        voting: Voting {
            founder_weight: 1_000_000_000_000,
            votes_expected: 6,
            votes_expected_dispute: 16,
            confirmations: 2,
        },
        segments: 8,
        delays: Delays { vest_epochs: 4, season_epochs: 1, grace_epochs: 24 },
        tracks: vec![jobs::Track::r11().id()],
        bootstrap: Vec::new(),
    };
    let keys = Keys::from_seed(&seeds[0]);
    rules.sign(keys.signing()).map_err(io::Error::other)
}
