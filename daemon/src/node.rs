//! The node as a pure state machine: one input and the time in, effects out.
//!
//! No I/O, clock or randomness inside: time and a seed are arguments, effects are
//! carried out by [`crate::runtime`] alone, so that thousands of nodes run in one
//! test process in virtual time and every failure replays from its seed. Nothing
//! outside changes a node's state. Signing is deterministic, so the key lives here.

pub mod effect;
pub mod input;
pub mod message;

mod chain;
mod check;
mod claims;
mod earn;
mod founder;
mod memory;
mod money;
mod peers;
mod spend;
mod view;
mod work;

use std::sync::Arc;

use credits::vrf::VrfKey;
use credits::{Charter, ClaimTerms, Item, Ledger};
use ed25519_dalek::SigningKey;
use proto::ids::{AccountId, ReceiptId};
use proto::sign::account_of;

use effect::{Effect, GossipVerdict, JournalKind, LocalRefusal, Note};
use input::{GossipToken, Input, LocalOrder};

pub use chain::Signing;
pub use earn::NotEarning;
pub use memory::encode_item;
pub use view::{CheckedNow, ConnectedPeer, Snapshot};
pub use work::state_file;

/// Who this node is.
pub struct Keys {
    signing: SigningKey,
    vrf: VrfKey,
    account: AccountId,
}

impl Keys {
    /// Everything follows from the 32-byte seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let signing = SigningKey::from_bytes(seed);
        Self { vrf: VrfKey::from_seed(seed), account: account_of(&signing), signing }
    }

    /// The account of a seed.
    pub fn account_of(seed: &[u8; 32]) -> AccountId {
        account_of(&SigningKey::from_bytes(seed))
    }

    /// The account, which is also the node's name.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// The key that signs.
    pub fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// The key that draws.
    pub fn vrf(&self) -> &VrfKey {
        &self.vrf
    }
}

/// What a node is told once.
#[derive(Clone)]
pub struct Settings {
    /// Run trials while the device is free.
    pub earns: bool,
    /// Seed of the choices that nobody verifies: which recipe, which peer.
    pub choices: [u8; 32],
    /// UDP port of the blob endpoint, for the greeting.
    pub blob_port: u16,
    /// Version for the greeting.
    pub version: String,
    /// How long to wait for somebody who knows the own head before signing anyway.
    pub head_wait_ms: u64,
    /// A deliberate defect, for the drills of the simulator.
    pub defect: Defect,
}

/// A deliberate defect that the simulator must catch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Defect {
    /// None.
    #[default]
    None,
    /// Receipts leave without having been journalled.
    NoJournal,
    /// A defect of the ledger's rules.
    Ledger(credits::Sabotage),
}

/// The state of one node. See the module's description.
pub struct Node {
    charter: Arc<Charter>,
    keys: Keys,
    settings: Settings,
    ledger: Ledger,
    now_ms: u64,
    chain: chain::OwnChain,
    peers: peers::Peers,
    worker: work::Worker,
    earn: earn::Earn,
    claims: claims::OwnClaims,
    checks: check::Checks,
    founder: founder::Founder,
    money: money::Money,
    effects: Vec<Effect>,
}

impl Node {
    /// A node with what its disk kept: the log's items and the journal's records.
    ///
    /// Records that do not decode are skipped: the store has compared their checksums,
    /// so such a record was written by another version.
    pub fn new(
        charter: Arc<Charter>,
        terms: Arc<dyn ClaimTerms>,
        keys: Keys,
        settings: Settings,
        kept: Kept,
        now_ms: u64,
    ) -> Self {
        let ledger = match settings.defect {
            Defect::None | Defect::NoJournal => Ledger::new(Arc::clone(&charter), terms),
            Defect::Ledger(sabotage) => Ledger::sabotaged(Arc::clone(&charter), terms, sabotage),
        };
        let mut node = Self {
            chain: chain::OwnChain::new(now_ms + settings.head_wait_ms),
            peers: peers::Peers::default(),
            worker: work::Worker::default(),
            earn: earn::Earn::default(),
            claims: claims::OwnClaims::default(),
            checks: check::Checks::default(),
            founder: founder::Founder::default(),
            money: money::Money::default(),
            effects: Vec::new(),
            charter,
            keys,
            settings,
            ledger,
            now_ms,
        };
        node.restore(kept);
        node
    }

