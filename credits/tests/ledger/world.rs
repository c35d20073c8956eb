//! A whole swarm in one ledger: keys, honest work and honest founders.

use std::sync::Arc;

use credits::votes::vote_input;
use credits::vrf::VrfKey;
use credits::{
    Anchor, Attest, BlockOpening, Body, Charter, Claim, ClaimTerms, Delays, Draw, DrawShare, FeeMint,
    Founder, Genesis, Hold, Item, Ledger, Mint, Receipt, Refusal, Release, ReleaseProof, Rules, Sabotage,
    Settle, Terms, TermsFault, TrialMint, Ucr, Verdict, Vest, VestEntry, Voting, Voucher, trace, trial_worth,
};
use ed25519_dalek::SigningKey;
use proto::ids::{AccountId, BlobHash, JobId, NumericClass, ReceiptId, TrackId};
use proto::sign::account_of;

pub(crate) const BLOCKS: u32 = 2;
pub(crate) const EVAL_BYTES: u64 = 1000;
pub(crate) const SEGMENTS: u32 = 4;
pub(crate) const VEST: u64 = 4;
pub(crate) const SEASON: u64 = 2;
pub(crate) const GAS: u64 = 100_000_000_000;
pub(crate) const WORTH: u64 = 100;
/// Metric of every honest claim: the sums below over [`EVAL_BYTES`].
pub(crate) const METRIC: u64 = 3_000;
/// A metric above this pays nothing.
pub(crate) const PAY_FLOOR: u64 = 8_000_000;

pub(crate) fn class(byte: u8) -> NumericClass {
    NumericClass::new([byte; 32])
}

pub(crate) fn track() -> TrackId {
    TrackId::new([0x77; 32])
}

/// Prices by gas alone, or as the recipe says; recipes are any bytes but these.
pub(crate) struct FlatTerms;

impl ClaimTerms for FlatTerms {
    fn assess(&self, claim: &Claim) -> Result<Terms, TermsFault> {
        match claim.recipe.first() {
            Some(0xf0) => Err(TermsFault::MalformedRecipe),
            Some(0xf1) => Err(TermsFault::WrongGas),
            Some(0xf2) => Err(TermsFault::OutOfRange),
            Some(0xee) => {
                let worth = u64::from_le_bytes(claim.recipe[1..9].try_into().unwrap());
                Ok(Terms { worth: Ucr::new(worth), blocks: BLOCKS, eval_bytes: EVAL_BYTES })
            }
            _ if claim.metric_microbits > PAY_FLOOR => {
                Ok(Terms { worth: Ucr::ZERO, blocks: BLOCKS, eval_bytes: EVAL_BYTES })
            }
            _ => Ok(Terms { worth: trial_worth(claim.gas), blocks: BLOCKS, eval_bytes: EVAL_BYTES }),
        }
    }
}

/// One account's keys.
pub(crate) struct Key {
    pub(crate) signing: SigningKey,
    pub(crate) vrf: VrfKey,
    pub(crate) account: AccountId,
}

impl Key {
    pub(crate) fn new(seed: u8) -> Self {
        let signing = SigningKey::from_bytes(&[seed; 32]);
        let account = account_of(&signing);
        Self { signing, vrf: VrfKey::from_seed(&[seed; 32]), account }
    }

    pub(crate) fn genesis(&self) -> Body {
        Body::Genesis(Genesis {
            vrf_key: self.vrf.public(),
            numeric_class: class(1),
            payout: None,
            next_key_digest: None,
        })
    }
}

/// A charter whose founders are the first `founders` keys.
pub(crate) fn rules(keys: &[Key], threshold: u32, confirmations: u32) -> Rules {
    let founder = |key: &Key| Founder { account: key.account, vrf_key: key.vrf.public() };
    Rules {
        name: "test".to_owned(),
        start_ms: 1_000_000,
        epoch_ms: 1000,
        founders: keys.iter().map(founder).collect(),
        threshold,
        voting: Voting {
            founder_weight: 1_000_000_000,
            votes_expected: 6,
            votes_expected_dispute: 16,
            confirmations,
        },
        segments: SEGMENTS,
        delays: Delays { vest_epochs: VEST, season_epochs: SEASON, grace_epochs: 24 },
        tracks: vec![track()],
        bootstrap: Vec::new(),
    }
}

/// Clock at the start of an epoch.
pub(crate) fn at(epoch: u64) -> u64 {
    1_000_000 + epoch * 1000
}

