//! The libp2p swarm of a node: its transports, protocols, names and bounds.
//!
//! Every name carries the swarm's id, so that nodes of two swarms have no
//! protocol in common. What events mean is decided in the task that polls it.

use std::collections::HashSet;
use std::error::Error;
use std::time::Duration;

use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity, MessageId, WhitelistSubscriptionFilter};
use libp2p::identity::Keypair;
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{StreamProtocol, Swarm, SwarmBuilder, identify, mdns, noise, ping, tcp, yamux};
use proto::ids::SwarmId;
use proto::limits::GOSSIP_BYTES_MAX;

use super::admission::Admission;
use super::rpc::SyncCodec;
use super::{NetConfig, NetError};

/// Connections in each direction: the target and half as many again.
const CONNECTIONS_INCOMING_MAX: u32 = 48;
const CONNECTIONS_OUTGOING_MAX: u32 = 48;

/// Handshakes under way in each direction: each costs a signature check.
const CONNECTIONS_PENDING_MAX: u32 = 16;

/// Connections to one peer: both may dial at the same moment over two carriers.
const CONNECTIONS_PER_PEER_MAX: u32 = 4;

/// Room for the frame around a gossip message.
const GOSSIP_FRAME_BYTES: usize = 4 << 10;

/// Heartbeats that a message waits for its verdict: the longest verdict takes ten seconds.
const GOSSIP_HISTORY: usize = 12;

/// A message seen again within this time is a duplicate.
const GOSSIP_SEEN_FOR: Duration = Duration::from_secs(600);

/// Time for a request and its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Streams for requests on one connection.
const REQUEST_STREAMS_MAX: usize = 32;

/// A peer that is well connected stays: idle swarms are the normal case.
const IDLE_CONNECTION_TIMEOUT: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// The names of one swarm on the wire.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) identify: String,
    pub(super) sync: StreamProtocol,
    pub(super) receipts: IdentTopic,
}

impl Names {
    pub(super) fn new(swarm: &SwarmId) -> Self {
        let id = swarm.short();
        let sync = StreamProtocol::try_from_owned(format!("/swarm/{id}/sync/1"));
        Self {
            identify: format!("/swarm/{id}/1"),
            sync: sync.expect("the name begins with a slash"),
            receipts: IdentTopic::new(format!("swarm/{id}/receipts/0")),
        }
    }
}

/// All protocols of a node. Those that deny connections come first: a behaviour
/// after them would otherwise keep state of a connection that never was.
#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p::swarm::derive_prelude")]
pub(super) struct Behaviour {
    pub(super) limits: connection_limits::Behaviour,
    pub(super) admission: Admission,
    pub(super) identify: identify::Behaviour,
    pub(super) ping: ping::Behaviour,
    pub(super) mdns: Toggle<mdns::tokio::Behaviour>,
    pub(super) gossip: gossipsub::Behaviour<gossipsub::IdentityTransform, WhitelistSubscriptionFilter>,
    pub(super) sync: request_response::Behaviour<SyncCodec>,
}

/// Builds the swarm; it neither listens nor dials yet.
pub(super) fn build(config: &NetConfig, names: &Names) -> Result<Swarm<Behaviour>, NetError> {
    let key = Keypair::ed25519_from_bytes(config.seed).map_err(build_error)?;
    let behaviour = behaviour(config, names, &key)?;
    let swarm = SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .map_err(build_error)?
        .with_quic()
        .with_behaviour(|_| behaviour)
        .map_err(build_error)?
        .with_swarm_config(|config| {
            config.with_smart_dial().with_idle_connection_timeout(IDLE_CONNECTION_TIMEOUT)
        })
        .build();
    Ok(swarm)
}

