//! Random histories: honest and dishonest accounts, forks, late and backdated
//! anchors, from one seed.

use std::sync::Arc;

use credits::{Anchor, Attest, Body, Draw, Item, Mint, Receipt, ReleaseProof, Sabotage, Ucr, Verdict};
use proto::ids::ReceiptId;

use crate::world::World;

/// Founders 1 to 3 are honest; founder 0 signs anchors over anything.
pub(crate) const FOUNDERS: usize = 4;
pub(crate) const KEYS: usize = 7;

/// SplitMix64.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() { None } else { from.get(self.below(from.len())) }
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

pub(crate) struct History {
    pub(crate) world: World,
    pub(crate) dice: Dice,
    nonce: u64,
    claims: Vec<ReceiptId>,
    draws: Vec<Arc<Draw>>,
    attests: Vec<ReceiptId>,
    mints: Vec<ReceiptId>,
    holds: Vec<(usize, usize, ReceiptId)>,
    settles: Vec<(ReceiptId, ReceiptId)>,
    forks: usize,
    steps: usize,
}

impl History {
    pub(crate) fn new(seed: u64, sabotage: Sabotage) -> Self {
        let mut world = World::sabotaged(FOUNDERS, KEYS, 3, 2, sabotage);
        for key in 0..KEYS {
            world.sign(key, world.keys[key].genesis()).unwrap();
        }
        Self {
            world,
            dice: Dice(seed),
            nonce: 0,
            claims: Vec::new(),
            draws: Vec::new(),
            attests: Vec::new(),
            mints: Vec::new(),
            holds: Vec::new(),
            settles: Vec::new(),
            forks: 0,
            steps: 0,
        }
    }

    /// One random step; steps that the rules refuse change nothing.
    pub(crate) fn step(&mut self) {
        let key = self.dice.below(KEYS);
        self.steps += 1;
        match self.dice.below(40) {
            0..=1 => self.world.epoch += self.dice.next() % 3,
            2 => self.claim(key),
            3 => self.draw(),
            4..=6 => self.attest(),
            7 => self.mint(),
            8..=12 => self.earn(key),
            13..=15 => self.anchor(key),
            16..=20 => self.season(key),
            21..=24 => self.hold(),
            25..=29 => self.settle(),
            30..=33 => self.release(),
            34..=36 => self.fee(),
            37 => self.fork(key),
            _ => self.dishonest_anchor(key),
        }
    }

    /// A claim with all that leads to its mint.
    fn earn(&mut self, key: usize) {
        let before = self.claims.len();
        self.claim(key);
        let Some(claim) = self.claims.get(before).copied() else { return };
        let draw = Arc::new(self.world.draw_body(&claim));
        self.world.apply(Item::Draw(draw.clone()));
        self.draws.push(draw.clone());
        for founder in 0..FOUNDERS {
            self.attest_by(founder, &draw);
        }
        self.mint_of(&draw);
    }

    /// Anchors, time, a vest, anchors.
    fn season(&mut self, key: usize) {
        self.anchor(key);
        self.world.epoch += 2 + self.dice.next() % 4;
        let _refused_when_nothing_is_due = self.world.vest(key);
        self.anchor(key);
    }

    fn claim(&mut self, key: usize) {
        self.nonce += 1;
        self.claims.extend(self.world.claim(key, self.nonce));
    }

    fn draw(&mut self) {
        let Some(claim) = self.dice.pick(&self.claims).copied() else { return };
        let draw = self.world.draw_body(&claim);
        if self.world.apply(draw.clone().into()) == Verdict::New {
            self.draws.push(Arc::new(draw));
        }
    }

    fn attest(&mut self) {
        let Some(draw) = self.dice.pick(&self.draws).cloned() else { return };
        let founder = self.dice.below(FOUNDERS);
        self.attest_by(founder, &draw);
    }

    fn attest_by(&mut self, founder: usize, draw: &Draw) {
        let Some(mut body) = self.world.attest_body(founder, &draw.claim, draw) else { return };
        body.digest = match self.dice.below(30) {
            0 => None,
            1 => Some([1; 32]),
            _ => body.digest,
        };
        self.attests.extend(self.world.sign(founder, Body::Attest(body)));
    }

    fn attested(&self, id: &ReceiptId) -> Option<Attest> {
        let Body::Attest(attest) = &self.world.ledger.receipt(id)?.body else { return None };
        Some(attest.clone())
    }

    fn key_of(&self, id: &ReceiptId) -> usize {
        let account = self.world.ledger.receipt(id).unwrap().account;
        (0..KEYS).find(|key| self.world.account(*key) == account).unwrap()
    }

    fn mint(&mut self) {
        let Some(draw) = self.dice.pick(&self.draws).cloned() else { return };
        self.mint_of(&draw);
    }

    /// Names what confirms; sometimes only the first of it.
    fn mint_of(&mut self, draw: &Draw) {
        let confirms = |id: &&ReceiptId| {
            let digest =
                self.attested(id).filter(|attest| attest.draw == draw.id).map(|attest| attest.digest);
            digest.is_some_and(|digest| digest.is_some_and(|digest| digest != [1; 32]))
        };
        let mut attests: Vec<ReceiptId> = self.attests.iter().filter(confirms).copied().collect();
        attests.truncate(if self.dice.below(5) == 0 { 1 } else { 3 });
        let key = self.key_of(&draw.claim);
        let body = self.world.mint_body(&draw.claim, draw, attests);
        self.mints.extend(self.world.sign(key, Body::Mint(Mint::Trial(body))));
    }

