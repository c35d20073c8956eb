//! The simulated world: time, links, disks and workers of all nodes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};
use std::sync::Arc;

use credits::{Charter, ClaimTerms, Item};
use daemon::node::effect::{Effect, GossipVerdict, JournalKind, Note};
use daemon::node::input::{AskToken, GossipToken, Input, LocalToken, ReplyToken, WorkerReport};
use daemon::node::message::{Answer, Ask, NoAnswer};
use daemon::node::{Defect, Kept, Keys, Node, Settings};
use jobs::counter_rng::{self, Stream};
use proto::ids::{AccountId, BlobHash};
use proto::wire::worker::Order;

use crate::faults::Faults;
use crate::worker::{self, Honesty};

/// Milliseconds between two ticks of a node.
const TICK_MS: u64 = 1000;

/// What one run had, summed over seeds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    pub messages: u64,
    pub dropped: u64,
    pub duplicated: u64,
    pub delayed: u64,
    pub partitions_healed: u64,
    pub crashes: u64,
    pub forks: u64,
    pub claims: u64,
    pub refuted: u64,
    pub mints: u64,
    pub holds_settled: u64,
    pub holds_released: u64,
    pub receipts: u64,
    pub receipts_fewest: u64,
}

impl Counts {
    /// Adds one seed's counts.
    pub(crate) fn add(&mut self, other: &Self) {
        let sums = [
            (&mut self.messages, other.messages),
            (&mut self.dropped, other.dropped),
            (&mut self.duplicated, other.duplicated),
            (&mut self.delayed, other.delayed),
            (&mut self.partitions_healed, other.partitions_healed),
            (&mut self.crashes, other.crashes),
            (&mut self.forks, other.forks),
            (&mut self.claims, other.claims),
            (&mut self.refuted, other.refuted),
            (&mut self.mints, other.mints),
            (&mut self.holds_settled, other.holds_settled),
            (&mut self.holds_released, other.holds_released),
        ];
        for (sum, more) in sums {
            *sum += more;
        }
        let fewest = if self.receipts == 0 { u64::MAX } else { self.receipts_fewest };
        self.receipts_fewest = fewest.min(other.receipts);
        self.receipts += other.receipts;
    }

