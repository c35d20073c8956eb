//! What anybody can check about a receipt: who ran, who re-ran, who anchored, and
//! where it stands in its chain.

use std::collections::BTreeMap;
use std::sync::Arc;

use credits::votes::Ballot;
use credits::{Anchor, Attest, Body, Claim, Draw, Mint, Receipt, TrialMint};
use data_encoding::HEXLOWER;
use jobs::Recipe;
use proto::api::{AnchorEvidence, CheckEvidence, CheckVerdict, Evidence, Place, RunEvidence};
use proto::ids::{AccountId, DrawId, ReceiptId};

use super::View;

/// The attestation that a receipt is.
pub(super) fn attest_of(receipt: &Receipt) -> Option<&Attest> {
    match &receipt.body {
        Body::Attest(attest) => Some(attest),
        Body::Genesis(_)
        | Body::Claim(_)
        | Body::Mint(_)
        | Body::Vest(_)
        | Body::Hold(_)
        | Body::Settle(_)
        | Body::Release(_) => None,
    }
}

/// A claim with its receipt.
pub(super) struct Run<'a> {
    pub(super) receipt: &'a Receipt,
    pub(super) claim: &'a Claim,
    /// The draw that the explained receipt names, if it names one.
    named_draw: Option<DrawId>,
}

