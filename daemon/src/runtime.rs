//! The one loop of the daemon: brings what happens to the node and carries out what
//! the node wants.
//!
//! Nothing is decided here. Checking signatures, fetching blobs and the worker run
//! beside the loop and post back; disk writes happen in it, because the effects of
//! one input must be carried out in order.

mod answers;
mod edge;
mod effects;
mod index;
mod start;
mod worker;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use proto::ids::{AccountId, BlobHash};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Duration, MissedTickBehavior, interval};

use crate::api::ApiCall;
use crate::blobs::Blobs;
use crate::net::{Net, NetEvent};
use crate::node::Node;
use crate::node::effect::Effect;
use crate::node::input::Input;
use crate::store::Store;

pub use start::{StartError, run};

/// What comes back from work beside the loop.
const POSTED_MAX: usize = 1024;

/// Pieces of work beside the loop at once; gossip above it is ignored.
const BESIDE_MAX: usize = 64;

/// Longest pause between two ticks.
const TICK_MAX: Duration = Duration::from_secs(1);

/// Something that happened beside the loop.
enum Posted {
    /// Checked input for the node.
    Input(Input),
    /// A greeting told where a peer serves blobs.
    BlobPort(AccountId, u16),
}

/// What is known of a connected peer outside the node.
#[derive(Debug, Clone, Copy)]
struct Place {
    ip: IpAddr,
    blob_port: Option<u16>,
    since: Instant,
}

/// Effects that wait because the disk refuses to write. Meanwhile the loop takes
/// nothing in but questions, so that they do not grow.
struct Stalled {
    effects: VecDeque<Effect>,
}

/// What happens now and then.
struct Clocks {
    started: Instant,
    indexed: index::Indexed,
}

/// Everything the loop owns.
struct Runtime {
    node: Node,
    store: Store,
    state_folder: std::path::PathBuf,
    net: Net,
    blobs: Arc<Blobs>,
    worker: worker::WorkerSlot,
    calls: mpsc::Receiver<ApiCall>,
    posted: (mpsc::Sender<Posted>, mpsc::Receiver<Posted>),
    beside: Arc<Semaphore>,
    places: BTreeMap<AccountId, Place>,
    signer: Arc<edge::Edge>,
    stalled: Option<Stalled>,
    /// Whether the journal was whole at the start.
    may_sign: bool,
    clocks: Clocks,
}

impl Runtime {
    /// Runs until `stop` changes.
    async fn serve(mut self, mut stop: watch::Receiver<bool>) {
        let tick = Duration::from_millis((self.node.charter().rules.epoch_ms / 4).max(50)).min(TICK_MAX);
        let mut ticks = interval(tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = stop.changed() => break,
                _ = ticks.tick() => self.tick(),
                event = self.net.events.recv(), if self.stalled.is_none() => match event {
                    Some(event) => self.net_event(event),
                    None => break,
                },
                Some(posted) = self.posted.1.recv(), if self.stalled.is_none() => self.post_came(posted),
                event = self.worker.event(), if self.stalled.is_none() => self.worker_event(event),
                Some(call) = self.calls.recv() => self.answer(call),
            }
        }
        // The peer may be gone already; then there is nobody to say goodbye to.
        let _ = self.net.commands.send(crate::net::NetCommand::Shutdown).await;
        self.worker.kill();
    }

    fn tick(&mut self) {
        self.retry_disk();
        if self.stalled.is_some() {
            return;
        }
        self.start_worker();
        self.input(Input::Tick);
        self.update_index();
    }

    /// Hands an input to the node and carries out what it wants.
    fn input(&mut self, input: Input) {
        let effects = self.node.handle(input, now_ms());
        self.carry_out(effects.into());
    }

    fn post_came(&mut self, posted: Posted) {
        match posted {
            Posted::Input(input) => self.input(input),
            Posted::BlobPort(account, port) => {
                if let Some(place) = self.places.get_mut(&account) {
                    place.blob_port = Some(port);
                }
            }
        }
    }

    fn net_event(&mut self, event: NetEvent) {
        match event {
            NetEvent::PeerUp { account, address } => {
                let place = Place { ip: address, blob_port: None, since: Instant::now() };
                self.places.insert(account, place);
                tracing::info!(peer = %account.short(), %address, "peer connected");
                self.input(Input::PeerUp(account));
            }
            NetEvent::PeerDown(account) => {
                self.places.remove(&account);
                tracing::info!(peer = %account.short(), "peer gone");
                self.input(Input::PeerDown(account));
            }
            NetEvent::Listening(address) => tracing::info!(%address, "listening"),
            NetEvent::OtherSwarm(account) => {
                tracing::debug!(peer = %account.short(), "peer of another swarm sent away");
            }
            NetEvent::Gossip { token, from, bytes } => self.check_gossip(token, from, bytes),
            NetEvent::Request { from, token, request } => self.check_request(token, from, request),
            NetEvent::Response { token, from, result } => self.check_response(token, from, result),
        }
    }

    /// Gets a blob from a peer, beside the loop.
    fn fetch(&mut self, hash: BlobHash, from: AccountId) {
        let place = self.places.get(&from).copied();
        let at = place.and_then(|place| Some((place.ip, place.blob_port?).into()));
        let blobs = Arc::clone(&self.blobs);
        let posted = self.posted.0.clone();
        tokio::spawn(async move {
            let stored = match at {
                None => false,
                Some(at) => match blobs.fetch(hash, from, at, start::STATE_BYTES_MAX).await {
                    Ok(_) => true,
                    Err(error) => {
                        tracing::debug!(peer = %from.short(), %hash, %error, "blob not fetched");
                        false
                    }
                },
            };
            // The loop is gone: nobody needs the blob any more.
            let _ = posted.send(Posted::Input(Input::Blob { hash, stored })).await;
        });
    }
}

/// Unix time in milliseconds.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
