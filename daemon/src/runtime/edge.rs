//! The edge: bytes of peers become checked types on a bounded pool beside the loop.

use std::sync::Arc;

use credits::Charter;
use ed25519_dalek::SigningKey;
use prost::Message;
use proto::ids::AccountId;
use proto::wire::gossip::Bundle;
use proto::wire::sync::refused::Reason;
use proto::wire::sync::{Request, Response};
use tokio::sync::mpsc;

use super::{Posted, Runtime};
use crate::net::{self, NetCommand, RpcError, Verdict};
use crate::node::input;
use crate::node::input::{AskToken, Input};
use crate::node::message::{Answer, Ask, NoAnswer, check_bundle};

/// What checking and signing at the edge need.
pub(super) struct Edge {
    pub(super) charter: Arc<Charter>,
    pub(super) signing: SigningKey,
}

impl Runtime {
    /// Checks a flooded bundle. Provably bad bytes cost the sender; too much to do
    /// costs it nothing.
    pub(super) fn check_gossip(&mut self, token: net::GossipToken, from: AccountId, bytes: Vec<u8>) {
        let Ok(permit) = Arc::clone(&self.beside).try_acquire_owned() else {
            return self.command(NetCommand::Verdict { message: token, verdict: Verdict::Ignore });
        };
        let (edge, posted, commands) = self.hands();
        tokio::task::spawn_blocking(move || {
            let bundle = Bundle::decode(&bytes[..]).ok();
            match bundle.and_then(|bundle| check_bundle(&bundle, &edge.charter).ok()) {
                Some(items) => {
                    let token = input::GossipToken(token.number());
                    post(&posted, Posted::Input(Input::Gossip { token, items }));
                }
                None => {
                    tracing::debug!(peer = %from.short(), "gossip that does not check");
                    let verdict = NetCommand::Verdict { message: token, verdict: Verdict::Reject };
                    // The network task is gone: so are its messages.
                    let _ = commands.blocking_send(verdict);
                }
            }
            drop(permit);
        });
    }

    /// Checks a peer's request.
    pub(super) fn check_request(&mut self, token: net::ReplyToken, from: AccountId, request: Request) {
        let refused = |reason| NetCommand::Respond {
            token,
            response: Answer::Refused(reason).to_wire(&self.signer.signing),
        };
        let Ok(permit) = Arc::clone(&self.beside).try_acquire_owned() else {
            return self.command(refused(Reason::Busy));
        };
        let malformed = refused(Reason::Malformed);
        let (edge, posted, commands) = self.hands();
        tokio::task::spawn_blocking(move || {
            match Ask::check(&request, &from, &edge.charter) {
                Ok(ask) => {
                    if let Ask::Hello(greeting) = &ask {
                        post(&posted, Posted::BlobPort(from, greeting.blob_port));
                    }
                    let token = input::ReplyToken(token.number());
                    post(&posted, Posted::Input(Input::Ask { token, from, ask }));
                }
                Err(error) => {
                    tracing::debug!(peer = %from.short(), %error, "request that does not check");
                    // The network task is gone: nobody waits for the answer.
                    let _ = commands.blocking_send(malformed);
                }
            }
            drop(permit);
        });
    }

    /// Checks a peer's answer.
    pub(super) fn check_response(&mut self, token: u64, from: AccountId, result: Result<Response, RpcError>) {
        let (edge, posted, _) = self.hands();
        tokio::task::spawn_blocking(move || {
            let answer = match result {
                Ok(response) => Answer::check(&response, &from, &edge.charter).map_err(NoAnswer::Malformed),
                Err(error) => {
                    tracing::debug!(peer = %from.short(), %error, "no answer");
                    Err(NoAnswer::Unreachable)
                }
            };
            if let Ok(Answer::Hello(greeting)) = &answer {
                post(&posted, Posted::BlobPort(from, greeting.blob_port));
            }
            let token = AskToken(token);
            post(&posted, Posted::Input(Input::Answer { token, from, answer }));
        });
    }

    fn hands(&self) -> (Arc<Edge>, mpsc::Sender<Posted>, mpsc::Sender<NetCommand>) {
        (Arc::clone(&self.signer), self.posted.0.clone(), self.net.commands.clone())
    }

    /// Tells the network something; dropped with a count when it does not keep up.
    pub(super) fn command(&self, command: NetCommand) {
        if let Err(error) = self.net.commands.try_send(command) {
            tracing::warn!(%error, "the network task does not keep up");
        }
    }
}

fn post(posted: &mpsc::Sender<Posted>, what: Posted) {
    // The loop is gone: nobody needs it any more.
    let _ = posted.blocking_send(what);
}
