//! Joining, gossip, requests and refusals between nodes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use daemon::net::{Address, Carrier, NetCommand, NetError, NetEvent, PeerAddress, RpcError, Ticket, Verdict};
use proto::ids::SwarmId;
use proto::wire::sync::{Heads, Items, Range, Refused, Request, Response, refused, request, response};

use crate::support::{SWARM, account, start, start_again, try_start, within};

const QUIC: &str = "quic://127.0.0.1:0";
const TCP: &str = "tcp://127.0.0.1:0";

fn question() -> Request {
    Request { request: Some(request::Request::Heads(Heads { heads: Vec::new() })) }
}

fn answer() -> Response {
    let items = Items { items: Vec::new(), more: true, heads: Vec::new() };
    Response { response: Some(response::Response::Items(items)) }
}

fn busy() -> Response {
    let refused = Refused { reason: refused::Reason::Busy.into() };
    Response { response: Some(response::Response::Refused(refused)) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_join_ask_and_part_over_either_carrier() {
    for carrier in [QUIC, TCP] {
        let mut a = start(1, &[carrier], &[]).await;
        // The newcomer listens nowhere, and the ticket is all that it gets.
        let ticket = Ticket::new(SWARM, vec![a.found_at()]).unwrap().to_string();
        let ticket: Ticket = ticket.parse().unwrap();
        let mut b = try_start(2, ticket.swarm(), &[], ticket.peers()).await.unwrap();
        a.expect_up(account(2)).await;
        b.expect_up(account(1)).await;

        b.send(NetCommand::Request { to: account(1), token: 7, request: question() }).await;
        let NetEvent::Request { from, token, request } = a.event().await else { panic!("a request") };
        assert_eq!((from, request), (account(2), question()));
        a.send(NetCommand::Respond { token, response: answer() }).await;
        let NetEvent::Response { token, from, result } = b.event().await else { panic!("an answer") };
        assert_eq!((token, from, result), (7, account(1), Ok(answer())));

        a.send(NetCommand::Disconnect(account(2))).await;
        a.expect_down(account(2)).await;
        b.expect_down(account(1)).await;
        a.stop().await;
        b.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_passes_only_a_node_that_accepts_it() {
    let mut a = start(1, &[QUIC], &[]).await;
    let mut b = start(2, &[TCP], &[a.found_at()]).await;
    // Gossip reaches those who are there. A node that has sent a message has told
    // before that it wants some, so that the line is complete after these two.
    a.gossip("from a").await;
    assert_eq!(b.judge(Verdict::Accept).await, (account(1), "from a".to_owned()));
    let mut c = start(3, &[], &[b.found_at()]).await;
    c.gossip("from c").await;
    assert_eq!(b.judge(Verdict::Accept).await, (account(3), "from c".to_owned()));
    assert_eq!(a.judge(Verdict::Accept).await, (account(2), "from c".to_owned()));

    a.gossip("rejected").await;
    assert_eq!(b.judge(Verdict::Reject).await, (account(1), "rejected".to_owned()));
    a.gossip("ignored").await;
    assert_eq!(b.judge(Verdict::Ignore).await, (account(1), "ignored".to_owned()));
    a.gossip("accepted").await;
    assert_eq!(b.judge(Verdict::Accept).await, (account(1), "accepted".to_owned()));
    // Messages keep their order on a connection: had one of the others been
    // passed on, it would come first.
    assert_eq!(c.judge(Verdict::Accept).await, (account(2), "accepted".to_owned()));
    assert_eq!(b.net.counters.gossip_rejected.load(Ordering::Relaxed), 1);
    assert_eq!(b.net.counters.peers_sent_away.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_before_anybody_listens_reaches_the_first_who_does() {
    let a = start(1, &[QUIC], &[]).await;
    a.gossip("first").await;
    a.gossip("second").await;
    let mut b = start(2, &[], &[a.found_at()]).await;
    assert_eq!(b.judge(Verdict::Accept).await.1, "first");
    assert_eq!(b.judge(Verdict::Accept).await.1, "second");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_sends_five_bad_messages_is_sent_away() {
    let mut a = start(1, &[QUIC], &[]).await;
    let mut b = start(2, &[], &[a.found_at()]).await;
    for number in 0..5 {
        b.gossip(&format!("bad {number}")).await;
        a.judge(Verdict::Reject).await;
    }
    a.expect_down(account(2)).await;
    b.expect_down(account(1)).await;
    assert_eq!(a.net.counters.peers_sent_away.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_two_swarms_never_meet() {
    let mut a = start(1, &[QUIC], &[]).await;
    let mut b = try_start(2, SwarmId::new([2; 32]), &[], &[a.found_at()]).await.unwrap();
    // Either may notice first and close before the other has noticed.
    let (noticed, seen) = tokio::select! {
        event = a.event() => (event, account(2)),
        event = b.event() => (event, account(1)),
    };
    assert!(matches!(noticed, NetEvent::OtherSwarm(account) if account == seen), "{noticed:?}");
    b.send(NetCommand::Request { to: account(1), token: 1, request: question() }).await;
    let result = loop {
        let event = b.event().await;
        if let NetEvent::Response { result, .. } = event {
            break result;
        }
        assert!(matches!(event, NetEvent::OtherSwarm(_)), "{event:?}");
    };
    assert!(result.is_err(), "{result:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_cannot_be_sent_fail_at_once() {
    let mut a = start(1, &[QUIC], &[]).await;
    let mut b = start(2, &[], &[a.found_at()]).await;
    a.expect_up(account(2)).await;
    b.expect_up(account(1)).await;
    // Field tag and length take 6 bytes of the request and 4 of the range.
    let long = |bytes: usize| {
        let range = Range { account: vec![0; bytes], from_seq: 0 };
        Request { request: Some(request::Request::Range(range)) }
    };
    for (to, request, expected) in
        [(account(9), question(), RpcError::NotConnected), (account(1), long(64 << 10), RpcError::TooLong)]
    {
        b.send(NetCommand::Request { to, token: 5, request }).await;
        let NetEvent::Response { token, from, result } = b.event().await else { panic!("a failure") };
        assert_eq!((token, from, result), (5, to, Err(expected)));
    }
    b.send(NetCommand::Request { to: account(1), token: 6, request: long((64 << 10) - 16) }).await;
    assert!(matches!(a.event().await, NetEvent::Request { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_seventeenth_unanswered_request_of_a_peer_is_refused() {
    let mut a = start(1, &[QUIC], &[]).await;
    let mut b = start(2, &[], &[a.found_at()]).await;
    b.expect_up(account(1)).await;
    for token in 0..17 {
        b.send(NetCommand::Request { to: account(1), token, request: question() }).await;
    }
    let NetEvent::Response { result, .. } = b.event().await else { panic!("an answer") };
    assert_eq!(result, Ok(busy()));
    a.expect_up(account(2)).await;
    for _ in 0..16 {
        let NetEvent::Request { token, .. } = a.event().await else { panic!("a request") };
        a.send(NetCommand::Respond { token, response: answer() }).await;
        let NetEvent::Response { result, .. } = b.event().await else { panic!("an answer") };
        assert_eq!(result, Ok(answer()));
    }
    assert_eq!(a.net.counters.requests_refused_busy.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_behind_ignores_gossip_and_refuses_requests() {
    let mut a = start(1, &[QUIC], &[]).await;
    let mut b = start(2, &[], &[a.found_at()]).await;
    b.gossip("first").await;
    assert_eq!(a.judge(Verdict::Accept).await.1, "first");
    b.expect_up(account(1)).await;
    // From here on nobody takes the events of `a`; 256 of them wait.
    for number in 0..300 {
        b.gossip(&format!("message {number}")).await;
    }
    let counters = Arc::clone(&a.net.counters);
    within("ignored gossip", async {
        while counters.gossip_ignored_behind.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    b.send(NetCommand::Request { to: account(1), token: 1, request: question() }).await;
    let NetEvent::Response { result, .. } = b.event().await else { panic!("an answer") };
    assert_eq!(result, Ok(busy()));

    assert_eq!(a.judge(Verdict::Accept).await.1, "message 0");
    b.send(NetCommand::Request { to: account(1), token: 2, request: question() }).await;
    loop {
        if let NetEvent::Request { token, .. } = a.event().await {
            a.send(NetCommand::Respond { token, response: answer() }).await;
            break;
        }
    }
    let NetEvent::Response { result, .. } = b.event().await else { panic!("an answer") };
    assert_eq!(result, Ok(answer()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_datagrams_go_nowhere_a_peer_is_reached_by_stream() {
    let mut a = start(1, &[TCP], &[]).await;
    // A socket that takes datagrams and never answers.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let nowhere = Address { carrier: Carrier::Quic, socket: silent.local_addr().unwrap() };
    let both = [PeerAddress { account: account(1), address: nowhere }, a.found_at()];
    let mut b = start(2, &[], &both).await;
    a.expect_up(account(2)).await;
    b.expect_up(account(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_is_named() {
    for carrier in [QUIC, TCP] {
        let a = start(1, &[carrier], &[]).await;
        let taken = a.net.listening[0];
        let error = try_start(2, SWARM, &[&taken.to_string()], &[]).await.err().unwrap();
        assert!(matches!(error, NetError::PortInUse { address } if address == taken), "{error:?}");
        let port = taken.socket.port();
        assert_eq!(error.to_string(), format!("port {port} is in use, cannot listen on {taken}"));
        a.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_comes_back_is_found_again() {
    for carrier in [QUIC, TCP] {
        let mut a = start(1, &[carrier], &[]).await;
        let home = a.net.listening[0].to_string();
        let mut b = start(2, &[], &[a.found_at()]).await;
        a.expect_up(account(2)).await;
        b.expect_up(account(1)).await;
        a.stop().await;
        b.expect_down(account(1)).await;

        let mut a = start_again(1, &home).await;
        a.expect_up(account(2)).await;
        b.expect_up(account(1)).await;
        b.gossip("again").await;
        assert_eq!(a.judge(Verdict::Accept).await.1, "again");
        a.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_is_joined_once_it_starts_and_can_be_dialled_later() {
    let probe = start(1, &[QUIC], &[]).await;
    let home = probe.found_at();
    probe.stop().await;

    let mut b = start(2, &[TCP], &[home]).await;
    let mut c = start(3, &[], &[]).await;
    c.send(NetCommand::Dial(b.found_at())).await;
    b.expect_up(account(3)).await;
    c.expect_up(account(2)).await;
    let mut a = start_again(1, &home.address.to_string()).await;
    a.expect_up(account(2)).await;
    b.expect_up(account(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_task_ends_with_its_channels() {
    let a = start(1, &[QUIC], &[]).await;
    drop(a.net.commands);
    within("the end of the task", a.net.task).await.unwrap();
    let b = start(2, &[QUIC], &[]).await;
    drop(b.net.events);
    within("the end of the task", b.net.task).await.unwrap();
}
