//! The swarm as its charter says it.

use std::collections::BTreeSet;

use proto::api::{Swarm, SwarmFounder, SwarmRules, SwarmTrack};
use proto::ids::AccountId;

use super::View;

impl View<'_> {
    /// The charter, with who of its founders is connected and how to join.
    pub fn swarm(&self, epoch: u64, connected: &BTreeSet<AccountId>, ticket: Option<String>) -> Swarm {
        let charter = self.ledger.charter();
        let rules = &charter.rules;
        let founder = |account: AccountId| {
            let is_self = account == self.account;
            SwarmFounder { account, is_self, is_connected: is_self || connected.contains(&account) }
        };
        let track = |id| SwarmTrack { id, name: self.tracks.get(&id).map(|track| track.name.clone()) };
        Swarm {
            id: charter.id,
            name: rules.name.clone(),
            epoch,
            rules: SwarmRules {
                start_ms: rules.start_ms,
                epoch_ms: rules.epoch_ms,
                threshold: rules.threshold,
                founder_weight_gas: rules.voting.founder_weight,
                votes_expected: rules.voting.votes_expected,
                confirmations: rules.voting.confirmations,
                segments: rules.segments,
                vest_epochs: rules.delays.vest_epochs,
                season_epochs: rules.delays.season_epochs,
                grace_epochs: rules.delays.grace_epochs,
            },
            founders: rules.founders.iter().map(|named| founder(named.account)).collect(),
            tracks: rules.tracks.iter().map(|id| track(*id)).collect(),
            accounts: self.ledger.accounts().count() as u64,
            ticket,
        }
    }
}