fn behaviour(config: &NetConfig, names: &Names, key: &Keypair) -> Result<Behaviour, NetError> {
    let limits = ConnectionLimits::default()
        .with_max_pending_incoming(Some(CONNECTIONS_PENDING_MAX))
        .with_max_pending_outgoing(Some(CONNECTIONS_PENDING_MAX))
        .with_max_established_incoming(Some(CONNECTIONS_INCOMING_MAX))
        .with_max_established_outgoing(Some(CONNECTIONS_OUTGOING_MAX))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX));
    // Peers need none of our addresses from here, and some are nobody's business.
    let identify = identify::Config::new(names.identify.clone(), key.public())
        .with_agent_version(format!("swarmd/{}", env!("CARGO_PKG_VERSION")))
        .with_hide_listen_addrs(true)
        .with_cache_size(0);
    let ping = ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT);
    let mdns = config.mdns.then(|| mdns(key)).flatten();
    let sync = request_response::Config::default()
        .with_request_timeout(REQUEST_TIMEOUT)
        .with_max_concurrent_streams(REQUEST_STREAMS_MAX);
    Ok(Behaviour {
        limits: connection_limits::Behaviour::new(limits),
        admission: Admission::new(config.private_addresses),
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(ping),
        mdns: mdns.into(),
        gossip: gossip(names)?,
        sync: request_response::Behaviour::with_codec(
            SyncCodec,
            [(names.sync.clone(), ProtocolSupport::Full)],
            sync,
        ),
    })
}

/// Local discovery is a convenience: without multicast the node works all the same.
fn mdns(key: &Keypair) -> Option<mdns::tokio::Behaviour> {
    match mdns::tokio::Behaviour::new(mdns::Config::default(), key.public().to_peer_id()) {
        Ok(mdns) => Some(mdns),
        Err(error) => {
            tracing::warn!(%error, "no discovery on the local network");
            None
        }
    }
}

/// Messages are anonymous, because the envelopes in them are signed by accounts,
/// and named by their content, so that each is checked once. Peers are not
/// scored: verdicts count against them in the task, and the stock scores punish
/// small and local swarms.
fn gossip(
    names: &Names,
) -> Result<gossipsub::Behaviour<gossipsub::IdentityTransform, WhitelistSubscriptionFilter>, NetError> {
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(gossipsub::ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(|message| message_id(message.topic.as_str(), &message.data))
        .max_transmit_size(GOSSIP_BYTES_MAX + GOSSIP_FRAME_BYTES)
        .history_length(GOSSIP_HISTORY)
        .duplicate_cache_time(GOSSIP_SEEN_FOR)
        // In a swarm of two or three no mesh is ever full; everybody gets what we publish.
        .flood_publish(true)
        .build()
        .map_err(build_error)?;
    let filter = WhitelistSubscriptionFilter(HashSet::from([names.receipts.hash()]));
    let mut gossip =
        gossipsub::Behaviour::new_with_subscription_filter(MessageAuthenticity::Anonymous, config, filter)
            .map_err(build_error)?;
    gossip.subscribe(&names.receipts).map_err(build_error)?;
    Ok(gossip)
}

fn build_error(source: impl Into<Box<dyn Error + Send + Sync>>) -> NetError {
    NetError::Build { source: source.into() }
}

/// The first 20 bytes of the hash of topic and content.
fn message_id(topic: &str, content: &[u8]) -> MessageId {
    let mut hasher = blake3::Hasher::new_derive_key("swarm gossip message v1");
    // The topic's length keeps topic and content apart.
    hasher.update(&(topic.len() as u64).to_le_bytes()).update(topic.as_bytes()).update(content);
    MessageId::new(&hasher.finalize().as_bytes()[..20])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_carries_the_swarm() {
        let names = Names::new(&SwarmId::new([0xab; 32]));
        assert_eq!(names.identify, "/swarm/abababab/1");
        assert_eq!(names.sync.as_ref(), "/swarm/abababab/sync/1");
        assert_eq!(names.receipts.to_string(), "swarm/abababab/receipts/0");
    }

    #[test]
    fn message_ids_separate_topic_and_content() {
        let id = message_id("ab", b"c");
        assert_eq!(id.0.len(), 20);
        assert_eq!(id, message_id("ab", b"c"));
        assert_ne!(id, message_id("a", b"bc"));
    }
}