    /// Honest founders do not anchor forked chains.
    fn anchor(&mut self, key: usize) {
        for founder in 1..FOUNDERS {
            let is_served = self.world.charter.serves(&self.world.account(founder), &self.world.account(key));
            if is_served && !self.world.ledger.is_forked(&self.world.account(key)) && self.dice.below(4) > 0 {
                let listed = self.world.ledger.listable(
                    &self.world.account(key),
                    &self.world.account(founder),
                    self.world.epoch,
                );
                let anchor = self.world.anchor_body(founder, key, listed);
                self.world.apply(anchor.into());
            }
        }
    }

    /// Founder 0 signs over any receipt, lists anything in it, at any epoch allowed.
    fn dishonest_anchor(&mut self, key: usize) {
        let account = self.world.account(key);
        let own: Vec<Arc<Receipt>> = self
            .world
            .items
            .iter()
            .filter_map(|item| match item {
                Item::Receipt(receipt) if receipt.account == account => Some(receipt.clone()),
                Item::Receipt(_) | Item::Draw(_) | Item::Anchor(_) | Item::Fork(_) => None,
            })
            .collect();
        let Some(over) = self.dice.pick(&own).cloned() else { return };
        let mut listed = Vec::new();
        let mut at = Some(over.clone());
        while let Some(receipt) = at {
            if matches!(receipt.body, Body::Mint(_) | Body::Settle(_) | Body::Release(_)) {
                listed.push(receipt.id);
            }
            at = receipt.prev.and_then(|prev| self.world.ledger.receipt(&prev).cloned());
        }
        listed.truncate(8);
        let epoch = over.epoch + self.dice.next() % 3;
        let over = (account, over.seq, over.id);
        let anchor = Anchor::sign(&self.world.charter, over, epoch, listed, &self.world.keys[0].signing);
        if epoch <= self.world.epoch && key != 0 {
            self.world.apply(anchor.into());
        }
    }

    /// Most of what somebody states to have.
    fn hold(&mut self) {
        let spendable = |key: &usize| self.world.ledger.declared(&self.world.account(*key)).spendable;
        let rich: Vec<usize> = (0..KEYS).filter(|key| spendable(key) > Ucr::ZERO).collect();
        let Some(payer) = self.dice.pick(&rich).copied() else { return };
        let payee = self.dice.below(KEYS);
        let rest = self.dice.next() % 30;
        let amount = self.world.ledger.declared(&self.world.account(payer)).spendable.get();
        let expiry_epoch = self.world.epoch + self.dice.next() % 12;
        let body =
            credits::Hold { expiry_epoch, ..self.world.hold_body(payee, amount.saturating_sub(rest).max(1)) };
        if let Ok(hold) = self.world.sign(payer, Body::Hold(body)) {
            self.holds.push((payer, payee, hold));
        }
    }

    fn settle(&mut self) {
        let Some((payer, payee, hold)) = self.dice.pick(&self.holds).copied() else { return };
        let cumulative = self.dice.next() % 120;
        if let Ok(settle) = self.world.settle(payer, payee, hold, cumulative) {
            self.settles.push((hold, settle));
        }
    }

    fn release(&mut self) {
        let Some((payer, payee, hold)) = self.dice.pick(&self.holds).copied() else { return };
        let settle = self.settles.iter().find(|(of, _)| *of == hold).map(|(_, settle)| *settle);
        let head = self.world.ledger.head(&self.world.account(payee)).map(|head| head.id);
        let proofs = [
            settle.map(ReleaseProof::Settle),
            head.map(ReleaseProof::ExpiredBy),
            Some(ReleaseProof::ForkOf(self.world.account(payee))),
        ];
        for proof in proofs.into_iter().flatten() {
            if self.world.release(payer, hold, proof).is_ok() {
                return;
            }
        }
    }

    fn fee(&mut self) {
        let Some(mint) = self.dice.pick(&self.mints).copied() else { return };
        let Body::Mint(Mint::Trial(body)) = &self.world.ledger.receipt(&mint).unwrap().body else { return };
        let Some(attest) = self.dice.pick(&body.attests.clone()).copied() else { return };
        let key = self.key_of(&attest);
        let _refused_when_had = self.world.fee(key, attest, mint);
    }

    /// A second branch: a claim or hold at an old position, sometimes with a child.
    fn fork(&mut self, key: usize) {
        let head = self.world.ledger.head(&self.world.account(key)).map_or(0, |head| head.seq);
        if self.forks >= 2 || head < 2 || self.steps < 60 {
            return;
        }
        self.forks += 1;
        let seq = 2 + self.dice.next() % (head - 1);
        self.nonce += 1;
        let payee = (key + 1) % KEYS;
        let bodies = [
            Body::Hold(self.world.hold_body(payee, 1 + self.dice.next() % 20)),
            Body::Claim(self.world.claim_body(key, self.nonce)),
        ];
        let branch = self.world.branch(key, seq, &bodies);
        for receipt in branch {
            if let Body::Hold(_) = receipt.body {
                self.holds.push((key, payee, receipt.id));
            }
            self.world.apply(receipt.into());
        }
    }
}

/// Amounts that never decrease: final cover of every receipt.
pub(crate) fn final_amounts(world: &World) -> Vec<(ReceiptId, Ucr)> {
    let receipts = world.items.iter().filter_map(|item| match item {
        Item::Receipt(receipt) => Some(receipt.id),
        Item::Draw(_) | Item::Anchor(_) | Item::Fork(_) => None,
    });
    receipts.map(|id| (id, world.ledger.final_of(&id))).collect()
}
