//! What counts: earning, holds, forks and finality, with literal amounts.

use credits::{Counted, Ucr};

use crate::world::{VEST, World};

fn counted(spendable: u64, held: u64, vesting: u64) -> Counted {
    Counted { spendable: Ucr::new(spendable), held: Ucr::new(held), vesting: Ucr::new(vesting) }
}

#[test]
fn a_trial_earns_vests_and_becomes_final() {
    let mut world = World::new(3, 5, 2, 2);
    let earned = world.earn(4, 1);
    let account = world.account(4);
    assert_eq!(world.ledger.balance(&account).counted, counted(0, 0, 100));
    assert_eq!(world.ledger.balance(&account).fin, counted(0, 0, 0));
    world.anchor_by_all(4);
    assert!(world.ledger.is_final(&earned.mint));
    assert!(!world.ledger.is_frozen(&earned.mint));
    world.epoch += VEST;
    world.vest(4).unwrap();
    assert_eq!(world.ledger.balance(&account).counted, counted(100, 0, 0));
    world.anchor_by_all(4);
    assert!(world.ledger.is_frozen(&earned.mint));
    assert_eq!(world.ledger.balance(&account).fin, counted(100, 0, 0));
    assert!(world.ledger.audit_totals().is_conserved());
}
