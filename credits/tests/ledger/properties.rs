//! Laws that hold for every history, each from a printed seed.

use credits::{Audit, Item, Ledger, Money, Sabotage, Totals, Verdict};
use proptest::prelude::*;

use crate::history::{Dice, History, final_amounts};
use crate::world::{FlatTerms, World, at};

const STEPS: usize = 160;

fn config() -> ProptestConfig {
    ProptestConfig { cases: 48, failure_persistence: None, max_shrink_iters: 0, ..ProptestConfig::default() }
}

fn run(seed: u64) -> History {
    let mut history = History::new(seed, Sabotage::None);
    for _ in 0..STEPS {
        history.step();
    }
    history
}

/// Delivers everything in some order, again and again until nothing is new.
fn deliver(world: &World, ledger: &mut Ledger, items: &[Item]) {
    for _ in 0..items.len() {
        let mut news = 0;
        for item in items {
            news += ledger.apply(item.clone(), at(world.epoch)).applied.len();
        }
        if news == 0 {
            return;
        }
    }
}

fn agrees(world: &World, items: &[Item]) {
    let (valid, fin) = Audit::both(&world.charter, &FlatTerms, items);
    let money = |counted: credits::Counted| Money {
        spendable: counted.spendable.get().into(),
        held: counted.held.get().into(),
        vesting: counted.vesting.get().into(),
    };
    for account in world.ledger.accounts() {
        let balance = world.ledger.balance(&account);
        assert_eq!(valid.money_of(&account), money(balance.counted), "{account:?}");
        assert_eq!(fin.money_of(&account), money(balance.fin), "{account:?} final");
    }
    assert_eq!(valid.minted, world.ledger.audit_totals().minted);
    assert!(valid.is_conserved() && fin.is_conserved());
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_set_alone_decides_whatever_order_duplication_and_batching(seed: u64) {
        let history = run(seed);
        let world = &history.world;
        let mut dice = Dice(seed ^ 1);
        for _ in 0..3 {
            let mut items = world.items.clone();
            let again: Vec<Item> = items.iter().filter(|_| dice.below(3) == 0).cloned().collect();
            items.extend(again);
            dice.shuffle(&mut items);
            let mut ledger = world.fresh_ledger();
            deliver(world, &mut ledger, &items);
            prop_assert_eq!(ledger.digest(), world.ledger.digest());
        }
    }

    #[test]
    fn money_is_conserved_and_final_cover_never_decreases(seed: u64) {
        let mut history = History::new(seed, Sabotage::None);
        let mut before = Vec::new();
        for _ in 0..STEPS {
            history.step();
            let ledger = &history.world.ledger;
            let totals: Totals = ledger.audit_totals();
            prop_assert!(totals.is_conserved(), "{:?}", totals);
            prop_assert!(ledger.final_totals().is_conserved());
            for (id, amount) in &before {
                prop_assert!(ledger.final_of(id) >= *amount, "{:?}", id);
            }
            before = final_amounts(&history.world);
        }
    }

    #[test]
    fn the_audit_agrees(seed: u64) {
        let mut history = History::new(seed, Sabotage::None);
        let mut dice = Dice(seed ^ 2);
        for step in 0..STEPS {
            history.step();
            if step % 20 == 19 {
                let mut items = history.world.items.clone();
                dice.shuffle(&mut items);
                agrees(&history.world, &items);
            }
        }
    }

    #[test]
    fn applying_anything_again_changes_nothing(seed: u64) {
        let mut history = run(seed);
        let digest = history.world.ledger.digest();
        for item in history.world.items.clone() {
            let outcome = history.world.ledger.apply(item, at(history.world.epoch));
            prop_assert_eq!(outcome.verdict, Verdict::Duplicate);
            prop_assert!(outcome.applied.is_empty());
        }
        prop_assert_eq!(history.world.ledger.digest(), digest);
        let restarted = history.world.replay(&history.world.items);
        prop_assert_eq!(restarted.digest(), digest);
    }

    #[test]
    fn two_that_exchange_heads_become_equal(seed: u64) {
        let history = run(seed);
        let world = &history.world;
        let mut dice = Dice(seed ^ 3);
        let part = |dice: &mut Dice| -> Vec<Item> {
            world.items.iter().filter(|_| dice.below(4) > 0).cloned().collect()
        };
        let (first, second) = (part(&mut dice), part(&mut dice));
        let ledger = |items: &[Item]| {
            let mut ledger = world.fresh_ledger();
            deliver(world, &mut ledger, items);
            ledger
        };
        let (mut one, mut other) = (ledger(&first), ledger(&second));
        let union = ledger(&[first, second].concat());
        for turn in 0..400 {
            let (to_other, _) = one.missing_from(&other.summary(500), 4 << 10, turn);
            let (to_one, _) = other.missing_from(&one.summary(500), 4 << 10, turn);
            if to_other.is_empty() && to_one.is_empty() {
                break;
            }
            for item in to_other {
                other.apply(item, at(world.epoch));
            }
            for item in to_one {
                one.apply(item, at(world.epoch));
            }
        }
        prop_assert_eq!(one.digest(), other.digest());
        prop_assert_eq!(one.digest(), union.digest());
    }
}
