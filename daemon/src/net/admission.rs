//! Whom a connection is denied: peers that were sent away, and too many from one network.
//!
//! A peer id costs nothing, an address does. Private networks are exempt where
//! the configuration says that they are trusted.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent,
    ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};

use super::translate;

/// Connections from one /24 or /48: a household or a laboratory behind one
/// address still fits, a rack of sybils does not.
const CONNECTIONS_PER_NETWORK_MAX: u32 = 8;

/// How long a peer that was sent away stays away.
const BLOCKED_FOR: Duration = Duration::from_secs(600);

/// Blocked peers remembered at the same time; the one that is free first goes first.
const BLOCKED_MAX: usize = 1024;

/// Why a connection is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denied {
    #[error("peer was sent away and has to wait")]
    Blocked,
    #[error("too many connections from one network")]
    NetworkFull,
}

/// A network of which only some connections are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Network {
    V4([u8; 3]),
    V6([u8; 6]),
}

/// The behaviour that admits connections; it speaks no protocol.
#[derive(Debug)]
pub(super) struct Admission {
    private_trusted: bool,
    blocked: HashMap<PeerId, Instant>,
    connections: HashMap<ConnectionId, Network>,
    per_network: HashMap<Network, u32>,
}

impl Admission {
    pub(super) fn new(private_trusted: bool) -> Self {
        let (blocked, connections, per_network) = Default::default();
        Self { private_trusted, blocked, connections, per_network }
    }

    /// Sends a peer away for ten minutes. Present connections are closed by the caller.
    pub(super) fn block(&mut self, peer: PeerId, now: Instant) {
        self.blocked.retain(|_, until| *until > now);
        if self.blocked.len() >= BLOCKED_MAX {
            let first = self.blocked.iter().min_by_key(|(_, until)| **until).map(|(peer, _)| *peer);
            first.and_then(|first| self.blocked.remove(&first));
        }
        self.blocked.insert(peer, now + BLOCKED_FOR);
    }

    fn check(&self, peer: &PeerId, remote: &Multiaddr, now: Instant) -> Result<(), Denied> {
        if self.blocked.get(peer).is_some_and(|until| *until > now) {
            return Err(Denied::Blocked);
        }
        let network = self.network_of(remote);
        let taken = network.and_then(|network| self.per_network.get(&network));
        if taken.is_some_and(|taken| *taken >= CONNECTIONS_PER_NETWORK_MAX) {
            return Err(Denied::NetworkFull);
        }
        Ok(())
    }

    /// The network that a connection counts for; `None` if it does not count.
    fn network_of(&self, remote: &Multiaddr) -> Option<Network> {
        let ip = translate::ip_of(remote)?;
        if self.private_trusted && translate::is_private(&ip) {
            return None;
        }
        Some(match ip.to_canonical() {
            IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                Network::V4([a, b, c])
            }
            IpAddr::V6(ip) => {
                let [a, b, c, d, e, f, ..] = ip.octets();
                Network::V6([a, b, c, d, e, f])
            }
        })
    }

    fn opened(&mut self, connection: ConnectionId, remote: &Multiaddr) {
        if let Some(network) = self.network_of(remote) {
            self.connections.insert(connection, network);
            *self.per_network.entry(network).or_default() += 1;
        }
    }

    fn closed(&mut self, connection: ConnectionId) {
        let Some(network) = self.connections.remove(&connection) else {
            return;
        };
        if let Some(count) = self.per_network.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                self.per_network.remove(&network);
            }
        }
    }
}

impl NetworkBehaviour for Admission {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(&peer, remote, Instant::now()).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(&peer, remote, Instant::now()).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        // A later behaviour may still deny what this one allowed, so that only
        // established connections are counted.
        if let FromSwarm::ConnectionEstablished(established) = event {
            let remote = match established.endpoint {
                ConnectedPoint::Dialer { address, .. } => address,
                ConnectedPoint::Listener { send_back_addr, .. } => send_back_addr,
            };
            self.opened(established.connection_id, remote);
        } else if let FromSwarm::ConnectionClosed(closed) = event {
            self.closed(closed.connection_id);
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(ip: &str) -> Multiaddr {
        format!("/{ip}/tcp/1").parse().unwrap()
    }

    fn open(admission: &mut Admission, first: usize, count: usize, ip: &str) -> Result<(), Denied> {
        for number in first..first + count {
            admission.check(&PeerId::random(), &remote(ip), Instant::now())?;
            admission.opened(ConnectionId::new_unchecked(number), &remote(ip));
        }
        Ok(())
    }

    #[test]
    fn eight_connections_of_one_network_are_admitted() {
        for (same, other) in [("ip4/1.2.3.4", "ip4/1.2.4.4"), ("ip6/2001:db8::1", "ip6/2001:db8:1::1")] {
            let mut admission = Admission::new(true);
            assert_eq!(open(&mut admission, 0, 8, same), Ok(()));
            assert_eq!(open(&mut admission, 8, 1, same), Err(Denied::NetworkFull));
            assert_eq!(open(&mut admission, 8, 1, other), Ok(()));
            admission.closed(ConnectionId::new_unchecked(0));
            assert_eq!(open(&mut admission, 9, 1, same), Ok(()));
        }
    }

    #[test]
    fn private_networks_count_only_where_they_are_not_trusted() {
        let mut trusting = Admission::new(true);
        assert_eq!(open(&mut trusting, 0, 50, "ip4/127.0.0.1"), Ok(()));
        let mut wary = Admission::new(false);
        assert_eq!(open(&mut wary, 0, 50, "ip4/127.0.0.1"), Err(Denied::NetworkFull));
    }

    #[test]
    fn a_blocked_peer_is_denied_for_ten_minutes() {
        let (mut admission, peer, now) = (Admission::new(true), PeerId::random(), Instant::now());
        admission.block(peer, now);
        let after =
            |seconds| admission.check(&peer, &remote("ip4/1.2.3.4"), now + Duration::from_secs(seconds));
        assert_eq!(after(599), Err(Denied::Blocked));
        assert_eq!(after(600), Ok(()));
    }

    #[test]
    fn the_list_of_blocked_peers_is_bounded() {
        let (mut admission, first, now) = (Admission::new(true), PeerId::random(), Instant::now());
        admission.block(first, now - Duration::from_secs(1));
        for _ in 0..BLOCKED_MAX {
            admission.block(PeerId::random(), now);
        }
        assert_eq!(admission.blocked.len(), BLOCKED_MAX);
        assert_eq!(admission.check(&first, &remote("ip4/1.2.3.4"), now), Ok(()));
    }
}
