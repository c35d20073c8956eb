//! `swarm show`.

use proto::api::{Swarm, SwarmFounder, SwarmTrack};

use crate::amounts::short;
use crate::output::Page;

/// Says the charter, the founders and how to join.
pub(crate) fn say(swarm: &Swarm, page: &mut Page) {
    page.field("swarm", format!("{} ({})", swarm.name, swarm.id));
    page.field("epoch", format!("{} of {} ms each", swarm.epoch, swarm.rules.epoch_ms));
    page.field("accounts", swarm.accounts.to_string());
    if let Some(ticket) = &swarm.ticket {
        page.field("ticket", ticket);
    }
    page.heading(&format!("Founders ({} of {} must agree)", swarm.rules.threshold, swarm.founders.len()));
    let row = |founder: &SwarmFounder| {
        let state = match (founder.is_self, founder.is_connected) {
            (true, _) => "this node",
            (false, true) => "connected",
            (false, false) => "not connected",
        };
        vec![founder.account.to_string(), state.to_owned()]
    };
    page.table(&["account", "state"], swarm.founders.iter().map(row).collect());
    page.heading("Rules");
    let rules = swarm.rules;
    page.field("a trial", format!("{} segments", rules.segments));
    page.field(
        "a mint",
        format!(
            "needs {} confirming of about {} votes, vests {} epochs after its first anchor",
            rules.confirmations, rules.votes_expected, rules.vest_epochs
        ),
    );
    page.field("a payment", format!("vests {} epochs after its first anchor", rules.season_epochs));
    page.field("a hold", format!("can be ended by founders {} epochs after it expired", rules.grace_epochs));
    page.field(
        "a founder",
        format!("votes with the weight of {} gas at the start", rules.founder_weight_gas),
    );
    page.heading("Tracks");
    let row = |track: &SwarmTrack| {
        vec![track.name.clone().unwrap_or_else(|| "unknown here".to_owned()), short(track.id)]
    };
    page.table(&["track", "id"], swarm.tracks.iter().map(row).collect());
}
