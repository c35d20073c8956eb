//! Answers to the local API: the ledger's from its views, the node's from here.

use std::path::Path;
use std::sync::Arc;

use credits::{Charter, Item, Ledger};
use data_encoding::HEXLOWER;
use jobs::Track;
use jobs::terms::Tracks;
use prost::Message;
use proto::api::{
    ApiAnswer, ApiError, ApiRequest, BadRecord, Doing, ErrorKind, Peer, Peers, Signing, Status, Swarm,
    SwarmFounder, SwarmName, SwarmRules, SwarmTrack, Verification,
};
use proto::wire::receipt as wire;

use super::{Runtime, now_ms};
use crate::api::ApiCall;
use crate::api::views::View;
use crate::net::{PeerAddress, Ticket};
use crate::node::{self, Snapshot};
use crate::store;

/// A time ahead of every epoch: a record of the log is not held back for its clock.
const END_OF_TIME_MS: u64 = u64::MAX >> 1;

impl Runtime {
    pub(super) fn answer(&mut self, call: ApiCall) {
        let ledger = self.node.ledger();
        let tracks = Tracks::builtin();
        let view = View { ledger, account: self.node.account(), tracks: &tracks };
        let answer = match &call.request {
            ApiRequest::Status => Ok(ApiAnswer::Status(Box::new(self.status(&view)))),
            ApiRequest::Peers => Ok(ApiAnswer::Peers(self.peers())),
            ApiRequest::Swarm => Ok(ApiAnswer::Swarm(Box::new(self.swarm()))),
            ApiRequest::Verify => return self.verify(call),
            ApiRequest::Balance { .. }
            | ApiRequest::History { .. }
            | ApiRequest::Explain { .. }
            | ApiRequest::Receipt { .. }
            | ApiRequest::Export { .. }
            | ApiRequest::Frontier => view.answer(&call.request).unwrap_or_else(|| {
                Err(ApiError::new(ErrorKind::Bug, "the ledger has no answer to a question about it"))
            }),
        };
        // The caller gave up: nobody reads the answer.
        let _ = call.reply.send(answer);
    }

    fn status(&self, view: &View<'_>) -> Status {
        let snapshot = self.node.snapshot();
        let signing = match &snapshot.signing {
            node::Signing::Open => Signing::Ok,
            refusing @ (node::Signing::Waiting { .. }
            | node::Signing::Disk(_)
            | node::Signing::Clock
            | node::Signing::Behind
            | node::Signing::Forked) => Signing::Refusing { reason: refusing.to_string() },
        };
        let trials = view.trials();
        Status {
            account: snapshot.account,
            swarm: SwarmName { id: self.node.charter().id, name: self.node.charter().rules.name.clone() },
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: self.clocks.started.elapsed().as_secs(),
            epoch: snapshot.epoch,
            peers: u32::try_from(snapshot.peers.len()).unwrap_or(u32::MAX),
            doing: doing(&snapshot, trials.claimed),
            trials,
            balance: view.amounts(),
            signing,
        }
    }

    fn peers(&self) -> Peers {
        let peer = |peer: node::ConnectedPeer| {
            let place = self.places.get(&peer.account);
            Peer {
                account: peer.account,
                address: place.map(|place| place.ip.to_string()).unwrap_or_default(),
                version: peer.version,
                connected_seconds: place.map_or(0, |place| place.since.elapsed().as_secs()),
                round_trip_ms: None,
                clock_offset_ms: peer.clock_ahead_ms,
                is_founder: self.node.charter().is_founder(&peer.account),
                head_seq: self.node.ledger().head(&peer.account).map(|head| head.seq),
            }
        };
        Peers { peers: self.node.snapshot().peers.into_iter().map(peer).collect() }
    }

    fn swarm(&self) -> Swarm {
        let charter = self.node.charter();
        let rules = &charter.rules;
        let own = self.node.account();
        Swarm {
            id: charter.id,
            name: rules.name.clone(),
            epoch: charter.epoch_at(now_ms()),
            rules: SwarmRules {
                start_ms: rules.start_ms,
                epoch_ms: rules.epoch_ms,
                threshold: rules.threshold,
                founder_weight_gas: rules.voting.founder_weight,
                votes_expected: rules.voting.votes_expected,
                confirmations: rules.voting.confirmations,
                segments: rules.segments,
                vest_epochs: rules.delays.vest_epochs,
                season_epochs: rules.delays.season_epochs,
                grace_epochs: rules.delays.grace_epochs,
            },
            founders: rules
                .founders
                .iter()
                .map(|founder| SwarmFounder {
                    account: founder.account,
                    is_self: founder.account == own,
                    is_connected: self.places.contains_key(&founder.account),
                })
                .collect(),
            tracks: rules
                .tracks
                .iter()
                .map(|id| SwarmTrack { id: *id, name: Track::by_id(id).map(|track| track.name) })
                .collect(),
            accounts: self.node.ledger().accounts().count() as u64,
            ticket: self.ticket().map(|ticket| ticket.to_string()),
        }
    }

