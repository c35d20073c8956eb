//! The rules of claims, attestations and mints.

use std::collections::BTreeSet;

use proto::ids::ReceiptId;

use crate::amount::{Ucr, attest_fee};
use crate::body::{FeeMint, TrialMint};

use super::{
    Attest, Ballot, Body, CLAIM_EPOCHS, CLAIM_GAS_MAX, CLAIMS_OPEN_MAX, Candidate, Claim, Entry, Facts,
    Judge, Mint, Move, Refusal, TermsFault, Use, confirmations,
};

impl Judge<'_> {
    pub(super) fn claim(&self, receipt: &Candidate<'_>, claim: &Claim) -> Result<(Move, Facts), Refusal> {
        if !self.charter.rules.tracks.contains(&claim.track) {
            return Err(TermsFault::UnknownTrack.into());
        }
        let terms = self.terms.assess(claim)?;
        if claim.segments != self.charter.rules.segments {
            return Err(Refusal::WrongSegments);
        }
        let genesis = receipt.prev.and_then(|prev| self.set.genesis(&prev)).ok_or(Refusal::WrongPlace)?;
        if genesis.numeric_class != claim.numeric_class {
            return Err(Refusal::WrongClass);
        }
        if claim.gas > CLAIM_GAS_MAX {
            return Err(Refusal::ClaimTooLarge);
        }
        let earlier = || {
            let claims = self.set.chains.get(&receipt.account).into_iter().flat_map(|chain| &chain.claims);
            claims.filter_map(|id| self.set.entry(id))
        };
        let is_same = |entry: &&Entry| {
            let trial = (claim.nonce, claim.track, &claim.recipe);
            matches!(&entry.receipt.body, Body::Claim(other) if (other.nonce, other.track, &other.recipe) == trial)
        };
        if earlier().filter(is_same).any(|entry| self.own(receipt, &entry.receipt.id).is_some()) {
            return Err(Refusal::ClaimRepeated);
        }
        let is_open = |entry: &&Entry| {
            let id = &entry.receipt.id;
            receipt.epoch - entry.receipt.epoch.min(receipt.epoch) <= CLAIM_EPOCHS
                && self.own(receipt, id).is_some()
                && !self.is_used(receipt, Use::Mint, id)
        };
        if earlier().filter(is_open).count() >= CLAIMS_OPEN_MAX {
            return Err(Refusal::TooManyClaims);
        }
        Ok((Move::Nothing, Facts { terms: Some(terms), ..Facts::default() }))
    }

    pub(super) fn attest(&self, receipt: &Candidate<'_>, attest: &Attest) -> Result<(Move, Facts), Refusal> {
        let (claim_entry, claim) = self.named_claim(&attest.claim)?;
        let draw = self.set.draws.get(&attest.draw).filter(|draw| draw.claim == attest.claim);
        let draw = draw.ok_or(Refusal::WrongName)?;
        if attest.round != 0 {
            return Err(Refusal::UnknownRound);
        }
        if attest.draw_output != draw.output {
            return Err(Refusal::WrongOutput);
        }
        let genesis = receipt.prev.and_then(|prev| self.set.genesis(&prev)).ok_or(Refusal::WrongPlace)?;
        if genesis.vrf_key != attest.vrf_key {
            return Err(Refusal::WrongVrfKey);
        }
        if genesis.numeric_class != claim.numeric_class {
            return Err(Refusal::WrongClass);
        }
        let ballot = Ballot {
            claim: attest.claim,
            claimant: claim_entry.receipt.account,
            draw_output: &draw.output,
            draw_epoch: draw.epoch,
            segments: claim.segments,
            blocks: claim_entry.facts.terms.map_or(0, |terms| terms.blocks),
        };
        let output = &attest.proof.output;
        let duty = ballot.duty(self.charter, &receipt.account, output, attest.round, receipt.epoch);
        let duty = duty.ok_or(Refusal::NoDuty)?;
        if (duty.segment, duty.block) != (attest.segment, attest.block) {
            return Err(Refusal::WrongDuty);
        }
        if self.is_used(receipt, Use::Attest, &attest.claim) {
            return Err(Refusal::AttestRepeated);
        }
        Ok((Move::Nothing, Facts { votes: duty.votes, ..Facts::default() }))
    }

    pub(super) fn trial_mint(
        &self,
        receipt: &Candidate<'_>,
        mint: &TrialMint,
    ) -> Result<(Move, Facts), Refusal> {
        self.own(receipt, &mint.claim).ok_or(Refusal::WrongName)?;
        let (entry, claim) = self.named_claim(&mint.claim)?;
        let draw = self.set.draws.get(&mint.draw).filter(|draw| draw.claim == mint.claim);
        let draw = draw.ok_or(Refusal::WrongName)?;
        let attests = self.named_attests(mint)?;
        if receipt.epoch - draw.epoch > CLAIM_EPOCHS {
            return Err(Refusal::ClaimClosed);
        }
        if self.is_used(receipt, Use::Mint, &mint.claim) {
            return Err(Refusal::MintRepeated);
        }
        let terms = entry.facts.terms.ok_or(Refusal::WrongName)?;
        if terms.worth == Ucr::ZERO {
            return Err(Refusal::WorthNothing);
        }
        let is_complete = mint.segment_leaves.len() == claim.segments as usize + 1
            && mint.blocks.len() == terms.blocks as usize;
        if !is_complete {
            return Err(Refusal::WrongOpening);
        }
        if receipt.opened_root != Some(claim.trace_root) {
            return Err(Refusal::WrongRoot);
        }
        let sum: u128 = mint.blocks.iter().map(|block| u128::from(block.sum_microbits)).sum();
        if sum.checked_div(u128::from(terms.eval_bytes)) != Some(u128::from(claim.metric_microbits)) {
            return Err(Refusal::WrongMetric);
        }
        if !attests.iter().all(|(entry, attest)| confirms(entry, attest, mint)) {
            return Err(Refusal::DigestDiffers);
        }
        let votes: u32 = attests.iter().map(|(entry, _)| entry.facts.votes).sum();
        if votes < confirmations(self.charter, self.sabotage) {
            return Err(Refusal::TooFewVotes);
        }
        Ok((Move::Earn(terms.worth), Facts { amount: terms.worth, ..Facts::default() }))
    }

    pub(super) fn fee_mint(&self, receipt: &Candidate<'_>, fee: &FeeMint) -> Result<(Move, Facts), Refusal> {
        let own = self.own(receipt, &fee.attest).ok_or(Refusal::WrongName)?;
        let minted = self.set.entry(&fee.mint).ok_or(Refusal::WrongName)?;
        let (Body::Attest(attest), Body::Mint(Mint::Trial(mint))) = (&own.receipt.body, &minted.receipt.body)
        else {
            return Err(Refusal::WrongName);
        };
        if (attest.claim, attest.draw) != (mint.claim, mint.draw) {
            return Err(Refusal::WrongName);
        }
        if self.is_used(receipt, Use::Fee, &fee.attest) {
            return Err(Refusal::MintRepeated);
        }
        if !confirms(own, attest, mint) {
            return Err(Refusal::DigestDiffers);
        }
        let (_, claim) = self.named_claim(&attest.claim)?;
        let amount = attest_fee(claim.gas, attest.segment, claim.segments);
        if amount == Ucr::ZERO {
            return Err(Refusal::WorthNothing);
        }
        Ok((Move::Earn(amount), Facts { amount, ..Facts::default() }))
    }

    fn named_claim(&self, id: &ReceiptId) -> Result<(&Entry, &Claim), Refusal> {
        let entry = self.set.entry(id).ok_or(Refusal::WrongName)?;
        let Body::Claim(claim) = &entry.receipt.body else { return Err(Refusal::WrongName) };
        Ok((entry, claim))
    }

    /// The attestations that a mint names: of its claim and draw, one per account.
    fn named_attests(&self, mint: &TrialMint) -> Result<Vec<(&Entry, &Attest)>, Refusal> {
        let mut attests = Vec::new();
        for id in &mint.attests {
            let entry = self.set.entry(id).ok_or(Refusal::WrongName)?;
            let Body::Attest(attest) = &entry.receipt.body else { return Err(Refusal::WrongName) };
            if (attest.claim, attest.draw) != (mint.claim, mint.draw) {
                return Err(Refusal::WrongName);
            }
            attests.push((entry, attest));
        }
        let accounts: BTreeSet<_> = attests.iter().map(|(entry, _)| entry.receipt.account).collect();
        if accounts.len() != attests.len() {
            return Err(Refusal::NameRepeated);
        }
        Ok(attests)
    }
}

/// Whether an attestation got what the mint opens.
pub(crate) fn confirms(entry: &Entry, attest: &Attest, mint: &TrialMint) -> bool {
    let expected = mint.digest_for(&entry.receipt.account, attest.segment, attest.block);
    attest.digest.is_some() && attest.digest == expected
}
