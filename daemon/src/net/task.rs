//! The task that owns the swarm: it carries commands out and reports events.
//!
//! Nothing here blocks, reads a file or checks a signature, and nothing is
//! awaited except the next thing to do.

mod messages;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt;
use libp2p::core::ConnectedPoint;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};
use libp2p::{PeerId, Swarm, TransportError, identify, mdns};
use proto::ids::AccountId;
use proto::sign::account_of;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout, timeout_at};

use super::behaviour::{self, Behaviour, BehaviourEvent, Names};
use super::dialing::{DialBook, Origin};
use super::outbox::Outbox;
use super::pending::Pending;
use super::{
    Address, NetCommand, NetConfig, NetCounters, NetError, NetEvent, PeerAddress, Verdict, translate,
};

/// Connected peers above which none is dialled: enough to hear everything.
const PEERS_TARGET: usize = 32;

/// How often dialling and deadlines are looked at.
const TICK: Duration = Duration::from_millis(250);

/// A peer that has not shown by then that it belongs to the swarm is sent away.
const ADMISSION_DEADLINE: Duration = Duration::from_secs(10);

/// Pings lost in a row after which a connection counts as dead.
const PINGS_LOST_MAX: u32 = 2;

/// Listeners come up at once or not at all.
const LISTEN_DEADLINE: Duration = Duration::from_secs(5);

/// Time for the farewell to peers when the task ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connected peer.
#[derive(Debug)]
struct Peer {
    address: IpAddr,
    since: Instant,
    is_up: bool,
    strikes: u32,
    pings_lost: u32,
}

pub(super) struct Task {
    swarm: Swarm<Behaviour>,
    names: Names,
    outbox: Outbox,
    pending: Pending,
    peers: BTreeMap<AccountId, Peer>,
    book: DialBook,
    private_addresses: bool,
    counters: Arc<NetCounters>,
}

impl Task {
    pub(super) fn new(config: &NetConfig, events: mpsc::Sender<NetEvent>) -> Result<Self, NetError> {
        let names = Names::new(&config.swarm);
        let own = account_of(&ed25519_dalek::SigningKey::from_bytes(&config.seed));
        let mut task = Self {
            swarm: behaviour::build(config, &names)?,
            names,
            outbox: Outbox::new(events),
            pending: Pending::default(),
            peers: BTreeMap::new(),
            book: DialBook::new(own),
            private_addresses: config.private_addresses,
            counters: Arc::default(),
        };
        for peer in &config.join {
            task.remember(*peer, Origin::Wanted);
        }
        Ok(task)
    }

    pub(super) fn counters(&self) -> Arc<NetCounters> {
        Arc::clone(&self.counters)
    }

    /// Opens all listeners and returns the addresses they got.
    pub(super) async fn listen(&mut self, addresses: &[Address]) -> Result<Vec<Address>, NetError> {
        let mut waiting = Vec::new();
        for address in addresses {
            let listener = self.swarm.listen_on(translate::to_multiaddr(address));
            let listener = listener.map_err(|error| NetError::Listen {
                address: *address,
                source: match error {
                    TransportError::Other(source) => source,
                    unsupported @ TransportError::MultiaddrNotSupported(_) => {
                        std::io::Error::other(unsupported)
                    }
                },
            })?;
            waiting.push((listener, *address));
        }
        let mut listening = Vec::new();
        let deadline = tokio::time::Instant::now() + LISTEN_DEADLINE;
        while let Some((_, address)) = waiting.first().copied() {
            let event = timeout_at(deadline, self.swarm.select_next_some()).await;
            let event = event.map_err(|_| NetError::ListenTimeout { address })?;
            if let SwarmEvent::NewListenAddr { listener_id, address } = &event {
                waiting.retain(|(listener, _)| listener != listener_id);
                listening.extend(translate::from_multiaddr(address));
            }
            if let SwarmEvent::ListenerClosed { reason: Err(source), .. } = event {
                return Err(NetError::Listen { address, source });
            }
            self.on_swarm_event(event);
        }
        Ok(listening)
    }

