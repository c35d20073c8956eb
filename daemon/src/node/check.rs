//! Checking others' claims: the duty, the states it needs, the re-run, the word.
//!
//! A check knows only the claimed root, so it cannot tell whether it confirms or
//! refutes: it signs the digest of what it computed. A claimant that does not serve
//! the states is not answered at all, and does not mint.

use std::collections::BTreeMap;

use credits::votes::{Ballot, vote_input};
use credits::vrf::VrfProof;
use credits::{Attest, BlockOpening, Body, Claim, Draw, Refusal};
use jobs::trace::Replay;
use jobs::{Recipe, Track, trial};
use proto::ids::{AccountId, BlobHash, DrawId, ReceiptId};
use proto::wire::worker::{BlockDone, StateDone};

use super::Node;
use super::effect::{Effect, LocalRefusal, Note};
use super::message::{Ask, Opening};
use super::peers::Purpose;
use super::view::CheckedNow;
use super::work::{TrialBytes, User, Work};

/// Checks under way or waiting; a claim above it is not checked by this node.
const CHECKS_MAX: usize = 64;

/// A worker that fails at a check this often does not get it again.
const FAILURES_MAX: u32 = 3;

/// Epochs after its draw in which a claim can still be minted.
const CLAIM_OPEN_EPOCHS: u64 = 8;

/// One duty of this node.
struct Check {
    claimant: AccountId,
    draw: DrawId,
    draw_epoch: u64,
    what: TrialBytes,
    segment: u32,
    block: u32,
    opening: Option<Opening>,
    missing: Vec<BlobHash>,
    computed: Computed,
    ask_again_ms: u64,
    failures: u32,
}

/// What this node got so far.
#[derive(Default)]
struct Computed {
    initial: Option<BlobHash>,
    end: Option<(BlobHash, [u8; 32])>,
    block: Option<BlockOpening>,
}

/// Duties of this node, the answered ones as `None`.
#[derive(Default)]
pub(super) struct Checks {
    duties: BTreeMap<ReceiptId, Option<Check>>,
    current: Option<ReceiptId>,
    considered_epoch: u64,
}

impl Checks {
    /// This claim needs no word of this node any more.
    pub(super) fn answered(&mut self, claim: ReceiptId) {
        self.duties.insert(claim, None);
    }

    /// The worker is gone: what it was doing starts again.
    pub(super) fn worker_lost(&mut self) {
        self.current = None;
    }

    pub(super) fn open_count(&self) -> usize {
        self.duties.values().flatten().count()
    }

    fn check(&mut self, claim: &ReceiptId) -> Option<&mut Check> {
        self.duties.get_mut(claim)?.as_mut()
    }

    fn current(&mut self) -> Option<(ReceiptId, &mut Check)> {
        let claim = self.current?;
        Some((claim, self.check(&claim)?))
    }
}

impl Check {
    fn is_ready(&self) -> bool {
        self.opening.is_some() && self.missing.is_empty() && self.failures < FAILURES_MAX
    }

    /// What the worker must do next; `None` when everything is computed.
    fn next_work(&self) -> Option<Work> {
        let opening = self.opening.as_ref()?;
        if self.computed.initial.is_none() {
            return Some(Work::run(&self.what, 0, u32::from(self.segment == 1), None));
        }
        let Some((end, _)) = self.computed.end else {
            let start = (self.segment > 1).then_some(opening.start.state);
            return Some(Work::run(&self.what, self.segment - 1, self.segment, start));
        };
        if self.computed.block.is_some() {
            return None;
        }
        let last = opening.end.as_ref().map_or(end, |opened| opened.state);
        Some(Work::evaluate(&self.what, last, self.block, self.block))
    }

    fn digest(&self, attester: &AccountId) -> Option<[u8; 32]> {
        let (end, losses) = self.computed.end?;
        let replay = Replay {
            initial: self.computed.initial?,
            segment: self.segment,
            end,
            losses,
            block: self.block,
            opening: self.computed.block?,
        };
        Some(replay.digest(attester))
    }
}

impl Node {
    /// Looks again at claims that are drawn but not minted: after a start, and when
    /// an epoch has widened the number of votes.
    pub(super) fn recall_duties(&mut self) {
        let claims: Vec<ReceiptId> = self.ledger.claims().map(|claim| claim.id).collect();
        for claim in claims {
            self.consider_duty(claim);
        }
    }

