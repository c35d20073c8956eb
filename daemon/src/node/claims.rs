//! Own claims on their way to credit: draw, serving the checks, mint.

use std::collections::BTreeMap;

use credits::{Body, ClaimVerdict, Draw, DrawShare, Item, Mint, Receipt, Refusal, TrialMint};
use jobs::trace::Trace;
use proto::ids::{AccountId, BlobHash, DrawId, ReceiptId};
use proto::wire::journal::TrialDropped;
use proto::wire::journal::trial_record::Step;
use proto::wire::receipt as wire;
use proto::wire::sync::refused::Reason;

use super::effect::{JournalKind, LocalRefusal, Note};
use super::memory::trial_record;
use super::message::{Answer, Ask, Opening};
use super::peers::Purpose;
use super::{Node, Signing};

/// One own claim and what is needed to answer for it.
struct OwnClaim {
    nonce: u64,
    trace: Trace,
    shares: BTreeMap<AccountId, DrawShare>,
    draw: Option<DrawId>,
    /// Attestations that were there at the last look.
    attests_seen: usize,
    minted: bool,
    ask_again_ms: u64,
    /// Who was served which segment: another one would give the first one's answer.
    served: BTreeMap<AccountId, u32>,
}

/// Own claims whose trace is still needed.
#[derive(Default)]
pub(super) struct OwnClaims(BTreeMap<ReceiptId, OwnClaim>);

impl OwnClaims {
    pub(super) fn keep(&mut self, claim: ReceiptId, nonce: u64, trace: Trace) {
        let own = OwnClaim {
            nonce,
            trace,
            shares: BTreeMap::new(),
            draw: None,
            attests_seen: 0,
            minted: false,
            ask_again_ms: 0,
            served: BTreeMap::new(),
        };
        self.0.insert(claim, own);
    }

    pub(super) fn open_count(&self) -> usize {
        self.0.values().filter(|own| !own.minted).count()
    }

    pub(super) fn minted(&mut self, mint: &Mint) {
        match mint {
            Mint::Trial(mint) => {
                if let Some(own) = self.0.get_mut(&mint.claim) {
                    own.minted = true;
                }
            }
            Mint::Fee(_) => {}
        }
    }

    /// Whether a state belongs to a trace that is still served.
    pub(super) fn needs(&self, state: &BlobHash) -> bool {
        let mut states = self
            .0
            .values()
            .flat_map(|own| (0..=own.trace.segments()).filter_map(|segment| own.trace.state(segment)));
        states.any(|own| own == *state)
    }

    pub(super) fn forget_nonce(&mut self, nonce: u64) {
        self.0.retain(|_, own| own.nonce != nonce);
    }

    /// Serves what a check needs: the start state and the final one, never the leaf
    /// that is asked for.
    pub(super) fn open(&mut self, from: AccountId, claim: &ReceiptId, draw: &DrawId, segment: u32) -> Answer {
        let Some(own) = self.0.get_mut(claim) else {
            return Answer::Refused(Reason::Unknown);
        };
        let segments = own.trace.segments();
        let is_other = *own.served.entry(from).or_insert(segment) != segment;
        if own.draw != Some(*draw) || segment > segments || is_other {
            return Answer::Refused(Reason::NotAllowed);
        }
        let end = if segment < segments { own.trace.open_state(segments) } else { None };
        match own.trace.open_state(segment - 1) {
            Some(start) => Answer::Check(Box::new(Opening { start, end })),
            None => Answer::Refused(Reason::Unknown),
        }
    }
}

impl Node {
    pub(super) fn receipt_applied(&mut self, receipt: &Receipt) {
        match &receipt.body {
            Body::Mint(mint) if receipt.account == self.keys.account => self.claims.minted(mint),
            Body::Settle(settle) => self.settle_came(settle.hold),
            Body::Hold(hold) => self.hold_came(receipt.id, hold),
            Body::Genesis(_)
            | Body::Claim(_)
            | Body::Attest(_)
            | Body::Mint(_)
            | Body::Vest(_)
            | Body::Release(_) => {}
        }
    }

    pub(super) fn claims_progress(&mut self) {
        let open: Vec<ReceiptId> =
            self.claims.0.iter().filter(|(_, own)| !own.minted).map(|(claim, _)| *claim).collect();
        for claim in open {
            self.draw_own(claim);
            self.mint_own(claim);
        }
    }

    /// Puts the draw of an own claim together, or asks founders for their shares.
    fn draw_own(&mut self, claim: ReceiptId) {
        let Some(own) = self.claims.0.get_mut(&claim).filter(|own| own.draw.is_none()) else { return };
        if let Some(draw) = self.ledger.draws_of(&claim).first() {
            own.draw = Some(draw.id);
            return;
        }
        let quorum = self.charter.quorum_for(&self.keys.account);
        if own.shares.len() >= quorum {
            let shares = own.shares.values().take(quorum).cloned().collect();
            match Draw::assemble(claim, shares) {
                Ok(draw) => self.spread_draw(claim, Item::Draw(draw.into())),
                // One of the shares is bad and nobody can say whose fault it is: ask anew.
                Err(_) => own.shares.clear(),
            }
            return;
        }
        if self.now_ms < own.ask_again_ms {
            return;
        }
        own.ask_again_ms = self.now_ms + self.charter.rules.epoch_ms.clamp(500, 10_000);
        self.ask_shares(claim);
    }

