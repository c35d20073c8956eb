//! What waits for somebody: messages for a verdict, peers for our answers, we for theirs.
//!
//! The node sees plain numbers; what libp2p needs for each stays here. Every table is bounded.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::gossipsub::MessageId;
use libp2p::request_response::{InboundRequestId, OutboundRequestId, ResponseChannel};
use proto::ids::AccountId;
use proto::wire::sync::Response;

use super::{GossipToken, ReplyToken};

/// Messages that may wait for a verdict; 32 MiB if all are of the greatest size.
const GOSSIP_WAITING_MAX: usize = 1024;

/// A verdict that takes longer counts as ignored: soon after, gossipsub has
/// forgotten the message.
pub(super) const VERDICT_DEADLINE: Duration = Duration::from_secs(10);

/// Requests of all peers that may wait for our answers, and of one peer.
const REPLIES_WAITING_MAX: usize = 256;
const REPLIES_PER_PEER_MAX: usize = 16;

/// Our own requests under way.
const REQUESTS_WAITING_MAX: usize = 256;

/// Own messages kept until somebody subscribes; 8 MiB if all are of the greatest size.
const UNSENT_MAX: usize = 256;

/// A message that waits for its verdict.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) id: MessageId,
    pub(super) source: PeerId,
    deadline: Instant,
}

/// A peer's request that waits for our answer.
#[derive(Debug)]
struct Reply {
    channel: ResponseChannel<Response>,
    peer: PeerId,
    id: InboundRequestId,
}

#[derive(Debug, Default)]
pub(super) struct Pending {
    last_token: u64,
    gossip: BTreeMap<u64, Judged>,
    replies: BTreeMap<u64, Reply>,
    requests: HashMap<OutboundRequestId, (u64, AccountId)>,
    unsent: VecDeque<Vec<u8>>,
}

impl Pending {
    fn token(&mut self) -> u64 {
        self.last_token += 1;
        self.last_token
    }

    /// Takes a message to wait for its verdict; `None` if too many do.
    pub(super) fn await_verdict(
        &mut self,
        id: MessageId,
        source: PeerId,
        now: Instant,
    ) -> Option<GossipToken> {
        if self.gossip.len() >= GOSSIP_WAITING_MAX {
            return None;
        }
        let token = self.token();
        self.gossip.insert(token, Judged { id, source, deadline: now + VERDICT_DEADLINE });
        Some(GossipToken(token))
    }

    /// The message of a token, once.
    pub(super) fn judged(&mut self, token: GossipToken) -> Option<Judged> {
        self.gossip.remove(&token.0)
    }

    /// Messages whose verdict is overdue; they are not waited for any more.
    pub(super) fn overdue(&mut self, now: Instant) -> Vec<Judged> {
        let overdue = self.gossip.iter().take_while(|(_, judged)| judged.deadline <= now);
        let tokens: Vec<_> = overdue.map(|(token, _)| *token).collect();
        tokens.iter().filter_map(|token| self.gossip.remove(token)).collect()
    }

    /// Takes a request to wait for our answer; gives the channel back if too many do.
    pub(super) fn await_reply(
        &mut self,
        peer: PeerId,
        id: InboundRequestId,
        channel: ResponseChannel<Response>,
    ) -> Result<ReplyToken, ResponseChannel<Response>> {
        let of_peer = self.replies.values().filter(|reply| reply.peer == peer).count();
        if self.replies.len() >= REPLIES_WAITING_MAX || of_peer >= REPLIES_PER_PEER_MAX {
            return Err(channel);
        }
        let token = self.token();
        self.replies.insert(token, Reply { channel, peer, id });
        Ok(ReplyToken(token))
    }

    /// The channel of a token, once; `None` too when the peer has given up.
    pub(super) fn reply(&mut self, token: ReplyToken) -> Option<ResponseChannel<Response>> {
        self.replies.remove(&token.0).map(|reply| reply.channel)
    }

    /// Forgets a request whose asker has given up or gone.
    pub(super) fn forget_reply(&mut self, peer: &PeerId, id: InboundRequestId) {
        self.replies.retain(|_, reply| reply.id != id || reply.peer != *peer);
    }

    /// Whether another request may be sent.
    pub(super) fn may_request(&self) -> bool {
        self.requests.len() < REQUESTS_WAITING_MAX
    }

    /// Remembers a request that was sent.
    pub(super) fn await_response(&mut self, id: OutboundRequestId, token: u64, to: AccountId) {
        self.requests.insert(id, (token, to));
    }

    /// The token and the receiver of a request that has ended.
    pub(super) fn ended(&mut self, id: &OutboundRequestId) -> Option<(u64, AccountId)> {
        self.requests.remove(id)
    }

    /// Keeps a message that nobody was there to receive; returns whether an older one had to go.
    pub(super) fn keep_unsent(&mut self, message: Vec<u8>) -> bool {
        if self.unsent.contains(&message) {
            return false;
        }
        self.unsent.push_back(message);
        self.unsent.len() > UNSENT_MAX && self.unsent.pop_front().is_some()
    }

    /// All messages kept, oldest first.
    pub(super) fn take_unsent(&mut self) -> VecDeque<Vec<u8>> {
        std::mem::take(&mut self.unsent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_waited_for_once_and_ten_seconds() {
        let (mut pending, peer, now) = (Pending::default(), PeerId::random(), Instant::now());
        let first = pending.await_verdict(MessageId::new(b"1"), peer, now).unwrap();
        let later = now + Duration::from_secs(5);
        let second = pending.await_verdict(MessageId::new(b"2"), peer, later).unwrap();
        assert_eq!(pending.judged(first).unwrap().id, MessageId::new(b"1"));
        assert!(pending.judged(first).is_none());
        assert_eq!(pending.overdue(now + Duration::from_secs(14)).len(), 0);
        assert_eq!(pending.overdue(now + Duration::from_secs(15)).len(), 1);
        assert!(pending.judged(second).is_none());
    }

    #[test]
    fn messages_waiting_for_verdicts_are_bounded() {
        let (mut pending, peer, now) = (Pending::default(), PeerId::random(), Instant::now());
        for _ in 0..1024 {
            assert!(pending.await_verdict(MessageId::new(b"1"), peer, now).is_some());
        }
        assert!(pending.await_verdict(MessageId::new(b"1"), peer, now).is_none());
    }

    #[test]
    fn unsent_messages_are_kept_once_in_order_and_bounded() {
        let mut pending = Pending::default();
        assert!(!pending.keep_unsent(vec![0, 0]));
        assert!(!pending.keep_unsent(vec![0, 0]));
        for number in 1..256_u16 {
            assert!(!pending.keep_unsent(number.to_le_bytes().to_vec()));
        }
        assert!(pending.keep_unsent(vec![0, 1]));
        let kept = pending.take_unsent();
        assert_eq!((kept.len(), &kept[0][..], &kept[255][..]), (256, &[1, 0][..], &[0, 1][..]));
        assert!(pending.take_unsent().is_empty());
    }
}