    /// Takes a claim up if this node has a vote on it.
    pub(super) fn consider_duty(&mut self, claim: ReceiptId) {
        let known = self.checks.duties.contains_key(&claim);
        if known || self.worker.class().is_none() || self.checks.open_count() >= CHECKS_MAX {
            return;
        }
        let Some(draw) = self.ledger.draws_of(&claim).first().cloned() else { return };
        if self.epoch() > draw.epoch + CLAIM_OPEN_EPOCHS || self.ledger.mint_of(&claim).is_some() {
            return;
        }
        let Some(check) = self.duty(claim, &draw) else { return };
        self.note(Note::CheckStarted { claim, segment: check.segment });
        self.checks.duties.insert(claim, Some(check));
    }

    fn duty(&self, claim: ReceiptId, draw: &Draw) -> Option<Check> {
        let receipt = self.ledger.receipt(&claim)?;
        let Body::Claim(body) = &receipt.body else { return None };
        let track = Track::by_id(&body.track)?;
        let recipe = Recipe::from_bytes(&body.recipe).ok()?;
        // Bits of another class cannot be compared: this form has no tolerances.
        let is_comparable = self.worker.class() == Some(body.numeric_class);
        if !is_comparable || !self.charter.serves(&self.keys.account, &receipt.account) {
            return None;
        }
        let proof = self.vote_proof(&claim, draw);
        let ballot = Ballot {
            claim,
            claimant: receipt.account,
            draw_output: &draw.output,
            draw_epoch: draw.epoch,
            segments: body.segments,
            blocks: track.eval_blocks,
        };
        let duty = ballot.duty(&self.charter, &self.keys.account, &proof.output, 0, self.epoch())?;
        Some(Check {
            claimant: receipt.account,
            draw: draw.id,
            draw_epoch: draw.epoch,
            what: trial_bytes(body, &recipe, &track, &receipt.account),
            segment: duty.segment,
            block: duty.block,
            opening: None,
            missing: Vec::new(),
            computed: Computed::default(),
            ask_again_ms: 0,
            failures: 0,
        })
    }

    fn vote_proof(&self, claim: &ReceiptId, draw: &Draw) -> VrfProof {
        let input = vote_input(claim, 0, &draw.output);
        let nonce = blake3::hash(&[&self.settings.choices[..], &input].concat());
        self.keys.vrf.prove(&input, *nonce.as_bytes())
    }

    pub(super) fn checks_tick(&mut self) {
        let epoch = self.epoch();
        if epoch > self.checks.considered_epoch {
            self.checks.considered_epoch = epoch;
            self.recall_duties();
            let is_over = |check: &Check| epoch > check.draw_epoch + CLAIM_OPEN_EPOCHS;
            let over = self.checks.duties.extract_if(.., |_, check| check.as_ref().is_some_and(is_over));
            let states = over.filter_map(|(_, check)| check).flat_map(|check| check.states()).collect();
            self.forget_states(states);
        }
    }

    /// Asks claimants for what is missing, and gives the word where all is computed.
    pub(super) fn checks_progress(&mut self) {
        let now_ms = self.now_ms;
        let retry_ms = self.retry_ms();
        let mut asks = Vec::new();
        let mut done = Vec::new();
        for (claim, check) in &mut self.checks.duties {
            let Some(check) = check else { continue };
            let is_computed = check.opening.is_some() && check.next_work().is_none();
            if is_computed {
                done.push(*claim);
            } else if !check.is_ready() && now_ms >= check.ask_again_ms {
                check.ask_again_ms = now_ms + retry_ms;
                asks.push((*claim, check.claimant, check.draw, check.segment, check.missing.clone()));
            }
        }
        for (claim, claimant, draw, segment, missing) in asks {
            if !self.peers.is_connected(&claimant) {
                continue;
            }
            if missing.is_empty() {
                self.ask(claimant, Purpose::Check(claim), Ask::Check { claim, draw, segment });
            }
            for hash in missing {
                self.effects.push(Effect::Fetch { hash, from: claimant });
            }
        }
        if self.signing() == super::Signing::Open {
            done.into_iter().for_each(|claim| self.attest(claim));
        }
    }

    /// The claimant opened the states: they must lead to the claimed root.
    pub(super) fn opening_came(&mut self, claim: ReceiptId, opening: Opening) {
        let Some(receipt) = self.ledger.receipt(&claim).cloned() else { return };
        let Body::Claim(body) = &receipt.body else { return };
        let Some(check) = self.checks.check(&claim).filter(|check| check.opening.is_none()) else { return };
        let blocks = Track::by_id(&body.track).map_or(0, |track| track.eval_blocks);
        let (root, segments) = (&body.trace_root, body.segments);
        let end_fits = match &opening.end {
            Some(end) => check.segment < segments && end.is_in(root, segments, blocks, segments),
            None => check.segment == segments,
        };
        if !end_fits || !opening.start.is_in(root, segments, blocks, check.segment - 1) {
            return;
        }
        if check.segment > 1 {
            check.missing.push(opening.start.state);
        }
        check.missing.extend(opening.end.as_ref().map(|end| end.state));
        check.opening = Some(opening);
        check.ask_again_ms = 0;
    }

