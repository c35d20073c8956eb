//! Nodes for the tests, and waiting for what they report.

use std::future::Future;
use std::time::Duration;

use daemon::net::{self, Net, NetCommand, NetConfig, NetError, NetEvent, PeerAddress, Verdict};
use ed25519_dalek::SigningKey;
use proto::ids::{AccountId, SwarmId};
use proto::sign::account_of;

pub(crate) const SWARM: SwarmId = SwarmId::new([1; 32]);

/// Far above what a loaded machine needs, far below a hanging test run.
const DEADLINE: Duration = Duration::from_secs(60);

/// Waits for something that must happen.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not happen in time"),
    }
}

/// The account of the node that has this number.
pub(crate) fn account(number: u8) -> AccountId {
    account_of(&SigningKey::from_bytes(&[number; 32]))
}

pub(crate) struct Node {
    pub(crate) account: AccountId,
    pub(crate) net: Net,
}

pub(crate) async fn try_start(
    number: u8,
    swarm: SwarmId,
    listen: &[&str],
    join: &[PeerAddress],
) -> Result<Node, NetError> {
    let config = NetConfig {
        swarm,
        seed: [number; 32],
        listen: listen.iter().map(|text| text.parse().unwrap()).collect(),
        join: join.to_vec(),
        mdns: false,
        private_addresses: true,
    };
    net::start(config).await.map(|net| Node { account: account(number), net })
}

pub(crate) async fn start(number: u8, listen: &[&str], join: &[PeerAddress]) -> Node {
    try_start(number, SWARM, listen, join).await.unwrap()
}

/// Starts a node where another has just stopped. Within one process the socket
/// of a QUIC listener outlives it until its last connections are drained.
pub(crate) async fn start_again(number: u8, listen: &str) -> Node {
    within("the port to be free", async {
        loop {
            match try_start(number, SWARM, &[listen], &[]).await {
                Err(NetError::PortInUse { .. }) => tokio::task::yield_now().await,
                started => return started.unwrap(),
            }
        }
    })
    .await
}

impl Node {
    /// Where this node is found: its first listener.
    pub(crate) fn found_at(&self) -> PeerAddress {
        PeerAddress { account: self.account, address: self.net.listening[0] }
    }

    pub(crate) async fn send(&self, command: NetCommand) {
        self.net.commands.send(command).await.unwrap();
    }

    /// The next event that is not about listening.
    pub(crate) async fn event(&mut self) -> NetEvent {
        loop {
            let event = within("an event", self.net.events.recv()).await.expect("the network runs");
            if !matches!(event, NetEvent::Listening(_)) {
                return event;
            }
        }
    }

    /// Waits for the arrival of a peer, which must be the next event.
    pub(crate) async fn expect_up(&mut self, expected: AccountId) {
        let event = self.event().await;
        let NetEvent::PeerUp { account, address } = event else { panic!("a peer, not {event:?}") };
        assert_eq!((account, address.to_string().as_str()), (expected, "127.0.0.1"));
    }

    /// Waits for the departure of a peer, passing over everything else.
    pub(crate) async fn expect_down(&mut self, expected: AccountId) {
        loop {
            if let NetEvent::PeerDown(account) = self.event().await {
                assert_eq!(account, expected);
                return;
            }
        }
    }

    /// Waits for the next gossip message, gives a verdict and returns sender and text.
    pub(crate) async fn judge(&mut self, verdict: Verdict) -> (AccountId, String) {
        loop {
            if let NetEvent::Gossip { token, from, bytes } = self.event().await {
                self.send(NetCommand::Verdict { message: token, verdict }).await;
                return (from, String::from_utf8(bytes).unwrap());
            }
        }
    }

    pub(crate) async fn gossip(&self, text: &str) {
        self.send(NetCommand::Gossip(text.as_bytes().to_vec())).await;
    }

    pub(crate) async fn stop(self) {
        self.send(NetCommand::Shutdown).await;
        within("the end of the task", self.net.task).await.unwrap();
    }
}
