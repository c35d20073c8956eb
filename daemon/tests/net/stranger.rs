//! A peer that speaks the request protocol by hand, and badly.

use std::io;

use daemon::net::{Carrier, NetCommand, NetEvent, PeerAddress};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::request_response::{self, Codec, Event, Message, ProtocolSupport};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, StreamProtocol, SwarmBuilder};
use proto::wire::sync::{Items, Response, response};

use crate::support::{SWARM, account, start, within};

/// Sends and reads bytes as they are.
#[derive(Clone)]
struct Raw;

impl Codec for Raw {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        _: &mut T,
    ) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
    ) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await?;
        if bytes.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(bytes) }
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
        request: Vec<u8>,
    ) -> io::Result<()> {
        stream.write_all(&request).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        _: &mut T,
        _: Vec<u8>,
    ) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

struct Stranger {
    swarm: libp2p::Swarm<request_response::Behaviour<Raw>>,
    peer: PeerId,
}

impl Stranger {
    async fn meet(host: PeerAddress, protocol: String) -> Self {
        let protocol = StreamProtocol::try_from_owned(protocol).unwrap();
        let mut swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_quic()
            .with_behaviour(|_| {
                let config = request_response::Config::default();
                request_response::Behaviour::with_codec(Raw, [(protocol, ProtocolSupport::Full)], config)
            })
            .unwrap()
            .build();
        assert_eq!(host.address.carrier, Carrier::Quic);
        let port = host.address.socket.port();
        let at: Multiaddr = format!("/ip4/127.0.0.1/udp/{port}/quic-v1").parse().unwrap();
        swarm.dial(at).unwrap();
        let peer = within("the connection", async {
            loop {
                if let SwarmEvent::ConnectionEstablished { peer_id, .. } = swarm.select_next_some().await {
                    return peer_id;
                }
            }
        });
        let peer = peer.await;
        Self { swarm, peer }
    }

    async fn ask(&mut self, bytes: Vec<u8>) -> Option<Vec<u8>> {
        self.swarm.behaviour_mut().send_request(&self.peer, bytes);
        within("the end of the request", async {
            loop {
                let SwarmEvent::Behaviour(event) = self.swarm.select_next_some().await else { continue };
                if let Event::Message { message: Message::Response { response, .. }, .. } = event {
                    return Some(response);
                }
                if matches!(event, Event::OutboundFailure { .. }) {
                    return None;
                }
            }
        })
        .await
    }
}

fn protocol() -> String {
    format!("/swarm/{}/sync/1", SWARM.short())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oversized_and_malformed_requests_never_reach_the_node() {
    let mut a = start(1, &["quic://127.0.0.1:0"], &[]).await;
    let mut stranger = Stranger::meet(a.found_at(), protocol()).await;
    let mut oversized = 65_537_u32.to_le_bytes().to_vec();
    oversized.resize(4 + 65_537, 0);
    assert_eq!(stranger.ask(oversized).await, None);
    assert_eq!(stranger.ask(u32::MAX.to_le_bytes().to_vec()).await, None);
    assert_eq!(stranger.ask(vec![1, 0, 0, 0, 0xff]).await, None);

    // An empty range, which is well formed, is the first thing that the node hears of.
    let asked = tokio::spawn(async move { stranger.ask(vec![2, 0, 0, 0, 0x1a, 0]).await });
    assert!(matches!(a.event().await, NetEvent::PeerUp { account: other, .. } if other != account(1)));
    let NetEvent::Request { token, .. } = a.event().await else { panic!("a request") };
    let items = Items { items: Vec::new(), more: true, heads: Vec::new() };
    let response = Response { response: Some(response::Response::Items(items)) };
    a.send(NetCommand::Respond { token, response }).await;
    assert_eq!(asked.await.unwrap(), Some(vec![4, 0, 0, 0, 0x12, 2, 0x10, 1]));
}