    pub(super) fn blob_came(&mut self, hash: BlobHash, stored: bool) {
        if stored {
            for check in self.checks.duties.values_mut().flatten() {
                check.missing.retain(|missing| *missing != hash);
            }
        }
    }

    /// What the worker checks now, if it does.
    pub(super) fn checked_now(&self) -> Option<CheckedNow> {
        let claim = self.checks.current.filter(|_| self.worker.user() == Some(User::Check))?;
        let check = self.checks.duties.get(&claim)?.as_ref()?;
        Some(CheckedNow { claim, claimant: check.claimant, segment: check.segment, block: check.block })
    }

    pub(super) fn next_check_work(&mut self) -> Option<Work> {
        let ready = self.checks.duties.iter().filter_map(|(claim, check)| Some((claim, check.as_ref()?)));
        let mut ready = ready.filter(|(_, check)| check.is_ready());
        let (claim, work) = ready.find_map(|(claim, check)| Some((*claim, check.next_work()?)))?;
        self.checks.current = Some(claim);
        Some(work)
    }

    pub(super) fn check_state(&mut self, state: StateDone) {
        let Some(hash) = self.keep_state(state.file.clone(), &state.state_hash) else { return };
        let Some((_, check)) = self.checks.current() else { return };
        if state.segment == 0 {
            check.computed.initial = Some(hash);
        } else if let Ok(losses) = <[u8; 32]>::try_from(&state.losses_hash[..]) {
            check.computed.end = Some((hash, losses));
        }
    }

    pub(super) fn check_block(&mut self, block: BlockDone) {
        let Some((_, check)) = self.checks.current() else { return };
        if let Ok(nats_hash) = <[u8; 32]>::try_from(&block.nats_hash[..]) {
            check.computed.block = Some(BlockOpening { sum_microbits: block.sum_microbits, nats_hash });
        }
    }

    pub(super) fn check_failed(&mut self) {
        let Some((_, check)) = self.checks.current() else { return };
        check.failures += 1;
    }

    /// Lets go of states, but for those that something else here still needs: whose
    /// they are was said by a claimant.
    pub(super) fn forget_states(&mut self, states: Vec<BlobHash>) {
        for state in states {
            let mut checks = self.checks.duties.values().flatten();
            let is_needed = self.claims.needs(&state)
                || self.earn.needs(&state)
                || checks.any(|check| check.states().contains(&state));
            if !is_needed {
                self.effects.push(Effect::Forget(state));
            }
        }
    }

    fn attest(&mut self, claim: ReceiptId) {
        let Some(Some(check)) = self.checks.duties.get(&claim) else { return };
        let (segment, block, draw_id) = (check.segment, check.block, check.draw);
        let digest = check.digest(&self.keys.account);
        let states: Vec<BlobHash> = check.states();
        let draws = self.ledger.draws_of(&claim);
        let Some(draw) = draws.iter().find(|draw| draw.id == draw_id) else { return };
        let attest = Attest {
            claim,
            draw: draw.id,
            draw_output: draw.output,
            round: 0,
            segment,
            block,
            digest,
            vrf_key: self.keys.vrf.public(),
            proof: self.vote_proof(&claim, draw),
        };
        match self.sign(Body::Attest(attest)) {
            Ok(_) => self.note(Note::Attested { claim, segment }),
            // A founder's clock is a little ahead of ours: the word is given when ours is there.
            Err(LocalRefusal::Ledger(Refusal::EpochBeforeNamed)) => return,
            // The claim was closed in the meantime: no word is needed.
            Err(_) => {}
        }
        self.checks.answered(claim);
        self.forget_states(states);
    }
}

impl Check {
    /// Every state that this check brought into the blob store.
    fn states(&self) -> Vec<BlobHash> {
        let opening = self.opening.iter();
        let opened = opening
            .flat_map(|opening| [Some(opening.start.state), opening.end.as_ref().map(|end| end.state)]);
        let computed = [self.computed.initial, self.computed.end.map(|(end, _)| end)];
        opened.chain(computed).flatten().collect()
    }
}

fn trial_bytes(claim: &Claim, recipe: &Recipe, track: &Track, claimant: &AccountId) -> TrialBytes {
    TrialBytes {
        recipe: recipe.to_bytes(),
        track: track.to_bytes(),
        seed: trial::seed(&claim.track, &recipe.id(), claimant, claim.nonce),
        segments: claim.segments,
    }
}
