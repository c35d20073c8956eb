//! From a configuration to a running daemon; everything that can be wrong is said here.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use credits::{Charter, CharterError, Item};
use jobs::terms::Tracks;
use prost::Message;
use proto::limits::CHARTER_BYTES_MAX;
use proto::wire::receipt as wire;
use tokio::sync::{Semaphore, mpsc, watch};

use super::worker::WorkerSlot;
use super::{BESIDE_MAX, Clocks, POSTED_MAX, Runtime, edge, now_ms};
use crate::api::{ApiSocket, CALLS_MAX, SocketError};
use crate::blobs::{BlobStore, Blobs, BlobsError};
use crate::config::{Config, DonateWhen};
use crate::dirs::{self, Dirs, DirsError};
use crate::identity::{Identity, IdentityError};
use crate::net::{self, Address, AddressError, NetConfig, NetError, Ticket, TicketError};
use crate::node::effect::JournalKind;
use crate::node::{Defect, Kept, Keys, Node, Settings};
use crate::store::{Opened, Store, StoreError};
use crate::worker::{self, Program};

/// Largest state that is fetched: R17's is 600 MB; this form runs tracks of 20 MB.
pub(super) const STATE_BYTES_MAX: u64 = 64 << 20;

/// Room for states: a thousand of the largest.
const BLOBS_QUOTA_BYTES: u64 = 4 << 30;

/// How long to wait after a start for somebody who knows the own chain.
const HEAD_WAIT_MS: u64 = 10_000;

/// Name of the charter in the state folder.
const CHARTER_FILE: &str = "charter";