    /// What must not be zero, by name.
    pub(crate) fn rows(&self) -> [(&'static str, u64); 10] {
        [
            ("messages dropped", self.dropped),
            ("messages duplicated", self.duplicated),
            ("messages delayed", self.delayed),
            ("partitions healed", self.partitions_healed),
            ("crashes", self.crashes),
            ("forks", self.forks),
            ("claims refuted", self.refuted),
            ("mints", self.mints),
            ("holds settled", self.holds_settled),
            ("holds released", self.holds_released),
        ]
    }
}

/// A message between two nodes.
#[derive(Clone)]
pub(crate) enum Message {
    Gossip { id: u64, items: Arc<[Item]> },
    Ask { token: AskToken, ask: Box<Ask> },
    Answer { token: AskToken, answer: Box<Result<Answer, NoAnswer>> },
}

/// Something due at a time.
pub(crate) enum Event {
    Deliver { from: usize, to: usize, message: Message },
    Tick(usize),
    Worker { node: usize, life: u32, report: WorkerReport },
    Blob { node: usize, life: u32, hash: BlobHash, from: usize },
    Flush(usize),
    Restart(usize),
    Scripted(u32),
}

/// What survives a crash, and what does not.
#[derive(Default)]
pub(crate) struct Disk {
    pub log: Vec<Item>,
    pub unsynced: Vec<Item>,
    pub journal: Vec<(JournalKind, Vec<u8>)>,
}

/// One simulated machine.
pub(crate) struct Machine {
    pub seed: [u8; 32],
    pub node: Option<Node>,
    pub disk: Disk,
    pub blobs: BTreeSet<BlobHash>,
    pub honesty: Honesty,
    pub earns: bool,
    /// Connected peers.
    pub links: BTreeSet<usize>,
    /// Those of them to whom bundles are flooded.
    pub mesh: BTreeSet<usize>,
    pub life: u32,
    seen: HashSet<u64>,
    gossip: BTreeMap<GossipToken, (u64, usize, Arc<[Item]>)>,
}

/// Everything. Time is virtual; chance comes from one seed.
pub(crate) struct World {
    pub now_ms: u64,
    pub machines: Vec<Machine>,
    pub counts: Counts,
    pub faults: Faults,
    pub accounts: Vec<AccountId>,
    by_account: HashMap<AccountId, usize>,
    pub refuted: BTreeSet<proto::ids::ReceiptId>,
    charter: Arc<Charter>,
    terms: Arc<dyn ClaimTerms>,
    defect: Defect,
    chance: Stream,
    queue: Queue,
    replies: BTreeMap<ReplyToken, (usize, AskToken)>,
    checked: HashSet<[u8; 32]>,
}

/// Events by time, then in the order in which they were made.
#[derive(Default)]
struct Queue {
    order: BinaryHeap<Reverse<(u64, u64)>>,
    events: HashMap<u64, Event>,
    made: u64,
}

impl World {
    pub(crate) fn new(charter: Arc<Charter>, machines: Vec<Machine>, seed: u64, defect: Defect) -> Self {
        let account = |machine: &Machine| Keys::from_seed(&machine.seed).account();
        let accounts: Vec<AccountId> = machines.iter().map(account).collect();
        let by_account = accounts.iter().enumerate().map(|(index, account)| (*account, index)).collect();
        let chance_seed = *blake3::hash(&seed.to_le_bytes()).as_bytes();
        let mut world = Self {
            now_ms: charter.rules.start_ms,
            machines,
            counts: Counts::default(),
            faults: Faults::default(),
            accounts,
            by_account,
            refuted: BTreeSet::new(),
            terms: Arc::new(jobs::terms::Tracks::builtin()),
            charter,
            defect,
            chance: counter_rng::stream(&chance_seed, "swarm simulation", 0),
            queue: Queue::default(),
            replies: BTreeMap::new(),
            checked: HashSet::new(),
        };
        for index in 0..world.machines.len() {
            world.at(0, Event::Restart(index));
            let first = world.below(TICK_MS);
            world.at(first, Event::Tick(index));
        }
        world
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        counter_rng::below(self.chance.next().expect("the stream is endless"), end)
    }

    /// True `thousandths` times of a thousand.
    pub(crate) fn happens(&mut self, thousandths: u64) -> bool {
        self.below(1000) < thousandths
    }

    /// Lets an event happen in `delay_ms`.
    pub(crate) fn at(&mut self, delay_ms: u64, event: Event) {
        let made = self.queue.made;
        self.queue.made += 1;
        self.queue.order.push(Reverse((self.now_ms + delay_ms, made)));
        self.queue.events.insert(made, event);
    }

    /// The next scripted event, with everything before it done; `None` at the end.
    pub(crate) fn run_until(&mut self, end_ms: u64) -> Option<u32> {
        while let Some(Reverse((time, made))) = self.queue.order.peek().copied() {
            if time > end_ms {
                return None;
            }
            self.queue.order.pop();
            self.now_ms = time;
            match self.queue.events.remove(&made).expect("every queued number has an event") {
                Event::Scripted(what) => return Some(what),
                event => self.happen(event),
            }
        }
        None
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver { from, to, message } => self.deliver(from, to, message),
            Event::Tick(node) => {
                self.at(TICK_MS, Event::Tick(node));
                self.input(node, Input::Tick);
            }
            Event::Worker { node, life, report } if life == self.machines[node].life => {
                self.input(node, Input::Worker(report));
            }
            Event::Blob { node, life, hash, from } if life == self.machines[node].life => {
                let stored = self.machines[from].node.is_some()
                    && self.machines[from].blobs.contains(&hash)
                    && !self.faults.separates(node, from);
                if stored {
                    self.machines[node].blobs.insert(hash);
                }
                self.input(node, Input::Blob { hash, stored });
            }
            Event::Worker { .. } | Event::Blob { .. } => {}
            Event::Flush(node) => {
                let disk = &mut self.machines[node].disk;
                disk.log.append(&mut disk.unsynced);
            }
            Event::Restart(node) => self.start(node),
            Event::Scripted(_) => unreachable!("scripted events end the loop"),
        }
    }

