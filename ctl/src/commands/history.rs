//! `ledger history`.

use proto::api::{History, HistoryRow};

use crate::amounts::{amount, change, short};
use crate::output::Page;

/// Says an account's newest receipts.
pub(crate) fn say(history: &History, page: &mut Page) {
    page.field("account", history.account.to_string());
    if history.rows.is_empty() {
        page.line("No receipts.");
        return;
    }
    if history.rows_left_out > 0 {
        page.line(format!("{} older not shown; --limit shows more.", history.rows_left_out));
    }
    say_rows(&history.rows, page);
}

/// Says rows of a history as a table.
pub(crate) fn say_rows(rows: &[HistoryRow], page: &mut Page) {
    let columns = [
        ">seq",
        "receipt",
        "kind",
        ">epoch",
        ">spendable",
        ">held",
        ">vesting",
        ">then spendable",
        "with",
        "final",
    ];
    let row = |row: &HistoryRow| {
        vec![
            row.seq.to_string(),
            short(row.receipt),
            row.kind.to_string(),
            row.epoch.to_string(),
            change(row.change.spendable_ucr),
            change(row.change.held_ucr),
            change(row.change.vesting_ucr),
            amount(row.after.spendable_ucr),
            row.counterparty.map(short).unwrap_or_default(),
            if row.is_final { "yes" } else { "not yet" }.to_owned(),
        ]
    };
    page.table(&columns, rows.iter().map(row).collect());
}
