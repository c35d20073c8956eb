//! One run: who takes part, and what happens when.

use std::collections::BTreeSet;
use std::sync::Arc;

use credits::vrf::VrfKey;
use credits::{Body, Charter, Delays, Founder, Hold, Item, Rules, Settle, Ucr, Voting};
use daemon::node::Defect;
use daemon::node::Keys;
use daemon::node::input::{GossipToken, Input, LocalOrder, ReplyToken, WorkerReport};
use daemon::node::message::Ask;
use ed25519_dalek::SigningKey;
use proto::ids::{JobId, ReceiptId};

use crate::checkers;
use crate::faults::Faults;
use crate::network::{Counts, Event, Machine, World};
use crate::worker::{CLASS, Honesty};

const NODES: usize = 50;
const FOUNDERS: usize = 5;

/// Machines `FOUNDERS..EARNERS_END` run trials honestly, the next two lie.
const EARNERS_END: usize = FOUNDERS + 7;

/// The two liars.
pub(crate) const LIARS: [usize; 2] = [EARNERS_END, EARNERS_END + 1];

/// An earner that shows two receipts at one position.
pub(crate) const FORGER: usize = EARNERS_END - 1;

/// Holds that are opened, one by each honest earner in turn.
const HOLDS: u32 = 12;

const START_MS: u64 = 1_700_000_000_000;

const STOP_EARNING: u32 = 1;
const PARTITION: u32 = 2;
const HEAL: u32 = 3;
const CRASH: u32 = 4;
const FORK: u32 = 5;
const CALM: u32 = 6;
const HOLD: u32 = 100;
const PAY: u32 = 200;
const SETTLE: u32 = 300;
const SETTLE_AGAIN: u32 = 400;

fn machine_seed(seed: u64, index: usize) -> [u8; 32] {
    *blake3::hash(&[&seed.to_le_bytes()[..], &(index as u64).to_le_bytes()].concat()).as_bytes()
}

fn charter(seed: u64, founders: usize, threshold: u32) -> Charter {
    let founders = (0..founders).map(|index| machine_seed(seed, index));
    let rules = Rules {
        name: "simulated".to_owned(),
        start_ms: START_MS,
        epoch_ms: 10_000,
        founders: founders
            .map(|seed| Founder {
                account: Keys::from_seed(&seed).account(),
                vrf_key: VrfKey::from_seed(&seed).public(),
            })
            .collect(),
        threshold,
        voting: Voting {
            founder_weight: 1_000_000_000_000,
            votes_expected: 6,
            votes_expected_dispute: 16,
            confirmations: 2,
        },
        segments: 8,
        delays: Delays { vest_epochs: 3, season_epochs: 1, grace_epochs: 24 },
        tracks: vec![jobs::Track::r11().id()],
        bootstrap: Vec::new(),
    };
    let file = rules.sign(&SigningKey::from_bytes(&machine_seed(seed, 0))).expect("the rules are in bounds");
    Charter::from_bytes(&file).expect("a signed charter reads back")
}

fn machines(seed: u64) -> Vec<Machine> {
    let mut machines: Vec<Machine> = (0..NODES)
        .map(|index| {
            let honesty = match index {
                _ if index == LIARS[0] => Honesty::OtherSeed,
                _ if index == LIARS[1] => Honesty::BetterMetric,
                _ => Honesty::Honest,
            };
            let earns = (FOUNDERS..EARNERS_END).contains(&index) || LIARS.contains(&index);
            Machine::new(machine_seed(seed, index), honesty, earns)
        })
        .collect();
    // A ring with two chords each for gossip; everybody is connected to the founders.
    for index in 0..NODES {
        for step in [1, 7, 19] {
            let other = (index + step) % NODES;
            for (a, b) in [(index, other), (other, index)] {
                machines[a].mesh.insert(b);
                machines[a].links.insert(b);
            }
        }
        for founder in (0..FOUNDERS).filter(|founder| *founder != index) {
            machines[index].links.insert(founder);
            machines[founder].links.insert(index);
        }
    }
    machines
}

/// Runs one seed to its end and checks it.
pub(crate) fn run(seed: u64, defect: Defect) -> (Counts, Result<(), String>) {
    let charter = Arc::new(charter(seed, FOUNDERS, 3));
    let mut world = World::new(Arc::clone(&charter), machines(seed), seed, defect);
    world.faults = Faults::weather();
    schedule(&mut world);
    let mut script = Script { holds: vec![None; HOLDS as usize], forged: Vec::new() };
    let end_ms = START_MS + 420_000;
    while let Some(what) = world.run_until(end_ms) {
        script.step(&mut world, what);
    }
    let outcome = checkers::check(&mut world, &charter);
    (world.counts.clone(), outcome)
}

