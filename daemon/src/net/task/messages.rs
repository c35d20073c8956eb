//! Messages between the node and its peers: gossip with its verdicts, requests and answers.
//!
//! Only what can be decided without knowing what a message means is decided here:
//! sizes, and what is dropped when the node is behind.

use std::time::Instant;

use libp2p::PeerId;
use libp2p::gossipsub::{self, MessageAcceptance, MessageId, PublishError};
use libp2p::request_response::{Event, InboundRequestId, Message, OutboundRequestId, ResponseChannel};
use prost::Message as _;
use proto::ids::AccountId;
use proto::limits::{GOSSIP_BYTES_MAX, REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX};
use proto::wire::sync::{Refused, Request, Response, refused, response};

use super::super::{NetEvent, RpcError, Verdict, translate};
use super::{Task, count};

/// Bad messages after which a peer is sent away: one or two may be a bug of a
/// version, five are not.
const STRIKES_MAX: u32 = 5;

impl Task {
    pub(super) fn on_gossip_event(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                self.on_gossip(propagation_source, message_id, message.data);
            }
            gossipsub::Event::Subscribed { topic, .. } => {
                if topic == self.names.receipts.hash() {
                    for bytes in self.pending.take_unsent() {
                        self.publish(bytes);
                    }
                }
            }
            gossipsub::Event::Unsubscribed { .. }
            | gossipsub::Event::GossipsubNotSupported { .. }
            | gossipsub::Event::SlowPeer { .. } => {}
        }
    }

    fn on_gossip(&mut self, source: PeerId, id: MessageId, bytes: Vec<u8>) {
        let Some(from) = translate::account_of(&source) else {
            return self.judge(&id, &source, Verdict::Ignore);
        };
        if bytes.len() > GOSSIP_BYTES_MAX {
            return self.judge(&id, &source, Verdict::Reject);
        }
        self.admit(&from);
        let token = self.pending.await_verdict(id.clone(), source, Instant::now());
        let told = token.is_some_and(|token| self.outbox.offer(NetEvent::Gossip { token, from, bytes }));
        if !told {
            token.and_then(|token| self.pending.judged(token));
            count(&self.counters.gossip_ignored_behind);
            self.judge(&id, &source, Verdict::Ignore);
        }
    }

    pub(super) fn judge(&mut self, id: &MessageId, source: &PeerId, verdict: Verdict) {
        let acceptance = match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Ignore => MessageAcceptance::Ignore,
            Verdict::Reject => MessageAcceptance::Reject,
        };
        // A message that gossipsub has forgotten is not forwarded, which is all there is to do.
        let _remembered =
            self.swarm.behaviour_mut().gossip.report_message_validation_result(id, source, acceptance);
        if verdict == Verdict::Reject {
            count(&self.counters.gossip_rejected);
            self.strike(source);
        }
    }

    fn strike(&mut self, source: &PeerId) {
        let Some(account) = translate::account_of(source) else {
            return;
        };
        if let Some(peer) = self.peers.get_mut(&account) {
            peer.strikes += 1;
            if peer.strikes >= STRIKES_MAX {
                self.send_away(&account);
            }
        }
    }

    pub(super) fn publish(&mut self, bytes: Vec<u8>) {
        if bytes.len() > GOSSIP_BYTES_MAX {
            tracing::warn!(bytes = bytes.len(), "own message is too long for gossip");
            count(&self.counters.gossip_unsent_lost);
            return;
        }
        let topic = self.names.receipts.hash();
        match self.swarm.behaviour_mut().gossip.publish(topic, bytes.clone()) {
            Ok(_) | Err(PublishError::Duplicate) => {}
            Err(PublishError::NoPeersSubscribedToTopic) => {
                if self.pending.keep_unsent(bytes) {
                    count(&self.counters.gossip_unsent_lost);
                }
            }
            Err(
                error @ (PublishError::AllQueuesFull(_)
                | PublishError::MessageTooLarge
                | PublishError::SigningError(_)
                | PublishError::TransformFailed(_)),
            ) => {
                tracing::debug!(%error, "own message not sent");
                count(&self.counters.gossip_unsent_lost);
            }
        }
    }

    pub(super) fn on_sync_event(&mut self, event: Event<Request, Response>) {
        match event {
            Event::Message { peer, message, .. } => match message {
                Message::Request { request_id, request, channel } => {
                    self.on_request(peer, request_id, request, channel);
                }
                Message::Response { request_id, response } => self.end_request(request_id, Ok(response)),
            },
            Event::OutboundFailure { request_id, error, .. } => {
                self.end_request(request_id, Err(error.into()));
            }
            Event::InboundFailure { peer, request_id, error, .. } => {
                tracing::debug!(%peer, %error, "request of a peer failed");
                self.pending.forget_reply(&peer, request_id);
            }
            Event::ResponseSent { .. } => {}
        }
    }

    fn on_request(
        &mut self,
        peer: PeerId,
        id: InboundRequestId,
        request: Request,
        channel: ResponseChannel<Response>,
    ) {
        let Some(from) = translate::account_of(&peer) else {
            return;
        };
        self.admit(&from);
        let channel = match self.pending.await_reply(peer, id, channel) {
            Ok(token) if self.outbox.offer(NetEvent::Request { from, token, request }) => return,
            Ok(token) => self.pending.reply(token),
            Err(channel) => Some(channel),
        };
        count(&self.counters.requests_refused_busy);
        if let Some(channel) = channel {
            self.respond(channel, refusal(refused::Reason::Busy));
        }
    }

    pub(super) fn respond(&mut self, channel: ResponseChannel<Response>, response: Response) {
        let fits = response.encoded_len() <= RESPONSE_BYTES_MAX;
        let response = if fits {
            response
        } else {
            tracing::warn!(bytes = response.encoded_len(), "own answer is too long");
            refusal(refused::Reason::NotNow)
        };
        // An asker that has given up gets nothing.
        let _sent = self.swarm.behaviour_mut().sync.send_response(channel, response);
    }

    pub(super) fn request(&mut self, to: AccountId, token: u64, request: Request) {
        let error = if request.encoded_len() > REQUEST_BYTES_MAX {
            RpcError::TooLong
        } else if !self.peers.contains_key(&to) {
            RpcError::NotConnected
        } else if !self.pending.may_request() {
            RpcError::Busy
        } else {
            let id = self.swarm.behaviour_mut().sync.send_request(&translate::peer_of(&to), request);
            self.pending.await_response(id, token, to);
            return;
        };
        self.outbox.push(NetEvent::Response { token, from: to, result: Err(error) });
    }

    fn end_request(&mut self, id: OutboundRequestId, result: Result<Response, RpcError>) {
        if let Some((token, from)) = self.pending.ended(&id) {
            self.outbox.push(NetEvent::Response { token, from, result });
        }
    }
}

fn refusal(reason: refused::Reason) -> Response {
    let refused = Refused { reason: reason.into() };
    Response { response: Some(response::Response::Refused(refused)) }
}
