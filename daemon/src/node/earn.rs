//! Earning: which trial runs, how far it is, and its claim.

use std::collections::BTreeSet;

use credits::{BlockOpening, Body, Charter, Claim, ClaimVerdict, Mint};
use jobs::search::{self, Attested};
use jobs::trace::{Trace, TraceBuilder};
use jobs::{Recipe, Track, counter_rng, gas, trial};
use proto::ids::{AccountId, BlobHash, NumericClass, ReceiptId, RecipeId};
use proto::wire::journal::trial_record::Step;
use proto::wire::journal::{TrialDropped, TrialStarted};
use proto::wire::worker::{BlockDone, StateDone};

use super::Node;
use super::effect::{JournalKind, LocalRefusal, Note};
use super::memory::trial_record;
use super::work::{TrialBytes, Work};

/// Own claims that may wait for their mint at once: the ledger refuses a fourth.
const OPEN_CLAIMS_MAX: usize = 3;

/// Why no trial runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotEarning {
    /// The node was not asked to.
    Off,
    /// The device is not free.
    DeviceBusy,
    /// No worker is up.
    NoWorker,
    /// The node does not sign, so that nothing could be claimed.
    NotSigning,
    /// Own claims must be checked first.
    ClaimsOpen,
    /// The charter names no track that this build knows.
    NoTrack,
}

impl std::fmt::Display for NotEarning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Off => "donation is off",
            Self::DeviceBusy => "the device is in use",
            Self::NoWorker => "no worker is up",
            Self::NotSigning => "the node does not sign",
            Self::ClaimsOpen => "own claims wait for their checks",
            Self::NoTrack => "this build knows none of the swarm's tracks",
        })
    }
}

/// A trial under way.
#[derive(Debug)]
struct Running {
    nonce: u64,
    recipe: Recipe,
    track: Track,
    builder: TraceBuilder,
    /// The last segment whose end state is saved, and every saved state.
    done: Option<(u32, BlobHash)>,
    states: BTreeSet<BlobHash>,
    blocks_done: u32,
}

/// The own trial, if any.
#[derive(Debug, Default)]
pub(super) struct Earn {
    device_free: bool,
    running: Option<Running>,
    nonce_last: u64,
    progress: Option<(u64, u64, u64)>,
}

impl Earn {
    /// Returns whether it changed.
    pub(super) fn set_device_free(&mut self, free: bool) -> bool {
        std::mem::replace(&mut self.device_free, free) != free
    }

    pub(super) fn progress(&mut self, step: u64, steps: u64, loss_microbits: u64) {
        self.progress = Some((step, steps, loss_microbits));
    }

    /// Recipe, steps done, steps, loss of the running trial.
    pub(super) fn running(&self) -> Option<(RecipeId, u64, u64, u64)> {
        let running = self.running.as_ref()?;
        let (step, steps, loss) = self.progress.unwrap_or_default();
        Some((running.recipe.id(), step, steps, loss))
    }

    pub(super) fn recall_started(
        &mut self,
        nonce: u64,
        started: &TrialStarted,
        charter: &Charter,
    ) -> Option<()> {
        self.nonce_last = self.nonce_last.max(nonce);
        let recipe = Recipe::from_bytes(&started.recipe).ok()?;
        let track = Track::from_bytes(&started.track).ok()?;
        self.running = Some(Running::new(nonce, recipe, track, charter.rules.segments));
        Some(())
    }

    pub(super) fn recall_state(&mut self, nonce: u64, state: &StateDone) -> Option<()> {
        self.running.as_mut().filter(|running| running.nonce == nonce)?.state(state)
    }

    pub(super) fn recall_block(&mut self, nonce: u64, block: &BlockDone) -> Option<()> {
        self.running.as_mut().filter(|running| running.nonce == nonce)?.block(block)
    }

    /// The trace of a trial whose claim was journalled.
    pub(super) fn take_finished(&mut self, nonce: u64) -> Option<Trace> {
        let running = self.running.take_if(|running| running.nonce == nonce)?;
        running.builder.finish().ok()
    }

    /// Whether a state belongs to the running trial.
    pub(super) fn needs(&self, state: &BlobHash) -> bool {
        self.running.as_ref().is_some_and(|running| running.states.contains(state))
    }

    pub(super) fn forget(&mut self, nonce: u64) {
        self.running.take_if(|running| running.nonce == nonce);
    }
}

