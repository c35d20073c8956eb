//! The ledger through its public door: earning, spending, forks, cover, sync.

#![expect(clippy::unwrap_used, reason = "tests")]

mod cover;
mod exchange;
mod form;
mod golden;
mod history;
mod pool;
mod properties;
mod rules_of_money;
mod rules_of_work;
mod world;