impl View<'_> {
    pub(super) fn evidence(&self, receipt: &Receipt) -> Evidence {
        let run = self.run_of(receipt);
        Evidence {
            checks: run.as_ref().map(|run| self.checks(run)).unwrap_or_default(),
            run: run.map(|run| self.run_evidence(&run)),
            anchors: self.anchors(receipt),
            place: self.place(receipt),
        }
    }

    /// The trial that a receipt is about.
    pub(super) fn run_of<'a>(&'a self, receipt: &'a Receipt) -> Option<Run<'a>> {
        let of = |id: &ReceiptId, named_draw| {
            let receipt = self.ledger.receipt(id)?;
            match &receipt.body {
                Body::Claim(claim) => Some(Run { receipt, claim, named_draw }),
                Body::Genesis(_)
                | Body::Attest(_)
                | Body::Mint(_)
                | Body::Vest(_)
                | Body::Hold(_)
                | Body::Settle(_)
                | Body::Release(_) => None,
            }
        };
        match &receipt.body {
            Body::Claim(claim) => Some(Run { receipt, claim, named_draw: None }),
            Body::Attest(attest) => of(&attest.claim, Some(attest.draw)),
            Body::Mint(Mint::Trial(mint)) => of(&mint.claim, Some(mint.draw)),
            Body::Mint(Mint::Fee(fee)) => {
                let attest = self.ledger.receipt(&fee.attest)?;
                attest_of(attest).and_then(|attest| of(&attest.claim, Some(attest.draw)))
            }
            Body::Genesis(_) | Body::Vest(_) | Body::Hold(_) | Body::Settle(_) | Body::Release(_) => None,
        }
    }

    fn run_evidence(&self, run: &Run<'_>) -> RunEvidence {
        let draw = match run.named_draw {
            Some(id) => self.ledger.draw(&id).cloned(),
            None => self.ledger.draws_of(&run.receipt.id).into_iter().min_by_key(|draw| draw.epoch),
        };
        let founders = |draw: &Arc<Draw>| draw.shares.iter().map(|share| share.founder).collect();
        RunEvidence {
            claim: run.receipt.id,
            account: run.receipt.account,
            track: run.claim.track,
            recipe: Recipe::from_bytes(&run.claim.recipe).ok().map(|recipe| recipe.id()),
            gas: run.claim.gas,
            val_bpb_microbits: run.claim.metric_microbits,
            trace_root: HEXLOWER.encode(&run.claim.trace_root),
            segments: run.claim.segments,
            draw: draw.as_ref().map(|draw| draw.id),
            draw_founders: draw.as_ref().map(founders).unwrap_or_default(),
        }
    }

    /// The opening of a claim's trace by its mint.
    pub(super) fn opening_of(&self, claim: &ReceiptId) -> Option<TrialMint> {
        match &self.ledger.mint_of(claim)?.body {
            Body::Mint(Mint::Trial(mint)) => Some(mint.clone()),
            Body::Mint(Mint::Fee(_))
            | Body::Genesis(_)
            | Body::Claim(_)
            | Body::Attest(_)
            | Body::Vest(_)
            | Body::Hold(_)
            | Body::Settle(_)
            | Body::Release(_) => None,
        }
    }

    /// Every check of a trial, whether or not its mint names it.
    pub(super) fn checks(&self, run: &Run<'_>) -> Vec<CheckEvidence> {
        let opening = self.opening_of(&run.receipt.id);
        let attests = self.ledger.attests_of(&run.receipt.id);
        let check = |receipt: &Arc<Receipt>| {
            let attest = attest_of(receipt)?;
            let opened = opening
                .as_ref()
                .and_then(|opening| opening.digest_for(&receipt.account, attest.segment, attest.block));
            let verdict = match (attest.digest, opened) {
                (None, _) => CheckVerdict::Unavailable,
                (Some(_), None) => CheckVerdict::NotOpenYet,
                (Some(signed), Some(opened)) if signed == opened => CheckVerdict::Confirms,
                (Some(_), Some(_)) => CheckVerdict::Refutes,
            };
            Some(CheckEvidence {
                attest: receipt.id,
                account: receipt.account,
                segment: attest.segment,
                block: attest.block,
                votes: self.votes(run, receipt, attest),
                digest_signed: attest.digest.map(|digest| HEXLOWER.encode(&digest)),
                digest_opened: opened.map(|digest| HEXLOWER.encode(&digest)),
                verdict,
            })
        };
        attests.iter().filter_map(check).collect()
    }

    /// The votes that the draw gave a check, recomputed from its random output.
    fn votes(&self, run: &Run<'_>, receipt: &Receipt, attest: &Attest) -> Option<u32> {
        let draw = self.ledger.draw(&attest.draw)?;
        let ballot = Ballot {
            claim: run.receipt.id,
            claimant: run.receipt.account,
            draw_output: &draw.output,
            draw_epoch: draw.epoch,
            segments: run.claim.segments,
            blocks: self.ledger.terms_of(&run.receipt.id)?.blocks,
        };
        let charter = self.ledger.charter();
        let duty =
            ballot.duty(charter, &receipt.account, &attest.proof.output, attest.round, receipt.epoch)?;
        Some(duty.votes)
    }

    /// Anchors at or above a receipt, on its chain.
    fn anchors_at_or_above(&self, receipt: &Receipt) -> impl Iterator<Item = Arc<Anchor>> {
        let (chain, seq) = (self.ledger.chain(&receipt.account), receipt.seq);
        self.ledger.anchors_over(&receipt.account).into_iter().filter(move |anchor| {
            let reached = usize::try_from(anchor.seq).ok().and_then(|seq| chain.get(seq.checked_sub(1)?));
            anchor.seq >= seq && reached.is_some_and(|reached| reached.id == anchor.receipt)
        })
    }

    /// One anchor of each founder: the first that lists the receipt, else the first.
    fn anchors(&self, receipt: &Receipt) -> Vec<AnchorEvidence> {
        if !self.is_valid(receipt) {
            return vec![];
        }
        let mut of: BTreeMap<AccountId, AnchorEvidence> = BTreeMap::new();
        for anchor in self.anchors_at_or_above(receipt) {
            let lists = anchor.listed.contains(&receipt.id);
            let evidence = AnchorEvidence {
                anchor: anchor.id,
                founder: anchor.founder,
                seq: anchor.seq,
                epoch: anchor.epoch,
                lists,
            };
            match of.get(&anchor.founder) {
                Some(kept) if kept.lists || !lists => {}
                Some(_) | None => {
                    of.insert(anchor.founder, evidence);
                }
            }
        }
        of.into_values().collect()
    }

    fn is_valid(&self, receipt: &Receipt) -> bool {
        let place = usize::try_from(receipt.seq).ok().and_then(|seq| seq.checked_sub(1));
        let there = place.and_then(|place| self.ledger.chain(&receipt.account).get(place));
        there.is_some_and(|there| there.id == receipt.id)
    }

    fn place(&self, receipt: &Receipt) -> Place {
        let charter = self.ledger.charter();
        Place {
            seq: receipt.seq,
            epoch: receipt.epoch,
            prev: receipt.prev,
            head_seq: self.ledger.head(&receipt.account).map_or(0, |head| head.seq),
            anchored_by: u32::try_from(self.anchors(receipt).len()).expect("a charter has few founders"),
            threshold: u32::try_from(charter.quorum_for(&receipt.account))
                .expect("a charter has few founders"),
            is_valid: self.is_valid(receipt),
            is_final: self.ledger.is_final(&receipt.id),
            signature: HEXLOWER.encode(&receipt.envelope().signature),
        }
    }
}