    fn spread_draw(&mut self, claim: ReceiptId, draw: Item) {
        self.ingest(vec![draw.clone()]);
        if !self.ledger.contains(&draw) {
            // A share is not what it should be: ask all founders anew, in a while.
            let ask_again_ms = self.now_ms + self.retry_ms();
            if let Some(own) = self.claims.0.get_mut(&claim) {
                own.shares.clear();
                own.ask_again_ms = ask_again_ms;
            }
            return;
        }
        let bundle = self.ledger.with_names(&draw);
        self.effects.push(super::effect::Effect::Gossip(bundle));
    }

    fn ask_shares(&mut self, claim: ReceiptId) {
        let Some(receipt) = self.ledger.receipt(&claim).cloned() else { return };
        let items = self.ledger.with_names(&Item::Receipt(receipt));
        for founder in self.serving_founders() {
            let known = self.claims.0.get(&claim).is_some_and(|own| own.shares.contains_key(&founder));
            if founder == self.keys.account {
                if let Answer::Share(share) = self.share_asked(claim, Vec::new()) {
                    self.share_came(claim, founder, &share);
                }
            } else if self.peers.is_connected(&founder) && !known {
                self.ask(founder, Purpose::Share(claim), Ask::Draw { claim, items: items.clone() });
            }
        }
    }

    pub(super) fn share_came(&mut self, claim: ReceiptId, from: AccountId, share: &wire::DrawShare) {
        let epochs = self.ledger.receipt(&claim).map_or(0, |claim| claim.epoch)..=self.epoch() + 1;
        let Some(own) = self.claims.0.get_mut(&claim) else { return };
        // Only the claim makes sense of a share, so it is checked here and not at the edge.
        match DrawShare::check(share, &claim, &self.charter) {
            // One from another time would keep the draw out of everybody's ledger.
            Ok(share) if share.founder == from && epochs.contains(&share.epoch) => {
                own.shares.insert(from, share);
            }
            Ok(_) | Err(_) => {}
        }
    }

    /// Founders who may serve this account.
    pub(super) fn serving_founders(&self) -> Vec<AccountId> {
        let own = self.keys.account;
        let founders = self.charter.rules.founders.iter().map(|founder| founder.account);
        founders.filter(|founder| self.charter.serves(founder, &own)).collect()
    }

    /// Mints an own claim once enough attestations confirm it.
    fn mint_own(&mut self, claim: ReceiptId) {
        if self.signing() != Signing::Open {
            return;
        }
        let account = self.keys.account;
        let Some(own) = self.claims.0.get_mut(&claim) else { return };
        let Some(draw) = own.draw else { return };
        let attests = self.ledger.attests_of(&claim);
        if attests.len() == own.attests_seen {
            return;
        }
        own.attests_seen = attests.len();
        let opening = own.trace.open(claim, draw, Vec::new());
        let mut confirming = Vec::new();
        let mut refuting = Vec::new();
        for receipt in &attests {
            let Body::Attest(attest) = &receipt.body else { continue };
            let own_digest = opening.digest_for(&receipt.account, attest.segment, attest.block);
            if attest.digest == own_digest && attest.draw == draw {
                confirming.push(receipt.id);
            } else {
                refuting.push(receipt.account);
            }
        }
        confirming.truncate(proto::limits::MINT_ATTESTS_MAX);
        for by in refuting {
            self.note(Note::Refuted { claim, by });
        }
        let mint = TrialMint { attests: confirming, ..opening };
        let before = self.ledger.declared(&account).vesting;
        match self.sign(Body::Mint(Mint::Trial(mint))) {
            Ok(mint) => {
                let amount = self.ledger.declared(&account).vesting.checked_sub(before).unwrap_or_default();
                self.note(Note::Minted { mint, amount });
            }
            // A checker's clock is a little ahead of ours: try again when ours is there.
            Err(LocalRefusal::Ledger(Refusal::EpochBeforeNamed)) => {
                if let Some(own) = self.claims.0.get_mut(&claim) {
                    own.attests_seen = 0;
                }
            }
            // Too few votes confirm yet: the next attestation tries again.
            Err(_) => {}
        }
    }

    /// Lets go of traces that nobody can ask for any more.
    pub(super) fn claims_tick(&mut self) {
        let epoch = self.epoch();
        let over: Vec<ReceiptId> = self
            .claims
            .0
            .keys()
            .filter(|claim| is_over(&self.ledger.verdict_of(claim), epoch))
            .copied()
            .collect();
        for claim in over {
            let Some(own) = self.claims.0.remove(&claim) else { continue };
            let reason = if own.minted { "its window ended" } else { "its time ended without enough votes" };
            let step = Step::Dropped(TrialDropped { reason: reason.to_owned() });
            self.journal(JournalKind::Trial, trial_record(own.nonce, step));
            self.forget_states(
                (0..=own.trace.segments()).filter_map(|segment| own.trace.state(segment)).collect(),
            );
            if !own.minted {
                self.note(Note::TrialDropped { reason: reason.to_owned() });
            }
        }
    }
}

/// Whether nobody can need a claim's states any more.
fn is_over(verdict: &ClaimVerdict, epoch: u64) -> bool {
    match verdict {
        ClaimVerdict::Unknown | ClaimVerdict::Open { .. } => false,
        ClaimVerdict::Minted { window, .. } => window.as_ref().is_some_and(|window| epoch >= window.ends),
        ClaimVerdict::Refuted { .. } | ClaimVerdict::Closed => true,
    }
}
