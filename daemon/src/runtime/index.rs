//! Keeps the rebuildable index in step with the ledger, and compares the two at start.
//!
//! The index is never asked for anything that decides: it is what can be looked at
//! without reading the whole log.

use std::time::{Duration, Instant};

use credits::Ledger;
use proto::ids::AccountId;

use super::Runtime;
use crate::store::{Row, Table};

/// Pause between two updates: cover is computed anew for each.
const UPDATE_EVERY: Duration = Duration::from_secs(10);

/// What of the ledger the index has.
#[derive(Debug, Default)]
pub(super) struct Indexed {
    digest: [u8; 32],
    last: Option<Instant>,
}

impl Runtime {
    /// Brings the index to what the ledger gives; one that is broken is built anew.
    pub(super) fn compare_index(&mut self) {
        let ledger = self.node.ledger();
        let digest = ledger.digest();
        self.clocks.indexed.digest = digest;
        let index = self.store.index();
        if index.digest().is_ok_and(|known| known == digest) {
            return;
        }
        let accounts: Vec<AccountId> = ledger.accounts().collect();
        let rows: Vec<Row> = accounts.iter().flat_map(|account| rows(ledger, account)).collect();
        // One that is whole is only behind: it lacks what came after its last update.
        let done = match index.digest() {
            Ok(_) => index.apply(digest, &rows).and_then(|()| index.flush()),
            Err(_) => index.rebuild(digest, rows, |_| {}),
        };
        match done {
            Ok(()) => tracing::info!(accounts = accounts.len(), "index brought up to date"),
            Err(error) => tracing::warn!(%error, "the index cannot be used; nothing depends on it"),
        }
    }

    /// Brings the ledger's accounts into the index, now and then.
    pub(super) fn update_index(&mut self) {
        if self.clocks.indexed.last.is_some_and(|last| last.elapsed() < UPDATE_EVERY) {
            return;
        }
        self.clocks.indexed.last = Some(Instant::now());
        let ledger = self.node.ledger();
        let digest = ledger.digest();
        if digest == self.clocks.indexed.digest {
            return;
        }
        let accounts: Vec<AccountId> = ledger.accounts().collect();
        let all: Vec<Row> = accounts.iter().flat_map(|account| rows(ledger, account)).collect();
        let done = tokio::task::block_in_place(|| {
            let index = self.store.index();
            index.apply(digest, &all).and_then(|()| index.flush())
        });
        match done {
            Ok(()) => self.clocks.indexed.digest = digest,
            Err(error) => tracing::warn!(%error, "the index is not updated; nothing depends on it"),
        }
    }
}

/// Head: `seq u64le ‖ receipt id`. Balance: `spendable ‖ held ‖ vesting`, u64le each.
fn rows(ledger: &Ledger, account: &AccountId) -> Vec<Row> {
    let Some(head) = ledger.head(account) else { return Vec::new() };
    let counted = ledger.balance(account).counted;
    let balance: Vec<u8> = [counted.spendable, counted.held, counted.vesting]
        .iter()
        .flat_map(|amount| amount.get().to_le_bytes())
        .collect();
    vec![
        Row::put(
            Table::Heads,
            account.as_bytes(),
            &[&head.seq.to_le_bytes()[..], head.id.as_bytes()].concat(),
        ),
        Row::put(Table::Balances, account.as_bytes(), &balance),
    ]
}