/// Why the daemon does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No place for the state or the socket.
    #[error(transparent)]
    Dirs(#[from] DirsError),
    /// No identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// No charter given, and none in the state folder.
    #[error("no charter: this node is in no swarm yet")]
    NoCharter,
    /// The charter cannot be read or kept.
    #[error("the charter {} cannot be read or kept", path.display())]
    CharterFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The charter's bytes are not one.
    #[error("{} is not a charter", path.display())]
    Charter {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: CharterError,
    },
    /// The charter given is not the one in the state folder.
    #[error("the state folder {} belongs to another swarm", state.display())]
    OtherSwarm {
        /// The state folder.
        state: PathBuf,
    },
    /// The state folder.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An address to listen at.
    #[error("network.listen: {text:?} is not an address")]
    Listen {
        /// What was given.
        text: String,
        /// What is wrong with it.
        source: AddressError,
    },
    /// A ticket.
    #[error("network.join: not a ticket")]
    Ticket(#[from] TicketError),
    /// A ticket of another swarm.
    #[error("network.join: the ticket is for another swarm")]
    OtherTicket,
    /// The network.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The blob store.
    #[error("the blob store cannot be opened")]
    BlobStore(#[from] crate::blobs::StoreError),
    /// The blob endpoint.
    #[error(transparent)]
    Blobs(#[from] BlobsError),
    /// The local API.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The own program cannot be found, so no worker can be started.
    #[error("the path of this program cannot be found")]
    Program(#[source] std::io::Error),
}

impl StartError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Dirs(error) => error.hint().to_owned(),
            Self::Identity(error) => error.hint(),
            Self::NoCharter => {
                "give one with --charter FILE; `swarmd try` makes a swarm of its own".to_owned()
            }
            Self::CharterFile { .. } => "check the path and its permissions".to_owned(),
            Self::Charter { .. } => "ask for the file again: it was damaged or is something else".to_owned(),
            Self::OtherSwarm { .. } => {
                "give another folder with --state-dir: one folder holds one swarm's ledger".to_owned()
            }
            Self::Store(error) => error.hint().to_owned(),
            Self::Listen { .. } => "write it like quic://0.0.0.0:4747 or tcp://127.0.0.1:0".to_owned(),
            Self::Ticket(_) => "copy the whole ticket, from swarm1 on".to_owned(),
            Self::OtherTicket => "ask for a ticket of the swarm in the charter".to_owned(),
            Self::Net(_) | Self::Blobs(_) => {
                "another program may use the port: give another with --listen".to_owned()
            }
            Self::BlobStore(_) => "check the permissions of the state folder".to_owned(),
            Self::Socket(_) => "stop the other daemon, or give another path with --socket".to_owned(),
            Self::Program(_) => "give worker.program".to_owned(),
        }
    }
}

/// Runs a daemon until `stop` changes.
///
/// # Errors
/// As the variants of [`StartError`] say; nothing runs then.
pub async fn run(config: &Config, folders: &Dirs, stop: watch::Receiver<bool>) -> Result<(), StartError> {
    let state = config.node.state_dir.clone().unwrap_or_else(|| folders.state.clone());
    let socket = config.node.socket.clone().unwrap_or_else(|| folders.socket.clone());
    dirs::check_socket(&socket)?;
    let charter = Arc::new(charter(&state, config.node.charter.as_deref())?);
    let (store, opened) = Store::open(&state, &charter.id)?;
    for damage in &opened.damage {
        tracing::error!(%damage, "state folder damaged");
    }
    let identity = Identity::open(&state)?;
    let net = net::start(net_config(config, &charter, &identity)?).await?;
    let bind = SocketAddr::new(net.listening.first().map_or([127, 0, 0, 1].into(), |at| at.socket.ip()), 0);
    let blob_store = BlobStore::open(state.join("blobs"), BLOBS_QUOTA_BYTES)?;
    let blobs = Blobs::start(blob_store, *identity.seed(), &charter.id, bind)?;
    let node = node(config, &charter, &identity, &opened, blobs.port());
    if let Some(parent) = socket.parent() {
        std::fs::create_dir_all(parent)
            .map_err(|source| StartError::CharterFile { path: socket.clone(), source })?;
    }
    let api = ApiSocket::bind(&socket).await?;
    let (calls_out, calls) = mpsc::channel(CALLS_MAX);
    let mut api_stop = stop.clone();
    let serving = tokio::spawn(api.serve(calls_out, async move {
        // The sender is gone: that is a stop too.
        let _ = api_stop.changed().await;
    }));
    let runtime = Runtime {
        node,
        store,
        worker: worker_slot(config, &state)?,
        state_folder: state,
        net,
        blobs: Arc::new(blobs),
        calls,
        posted: mpsc::channel(POSTED_MAX),
        beside: Arc::new(Semaphore::new(BESIDE_MAX)),
        places: BTreeMap::new(),
        signer: Arc::new(edge::Edge { charter, signing: identity.signing_key() }),
        stalled: None,
        may_sign: opened.may_sign,
        clocks: Clocks { started: Instant::now(), indexed: super::index::Indexed::default() },
    };
    tracing::info!(account = %identity.account(), socket = %socket.display(), "daemon started");
    runtime.serve_from_start(stop).await;
    match serving.await {
        Ok(done) => Ok(done?),
        // The API's task panicked; the daemon has stopped, which is all that is left to do.
        Err(_) => Ok(()),
    }
}

impl Runtime {
    async fn serve_from_start(mut self, stop: watch::Receiver<bool>) {
        self.compare_index();
        if !self.may_sign {
            let reason = "the journal of the own chain is damaged".into();
            self.input(crate::node::input::Input::Disk(Err(reason)));
        }
        if self.worker.is_wanted() {
            self.start_worker();
            self.input(crate::node::input::Input::DeviceFree(true));
        }
        self.serve(stop).await;
    }
}

/// The charter of the state folder; one that is given is kept there.
fn charter(state: &Path, given: Option<&Path>) -> Result<Charter, StartError> {
    let kept = state.join(CHARTER_FILE);
    let known = match read_charter(&kept) {
        Ok(charter) => Some(charter),
        Err(StartError::CharterFile { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let Some(path) = given else { return known.ok_or(StartError::NoCharter) };
    let charter = read_charter(path)?;
    if known.as_ref().is_some_and(|known| known.id != charter.id) {
        return Err(StartError::OtherSwarm { state: state.to_owned() });
    }
    if known.is_none() {
        let not_kept = |source| StartError::CharterFile { path: kept.clone(), source };
        std::fs::create_dir_all(state).map_err(not_kept)?;
        std::fs::write(&kept, charter.to_bytes()).map_err(not_kept)?;
    }
    Ok(charter)
}

fn read_charter(path: &Path) -> Result<Charter, StartError> {
    let unreadable = |source| StartError::CharterFile { path: path.to_owned(), source };
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    let malformed = |source| StartError::Charter { path: path.to_owned(), source };
    if length > CHARTER_BYTES_MAX as u64 {
        return Err(malformed(CharterError::Malformed));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    Charter::from_bytes(&bytes).map_err(malformed)
}

fn net_config(config: &Config, charter: &Charter, identity: &Identity) -> Result<NetConfig, StartError> {
    let mut listen = Vec::new();
    for text in &config.network.listen {
        let address: Address =
            text.parse().map_err(|source| StartError::Listen { text: text.clone(), source })?;
        listen.push(address);
    }
    let mut join = Vec::new();
    for text in &config.network.join {
        let ticket: Ticket = text.parse()?;
        if ticket.swarm() != charter.id {
            return Err(StartError::OtherTicket);
        }
        join.extend(ticket.peers().iter().copied());
    }
    Ok(NetConfig {
        swarm: charter.id,
        seed: *identity.seed(),
        listen,
        join,
        mdns: config.network.mdns,
        private_addresses: config.network.private_addresses,
    })
}

fn node(
    config: &Config,
    charter: &Arc<Charter>,
    identity: &Identity,
    opened: &Opened,
    blob_port: u16,
) -> Node {
    let item = |bytes: &Vec<u8>| Item::check(&wire::Item::decode(&bytes[..]).ok()?, charter).ok();
    let journal = opened.journal.iter();
    let kept = Kept {
        items: opened.items.iter().filter_map(item).collect(),
        journal: journal
            .filter_map(|(kind, bytes)| Some((JournalKind::from_number(*kind)?, bytes.clone())))
            .collect(),
    };
    let now_ms = now_ms();
    let choices = [&identity.seed()[..], &now_ms.to_le_bytes()].concat();
    let settings = Settings {
        earns: config.donate.when == DonateWhen::Always,
        choices: blake3::derive_key("swarm node choices v1", &choices),
        blob_port,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        head_wait_ms: HEAD_WAIT_MS,
        defect: Defect::None,
    };
    let keys = Keys::from_seed(identity.seed());
    Node::new(Arc::clone(charter), Arc::new(Tracks::builtin()), keys, settings, kept, now_ms)
}

fn worker_slot(config: &Config, state: &Path) -> Result<WorkerSlot, StartError> {
    let own = std::env::current_exe().map_err(StartError::Program)?;
    let program = Program::configured(&config.worker, &own);
    let settings = worker::Settings::configured(&config.worker);
    let is_wanted = config.donate.when == DonateWhen::Always;
    Ok(WorkerSlot::new(program, settings, state.join("worker"), is_wanted))
}
