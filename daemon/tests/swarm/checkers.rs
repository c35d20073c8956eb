//! What must hold of all nodes at the end of a run.

use credits::{Body, Charter, Ledger, Mint, Ucr};
use proto::ids::AccountId;

use crate::network::World;
use crate::scenarios::{FORGER, LIARS};

/// Checks everything; counts what the run had on the way.
pub(crate) fn check(world: &mut World, charter: &Charter) -> Result<(), String> {
    count(world);
    check_convergence(world)?;
    check_forks(world)?;
    let ledger = running(world, 0)?;
    check_conservation(ledger)?;
    check_audit(ledger, charter)?;
    check_holds(world, ledger)?;
    check_liars(world)
}

fn running(world: &World, index: usize) -> Result<&Ledger, String> {
    let node = world.machines[index].node.as_ref();
    node.map(|node| node.ledger()).ok_or_else(|| format!("node {index} is down at the end"))
}

fn count(world: &mut World) {
    let Some(node) = world.machines[0].node.as_ref() else { return };
    let ledger = node.ledger();
    let mut counts = world.counts.clone();
    for account in ledger.accounts() {
        counts.forks += u64::from(ledger.is_forked(&account));
        for receipt in ledger.chain(&account) {
            counts.receipts += 1;
            match &receipt.body {
                Body::Claim(_) => counts.claims += 1,
                Body::Mint(Mint::Trial(_)) => counts.mints += 1,
                Body::Settle(_) => counts.holds_settled += 1,
                Body::Release(_) => counts.holds_released += 1,
                _ => {}
            }
        }
    }
    counts.receipts_fewest = counts.receipts;
    counts.refuted = world.refuted.len() as u64;
    world.counts = counts;
}

/// Everybody has the same set and computes the same from it.
fn check_convergence(world: &World) -> Result<(), String> {
    let first = running(world, 0)?.digest();
    for index in 1..world.machines.len() {
        let ledger = running(world, index)?;
        if ledger.digest() != first {
            let describe = |ledger: &Ledger| -> Vec<String> {
                let row = |account: AccountId| {
                    let chain = ledger.chain(&account).len();
                    let anchors = ledger.anchors_over(&account).len();
                    format!("{}:{chain}+{anchors}", account.short())
                };
                ledger.accounts().map(row).collect()
            };
            let (own, other) = (describe(running(world, 0)?), describe(ledger));
            let differing: Vec<_> = own.iter().zip(&other).filter(|(a, b)| a != b).collect();
            return Err(format!("node {index} differs from node 0: {differing:?}"));
        }
    }
    Ok(())
}

/// Only the forger is forked, whatever crashed.
fn check_forks(world: &World) -> Result<(), String> {
    let ledger = running(world, 0)?;
    let forger = world.accounts[FORGER];
    match ledger.accounts().find(|account| ledger.is_forked(account) && *account != forger) {
        Some(account) => Err(format!("an honest account is forked: {account}")),
        None => Ok(()),
    }
}

/// What was minted is somewhere, to the unit.
fn check_conservation(ledger: &Ledger) -> Result<(), String> {
    let totals = ledger.audit_totals();
    if totals.is_conserved() { Ok(()) } else { Err(format!("conservation broken: {totals:?}")) }
}

/// The second computation, which shares no code with the ledger, agrees.
fn check_audit(ledger: &Ledger, charter: &Charter) -> Result<(), String> {
    let (items, _) = ledger.missing(&[], usize::MAX);
    let terms = jobs::terms::Tracks::builtin();
    let (audited, audited_final) = credits::Audit::both(charter, &terms, &items);
    for account in ledger.accounts() {
        let view = ledger.balance(&account);
        for (counted, other) in [(view.counted, &audited), (view.fin, &audited_final)] {
            let money = other.money_of(&account);
            let of_ledger =
                [counted.spendable, counted.held, counted.vesting].map(|ucr| u128::from(ucr.get()));
            if of_ledger != [money.spendable, money.held, money.vesting] {
                return Err(format!("the audit of {account} gives {money:?}, the ledger {counted:?}"));
            }
        }
    }
    Ok(())
}

/// No hold pays more than it reserved, and every one has ended whose end can be proven.
fn check_holds(world: &World, ledger: &Ledger) -> Result<(), String> {
    let all = || ledger.accounts().flat_map(|account| ledger.chain(&account));
    for receipt in all() {
        let Body::Hold(hold) = &receipt.body else { continue };
        let mut settled = Ucr::ZERO;
        let mut settles = 0;
        for other in all() {
            if let Body::Settle(settle) = &other.body
                && settle.hold == receipt.id
            {
                settles += 1;
                settled = settled.checked_add(settle.amount()).ok_or("settles overflow")?;
            }
        }
        if settles > 1 || settled > hold.amount {
            return Err(format!("hold {} was settled {settles} times, for {settled}", receipt.id));
        }
        let ends = |other: &&std::sync::Arc<credits::Receipt>| match &other.body {
            Body::Release(release) => release.hold == receipt.id,
            _ => false,
        };
        // A payee that signs nothing after the expiry proves nothing to the payer; only a
        // lapse, which this form of the ledger does not have, would end such a hold.
        let proves = ledger.head(&hold.payee).is_some_and(|head| head.epoch > hold.expiry_epoch);
        if (proves || settles > 0) && !all().any(|other| ends(&other)) {
            let payee = ledger.head(&hold.payee);
            let payee_node = world.accounts.iter().position(|account| *account == hold.payee);
            let payee_node = payee_node.and_then(|index| world.machines[index].node.as_ref());
            let signing = payee_node.map(|node| node.signing());
            return Err(format!(
                "hold {} of {} until {} never ended: {settles} settles, payee {} at {payee:?} signs {signing:?}, payer at {:?}",
                receipt.id,
                receipt.account,
                hold.expiry_epoch,
                hold.payee.short(),
                ledger.head(&receipt.account),
            ));
        }
    }
    Ok(())
}

/// A lying worker earns nothing, an honest one does.
fn check_liars(world: &World) -> Result<(), String> {
    let ledger = running(world, 0)?;
    for liar in LIARS {
        let earned = ledger.declared(&world.accounts[liar]).earned;
        if earned != Ucr::ZERO {
            return Err(format!("liar {liar} earned {earned}"));
        }
    }
    Ok(())
}