    /// Runs until told to stop or until one of the channels is dropped.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<NetCommand>) {
        let channel = self.outbox.channel();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                command = commands.recv() => {
                    let flow = command.map_or(ControlFlow::Break(()), |command| self.on_command(command));
                    if flow.is_break() {
                        break;
                    }
                }
                permit = channel.reserve(), if self.outbox.is_behind() => {
                    let Ok(permit) = permit else { break };
                    if let Some(event) = self.outbox.next() {
                        permit.send(event);
                    }
                }
                () = channel.closed() => break,
                event = self.swarm.select_next_some() => self.on_swarm_event(event),
                _ = ticks.tick() => self.on_tick(Instant::now()),
            }
        }
        self.say_farewell().await;
    }

    /// Closes the connections properly, so that peers need not wait for a timeout.
    async fn say_farewell(mut self) {
        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            // It may have gone by itself in between.
            let _gone = self.swarm.disconnect_peer_id(peer);
        }
        let closed = async {
            while self.swarm.connected_peers().next().is_some() {
                self.swarm.select_next_some().await;
            }
        };
        // Those that do not close in time are cut off.
        let _in_time = timeout(FAREWELL, closed).await;
    }

    fn on_command(&mut self, command: NetCommand) -> ControlFlow<()> {
        match command {
            NetCommand::Dial(peer) => self.remember(peer, Origin::Wanted),
            NetCommand::Gossip(bytes) => self.publish(bytes),
            NetCommand::Verdict { message, verdict } => {
                // An overdue message has been ignored already.
                if let Some(judged) = self.pending.judged(message) {
                    self.judge(&judged.id, &judged.source, verdict);
                }
            }
            NetCommand::Request { to, token, request } => self.request(to, token, request),
            NetCommand::Respond { token, response } => {
                if let Some(channel) = self.pending.reply(token) {
                    self.respond(channel, response);
                }
            }
            NetCommand::Disconnect(account) => self.send_away(&account),
            NetCommand::Shutdown => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour_event(event),
            SwarmEvent::ConnectionEstablished { peer_id, endpoint, .. } => {
                self.on_connected(peer_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => {
                self.on_disconnected(&peer_id);
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                self.on_dial_failed(&peer, &error);
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                if let Some(address) = translate::from_multiaddr(&address) {
                    self.outbox.push(NetEvent::Listening(address));
                }
            }
            SwarmEvent::ListenerClosed { reason: Err(error), .. }
            | SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "listener failed");
            }
            SwarmEvent::IncomingConnectionError { error, .. } => {
                tracing::debug!(%error, "incoming connection failed");
            }
            SwarmEvent::ConnectionClosed { .. }
            | SwarmEvent::OutgoingConnectionError { .. }
            | SwarmEvent::ListenerClosed { .. }
            | SwarmEvent::IncomingConnection { .. }
            | SwarmEvent::ExpiredListenAddr { .. }
            | SwarmEvent::Dialing { .. }
            | SwarmEvent::NewExternalAddrCandidate { .. }
            | SwarmEvent::ExternalAddrConfirmed { .. }
            | SwarmEvent::ExternalAddrExpired { .. }
            | SwarmEvent::NewExternalAddrOfPeer { .. } => {}
            _ => {}
        }
    }

    fn on_behaviour_event(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                self.on_identified(&peer_id, &info.protocol_version);
            }
            BehaviourEvent::Ping(event) => self.on_ping(&event.peer, event.connection, event.result.is_ok()),
            BehaviourEvent::Mdns(mdns::Event::Discovered(found)) => {
                for (peer, address) in found {
                    let account = translate::account_of(&peer);
                    if let (Some(account), Some(address)) = (account, translate::from_multiaddr(&address)) {
                        self.remember(PeerAddress { account, address }, Origin::Found);
                    }
                }
            }
            BehaviourEvent::Gossip(event) => self.on_gossip_event(event),
            BehaviourEvent::Sync(event) => self.on_sync_event(event),
            BehaviourEvent::Identify(_) | BehaviourEvent::Mdns(mdns::Event::Expired(_)) => {}
            BehaviourEvent::Limits(never) | BehaviourEvent::Admission(never) => match never {},
        }
    }

    fn on_connected(&mut self, peer: PeerId, endpoint: &ConnectedPoint) {
        let account = translate::account_of(&peer);
        let address = translate::ip_of(endpoint.get_remote_address());
        let (Some(account), Some(address)) = (account, address) else {
            // Only ed25519 keys over IP are accounts; nothing else can be talked to.
            let _gone = self.swarm.disconnect_peer_id(peer);
            return;
        };
        let new = Peer { address, since: Instant::now(), is_up: false, strikes: 0, pings_lost: 0 };
        self.peers.entry(account).or_insert(new);
    }

    fn on_disconnected(&mut self, peer: &PeerId) {
        let Some(account) = translate::account_of(peer) else {
            return;
        };
        let Some(peer) = self.peers.remove(&account) else {
            return;
        };
        if peer.is_up {
            self.book.lost(&account, Instant::now());
            self.outbox.push(NetEvent::PeerDown(account));
        } else {
            self.book.failed(&account, Instant::now());
        }
    }

    fn on_dial_failed(&mut self, peer: &PeerId, error: &DialError) {
        let Some(account) = translate::account_of(peer) else {
            return;
        };
        if self.book.failed(&account, Instant::now()) == 1 {
            tracing::info!(peer = %account, %error, "peer not reached, trying again");
        }
    }

    fn on_identified(&mut self, peer: &PeerId, protocol_version: &str) {
        let Some(account) = translate::account_of(peer) else {
            return;
        };
        if protocol_version == self.names.identify {
            self.admit(&account);
        } else {
            self.send_away(&account);
            // Losing this is harmless: it is for people, and comes again.
            let _told = self.outbox.offer(NetEvent::OtherSwarm(account));
        }
    }

    /// The peer has shown that it belongs to the swarm.
    fn admit(&mut self, account: &AccountId) {
        if let Some(peer) = self.peers.get_mut(account).filter(|peer| !peer.is_up) {
            peer.is_up = true;
            self.outbox.push(NetEvent::PeerUp { account: *account, address: peer.address });
        }
    }

    fn send_away(&mut self, account: &AccountId) {
        count(&self.counters.peers_sent_away);
        let peer = translate::peer_of(account);
        self.swarm.behaviour_mut().admission.block(peer, Instant::now());
        // It may have gone by itself.
        let _gone = self.swarm.disconnect_peer_id(peer);
    }

    fn on_ping(&mut self, peer: &PeerId, connection: ConnectionId, answered: bool) {
        let account = translate::account_of(peer);
        let Some(peer) = account.and_then(|account| self.peers.get_mut(&account)) else {
            return;
        };
        peer.pings_lost = if answered { 0 } else { peer.pings_lost + 1 };
        if peer.pings_lost >= PINGS_LOST_MAX {
            peer.pings_lost = 0;
            self.swarm.close_connection(connection);
        }
    }

    fn remember(&mut self, peer: PeerAddress, origin: Origin) {
        if self.private_addresses || !translate::is_private(&peer.address.socket.ip()) {
            self.book.add(peer, origin, Instant::now());
        } else {
            tracing::debug!(peer = %peer.account, address = %peer.address, "private address is not dialled");
        }
    }

    fn on_tick(&mut self, now: Instant) {
        for judged in self.pending.overdue(now) {
            count(&self.counters.gossip_ignored_late);
            self.judge(&judged.id, &judged.source, Verdict::Ignore);
        }
        let is_overdue = |peer: &Peer| !peer.is_up && now.duration_since(peer.since) > ADMISSION_DEADLINE;
        let strangers = self.peers.iter().filter(|(_, peer)| is_overdue(peer));
        let strangers: Vec<AccountId> = strangers.map(|(account, _)| *account).collect();
        for account in strangers {
            self.send_away(&account);
        }
        self.dial_due(now);
    }

    fn dial_due(&mut self, now: Instant) {
        for (account, addresses) in self.book.due(now) {
            if self.peers.len() >= PEERS_TARGET {
                return;
            }
            if self.peers.contains_key(&account) {
                continue;
            }
            let addresses = addresses.iter().map(translate::to_multiaddr).collect();
            let options = DialOpts::peer_id(translate::peer_of(&account)).addresses(addresses).build();
            self.book.started(&account, now);
            match self.swarm.dial(options) {
                Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {}
                Err(error) => self.on_dial_failed(&translate::peer_of(&account), &error),
            }
        }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
