//! `search frontier`.

use std::collections::BTreeSet;

use proto::api::{Frontier, FrontierLineage, FrontierParent, FrontierRow};

use crate::amounts::{bits, bits_change, short};
use crate::output::Page;

/// Says the attested trials, best first.
pub(crate) fn say(frontier: &Frontier, page: &mut Page) {
    page.heading(&format!("Track {}: {}", frontier.track, frontier.heading));
    if frontier.rows.is_empty() {
        page.line("No attested trial yet.");
        return;
    }
    page.table(
        &[">bits/byte", ">difference", "compared with", "recipe", "ran", "re-ran", ">epoch", "claim"],
        frontier.rows.iter().map(cells).collect(),
    );
    if frontier.rows_left_out > 0 {
        page.line(format!("and {} worse", frontier.rows_left_out));
    }
    page.line("A * marks a trial that was better than all before it; less is better.");
    page.heading("Recipes");
    let mut said = BTreeSet::new();
    for row in frontier.rows.iter().filter(|row| said.insert(row.recipe)) {
        let fields: Vec<String> = row.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        page.line(format!("{}  {}", short(row.recipe), fields.join(" ")));
    }
}

fn cells(row: &FrontierRow) -> Vec<String> {
    let reran: Vec<String> = row.reran.iter().map(short).collect();
    let compared = |parent: &FrontierParent| {
        let how = match parent.lineage {
            FrontierLineage::Repeat => "same recipe".to_owned(),
            FrontierLineage::Mutation => parent.changed.join(" "),
            FrontierLineage::Best => "best so far".to_owned(),
        };
        format!("{}: {how}", short(parent.claim))
    };
    vec![
        format!("{}{}", if row.was_best { "* " } else { "" }, bits(row.val_bpb_microbits)),
        row.parent.as_ref().map(|parent| bits_change(parent.difference_microbits)).unwrap_or_default(),
        row.parent.as_ref().map(compared).unwrap_or_default(),
        short(row.recipe),
        short(row.ran),
        reran.join(" "),
        row.epoch.to_string(),
        short(row.claim),
    ]
}