    fn start(&mut self, index: usize) {
        let machine = &mut self.machines[index];
        if machine.node.is_some() {
            return;
        }
        machine.life += 1;
        let kept = Kept { items: machine.disk.log.clone(), journal: machine.disk.journal.clone() };
        let settings = Settings {
            earns: machine.earns,
            choices: *blake3::hash(&machine.seed).as_bytes(),
            blob_port: 0,
            version: "simulated".to_owned(),
            head_wait_ms: 10_000,
            defect: self.defect,
        };
        let keys = Keys::from_seed(&machine.seed);
        let node =
            Node::new(Arc::clone(&self.charter), Arc::clone(&self.terms), keys, settings, kept, self.now_ms);
        let account = node.account();
        machine.node = Some(node);
        let links: Vec<usize> = machine.links.iter().copied().collect();
        let life = machine.life;
        let ready = WorkerReport::Ready { class: worker::CLASS, device: "script".to_owned() };
        self.at(10, Event::Worker { node: index, life, report: ready });
        self.input(index, Input::DeviceFree(true));
        for other in links {
            if let Some(node) = &self.machines[other].node {
                let peer = node.account();
                self.input(index, Input::PeerUp(peer));
                self.input(other, Input::PeerUp(account));
            }
        }
    }

    /// Ends a node's process; what was not synced is lost from some point on.
    pub(crate) fn crash(&mut self, index: usize, down_ms: u64) {
        let Some(node) = self.machines[index].node.take() else { return };
        self.counts.crashes += 1;
        let kept = usize::try_from(self.below(self.machines[index].disk.unsynced.len() as u64 + 1)).unwrap();
        let disk = &mut self.machines[index].disk;
        disk.unsynced.truncate(kept);
        disk.log.append(&mut disk.unsynced);
        let links: Vec<usize> = self.machines[index].links.iter().copied().collect();
        for other in links {
            self.input(other, Input::PeerDown(node.account()));
        }
        self.at(down_ms, Event::Restart(index));
    }

    /// Hands an input to a running node and carries its effects out.
    pub(crate) fn input(&mut self, index: usize, input: Input) {
        let now_ms = self.now_ms;
        let Some(node) = self.machines[index].node.as_mut() else { return };
        for effect in node.handle(input, now_ms) {
            if self.machines[index].node.is_none() {
                return;
            }
            self.carry_out(index, effect);
        }
    }

    fn carry_out(&mut self, index: usize, effect: Effect) {
        let life = self.machines[index].life;
        match effect {
            Effect::Journal { kind, bytes } => self.machines[index].disk.journal.push((kind, bytes)),
            Effect::Persist(items) => {
                self.machines[index].disk.unsynced.extend(items);
                let delay = self.below(3000);
                self.at(delay, Event::Flush(index));
            }
            Effect::Verdict { token, verdict } => {
                let Some((id, from, items)) = self.machines[index].gossip.remove(&token) else { return };
                if verdict == GossipVerdict::Accept {
                    self.flood(index, Some(from), id, items);
                }
            }
            Effect::Gossip(items) => {
                self.queue.made += 1;
                let id = self.queue.made;
                self.machines[index].seen.insert(id);
                self.flood(index, None, id, items.into());
                if self.faults.crashes_after_signing() && self.happens(15) {
                    let down = 50 + self.below(4000);
                    self.crash(index, down);
                }
            }
            Effect::Ask { to, token, ask } => {
                let to = self.by_account[&to];
                self.send(index, to, Message::Ask { token, ask: Box::new(ask) });
            }
            Effect::Answer { token, answer } => {
                let Some((to, token)) = self.replies.remove(&token) else { return };
                self.send(index, to, Message::Answer { token, answer: Box::new(Ok(answer)) });
            }
            Effect::Work { order, needs: _ } => self.work(index, &order),
            Effect::StopWorker => {}
            Effect::Keep { file: _, hash } => {
                self.machines[index].blobs.insert(hash);
            }
            Effect::Fetch { hash, from } => {
                let from = self.by_account[&from];
                let delay = 50 + self.below(500);
                self.at(delay, Event::Blob { node: index, life, hash, from });
            }
            Effect::Forget(hash) => {
                self.machines[index].blobs.remove(&hash);
            }
            Effect::Reply { .. } => {}
            Effect::Note(note) => self.noted(note),
        }
    }

