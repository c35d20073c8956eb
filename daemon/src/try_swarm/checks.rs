//! What must hold at the end of the show, each under its name.

use std::fs;

use proto::api::{Amounts, ApiAnswer, ClaimState, Explanation, HistoryRow, ReceiptKind};

use super::stage::{LIAR, NODES, Stage};
use super::{TryArgs, TryError};

/// A check that did not hold.
#[derive(Debug, thiserror::Error)]
#[error("check failed: {name}: {found}")]
pub(super) struct Failed {
    name: &'static str,
    found: String,
}

impl Failed {
    pub(super) fn new(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, found: found.into() }
    }
}

/// Shows what was earned and checks it.
pub(super) async fn conclude(stage: &mut Stage, args: &TryArgs) -> Result<(), TryError> {
    let mint = last_mint(stage).await?;
    println!("\nWhere the money of one trial came from (swarmctl ledger explain):\n");
    println!("{}", stage.swarmctl(0, &["ledger", "explain", &mint]).await?);
    println!("What the swarm found (swarmctl search frontier):\n");
    println!("{}", stage.swarmctl(0, &["search", "frontier"]).await?);
    for node in 0..NODES {
        println!("Balance of node {} (swarmctl ledger balance):\n", node + 1);
        println!("{}", stage.swarmctl(node, &["ledger", "balance"]).await?);
    }
    if args.liar.is_some() {
        a_lie_is_not_paid(stage).await?;
    }
    every_node_earned(stage).await?;
    if args.tamper {
        tamper(stage)?;
    }
    for node in 0..NODES {
        ledger_verifies(stage, node).await?;
    }
    ledgers_agree(stage).await?;
    println!(
        "Every check held: the three ledgers verify and agree, and every node was paid for work that others re-ran."
    );
    Ok(())
}

async fn last_mint(stage: &Stage) -> Result<String, TryError> {
    let answer = stage.ask(0, &["ledger", "history", "--kind", "mint"]).await?;
    let ApiAnswer::History(history) = answer else {
        return Err(Failed::new("node 1 has a mint", "another answer came").into());
    };
    let mints = history.rows.iter().rev().filter(|row| row.kind == ReceiptKind::Mint);
    let largest = mints.max_by_key(|row| row.change.vesting_ucr);
    Ok(largest.ok_or(Failed::new("node 1 has a mint", "its history has none"))?.receipt.to_string())
}

async fn every_node_earned(stage: &Stage) -> Result<(), TryError> {
    for node in 0..NODES {
        let ApiAnswer::Status(status) = stage.ask(node, &["status"]).await? else { continue };
        if status.trials.minted == 0 || status.balance.spendable_ucr == 0 {
            let found = format!(
                "node {} claimed {}, minted {}, can spend {} ucr",
                node + 1,
                status.trials.claimed,
                status.trials.minted,
                status.balance.spendable_ucr
            );
            return Err(Failed::new("every node earned", found).into());
        }
    }
    Ok(())
}

/// A claim of a node that others have re-run and that can not be minted any more.
pub(super) async fn judged_claim(stage: &Stage, node: usize) -> Result<Option<Explanation>, TryError> {
    let ApiAnswer::Balance(balance) = stage.ask(node, &["ledger", "balance"]).await? else { return Ok(None) };
    for unminted in balance.claims.iter().filter(|claim| claim.state != ClaimState::Open) {
        let claim = unminted.claim.to_string();
        if let ApiAnswer::Explain(found) = stage.ask(0, &["ledger", "explain", &claim]).await?
            && !found.evidence.checks.is_empty()
        {
            return Ok(Some(*found));
        }
    }
    Ok(None)
}

/// Shows what became of the liar's claim.
async fn a_lie_is_not_paid(stage: &Stage) -> Result<(), TryError> {
    const NAME: &str = "a lie is not paid";
    let judged = judged_claim(stage, LIAR).await?.ok_or(Failed::new(NAME, "no claim of it was checked"))?;
    println!("What became of a claim of node {} (swarmctl ledger explain):\n", LIAR + 1);
    println!("{}", stage.swarmctl(0, &["ledger", "explain", &judged.receipt.to_string()]).await?);
    let ApiAnswer::Status(status) = stage.ask(LIAR, &["status"]).await? else { return Ok(()) };
    let Amounts { spendable_ucr, held_ucr, vesting_ucr } = status.balance;
    let (minted, owned_ucr) = (status.trials.minted, spendable_ucr + held_ucr + vesting_ucr);
    if minted > 0 || owned_ucr > 0 {
        let found = format!("node {} minted {minted} and has {owned_ucr} ucr", LIAR + 1);
        return Err(Failed::new(NAME, found).into());
    }
    println!("Node {} lied in {} claims, minted none and has 0 ucr.", LIAR + 1, status.trials.claimed);
    Ok(())
}

/// Recomputes a node's ledger from its log.
async fn ledger_verifies(stage: &Stage, node: usize) -> Result<(), TryError> {
    const NAME: &str = "every ledger verifies";
    let ApiAnswer::Verify(found) = stage.ask(node, &["ledger", "verify"]).await? else {
        return Err(Failed::new(NAME, "another answer came").into());
    };
    if let Some(bad) = found.first_bad {
        let found = format!("node {}: {}, byte {}: {}", node + 1, bad.file, bad.offset, bad.reason);
        return Err(Failed::new(NAME, found).into());
    }
    println!(
        "Ledger of node {}: {} receipts of {} accounts verify.",
        node + 1,
        found.receipts,
        found.accounts
    );
    Ok(())
}

/// Every two nodes have the same receipts at the same places, as far as both got.
async fn ledgers_agree(stage: &Stage) -> Result<(), TryError> {
    let mut accounts = Vec::new();
    for node in 0..NODES {
        if let ApiAnswer::Status(status) = stage.ask(node, &["status"]).await? {
            accounts.push(status.account.to_string());
        }
    }
    for account in &accounts {
        let mut longest: Vec<HistoryRow> = Vec::new();
        for node in 0..NODES {
            let words = ["ledger", "history", "--account", account, "--limit", "1000"];
            let ApiAnswer::History(history) = stage.ask(node, &words).await? else { continue };
            let common = longest.len().min(history.rows.len());
            let differs = (0..common).find(|index| longest[*index].receipt != history.rows[*index].receipt);
            if let Some(index) = differs {
                let found = format!("node {} has another receipt {} of {account}", node + 1, index + 1);
                return Err(Failed::new("the ledgers agree", found).into());
            }
            if common == 0 && !longest.is_empty() {
                let found = format!("node {} knows nothing of {account}", node + 1);
                return Err(Failed::new("the ledgers agree", found).into());
            }
            if history.rows.len() > longest.len() {
                longest = history.rows;
            }
        }
    }
    Ok(())
}

/// Flips one bit in the middle of the first node's ledger.
fn tamper(stage: &Stage) -> Result<(), TryError> {
    let mut files: Vec<_> =
        fs::read_dir(stage.ledger_folder(0))?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    if let Some(file) = files.first() {
        let mut bytes = fs::read(file)?;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(file, bytes)?;
        println!("One bit of {} was changed.", file.display());
    }
    Ok(())
}
