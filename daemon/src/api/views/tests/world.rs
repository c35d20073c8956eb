//! A small swarm in one ledger: three founders who also work, and their honest and
//! dishonest deeds.

use std::sync::Arc;

use credits::votes::vote_input;
use credits::vrf::VrfKey;
use credits::{
    Anchor, Attest, BlockOpening, Body, Charter, Claim, Delays, Draw, DrawShare, FeeMint, Founder, Genesis,
    Hold, Item, Ledger, Mint, Release, ReleaseProof, Rules, Settle, TrialMint, Ucr, Verdict, Vest, VestEntry,
    Voting, Voucher, trace,
};
use ed25519_dalek::SigningKey;
use jobs::terms::Tracks;
use jobs::{Decimal, Optimizer, Recipe, Track, gas};
use proto::ids::{AccountId, BlobHash, JobId, NumericClass, ReceiptId};
use proto::sign::account_of;

use super::super::View;

const SEGMENTS: u32 = 4;
const SUM_MICROBITS: u64 = 600_000_000;

pub(super) struct World {
    keys: Vec<(SigningKey, VrfKey)>,
    pub(super) ledger: Ledger,
    pub(super) tracks: Tracks,
    track: Track,
    pub(super) epoch: u64,
}

/// What one trial left behind.
pub(super) struct Earned {
    pub(super) claim: ReceiptId,
    pub(super) draw: Arc<Draw>,
    pub(super) attests: Vec<ReceiptId>,
    pub(super) mint: ReceiptId,
}

pub(super) fn recipe() -> Recipe {
    Recipe {
        depth: 1,
        width: 16,
        heads: 2,
        mlp_ratio_eighths: 16,
        learning_rate: Decimal::literal(300, -5),
        weight_decay: Decimal::literal(100, -3),
        warmup_milli: 100,
        warmdown_milli: 500,
        tokens_per_step: 32,
        init_scale: Decimal::literal(100, -2),
        optimizer: Optimizer::AdamW,
    }
}

fn track() -> Track {
    Track {
        name: "test".to_owned(),
        corpus: BlobHash::new([1; 32]),
        train: 0..1000,
        validation: 1000..1600,
        context: 16,
        budget_gas: 100_000_000_000,
        gas_table: 1,
        eval_windows: 32,
        eval_blocks: 2,
        numeric_profile: "canon-1".to_owned(),
        baseline: recipe(),
        pay_floor_microbits: 5_000_000,
    }
}

impl World {
    /// Three founders, two of whom must agree; two votes mint; money vests after
    /// four epochs. Account 0 is the node's own.
    pub(super) fn new() -> Self {
        let key = |seed: u8| (SigningKey::from_bytes(&[seed; 32]), VrfKey::from_seed(&[seed; 32]));
        let keys: Vec<_> = (1..=3).map(key).collect();
        let founder = |(signing, vrf): &(SigningKey, VrfKey)| Founder {
            account: account_of(signing),
            vrf_key: vrf.public(),
        };
        let rules = Rules {
            name: "small".to_owned(),
            start_ms: 0,
            epoch_ms: 1000,
            founders: keys.iter().map(founder).collect(),
            threshold: 2,
            voting: Voting {
                founder_weight: 1_000_000_000,
                votes_expected: 6,
                votes_expected_dispute: 16,
                confirmations: 2,
            },
            segments: SEGMENTS,
            delays: Delays { vest_epochs: 4, season_epochs: 2, grace_epochs: 24 },
            tracks: vec![track().id()],
            bootstrap: vec![],
        };
        let charter = Charter::from_bytes(&rules.sign(&keys[0].0).unwrap()).unwrap();
        let tracks = Tracks::new([track()]);
        let ledger = Ledger::new(Arc::new(charter), Arc::new(tracks.clone()));
        let mut world = Self { keys, ledger, tracks, track: track(), epoch: 0 };
        for key in 0..3 {
            let genesis = Genesis {
                vrf_key: world.keys[key].1.public(),
                numeric_class: NumericClass::new([7; 32]),
                payout: None,
                next_key_digest: None,
            };
            world.sign(key, Body::Genesis(genesis));
        }
        world
    }