/// The opening of the honest trace of an account's trial.
pub(crate) fn opening(account: &AccountId, nonce: u64) -> (Vec<[u8; 32]>, Vec<BlockOpening>) {
    let state = |j: u32| {
        let mut hasher = blake3::Hasher::new();
        hasher.update(account.as_bytes()).update(&nonce.to_le_bytes()).update(&j.to_le_bytes());
        BlobHash::new(*hasher.finalize().as_bytes())
    };
    let mut leaves = vec![trace::leaf_init(&state(0))];
    leaves.extend((1..=SEGMENTS).map(|j| trace::leaf_segment(j, &state(j), &[0; 32])));
    let block = |b: u64| BlockOpening { sum_microbits: 1_000_000 + b * 1_000_000, nats_hash: [3; 32] };
    (leaves, (0..u64::from(BLOCKS)).map(block).collect())
}

/// The root of such an opening.
pub(crate) fn root(leaves: &[[u8; 32]], blocks: &[BlockOpening]) -> [u8; 32] {
    let blocks =
        (0..).zip(blocks).map(|(b, block)| trace::leaf_block(b, block.sum_microbits, &block.nats_hash));
    trace::root(&leaves.iter().copied().chain(blocks).collect::<Vec<_>>())
}

/// A swarm: one ledger that has seen everything, and everything in order.
pub(crate) struct World {
    pub(crate) charter: Arc<Charter>,
    pub(crate) keys: Vec<Key>,
    pub(crate) founders: usize,
    pub(crate) ledger: Ledger,
    pub(crate) items: Vec<Item>,
    pub(crate) epoch: u64,
}

impl World {
    /// `founders` of `keys` accounts are founders; all have opened their chains.
    pub(crate) fn new(founders: usize, keys: usize, threshold: u32, confirmations: u32) -> Self {
        let mut world = Self::empty(founders, keys, threshold, confirmations);
        for key in 0..keys {
            world.sign(key, world.keys[key].genesis()).unwrap();
        }
        world
    }

    pub(crate) fn empty(founders: usize, keys: usize, threshold: u32, confirmations: u32) -> Self {
        Self::sabotaged(founders, keys, threshold, confirmations, Sabotage::None)
    }

    pub(crate) fn sabotaged(
        founders: usize,
        keys: usize,
        threshold: u32,
        confirmations: u32,
        sabotage: Sabotage,
    ) -> Self {
        let keys: Vec<Key> = (0..keys).map(|seed| Key::new(u8::try_from(seed).unwrap() + 1)).collect();
        let file = rules(&keys[..founders], threshold, confirmations).sign(&keys[0].signing).unwrap();
        let charter = Arc::new(Charter::from_bytes(&file).unwrap());
        let ledger = Ledger::sabotaged(charter.clone(), Arc::new(FlatTerms), sabotage);
        Self { charter, keys, founders, ledger, items: Vec::new(), epoch: 0 }
    }

    pub(crate) fn fresh_ledger(&self) -> Ledger {
        Ledger::new(self.charter.clone(), Arc::new(FlatTerms))
    }

