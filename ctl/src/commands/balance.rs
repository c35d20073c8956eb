//! `ledger balance`.

use proto::api::{Balance, ClaimState, Figure};

use crate::amounts::{amount, change, short};
use crate::output::Page;

/// Says what an account has.
pub(crate) fn say(balance: &Balance, page: &mut Page) {
    page.field("account", balance.account.to_string());
    if balance.is_forked {
        page.line("This account signed two receipts at one position: its chain is cut there.");
    }
    let counted = &balance.counted;
    let settled = balance.settled;
    let figures = [
        ("spendable", &counted.spendable, settled.spendable_ucr),
        ("held", &counted.held, settled.held_ucr),
        ("vesting", &counted.vesting, settled.vesting_ucr),
    ];
    let row = |(name, figure, settled): (&str, &Figure, u64)| {
        vec![name.to_owned(), amount(figure.amount_ucr), amount(settled)]
    };
    page.table(&["", ">counted", ">of it final"], figures.into_iter().map(row).collect());
    for (name, figure, _) in figures {
        say_receipts(name, figure, page);
    }
    if balance.uncovered_ucr > 0 {
        page.heading("Not covered");
        page.line(format!(
            "{} that the chain declares and the ledger does not cover; it buys nothing.",
            amount(balance.uncovered_ucr)
        ));
    }
    if !balance.claims.is_empty() {
        page.heading("Claims not yet minted (no part of the figures above)");
        let rows = balance.claims.iter().map(|claim| {
            vec![
                short(claim.claim),
                claim.epoch.to_string(),
                amount(claim.worth_ucr),
                state(claim.state).to_owned(),
            ]
        });
        page.table(&["claim", ">epoch", ">worth", "state"], rows.collect());
    }
}

fn say_receipts(name: &str, figure: &Figure, page: &mut Page) {
    if figure.receipts.is_empty() {
        return;
    }
    page.heading(&format!("Receipts behind {name}"));
    let rows = figure
        .receipts
        .iter()
        .map(|part| vec![short(part.receipt), part.kind.to_string(), change(part.change_ucr)]);
    page.table(&["receipt", "kind", ">change"], rows.collect());
    if figure.receipts_left_out > 0 {
        page.line(format!("and {} older", figure.receipts_left_out));
    }
}

fn state(state: ClaimState) -> &'static str {
    match state {
        ClaimState::Open => "open",
        ClaimState::Refuted => "refuted",
        ClaimState::Closed => "closed",
    }
}
