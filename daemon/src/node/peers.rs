//! Connected peers: greeting, asking, and repairing by exchange of heads.

use std::collections::BTreeMap;

use credits::Ucr;
use jobs::counter_rng;
use proto::ids::{AccountId, ReceiptId};
use proto::limits::{HEADS_MAX, RESPONSE_ITEMS_BYTES_MAX};
use proto::wire::sync::Head;
use proto::wire::sync::refused::Reason;

use super::Node;
use super::effect::Effect;
use super::input::{AskToken, ReplyToken};
use super::message::{Answer, Ask, Greeting, NoAnswer};
use super::view::ConnectedPeer;

/// An answer that has not come by then does not come: twice the carrier's own limit.
const ANSWER_WAIT_MS: u64 = 20_000;

/// Asks under way; above it the oldest is given up.
const ASKS_MAX: usize = 1024;

/// Longest pause between two exchanges of heads.
const SYNC_EVERY_MS_MAX: u64 = 60_000;

/// Why something was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Hello,
    OwnHead,
    Sync,
    Share(ReceiptId),
    Anchor,
    Check(ReceiptId),
    Voucher(ReceiptId, Ucr),
}

#[derive(Debug, Default)]
struct Peer {
    /// Its clock minus ours when it greeted.
    clock_ahead_ms: Option<i64>,
    version: String,
}

#[derive(Debug)]
struct Pending {
    purpose: Purpose,
    to: AccountId,
    since_ms: u64,
}

/// Who is connected, and what was asked of them.
#[derive(Debug, Default)]
pub(super) struct Peers {
    connected: BTreeMap<AccountId, Peer>,
    asked: BTreeMap<AskToken, Pending>,
    tokens: u64,
    next_sync_ms: u64,
}

impl Peers {
    pub(super) fn is_connected(&self, account: &AccountId) -> bool {
        self.connected.contains_key(account)
    }

    pub(super) fn connected(&self) -> impl Iterator<Item = AccountId> + '_ {
        self.connected.keys().copied()
    }

    pub(super) fn views(&self) -> Vec<ConnectedPeer> {
        let view = |(account, peer): (&AccountId, &Peer)| ConnectedPeer {
            account: *account,
            version: peer.clock_ahead_ms.map(|_| peer.version.clone()),
            clock_ahead_ms: peer.clock_ahead_ms,
        };
        self.connected.iter().map(view).collect()
    }

    /// Whether the median of the peers' clocks is more than an epoch from ours.
    pub(super) fn clock_is_off(&self, epoch_ms: u64) -> bool {
        let mut ahead: Vec<i64> = self.connected.values().filter_map(|peer| peer.clock_ahead_ms).collect();
        ahead.sort_unstable();
        ahead.get(ahead.len() / 2).is_some_and(|median| median.unsigned_abs() > epoch_ms)
    }

    fn is_asked(&self, purpose: Purpose, to: &AccountId) -> bool {
        self.asked.values().any(|pending| pending.purpose == purpose && pending.to == *to)
    }
}

impl Node {
    /// Asks, unless the same peer has the same question already.
    pub(super) fn ask(&mut self, to: AccountId, purpose: Purpose, ask: Ask) {
        if self.peers.is_asked(purpose, &to) {
            return;
        }
        if self.peers.asked.len() >= ASKS_MAX {
            self.peers.asked.pop_first();
        }
        let token = AskToken(self.peers.tokens);
        self.peers.tokens += 1;
        self.peers.asked.insert(token, Pending { purpose, to, since_ms: self.now_ms });
        self.effects.push(Effect::Ask { to, token, ask });
    }

    pub(super) fn peer_up(&mut self, peer: AccountId) {
        self.peers.connected.entry(peer).or_default();
        let greeting = self.greeting();
        self.ask(peer, Purpose::Hello, Ask::Hello(greeting));
    }

    pub(super) fn peer_down(&mut self, peer: AccountId) {
        self.peers.connected.remove(&peer);
        self.peers.asked.retain(|_, pending| pending.to != peer);
    }

    pub(super) fn peers_tick(&mut self) {
        let now_ms = self.now_ms;
        self.peers.asked.retain(|_, pending| now_ms < pending.since_ms + ANSWER_WAIT_MS);
        if now_ms < self.peers.next_sync_ms {
            return;
        }
        self.peers.next_sync_ms = now_ms + self.charter.rules.epoch_ms.min(SYNC_EVERY_MS_MAX);
        let peers: Vec<AccountId> = self.peers.connected().collect();
        let choice = counter_rng::bits(&self.settings.choices, "sync peer", now_ms);
        let index = usize::try_from(counter_rng::below(choice, peers.len() as u64)).unwrap_or(0);
        if let Some(peer) = peers.get(index) {
            // The answer to a greeting tells the clock again, and is followed by the heads.
            let greeting = self.greeting();
            self.ask(*peer, Purpose::Hello, Ask::Hello(greeting));
        }
    }