    /// A ledger that has applied some items at the present epoch.
    pub(crate) fn replay<'a>(&self, items: impl IntoIterator<Item = &'a Item>) -> Ledger {
        let mut ledger = self.fresh_ledger();
        for item in items {
            ledger.apply(item.clone(), at(self.epoch));
        }
        ledger
    }

    pub(crate) fn account(&self, key: usize) -> AccountId {
        self.keys[key].account
    }

    /// Applies an item as one that came over the wire.
    pub(crate) fn apply(&mut self, item: Item) -> Verdict {
        let checked = Item::check(&item.to_wire(), &self.charter).unwrap();
        assert_eq!(checked, item);
        let outcome = self.ledger.apply(checked, at(self.epoch));
        self.items.extend(outcome.applied.iter().cloned());
        outcome.verdict
    }

    pub(crate) fn draft(&self, key: usize, body: Body) -> Result<Receipt, Refusal> {
        let draft = self.ledger.draft(&self.account(key), self.epoch, body)?;
        Ok(draft.sign(&self.keys[key].signing))
    }

    /// Drafts, signs and applies a receipt.
    pub(crate) fn sign(&mut self, key: usize, body: Body) -> Result<ReceiptId, Refusal> {
        let receipt = self.draft(key, body)?;
        let id = receipt.id;
        assert_eq!(self.apply(receipt.into()), Verdict::New);
        Ok(id)
    }

    pub(crate) fn claim_body(&self, key: usize, nonce: u64) -> Claim {
        let (leaves, blocks) = opening(&self.account(key), nonce);
        Claim {
            track: track(),
            recipe: vec![1, 2, 3],
            nonce,
            gas: GAS,
            metric_microbits: METRIC,
            trace_root: root(&leaves, &blocks),
            segments: SEGMENTS,
            numeric_class: class(1),
        }
    }

    pub(crate) fn claim(&mut self, key: usize, nonce: u64) -> Result<ReceiptId, Refusal> {
        self.sign(key, Body::Claim(self.claim_body(key, nonce)))
    }

    pub(crate) fn share(&self, founder: usize, claim: &ReceiptId) -> DrawShare {
        let key = &self.keys[founder];
        DrawShare::make(&self.charter, claim, self.epoch, &key.signing, &key.vrf, [9; 32])
    }

    /// The draw that the first founders who may make it, make.
    pub(crate) fn draw_body(&self, claim: &ReceiptId) -> Draw {
        let claimant = self.ledger.receipt(claim).unwrap().account;
        let quorum = self.charter.quorum_for(&claimant);
        let serving = (0..self.founders).filter(|key| self.charter.serves(&self.account(*key), &claimant));
        let shares = serving.take(quorum).map(|key| self.share(key, claim)).collect();
        Draw::assemble(*claim, shares).unwrap()
    }

    pub(crate) fn draw(&mut self, claim: &ReceiptId) -> Arc<Draw> {
        let draw = Arc::new(self.draw_body(claim));
        assert_eq!(self.apply(Item::Draw(draw.clone())), Verdict::New);
        draw
    }

    /// What an honest account attests; `None` when it has no vote.
    pub(crate) fn attest_body(&self, key: usize, claim: &ReceiptId, draw: &Draw) -> Option<Attest> {
        let proof = self.keys[key].vrf.prove(&vote_input(claim, 0, &draw.output), [8; 32]);
        let duty = self.ledger.duty(claim, &draw.id, &self.account(key), &proof.output, self.epoch)?;
        let receipt = self.ledger.receipt(claim)?;
        let Body::Claim(body) = &receipt.body else { return None };
        let (leaves, blocks) = opening(&receipt.account, body.nonce);
        let block = blocks[duty.block as usize];
        let block = trace::leaf_block(duty.block, block.sum_microbits, &block.nats_hash);
        let segment = leaves[duty.segment as usize];
        Some(Attest {
            claim: *claim,
            draw: draw.id,
            draw_output: draw.output,
            round: 0,
            segment: duty.segment,
            block: duty.block,
            digest: Some(trace::attest_digest(&self.account(key), &leaves[0], &segment, &block)),
            vrf_key: self.keys[key].vrf.public(),
            proof,
        })
    }

    pub(crate) fn attest(&mut self, key: usize, claim: &ReceiptId, draw: &Draw) -> Option<ReceiptId> {
        let body = self.attest_body(key, claim, draw)?;
        self.sign(key, Body::Attest(body)).ok()
    }

    pub(crate) fn mint_body(&self, claim: &ReceiptId, draw: &Draw, attests: Vec<ReceiptId>) -> TrialMint {
        let receipt = self.ledger.receipt(claim).unwrap();
        let Body::Claim(body) = &receipt.body else { panic!("not a claim") };
        let (segment_leaves, blocks) = opening(&receipt.account, body.nonce);
        TrialMint { claim: *claim, draw: draw.id, attests, segment_leaves, blocks }
    }

    /// Claim, draw, all attestations, mint.
    pub(crate) fn earn(&mut self, key: usize, nonce: u64) -> Earned {
        self.earn_for(key, self.claim_body(key, nonce)).unwrap()
    }

    /// The same of a trial that is worth so much.
    pub(crate) fn earn_worth(&mut self, key: usize, nonce: u64, worth: u64) -> Result<Earned, Refusal> {
        let recipe = [&[0xee][..], &worth.to_le_bytes()].concat();
        self.earn_for(key, Claim { recipe, ..self.claim_body(key, nonce) })
    }

    fn earn_for(&mut self, key: usize, body: Claim) -> Result<Earned, Refusal> {
        let claim = self.sign(key, Body::Claim(body))?;
        let draw = self.draw(&claim);
        let attests: Vec<ReceiptId> =
            (0..self.founders).filter_map(|founder| self.attest(founder, &claim, &draw)).collect();
        let body = self.mint_body(&claim, &draw, attests.clone());
        let mint = self.sign(key, Body::Mint(Mint::Trial(body)))?;
        Ok(Earned { claim, draw, attests, mint })
    }

    /// Earns, waits and vests one trial's worth.
    pub(crate) fn earn_spendable(&mut self, key: usize, nonce: u64) -> Earned {
        let earned = self.earn(key, nonce);
        self.anchor_by_all(key);
        self.epoch += VEST;
        self.vest(key).unwrap();
        earned
    }

    pub(crate) fn fee(
        &mut self,
        key: usize,
        attest: ReceiptId,
        mint: ReceiptId,
    ) -> Result<ReceiptId, Refusal> {
        self.sign(key, Body::Mint(Mint::Fee(FeeMint { attest, mint })))
    }

    pub(crate) fn anchor_body(&self, founder: usize, key: usize, listed: Vec<ReceiptId>) -> Anchor {
        let (account, head) = (self.account(key), self.ledger.head(&self.account(key)).unwrap());
        let over = (account, head.seq, head.id);
        Anchor::sign(&self.charter, over, self.epoch, listed, &self.keys[founder].signing)
    }

    /// One founder anchors an account's chain and lists what it honestly may.
    pub(crate) fn anchor(&mut self, founder: usize, key: usize) -> Arc<Anchor> {
        let listed = self.ledger.listable(&self.account(key), &self.account(founder), self.epoch);
        let anchor = Arc::new(self.anchor_body(founder, key, listed));
        assert_eq!(self.apply(Item::Anchor(anchor.clone())), Verdict::New);
        anchor
    }

    /// All founders who may serve the account do so.
    pub(crate) fn anchor_by_all(&mut self, key: usize) {
        for founder in 0..self.founders {
            if self.charter.serves(&self.account(founder), &self.account(key)) {
                self.anchor(founder, key);
            }
        }
    }

    pub(crate) fn vest(&mut self, key: usize) -> Result<ReceiptId, Refusal> {
        let due = self.ledger.vestable(&self.account(key), self.epoch);
        let entries = due.into_iter().map(|(receipt, anchor)| VestEntry { receipt, anchor }).collect();
        self.sign(key, Body::Vest(Vest { entries }))
    }

    pub(crate) fn hold_body(&self, payee: usize, amount: u64) -> Hold {
        Hold {
            payee: self.account(payee),
            job: JobId::new([5; 32]),
            amount: Ucr::new(amount),
            per_segment: Ucr::new(1),
            expiry_epoch: self.epoch + 10,
        }
    }

    pub(crate) fn hold(&mut self, payer: usize, payee: usize, amount: u64) -> Result<ReceiptId, Refusal> {
        self.sign(payer, Body::Hold(self.hold_body(payee, amount)))
    }

    pub(crate) fn voucher(&self, payer: usize, hold: ReceiptId, cumulative: u64) -> Voucher {
        let key = &self.keys[payer].signing;
        Voucher::sign(&self.charter.id, hold, Ucr::new(cumulative), 1, [6; 32], key)
    }

    pub(crate) fn settle(
        &mut self,
        payer: usize,
        payee: usize,
        hold: ReceiptId,
        cumulative: u64,
    ) -> Result<ReceiptId, Refusal> {
        let voucher = (cumulative > 0).then(|| self.voucher(payer, hold, cumulative));
        self.sign(payee, Body::Settle(Settle { hold, voucher }))
    }

    pub(crate) fn release(
        &mut self,
        payer: usize,
        hold: ReceiptId,
        proof: ReleaseProof,
    ) -> Result<ReceiptId, Refusal> {
        self.sign(payer, Body::Release(Release { hold, proof }))
    }

    /// Receipts for positions from `seq` on of a chain that has some there already.
    pub(crate) fn branch(&self, key: usize, seq: u64, bodies: &[Body]) -> Vec<Receipt> {
        let account = self.account(key);
        let is_before = |item: &&Item| match item {
            Item::Receipt(receipt) => receipt.account != account || receipt.seq < seq,
            Item::Fork(fork) => fork.account() != account,
            Item::Draw(_) | Item::Anchor(_) => true,
        };
        let mut ledger = self.replay(self.items.iter().filter(is_before));
        let mut branch = Vec::new();
        for body in bodies {
            if let Ok(draft) = ledger.draft(&account, self.epoch, body.clone()) {
                let receipt = draft.sign(&self.keys[key].signing);
                ledger.apply(receipt.clone().into(), at(self.epoch));
                branch.push(receipt);
            }
        }
        branch
    }
}

/// What one earned trial left behind.
pub(crate) struct Earned {
    pub(crate) claim: ReceiptId,
    pub(crate) draw: Arc<Draw>,
    pub(crate) attests: Vec<ReceiptId>,
    pub(crate) mint: ReceiptId,
}

/// Rows of bodies that one account tries: what each meets, `None` when it passes.
#[track_caller]
pub(crate) fn check(world: &World, key: usize, rows: Vec<(Option<Refusal>, Body)>) {
    for (row, (expected, body)) in rows.into_iter().enumerate() {
        assert_eq!(world.draft(key, body).err(), expected, "row {row}");
    }
}

/// A world in which account 4 has 100 ucr to spend.
pub(crate) fn rich() -> World {
    let mut world = World::new(3, 6, 2, 2);
    world.earn_spendable(4, 1);
    world
}
