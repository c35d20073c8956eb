//! The three nodes: their folders, their processes, and asking them things.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
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

/// How long a daemon may take until its socket answers.
const START_MAX: Duration = Duration::from_secs(20);

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
    /// Makes three identities and the charter that names them.
    pub(super) fn set(keep: bool) -> io::Result<Self> {
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
        let charter = charter(&seeds)?;
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
        self.seats[NODES - 1].worker_program = liar.map(Path::to_owned);
        for node in 0..NODES {
            self.start_node(node).await?;
        }
        Ok(())
    }

    /// Starts one daemon and waits until it answers.
    pub(super) async fn start_node(&mut self, node: usize) -> Result<(), TryError> {
        let seat = &self.seats[node];
        let log = fs::OpenOptions::new().create(true).append(true).open(seat.folder.join("log"))?;
        let mut command = Command::new(&self.program);
        command.arg("run").arg("--state-dir").arg(&seat.folder).arg("--socket").arg(self.socket(node));
        command.args(["--listen", "quic://127.0.0.1:0,tcp://127.0.0.1:0", "--mdns", "false"]);
        command.args(["--donate", "always", "--worker-threads", "1", "--log-level", "debug,libp2p=error"]);
        // An empty file instead of the user's: the show does not depend on it.
        let config = seat.folder.join("config.toml");
        fs::write(&config, "[network]\nprivate_addresses = true\n")?;
        command.arg("--config").arg(config);
        let others: Vec<&str> = self.tickets.iter().map(String::as_str).collect();
        if !others.is_empty() {
            command.arg("--join").arg(others.join(","));
        }
        if let Some(program) = &seat.worker_program {
            command.arg("--worker-program").arg(program);
        }
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SWARM_"))
        {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        self.seats[node].daemon = Some(command.spawn()?);
        let deadline = Instant::now() + START_MAX;
        loop {
            match self.ask(node, &["swarm", "show"]).await {
                Ok(ApiAnswer::Swarm(swarm)) => {
                    self.tickets.extend(swarm.ticket);
                    return Ok(());
                }
                Ok(_) | Err(_) if Instant::now() < deadline => sleep(Duration::from_millis(50)).await,
                Ok(_) => return Err(self.silent(node)),
                Err(error) => return Err(error),
            }
        }
    }

    fn silent(&self, node: usize) -> TryError {
        TryError::Command { command: "swarm show".to_owned(), node: node + 1, text: "no answer".to_owned() }
    }

    /// Ends a node's daemon without warning.
    pub(super) async fn kill_node(&mut self, node: usize) -> Result<(), TryError> {
        if let Some(mut daemon) = self.seats[node].daemon.take() {
            daemon.kill().await?;
        }
        Ok(())
    }

    fn socket(&self, node: usize) -> PathBuf {
        self.seats[node].folder.join("api.sock")
    }

    /// What `swarmctl ... --json` of a node answers.
    pub(super) async fn ask(&self, node: usize, words: &[&str]) -> Result<ApiAnswer, TryError> {
        let text = self.swarmctl(node, &[words, &["--json"]].concat()).await?;
        serde_json::from_str(&text).map_err(|error| TryError::Command {
            command: words.join(" "),
            node: node + 1,
            text: format!("its answer cannot be read: {error}"),
        })
    }

    /// The standard output of `swarmctl` of a node.
    pub(super) async fn swarmctl(&self, node: usize, words: &[&str]) -> Result<String, TryError> {
        let mut command = Command::new(&self.program);
        command.arg("ctl").args(words).arg("--socket").arg(self.socket(node)).stdin(Stdio::null());
        let output = command.output().await?;
        if !output.status.success() {
            let text = format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr).trim()
            );
            return Err(TryError::Command { command: words.join(" "), node: node + 1, text });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

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

/// The charter of the show: epochs of a second, everybody on duty.
fn charter(seeds: &[[u8; 32]]) -> io::Result<Vec<u8>> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let founder = |seed: &[u8; 32]| Founder {
        account: Keys::from_seed(seed).account(),
        vrf_key: VrfKey::from_seed(seed).public(),
    };
    let rules = Rules {
        name: "try".to_owned(),
        start_ms: u64::try_from(now.as_millis()).unwrap_or_default(),
        epoch_ms: 1000,
        founders: seeds.iter().map(founder).collect(),
        threshold: 2,
        voting: Voting {
            founder_weight: 1_000_000_000_000,
            votes_expected: 6,
            votes_expected_dispute: 16,
            confirmations: 2,
        },
        segments: 8,
        delays: Delays { vest_epochs: 5, season_epochs: 1, grace_epochs: 24 },
        tracks: vec![jobs::Track::r11().id()],
        bootstrap: Vec::new(),
    };
    let keys = Keys::from_seed(&seeds[0]);
    rules.sign(keys.signing()).map_err(io::Error::other)
}