    fn sync_with(&mut self, peer: AccountId) {
        let heads = self.ledger.summary(HEADS_MAX);
        self.ask(peer, Purpose::Sync, Ask::Heads(heads));
    }

    /// While waiting to sign: what does the peer know of the own chain beyond our head?
    fn ask_own_head(&mut self, peer: AccountId) {
        if !self.waits_for_head() {
            return;
        }
        let account = self.keys.account;
        let from_seq = self.ledger.head(&account).map_or(0, |head| head.seq) + 1;
        self.ask(peer, Purpose::OwnHead, Ask::Range { account, from_seq });
    }

    fn greeting(&self) -> Greeting {
        Greeting {
            swarm: self.charter.id,
            version: self.settings.version.clone(),
            clock_ms: self.now_ms,
            blob_port: self.settings.blob_port,
        }
    }

    pub(super) fn peer_asks(&mut self, token: ReplyToken, from: AccountId, ask: Ask) {
        let answer = match ask {
            Ask::Hello(greeting) if greeting.swarm != self.charter.id => Answer::Refused(Reason::OtherSwarm),
            Ask::Hello(greeting) => {
                self.greeted(from, greeting);
                Answer::Hello(self.greeting())
            }
            Ask::Heads(heads) => self.items_lacking(&heads),
            Ask::Range { account, from_seq } => {
                let (items, more) = self.ledger.range(&account, from_seq, RESPONSE_ITEMS_BYTES_MAX);
                Answer::Items { items, more }
            }
            Ask::Draw { claim, items } => self.share_asked(claim, items),
            Ask::Anchor { seq, id, items } => self.anchor_asked(from, seq, id, items),
            Ask::Check { claim, draw, segment } if self.charter.serves(&from, &self.keys.account) => {
                self.claims.open(from, &claim, &draw, segment)
            }
            Ask::Check { .. } => Answer::Refused(Reason::NotAllowed),
            Ask::Voucher(voucher) => self.voucher_came(from, *voucher),
        };
        self.effects.push(Effect::Answer { token, answer });
    }

    fn items_lacking(&self, heads: &[Head]) -> Answer {
        let (items, more) = self.ledger.missing_from(heads, RESPONSE_ITEMS_BYTES_MAX, self.now_ms);
        Answer::Items { items, more }
    }

    fn greeted(&mut self, from: AccountId, greeting: Greeting) {
        let ahead = i128::from(greeting.clock_ms) - i128::from(self.now_ms);
        let clock_ahead_ms = i64::try_from(ahead).unwrap_or(i64::MAX);
        if let Some(peer) = self.peers.connected.get_mut(&from) {
            *peer = Peer { clock_ahead_ms: Some(clock_ahead_ms), version: greeting.version };
        }
    }

    pub(super) fn peer_answers(
        &mut self,
        token: AskToken,
        from: AccountId,
        answer: Result<Answer, NoAnswer>,
    ) {
        let Some(pending) = self.peers.asked.remove(&token).filter(|pending| pending.to == from) else {
            return;
        };
        match (pending.purpose, answer) {
            (Purpose::Hello, Ok(Answer::Hello(greeting))) if greeting.swarm == self.charter.id => {
                self.greeted(from, greeting);
                self.ask_own_head(from);
                self.sync_with(from);
            }
            (Purpose::OwnHead, Ok(Answer::Items { items, more })) => {
                let grown = self.ingest(items);
                if !more {
                    self.head_is_known();
                } else if grown {
                    self.ask_own_head(from);
                }
            }
            (Purpose::Sync, Ok(Answer::Items { items, more })) => {
                if self.ingest(items) && more {
                    self.sync_with(from);
                }
            }
            (Purpose::Share(claim), Ok(Answer::Share(share))) => self.share_came(claim, from, &share),
            (Purpose::Anchor, Ok(Answer::Anchor(anchor))) => self.anchor_came(anchor),
            (Purpose::Check(claim), Ok(Answer::Check(opening))) => self.opening_came(claim, *opening),
            // A refusal, silence, or an answer to another question: ask again when it
            // is time, as every asker does.
            (_, Ok(_) | Err(NoAnswer::Unreachable | NoAnswer::Malformed(_))) => {}
        }
    }
}