/// One node that founds a swarm alone: what it can spend after 200 seconds.
pub(crate) fn run_alone(seed: u64) -> Ucr {
    let charter = Arc::new(charter(seed, 1, 1));
    let machines = vec![Machine::new(machine_seed(seed, 0), Honesty::Honest, true)];
    let mut world = World::new(charter, machines, seed, Defect::None);
    let scripted = world.run_until(START_MS + 200_000);
    assert_eq!(scripted, None, "nothing is scripted here");
    let node = world.machines[0].node.as_ref().expect("nothing crashes here");
    node.ledger().balance(&world.accounts[0]).counted.spendable
}

fn schedule(world: &mut World) {
    world.at(45_000, Event::Scripted(STOP_EARNING));
    let from = 20_000 + world.below(100_000);
    let lasting = 10_000 + world.below(40_000);
    world.at(from, Event::Scripted(PARTITION));
    world.at(from + lasting, Event::Scripted(HEAL));
    for _ in 0..6 {
        let when = 10_000 + world.below(200_000);
        world.at(when, Event::Scripted(CRASH));
    }
    let fork = 150_000 + world.below(40_000);
    world.at(fork, Event::Scripted(FORK));
    for hold in 0..HOLDS {
        let when = 140_000 + world.below(60_000);
        world.at(when, Event::Scripted(HOLD + hold));
        for part in 0..3 {
            world.at(when + 3000 + part * 5000, Event::Scripted(PAY + hold));
        }
        world.at(when + 25_000, Event::Scripted(SETTLE + hold));
        world.at(when + 45_000, Event::Scripted(SETTLE_AGAIN + hold));
    }
    world.at(250_000, Event::Scripted(CALM));
}

/// A hold under way: payer, payee, id, amount, promised.
#[derive(Clone, Copy)]
struct OpenHold {
    payer: usize,
    payee: usize,
    id: ReceiptId,
    amount: u64,
    promised: u64,
}

struct Script {
    holds: Vec<Option<OpenHold>>,
    forged: Vec<ReceiptId>,
}

impl Script {
    fn step(&mut self, world: &mut World, what: u32) {
        match what {
            STOP_EARNING => {
                for index in 0..NODES {
                    world.machines[index].earns = false;
                    world.input(index, Input::DeviceFree(false));
                    // The machine goes on checking: only its own trials end.
                    let ready = WorkerReport::Ready { class: CLASS, device: "script".to_owned() };
                    world.input(index, Input::Worker(ready));
                }
            }
            PARTITION => {
                let side: BTreeSet<usize> = (0..NODES).filter(|_| world.happens(400)).collect();
                world.faults.partition(side);
            }
            HEAL => world.counts.partitions_healed += u64::from(world.faults.heal()),
            CRASH => {
                let index = usize::try_from(world.below(NODES as u64)).unwrap();
                let down = 100 + world.below(20_000);
                world.crash(index, down);
            }
            FORK => self.fork(world),
            CALM => world.faults = Faults::default(),
            _ => self.money(world, what),
        }
    }

    fn money(&mut self, world: &mut World, what: u32) {
        let index = (what % 100) as usize;
        match what - what % 100 {
            HOLD => self.holds[index] = open_hold(world, index),
            PAY => {
                let Some(hold) = self.holds[index].as_mut() else { return };
                // Every fourth hold is never paid: it must come back by its expiry.
                if index % 4 == 3 {
                    return;
                }
                hold.promised = (hold.promised + hold.amount / 4).max(1);
                let cumulative = Ucr::new(hold.promised);
                let order = LocalOrder::Pay { hold: hold.id, cumulative, segment: 1 };
                world.order(hold.payer, order);
            }
            SETTLE => {
                let Some(hold) = self.holds[index] else { return };
                world.order(hold.payee, LocalOrder::Settle { hold: hold.id });
            }
            SETTLE_AGAIN => {
                let Some(hold) = self.holds[index] else { return };
                settle_again(world, &hold);
            }
            _ => unreachable!("every scripted number has a meaning"),
        }
    }

