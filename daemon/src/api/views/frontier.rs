//! The attested trials as the search sees them.

use std::collections::BTreeMap;

use credits::{Body, Claim, ClaimVerdict, Receipt};
use jobs::search::{Attested, Lineage, Parent, frontier};
use jobs::{Field, Recipe};
use proto::api::{FRONTIER_ROWS_MAX, Frontier, FrontierLineage, FrontierParent, FrontierRow};
use proto::ids::{AccountId, ReceiptId, RecipeId, TrackId};

use super::View;

/// What the list is and is not.
const HEADING: &str = "single runs, not yet records";

impl View<'_> {
    /// The attested trials of the swarm's first track, best first.
    pub fn frontier(&self) -> Frontier {
        let track = self.ledger.charter().rules.tracks.first();
        let name = match track {
            Some(id) => self.tracks.get(id).map_or_else(|| id.short(), |track| track.name.clone()),
            None => "none".to_owned(),
        };
        let log = track.map_or_else(Vec::new, |track| self.attested(track));
        let recipes: BTreeMap<ReceiptId, RecipeId> =
            log.iter().map(|trial| (trial.claim, trial.recipe.id())).collect();
        let all = frontier(&log);
        let rows_left_out = all.len().saturating_sub(FRONTIER_ROWS_MAX) as u64;
        let rows = all.into_iter().take(FRONTIER_ROWS_MAX).map(|row| FrontierRow {
            recipe: recipes[&row.trial.claim],
            fields: fields(&row.trial.recipe),
            val_bpb_microbits: row.trial.metric_microbits,
            parent: row.parent.map(|parent| parent_of(parent, &recipes)),
            was_best: row.was_best,
            ran: row.trial.account,
            reran: row.trial.checkers.clone(),
            epoch: self.ledger.receipt(&row.trial.claim).map_or(0, |claim| claim.epoch),
            claim: row.trial.claim,
        });
        Frontier { heading: HEADING.to_owned(), track: name, rows: rows.collect(), rows_left_out }
    }

    /// The trials of a track whose mints stand, in the order of the ledger: what
    /// [`jobs::search::propose`] learns from.
    pub fn attested(&self, track: &TrackId) -> Vec<Attested> {
        let claims =
            self.ledger.claims().filter_map(|receipt| claim_of(receipt).map(|claim| (receipt, claim)));
        let of_track = claims.filter(|(_, claim)| claim.track == *track);
        of_track
            .filter_map(|(receipt, claim)| {
                let is_attested =
                    matches!(self.ledger.verdict_of(&receipt.id), ClaimVerdict::Minted { stands: true, .. });
                // The ledger accepts no claim with another recipe than a canonical one.
                let recipe = Recipe::from_bytes(&claim.recipe).ok().filter(|_| is_attested)?;
                Some(Attested {
                    claim: receipt.id,
                    account: receipt.account,
                    recipe,
                    metric_microbits: claim.metric_microbits,
                    checkers: self.confirmers(&receipt.id),
                })
            })
            .collect()
    }

    /// Who re-ran a part of a minted claim and got what its trace says.
    fn confirmers(&self, claim: &ReceiptId) -> Vec<AccountId> {
        let opening = self.opening_of(claim);
        let attests = self.ledger.attests_of(claim);
        let confirmers = attests.iter().filter_map(|receipt| {
            let attest = super::evidence::attest_of(receipt)?;
            let opened = opening.as_ref()?.digest_for(&receipt.account, attest.segment, attest.block)?;
            (attest.digest == Some(opened)).then_some(receipt.account)
        });
        confirmers.collect()
    }
}

fn claim_of(receipt: &Receipt) -> Option<&Claim> {
    match &receipt.body {
        Body::Claim(claim) => Some(claim),
        Body::Genesis(_)
        | Body::Attest(_)
        | Body::Mint(_)
        | Body::Vest(_)
        | Body::Hold(_)
        | Body::Settle(_)
        | Body::Release(_) => None,
    }
}

fn fields(recipe: &Recipe) -> BTreeMap<String, String> {
    Field::ALL
        .into_iter()
        .map(|field| (field.name().to_owned(), field.value_of(recipe).to_string()))
        .collect()
}

fn parent_of(parent: Parent, recipes: &BTreeMap<ReceiptId, RecipeId>) -> FrontierParent {
    FrontierParent {
        claim: parent.claim,
        recipe: recipes[&parent.claim],
        lineage: match parent.lineage {
            Lineage::Repeat => FrontierLineage::Repeat,
            Lineage::Mutation => FrontierLineage::Mutation,
            Lineage::Best => FrontierLineage::Best,
        },
        difference_microbits: parent.difference_microbits,
        changed: parent.changed.iter().map(|field| field.name().to_owned()).collect(),
    }
}
