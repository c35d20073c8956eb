//! The node's connections to its peers: who is there, gossip, requests and answers.
//!
//! One task owns everything of libp2p; it takes [`NetCommand`]s and gives
//! [`NetEvent`]s through bounded channels, and never waits for either. It
//! carries messages and knows nothing of what they mean: whether a message is
//! forwarded is the node's verdict, and the signed hello is a request like any other.

mod address;
mod admission;
mod behaviour;
mod dialing;
mod outbox;
mod pending;
mod rpc;
mod task;
mod ticket;
pub(crate) mod translate;

use std::error::Error;
use std::io;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use proto::ids::{AccountId, SwarmId};
use proto::wire::sync::{Request, Response};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use address::{Address, AddressError, Carrier, PeerAddress};
pub use rpc::RpcError;
pub use ticket::{Ticket, TicketError};

use task::Task;

/// Commands that may wait: a burst of one round of the node.
const COMMANDS_MAX: usize = 256;

/// Events that may wait before gossip is ignored and requests are refused.
const EVENTS_MAX: usize = 256;

/// What a node needs to know to take part.
#[derive(Clone)]
pub struct NetConfig {
    /// The swarm; it is part of every name on the wire.
    pub swarm: SwarmId,
    /// The node's ed25519 seed.
    pub seed: [u8; 32],
    /// Where to listen; none at all makes a node that only dials.
    pub listen: Vec<Address>,
    /// Peers to stay connected to.
    pub join: Vec<PeerAddress>,
    /// Whether to look for peers on the local network.
    pub mdns: bool,
    /// Whether private and loopback addresses are dialled, and are exempt from
    /// the bound on connections of one network.
    pub private_addresses: bool,
}

/// What the node asks of the network.
#[derive(Debug)]
pub enum NetCommand {
    /// Stay connected to a peer that is found at this address.
    Dial(PeerAddress),
    /// Tell everybody. Kept until somebody listens, if nobody does yet.
    Gossip(Vec<u8>),
    /// What to do with a message that came by gossip.
    Verdict {
        /// The message.
        message: GossipToken,
        /// What to do with it.
        verdict: Verdict,
    },
    /// Ask a connected peer; [`NetEvent::Response`] with the same token follows.
    Request {
        /// The peer.
        to: AccountId,
        /// Chosen by the asker.
        token: u64,
        /// The question.
        request: Request,
    },
    /// Answer a peer's request. Without effect when the peer has given up.
    Respond {
        /// The request.
        token: ReplyToken,
        /// The answer.
        response: Response,
    },
    /// Close all connections to a peer and keep it away for ten minutes.
    Disconnect(AccountId),
    /// Close everything and end the task.
    Shutdown,
}

/// What the network tells the node.
#[derive(Debug)]
pub enum NetEvent {
    /// Another address that we listen on.
    Listening(Address),
    /// A peer of this swarm is connected. Precedes everything from it.
    PeerUp {
        /// The peer.
        account: AccountId,
        /// Its IP address as we see it.
        address: IpAddr,
    },
    /// The last connection to a peer is closed.
    PeerDown(AccountId),
    /// A peer belongs to another swarm; it was sent away.
    OtherSwarm(AccountId),
    /// A message came by gossip; it is forwarded once a verdict accepts it.
    Gossip {
        /// Names the message in the verdict, which must come within ten seconds.
        token: GossipToken,
        /// The peer that passed it on; not its author.
        from: AccountId,
        /// The message, within its bound and not looked into.
        bytes: Vec<u8>,
    },
    /// A peer asks; it waits ten seconds for [`NetCommand::Respond`].
    Request {
        /// The peer.
        from: AccountId,
        /// Names the request in the answer.
        token: ReplyToken,
        /// The question.
        request: Request,
    },
    /// A request of ours has ended.
    Response {
        /// The asker's token.
        token: u64,
        /// The peer that was asked.
        from: AccountId,
        /// Its answer, or why there is none.
        result: Result<Response, RpcError>,
    },
}

/// Names a message that waits for a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GossipToken(u64);

impl GossipToken {
    /// A token of a given number, for a network other than this one.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// Names a peer's request that waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyToken(u64);

impl ReplyToken {
    /// A token of a given number, for a network other than this one.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// What becomes of a message that came by gossip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is valid: pass it on.
    Accept,
    /// It does not matter or cannot be judged here: drop it, blame nobody.
    Ignore,
    /// Its bytes are provably bad: drop it and count it against the sender.
    Reject,
}

/// Why the network did not start.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// Another program, or another node, has the port.
    #[error("port {} is in use, cannot listen on {address}", address.socket.port())]
    PortInUse {
        /// Where to listen.
        address: Address,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where to listen.
        address: Address,
        /// What the system said.
        source: io::Error,
    },
    /// The listener gave no address in time.
    #[error("listener for {address} does not come up")]
    ListenTimeout {
        /// Where to listen.
        address: Address,
    },
    /// A part refused its configuration.
    #[error("cannot build the network")]
    Build {
        /// What the part said.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// What happened that nobody is told of singly. Counts since the start.
#[derive(Debug, Default)]
pub struct NetCounters {
    /// Messages ignored because the node was behind.
    pub gossip_ignored_behind: AtomicU64,
    /// Messages ignored because no verdict came in time.
    pub gossip_ignored_late: AtomicU64,
    /// Messages that the node rejected.
    pub gossip_rejected: AtomicU64,
    /// Own messages lost: too long, or too many while nobody listened.
    pub gossip_unsent_lost: AtomicU64,
    /// Requests of peers refused because the node was behind.
    pub requests_refused_busy: AtomicU64,
    /// Peers sent away.
    pub peers_sent_away: AtomicU64,
}

/// The running network.
#[derive(Debug)]
pub struct Net {
    /// Takes commands. The task ends when all senders are gone.
    pub commands: mpsc::Sender<NetCommand>,
    /// Gives events. The task ends when it is dropped.
    pub events: mpsc::Receiver<NetEvent>,
    /// Where we listen, with the ports that port 0 became.
    pub listening: Vec<Address>,
    /// What is only counted.
    pub counters: Arc<NetCounters>,
    /// The task.
    pub task: JoinHandle<()>,
}

/// Starts the network and returns when it listens everywhere it should.
///
/// # Errors
/// [`NetError::PortInUse`] and the other variants of [`NetError`] as they say.
pub async fn start(config: NetConfig) -> Result<Net, NetError> {
    // Listeners of one user may share a TCP port, so that the system would let
    // two nodes have the same one; and all are tried before the first is taken,
    // because a socket for IPv6 may cover IPv4 as well.
    config.listen.iter().try_for_each(is_free)?;
    let (commands, command_receiver) = mpsc::channel(COMMANDS_MAX);
    let (event_sender, events) = mpsc::channel(EVENTS_MAX);
    let mut task = Task::new(&config, event_sender)?;
    let listening = task.listen(&config.listen).await?;
    let counters = task.counters();
    let task = tokio::spawn(task.run(command_receiver));
    Ok(Net { commands, events, listening, counters, task })
}

fn is_free(address: &Address) -> Result<(), NetError> {
    if address.socket.port() == 0 {
        return Ok(());
    }
    let bound = match address.carrier {
        Carrier::Quic => UdpSocket::bind(address.socket).map(drop),
        Carrier::Tcp => TcpListener::bind(address.socket).map(drop),
    };
    bound.map_err(|source| match source.kind() == io::ErrorKind::AddrInUse {
        true => NetError::PortInUse { address: *address },
        false => NetError::Listen { address: *address, source },
    })
}