impl Running {
    fn new(nonce: u64, recipe: Recipe, track: Track, segments: u32) -> Self {
        let builder = TraceBuilder::new(segments, track.eval_blocks);
        Self { nonce, recipe, track, builder, done: None, states: BTreeSet::new(), blocks_done: 0 }
    }

    fn state(&mut self, state: &StateDone) -> Option<()> {
        let hash = BlobHash::try_from(&state.state_hash[..]).ok()?;
        if state.segment == 0 {
            self.builder.initial(hash).ok()?;
        } else {
            self.builder.segment(state.segment, hash, state.losses_hash[..].try_into().ok()?).ok()?;
        }
        self.done = Some((state.segment, hash));
        self.states.insert(hash);
        Some(())
    }

    fn block(&mut self, block: &BlockDone) -> Option<()> {
        let nats_hash = block.nats_hash[..].try_into().ok()?;
        let opening = BlockOpening { sum_microbits: block.sum_microbits, nats_hash };
        self.builder.block(block.block, opening).ok()?;
        self.blocks_done += 1;
        Some(())
    }
}

impl Node {
    /// Why no trial runs or would run, if so.
    pub fn not_earning(&self) -> Option<NotEarning> {
        if !self.settings.earns {
            Some(NotEarning::Off)
        } else if !self.earn.device_free {
            Some(NotEarning::DeviceBusy)
        } else if !self.worker.is_up() {
            Some(NotEarning::NoWorker)
        } else if self.signing() != super::Signing::Open {
            Some(NotEarning::NotSigning)
        } else if self.claims.open_count() >= OPEN_CLAIMS_MAX {
            Some(NotEarning::ClaimsOpen)
        } else if self.paid_track().is_none() {
            Some(NotEarning::NoTrack)
        } else {
            None
        }
    }

    pub(super) fn next_trial_work(&mut self) -> Option<Work> {
        if self.not_earning().is_some() {
            return None;
        }
        if self.earn.running.is_none() {
            self.start_trial()?;
        }
        let what = self.trial_bytes()?;
        let running = self.earn.running.as_ref()?;
        let segments = self.charter.rules.segments;
        Some(match running.done {
            None | Some((0, _)) => Work::run(&what, 0, 1, None),
            Some((done, state)) if done < segments => Work::run(&what, done, done + 1, Some(state)),
            Some((_, state)) => {
                Work::evaluate(&what, state, running.blocks_done, running.track.eval_blocks - 1)
            }
        })
    }

    fn trial_bytes(&self) -> Option<TrialBytes> {
        let running = self.earn.running.as_ref()?;
        let track = running.track.id();
        let seed = trial::seed(&track, &running.recipe.id(), &self.keys.account, running.nonce);
        Some(TrialBytes {
            recipe: running.recipe.to_bytes(),
            track: running.track.to_bytes(),
            seed,
            segments: self.charter.rules.segments,
        })
    }

    /// The first of the charter's tracks that this build knows.
    pub fn paid_track(&self) -> Option<Track> {
        self.charter.rules.tracks.iter().find_map(Track::by_id)
    }

    fn start_trial(&mut self) -> Option<()> {
        let track = self.paid_track()?;
        let nonce = self.earn.nonce_last.max(self.now_ms) + 1;
        let seed = counter_rng::bits(&self.settings.choices, "trial", nonce);
        let seed = *blake3::hash(&[&self.settings.choices[..], &seed.to_le_bytes()].concat()).as_bytes();
        let known = self.known_recipes(&track);
        let recipe = search::propose(&self.attested(), &known, &track, &seed)?;
        let started = TrialStarted { track: track.to_bytes(), recipe: recipe.to_bytes() };
        self.journal(JournalKind::Trial, trial_record(nonce, Step::Started(started)));
        self.note(Note::TrialStarted { recipe: recipe.id(), segment: 0 });
        self.earn.nonce_last = nonce;
        self.earn.progress = None;
        self.earn.running = Some(Running::new(nonce, recipe, track, self.charter.rules.segments));
        Some(())
    }

    /// Ids that the search must not propose again: everything claimed, and for all
    /// but the first founder the baseline, so that a fresh swarm runs it once.
    fn known_recipes(&self, track: &Track) -> BTreeSet<RecipeId> {
        let claimed = self.ledger.claims().filter_map(|claim| self.recipe_of(claim));
        let mut known: BTreeSet<RecipeId> = claimed.map(|recipe| recipe.id()).collect();
        if self.charter.rules.founders[0].account != self.keys.account {
            known.insert(track.baseline.id());
        }
        known
    }