    fn noted(&mut self, note: Note) {
        if let Note::Refuted { claim, by: _ } = note {
            self.refuted.insert(claim);
        }
    }

    fn work(&mut self, index: usize, order: &Order) {
        let machine = &self.machines[index];
        let (life, honesty) = (machine.life, machine.honesty);
        let is_there = worker::needed(order).is_none_or(|hash| machine.blobs.contains(&hash));
        let reports = if is_there {
            worker::carry_out(order, honesty)
        } else {
            vec![WorkerReport::Failed("a needed state is not in the store".to_owned())]
        };
        let mut delay = 200;
        for report in reports {
            delay += self.below(300);
            self.at(delay, Event::Worker { node: index, life, report });
        }
    }

    /// Floods a bundle; every item's signatures are checked once in the whole world.
    pub(crate) fn flood(&mut self, index: usize, except: Option<usize>, id: u64, items: Arc<[Item]>) {
        for item in items.iter() {
            if self.checked.insert(item.key()) {
                Item::check(&item.to_wire(), &self.charter).expect("nodes flood only what passes its check");
            }
        }
        let mesh: Vec<usize> = self.machines[index].mesh.iter().copied().collect();
        for to in mesh.into_iter().filter(|to| Some(*to) != except) {
            self.send(index, to, Message::Gossip { id, items: Arc::clone(&items) });
        }
    }

    fn send(&mut self, from: usize, to: usize, message: Message) {
        self.counts.messages += 1;
        if self.faults.separates(from, to) || self.happens(self.faults.loss) {
            self.counts.dropped += 1;
            return;
        }
        let mut delay = 10 + self.below(90);
        if self.happens(self.faults.slow) {
            self.counts.delayed += 1;
            delay += self.below(6000);
        }
        if self.happens(self.faults.twice) {
            self.counts.duplicated += 1;
            let later = delay + self.below(3000);
            self.at(later, Event::Deliver { from, to, message: message.clone() });
        }
        self.at(delay, Event::Deliver { from, to, message });
    }

    fn deliver(&mut self, from: usize, to: usize, message: Message) {
        if self.machines[to].node.is_none() {
            if let Message::Ask { token, .. } = message {
                let answer = Box::new(Err(NoAnswer::Unreachable));
                self.at(
                    100,
                    Event::Deliver { from: to, to: from, message: Message::Answer { token, answer } },
                );
            }
            return;
        }
        self.queue.made += 1;
        let unique = self.queue.made;
        let sender = self.accounts[from];
        match message {
            Message::Gossip { id, items } => {
                if !self.machines[to].seen.insert(id) {
                    return;
                }
                let token = GossipToken(unique);
                self.machines[to].gossip.insert(token, (id, from, Arc::clone(&items)));
                self.input(to, Input::Gossip { token, items: items.to_vec() });
            }
            Message::Ask { token, ask } => {
                let reply = ReplyToken(unique);
                self.replies.insert(reply, (from, token));
                self.input(to, Input::Ask { token: reply, from: sender, ask: *ask });
            }
            Message::Answer { token, answer } => {
                self.input(to, Input::Answer { token, from: sender, answer: *answer });
            }
        }
    }

    /// Hands a local order to a node.
    pub(crate) fn order(&mut self, index: usize, order: daemon::node::input::LocalOrder) {
        self.queue.made += 1;
        let token = LocalToken(self.queue.made);
        self.input(index, Input::Local { token, order });
    }

    /// Floods items from a machine's place in the network as if its node had made them.
    pub(crate) fn inject(&mut self, index: usize, items: Vec<Item>, only_to: &[usize]) {
        self.queue.made += 1;
        let id = self.queue.made;
        let items: Arc<[Item]> = items.into();
        for to in only_to {
            self.send(index, *to, Message::Gossip { id, items: Arc::clone(&items) });
        }
    }
}

impl Machine {
    pub(crate) fn new(seed: [u8; 32], honesty: Honesty, earns: bool) -> Self {
        Self {
            seed,
            node: None,
            disk: Disk::default(),
            blobs: BTreeSet::new(),
            honesty,
            earns,
            links: BTreeSet::new(),
            mesh: BTreeSet::new(),
            life: 0,
            seen: HashSet::new(),
            gossip: BTreeMap::new(),
        }
    }
}
