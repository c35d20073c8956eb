//! `search frontier`.

use proto::api::{Frontier, FrontierRow};

use crate::amounts::{bits, bits_change, short};
use crate::output::Page;

/// Says the attested trials, best first.
pub(crate) fn say(frontier: &Frontier, page: &mut Page) {
    page.heading(&format!("Track {}: {}", frontier.track, frontier.heading));
    if frontier.rows.is_empty() {
        page.line("No attested trial yet.");
        return;
    }
    let row = |row: &FrontierRow| {
        let reran: Vec<String> = row.reran.iter().map(short).collect();
        vec![
            bits(row.val_bpb_microbits),
            row.difference_microbits.map(bits_change).unwrap_or_default(),
            short(row.recipe),
            row.parent.map(short).unwrap_or_default(),
            short(row.ran),
            reran.join(" "),
            row.epoch.to_string(),
            short(row.claim),
        ]
    };
    page.table(
        &[">bits/byte", ">vs parent", "recipe", "parent", "ran", "re-ran", ">epoch", "claim"],
        frontier.rows.iter().map(row).collect(),
    );
    page.heading("Recipes");
    for row in &frontier.rows {
        let fields: Vec<String> = row.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        page.line(format!("{}  {}", short(row.recipe), fields.join(" ")));
    }
}