    /// A ticket with the addresses at which this node listens.
    fn ticket(&self) -> Option<Ticket> {
        let account = self.node.account();
        let peers = self.net.listening.iter().map(|address| PeerAddress { account, address: *address });
        Ticket::new(self.node.charter().id, peers.take(3).collect()).ok()
    }

    /// Recomputes everything from the log, beside the loop.
    fn verify(&self, call: ApiCall) {
        let charter = Arc::clone(&self.signer.charter);
        // Read in the loop, so that no write is under way; checked beside it.
        let found = tokio::task::block_in_place(|| store::inspect(&self.state_folder));
        tokio::task::spawn_blocking(move || {
            let answer = found.map(|found| ApiAnswer::Verify(verify(&found, charter))).map_err(|error| {
                ApiError::new(ErrorKind::Refused, error.to_string()).with_hint(error.hint())
            });
            // The caller gave up: nobody reads the answer.
            let _ = call.reply.send(answer);
        });
    }
}

fn doing(snapshot: &Snapshot, claimed: u64) -> Doing {
    if let Some(check) = snapshot.checking {
        return Doing::Checking {
            claim: check.claim,
            account: check.claimant,
            segment: check.segment,
            block: check.block,
        };
    }
    match (&snapshot.trial, snapshot.not_earning) {
        (Some((recipe, step, steps, loss)), None) => Doing::Training {
            trial: claimed + 1,
            recipe: *recipe,
            step: *step,
            steps: *steps,
            loss_microbits: (*loss > 0).then_some(*loss),
        },
        (_, Some(reason)) => {
            let failure = snapshot.worker_failure.as_ref().map(|failure| format!(": {failure}"));
            Doing::NoWorker { reason: format!("{reason}{}", failure.unwrap_or_default()) }
        }
        (None, None) => Doing::Idle,
    }
}

/// Checks every record of a state folder's log: bytes, signatures, rules.
fn verify(found: &store::Inspected, charter: Arc<Charter>) -> Verification {
    let mut ledger = Ledger::new(Arc::clone(&charter), Arc::new(Tracks::builtin()));
    let name = |path: &Path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let mut bad: Vec<BadRecord> = found
        .damage
        .iter()
        .map(|damage| BadRecord {
            file: name(&damage.file),
            offset: damage.offset,
            reason: damage.to_string(),
        })
        .collect();
    let records = found.items.len() as u64;
    let mut waiting = Vec::new();
    for (file, offset, bytes) in &found.items {
        let at = |reason| BadRecord { file: name(file), offset: *offset, reason };
        let checked = wire::Item::decode(&bytes[..])
            .map_err(|error| error.to_string())
            .and_then(|item| Item::check(&item, &charter).map_err(|refusal| refusal.to_string()));
        match checked {
            Err(reason) => bad.push(at(reason)),
            Ok(item) => match ledger.apply(item.clone(), END_OF_TIME_MS).verdict {
                credits::Verdict::Refused(refusal) => bad.push(at(refusal.to_string())),
                credits::Verdict::Pending => {
                    waiting.push((item, at("something that it names is not in the log".to_owned())));
                }
                credits::Verdict::New | credits::Verdict::Duplicate => {}
            },
        }
    }
    // What was repaired from a peer stands behind what names it.
    bad.extend(waiting.into_iter().filter(|(item, _)| !ledger.contains(item)).map(|(_, record)| record));
    let accounts: Vec<_> = ledger.accounts().collect();
    let receipts = accounts.iter().map(|account| ledger.chain(account).len() as u64).sum();
    bad.sort_by(|a, b| (&a.file, a.offset).cmp(&(&b.file, b.offset)));
    Verification {
        ok: bad.is_empty(),
        records,
        receipts,
        accounts: accounts.len() as u64,
        digest: HEXLOWER.encode(&ledger.digest()),
        first_bad: bad.into_iter().next(),
    }
}