    /// The forger signs two holds at one position, shows each to one half of its
    /// peers, and the payee of one collects at once.
    fn fork(&mut self, world: &mut World) {
        let account = world.accounts[FORGER];
        let payees = [0, 1].map(|index| world.accounts[index]);
        let Some(node) = world.machines[FORGER].node.as_ref() else { return };
        let spendable = node.ledger().declared(&account).spendable;
        let epoch = node.charter().epoch_at(world.now_ms);
        let key = SigningKey::from_bytes(&world.machines[FORGER].seed);
        let branches: Vec<Item> = payees
            .iter()
            .filter_map(|payee| {
                let hold = Hold {
                    payee: *payee,
                    job: JobId::new([9; 32]),
                    amount: spendable,
                    per_segment: spendable,
                    expiry_epoch: epoch + 20,
                };
                let draft = node.ledger().draft(&account, epoch, Body::Hold(hold)).ok()?;
                Some(Item::Receipt(Arc::new(draft.sign(&key))))
            })
            .collect();
        let [first, second] = &branches[..] else { return };
        let swarm = node.charter().id;
        let hold = ReceiptId::new(first.key());
        let voucher = credits::Voucher::sign(&swarm, hold, spendable, 1, [0; 32], &key);
        self.forged.push(hold);
        let peers: Vec<usize> = world.machines[FORGER].mesh.iter().copied().collect();
        let (some, others) = peers.split_at(peers.len() / 2);
        // The payee hears of its branch first, so that it can act on it.
        let told = vec![first.clone()];
        world.input(0, Input::Gossip { token: GossipToken(u64::MAX), items: told });
        let ask = Ask::Voucher(Box::new(voucher));
        world.input(0, Input::Ask { token: ReplyToken(u64::MAX), from: account, ask });
        world.order(0, LocalOrder::Settle { hold });
        world.inject(FORGER, vec![first.clone()], some);
        world.inject(FORGER, vec![second.clone()], others);
    }
}

fn open_hold(world: &mut World, index: usize) -> Option<OpenHold> {
    let payer = FOUNDERS + index % (EARNERS_END - FOUNDERS - 1);
    let payee = 1 + index % (FOUNDERS - 1);
    let payee_account = world.accounts[payee];
    let account = world.accounts[payer];
    let node = world.machines[payer].node.as_ref()?;
    let amount = node.ledger().declared(&account).spendable.get() / 2;
    let expiry_epoch = node.charter().epoch_at(world.now_ms) + 6;
    if amount < 4 {
        return None;
    }
    let order = LocalOrder::Hold {
        payee: payee_account,
        job: JobId::new([u8::try_from(index).unwrap(); 32]),
        amount: Ucr::new(amount),
        per_segment: Ucr::new(amount / 4),
        expiry_epoch,
    };
    let before = node.ledger().head(&account);
    world.order(payer, order);
    let head = world.machines[payer].node.as_ref()?.ledger().head(&account)?;
    let is_new = before.is_none_or(|before| before.id != head.id);
    is_new.then_some(OpenHold { payer, payee, id: head.id, amount, promised: 0 })
}

/// A greedy payee collects a hold that it has collected before.
fn settle_again(world: &mut World, hold: &OpenHold) {
    let account = world.accounts[hold.payee];
    let key = SigningKey::from_bytes(&world.machines[hold.payee].seed);
    let payer_key = SigningKey::from_bytes(&world.machines[hold.payer].seed);
    let Some(node) = world.machines[hold.payee].node.as_ref() else { return };
    let swarm = node.charter().id;
    let epoch = node.charter().epoch_at(world.now_ms);
    let voucher =
        credits::Voucher::sign(&swarm, hold.id, Ucr::new(hold.promised.max(1)), 1, [0; 32], &payer_key);
    let settled = node.ledger().chain(&account).iter().any(|receipt| match &receipt.body {
        Body::Settle(settle) => settle.hold == hold.id,
        _ => false,
    });
    let body = Body::Settle(Settle { hold: hold.id, voucher: Some(voucher) });
    let Ok(draft) = node.ledger().draft(&account, epoch, body) else { return };
    if !settled {
        return;
    }
    let item = Item::Receipt(Arc::new(draft.sign(&key)));
    world.input(hold.payee, Input::Gossip { token: GossipToken(u64::MAX), items: vec![item.clone()] });
    let peers: Vec<usize> = world.machines[hold.payee].mesh.iter().copied().collect();
    world.inject(hold.payee, vec![item], &peers);
}