    fn recipe_of(&self, receipt: &credits::Receipt) -> Option<Recipe> {
        match &receipt.body {
            Body::Claim(claim) => Recipe::from_bytes(&claim.recipe).ok(),
            Body::Genesis(_)
            | Body::Attest(_)
            | Body::Mint(_)
            | Body::Vest(_)
            | Body::Hold(_)
            | Body::Settle(_)
            | Body::Release(_) => None,
        }
    }

    /// Trials whose mint stands: the log that the search learns from.
    pub fn attested(&self) -> Vec<Attested> {
        let mut attested = Vec::new();
        for receipt in self.ledger.claims() {
            let Body::Claim(claim) = &receipt.body else { continue };
            let ClaimVerdict::Minted { mint, stands: true, .. } = self.ledger.verdict_of(&receipt.id) else {
                continue;
            };
            if let Some(recipe) = self.recipe_of(receipt) {
                attested.push(Attested {
                    claim: receipt.id,
                    account: receipt.account,
                    recipe,
                    metric_microbits: claim.metric_microbits,
                    checkers: self.named_by(&mint),
                });
            }
        }
        attested
    }

    /// Who a trial's mint names as having got the same.
    fn named_by(&self, mint: &ReceiptId) -> Vec<AccountId> {
        let Some(Body::Mint(Mint::Trial(mint))) = self.ledger.receipt(mint).map(|receipt| &receipt.body)
        else {
            return Vec::new();
        };
        mint.attests.iter().filter_map(|attest| Some(self.ledger.receipt(attest)?.account)).collect()
    }

    pub(super) fn trial_state(&mut self, state: StateDone) {
        let Some(nonce) = self.earn.running.as_ref().map(|running| running.nonce) else { return };
        if self.keep_state(state.file.clone(), &state.state_hash).is_none() {
            return self.drop_trial("the worker reported a malformed state".to_owned());
        }
        self.journal(JournalKind::Trial, trial_record(nonce, Step::State(state.clone())));
        if self.earn.running.as_mut().and_then(|running| running.state(&state)).is_none() {
            self.drop_trial("the worker reported a malformed state".to_owned());
        }
    }

    pub(super) fn trial_block(&mut self, block: BlockDone) {
        let Some(running) = self.earn.running.as_mut() else { return };
        let nonce = running.nonce;
        if running.block(&block).is_none() {
            return self.drop_trial("the worker reported a malformed evaluation".to_owned());
        }
        self.journal(JournalKind::Trial, trial_record(nonce, Step::Block(block)));
    }

    pub(super) fn trial_order_done(&mut self, diverged: bool) {
        if diverged {
            return self.drop_trial("the loss is not finite".to_owned());
        }
        let Some(running) = self.earn.running.take() else { return };
        let Ok(trace) = running.builder.clone().finish() else {
            // A segment is done, not the trial.
            self.earn.running = Some(running);
            return;
        };
        match self.claim(&running, &trace) {
            Ok(claim) => {
                let step = Step::Claimed(claim.to_vec());
                self.journal(JournalKind::Trial, trial_record(running.nonce, step));
                self.claims.keep(claim, running.nonce, trace);
            }
            Err(refusal) => {
                self.earn.running = Some(running);
                self.drop_trial(refusal.to_string());
            }
        }
    }

    fn claim(&mut self, running: &Running, trace: &Trace) -> Result<ReceiptId, LocalRefusal> {
        let metric_microbits = trace.metric_microbits(running.track.eval_bytes());
        let gas = gas::of(&running.recipe, &running.track).map_or(0, |gas| gas.total);
        let claim = self.sign(Body::Claim(Claim {
            track: running.track.id(),
            recipe: running.recipe.to_bytes(),
            nonce: running.nonce,
            gas,
            metric_microbits,
            trace_root: trace.root(),
            segments: self.charter.rules.segments,
            numeric_class: self.worker.class().unwrap_or(NumericClass::new([0; 32])),
        }))?;
        self.note(Note::Claimed { claim, metric_microbits });
        Ok(claim)
    }

    /// Ends the running trial without a claim.
    pub(super) fn drop_trial(&mut self, reason: String) {
        let Some(running) = self.earn.running.take() else { return };
        let step = Step::Dropped(TrialDropped { reason: reason.clone() });
        self.journal(JournalKind::Trial, trial_record(running.nonce, step));
        self.forget_states(running.states.into_iter().collect());
        self.note(Note::TrialDropped { reason });
    }
}