    /// Takes one input and returns what must be done, in order.
    pub fn handle(&mut self, input: Input, now_ms: u64) -> Vec<Effect> {
        self.now_ms = now_ms.max(self.now_ms);
        match input {
            Input::Tick => self.tick(),
            Input::PeerUp(peer) => self.peer_up(peer),
            Input::PeerDown(peer) => self.peer_down(peer),
            Input::Gossip { token, items } => self.gossip_came(token, items),
            Input::Ask { token, from, ask } => self.peer_asks(token, from, ask),
            Input::Answer { token, from, answer } => self.peer_answers(token, from, answer),
            Input::Worker(report) => self.worker_reports(report),
            Input::Blob { hash, stored } => self.blob_came(hash, stored),
            Input::DeviceFree(free) => self.device_free(free),
            Input::Local { token, order } => {
                let outcome = self.local_order(order);
                self.effects.push(Effect::Reply { token, outcome });
            }
            Input::Disk(state) => self.chain.disk(state),
        }
        self.progress();
        std::mem::take(&mut self.effects)
    }

    /// The ledger, to look at.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The rules of the swarm.
    pub fn charter(&self) -> &Charter {
        &self.charter
    }

    /// The own account.
    pub fn account(&self) -> AccountId {
        self.keys.account
    }

    fn epoch(&self) -> u64 {
        self.charter.epoch_at(self.now_ms)
    }

    /// How long to wait before asking the same again.
    fn retry_ms(&self) -> u64 {
        self.charter.rules.epoch_ms.clamp(500, 10_000)
    }

    fn note(&mut self, note: Note) {
        self.effects.push(Effect::Note(note));
    }

    fn journal(&mut self, kind: JournalKind, bytes: Vec<u8>) {
        self.effects.push(Effect::Journal { kind, bytes });
    }

    fn tick(&mut self) {
        let ripe = self.ledger.expire_pending(self.now_ms);
        self.absorb(ripe);
        self.peers_tick();
        self.chain_tick();
        self.checks_tick();
        self.money_tick();
    }

    /// Moves on whatever can move after any input.
    fn progress(&mut self) {
        self.claims_progress();
        self.checks_progress();
        self.pump_worker();
    }

    fn gossip_came(&mut self, token: GossipToken, items: Vec<Item>) {
        let verdict = if self.ingest(items) { GossipVerdict::Accept } else { GossipVerdict::Ignore };
        self.effects.push(Effect::Verdict { token, verdict });
    }

    /// Applies items; true if the set grew.
    fn ingest(&mut self, items: Vec<Item>) -> bool {
        let mut grown = Vec::new();
        for item in items {
            // Whatever the ledger refuses or cannot complete yet is not spread further
            // and not held against the sender: both depend on what this node has seen.
            grown.extend(self.ledger.apply(item, self.now_ms).applied);
        }
        self.absorb(grown)
    }

    /// Keeps and reacts to what became part of the set; true if anything did.
    fn absorb(&mut self, grown: Vec<Item>) -> bool {
        if grown.is_empty() {
            return false;
        }
        self.effects.push(Effect::Persist(grown.clone()));
        let forks: Vec<Item> = grown.iter().filter(|item| matches!(item, Item::Fork(_))).cloned().collect();
        if !forks.is_empty() {
            self.effects.push(Effect::Gossip(forks));
        }
        grown.iter().for_each(|item| self.applied(item));
        true
    }

    fn applied(&mut self, item: &Item) {
        match item {
            Item::Receipt(receipt) => self.receipt_applied(receipt),
            Item::Draw(draw) => {
                self.note(Note::Drawn { claim: draw.claim });
                self.consider_duty(draw.claim);
            }
            Item::Anchor(_) => {}
            Item::Fork(proof) => self.note(Note::Fork { account: proof.account() }),
        }
    }

    fn local_order(&mut self, order: LocalOrder) -> Result<Option<ReceiptId>, LocalRefusal> {
        match order {
            LocalOrder::Hold { payee, job, amount, per_segment, expiry_epoch } => {
                let hold = credits::Hold { payee, job, amount, per_segment, expiry_epoch };
                self.sign(credits::Body::Hold(hold)).map(Some)
            }
            LocalOrder::Pay { hold, cumulative, segment } => self.pay(hold, cumulative, segment),
            LocalOrder::Settle { hold } => self.settle(hold).map(Some),
        }
    }
}

/// What a node's disk kept.
#[derive(Debug, Default)]
pub struct Kept {
    /// Items of the log, checked, in the order of writing.
    pub items: Vec<Item>,
    /// Records of the journal, in the order of writing.
    pub journal: Vec<(JournalKind, Vec<u8>)>,
}