    pub(super) fn view(&self) -> View<'_> {
        View { ledger: &self.ledger, account: self.account(0), tracks: &self.tracks }
    }

    pub(super) fn account(&self, key: usize) -> AccountId {
        account_of(&self.keys[key].0)
    }

    pub(super) fn last(&self, key: usize) -> ReceiptId {
        self.ledger.head(&self.account(key)).unwrap().id
    }

    fn apply(&mut self, item: Item) {
        let outcome = self.ledger.apply(item, self.epoch * 1000);
        assert_eq!(outcome.verdict, Verdict::New);
    }

    pub(super) fn sign(&mut self, key: usize, body: Body) -> ReceiptId {
        let draft = self.ledger.draft(&self.account(key), self.epoch, body).unwrap();
        let receipt = draft.sign(&self.keys[key].0);
        let id = receipt.id;
        self.apply(Item::Receipt(Arc::new(receipt)));
        id
    }

    fn nonce(&self, claim: &ReceiptId) -> u64 {
        let Body::Claim(claim) = &self.ledger.receipt(claim).unwrap().body else { panic!("not a claim") };
        claim.nonce
    }

    /// The trace of a trial whose blocks sum to `sum` each.
    fn opening(&self, nonce: u64, sum: u64) -> (Vec<[u8; 32]>, Vec<BlockOpening>) {
        let state =
            |j: u32| BlobHash::new([u8::try_from(nonce).unwrap() * 16 + u8::try_from(j).unwrap(); 32]);
        let segments = (1..=SEGMENTS).map(|j| trace::leaf_segment(j, &state(j), &[0; 32]));
        let leaves = [trace::leaf_init(&state(0))].into_iter().chain(segments).collect();
        (leaves, vec![BlockOpening { sum_microbits: sum, nats_hash: [3; 32] }; 2])
    }

    pub(super) fn claim(&mut self, key: usize, nonce: u64, recipe: &Recipe, sum: u64) -> ReceiptId {
        let (leaves, blocks) = self.opening(nonce, sum);
        let of_blocks =
            (0..).zip(&blocks).map(|(b, block)| trace::leaf_block(b, block.sum_microbits, &block.nats_hash));
        let all: Vec<[u8; 32]> = leaves.iter().copied().chain(of_blocks).collect();
        let claim = Claim {
            track: self.track.id(),
            recipe: recipe.to_bytes(),
            nonce,
            gas: gas::of(recipe, &self.track).unwrap().total,
            metric_microbits: 2 * sum / self.track.eval_bytes(),
            trace_root: trace::root(&all),
            segments: SEGMENTS,
            numeric_class: NumericClass::new([7; 32]),
        };
        self.sign(key, Body::Claim(claim))
    }

    pub(super) fn draw(&mut self, claim: &ReceiptId) -> Arc<Draw> {
        let claimant = self.ledger.receipt(claim).unwrap().account;
        let charter = self.ledger.charter().clone();
        let serving = self.keys.iter().filter(|(signing, _)| charter.serves(&account_of(signing), &claimant));
        let share = |(signing, vrf): &(SigningKey, VrfKey)| {
            DrawShare::make(&charter, claim, self.epoch, signing, vrf, [9; 32])
        };
        let draw = Arc::new(Draw::assemble(*claim, serving.map(share).collect()).unwrap());
        self.apply(Item::Draw(draw.clone()));
        draw
    }

    /// One check of a claim; `digest` changes what an honest one would sign.
    pub(super) fn attest(
        &mut self,
        key: usize,
        (claim, sum): (&ReceiptId, u64),
        draw: &Draw,
        digest: impl FnOnce([u8; 32]) -> Option<[u8; 32]>,
    ) -> ReceiptId {
        let (account, vrf) = (self.account(key), &self.keys[key].1);
        let proof = vrf.prove(&vote_input(claim, 0, &draw.output), [8; 32]);
        let duty = self.ledger.duty(claim, &draw.id, &account, &proof.output, self.epoch).unwrap();
        let nonce = self.nonce(claim);
        let (leaves, blocks) = self.opening(nonce, sum);
        let block = blocks[duty.block as usize];
        let block = trace::leaf_block(duty.block, block.sum_microbits, &block.nats_hash);
        let honest = trace::attest_digest(&account, &leaves[0], &leaves[duty.segment as usize], &block);
        let attest = Attest {
            claim: *claim,
            draw: draw.id,
            draw_output: draw.output,
            round: 0,
            segment: duty.segment,
            block: duty.block,
            digest: digest(honest),
            vrf_key: vrf.public(),
            proof,
        };
        self.sign(key, Body::Attest(attest))
    }

    pub(super) fn mint(
        &mut self,
        key: usize,
        (claim, sum): (&ReceiptId, u64),
        draw: &Draw,
        attests: Vec<ReceiptId>,
    ) -> ReceiptId {
        let nonce = self.nonce(claim);
        let (segment_leaves, blocks) = self.opening(nonce, sum);
        let mint = TrialMint { claim: *claim, draw: draw.id, attests, segment_leaves, blocks };
        self.sign(key, Body::Mint(Mint::Trial(mint)))
    }

    /// Claim, draw, an honest check by each other founder, mint.
    pub(super) fn earn(&mut self, key: usize, nonce: u64, recipe: &Recipe, sum: u64) -> Earned {
        let claim = self.claim(key, nonce, recipe, sum);
        let draw = self.draw(&claim);
        let others = (0..3).filter(|other| *other != key);
        let attests: Vec<ReceiptId> =
            others.map(|other| self.attest(other, (&claim, sum), &draw, Some)).collect();
        let mint = self.mint(key, (&claim, sum), &draw, attests.clone());
        Earned { claim, draw, attests, mint }
    }

    /// Account 0 earns with the first recipe.
    pub(super) fn earn_first(&mut self) -> Earned {
        self.earn(0, 1, &recipe(), SUM_MICROBITS)
    }

    pub(super) const fn sum(&self) -> u64 {
        SUM_MICROBITS
    }

    pub(super) fn fee(&mut self, key: usize, attest: ReceiptId, mint: ReceiptId) -> ReceiptId {
        self.sign(key, Body::Mint(Mint::Fee(FeeMint { attest, mint })))
    }

    /// Every other founder anchors an account's chain and lists what it may.
    pub(super) fn anchor(&mut self, key: usize) {
        let account = self.account(key);
        for founder in (0..3).filter(|founder| *founder != key) {
            let listed = self.ledger.listable(&account, &self.account(founder), self.epoch);
            let head = self.ledger.head(&account).unwrap();
            let over = (account, head.seq, head.id);
            let signing = &self.keys[founder].0;
            let anchor = Anchor::sign(self.ledger.charter(), over, self.epoch, listed, signing);
            self.apply(Item::Anchor(Arc::new(anchor)));
        }
    }

    pub(super) fn vest(&mut self, key: usize) -> ReceiptId {
        let due = self.ledger.vestable(&self.account(key), self.epoch);
        let entries = due.into_iter().map(|(receipt, anchor)| VestEntry { receipt, anchor }).collect();
        self.sign(key, Body::Vest(Vest { entries }))
    }

    pub(super) fn hold(&mut self, payer: usize, payee: usize, amount: u64) -> ReceiptId {
        let hold = Hold {
            payee: self.account(payee),
            job: JobId::new([5; 32]),
            amount: Ucr::new(amount),
            per_segment: Ucr::new(1),
            expiry_epoch: self.epoch + 10,
        };
        self.sign(payer, Body::Hold(hold))
    }

    pub(super) fn settle(&mut self, payer: usize, payee: usize, hold: ReceiptId, amount: u64) -> ReceiptId {
        let (swarm, key) = (self.ledger.charter().id, &self.keys[payer].0);
        let voucher = Voucher::sign(&swarm, hold, Ucr::new(amount), 3, [6; 32], key);
        self.sign(payee, Body::Settle(Settle { hold, voucher: Some(voucher) }))
    }

    pub(super) fn release(&mut self, payer: usize, hold: ReceiptId, settle: ReceiptId) -> ReceiptId {
        let proof = ReleaseProof::Settle(settle);
        self.sign(payer, Body::Release(Release { hold, proof }))
    }
}
