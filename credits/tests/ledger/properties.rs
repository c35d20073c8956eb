//! Laws that hold for every history, each from a printed seed.

use credits::{
    Audit, Body, ClaimVerdict, Item, Ledger, Mint, Money, ReleaseProof, Sabotage, Totals, Ucr, Verdict,
};
use proptest::prelude::*;

use crate::history::{Dice, History, final_amounts};
use crate::world::{FlatTerms, World, at};

const STEPS: usize = 180;

/// As many cases as `PROPTEST_CASES` says, else few enough for every run.
fn config() -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { 24 };
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 0, ..asked }
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
    fn the_set_alone_decides_whatever_order_duplication_and_batching(seed in any::<u64>().no_shrink()) {
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
    fn money_is_conserved_and_final_cover_never_decreases(seed in any::<u64>().no_shrink()) {
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
    fn the_audit_agrees(seed in any::<u64>().no_shrink()) {
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
    fn applying_anything_again_changes_nothing(seed in any::<u64>().no_shrink()) {
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
    fn two_that_exchange_heads_become_equal(seed in any::<u64>().no_shrink()) {
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
        let known = [one.missing(&[], usize::MAX).0, other.missing(&[], usize::MAX).0].concat();
        for turn in 0..400 {
            let (to_other, _) = one.missing_from(&other.summary(500), 24 << 10, turn);
            let (to_one, _) = other.missing_from(&one.summary(500), 24 << 10, turn);
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
        // Of fork proofs one is kept; everything else stays.
        let lasting = known.iter().filter(|item| !matches!(item, Item::Fork(_)));
        for item in lasting {
            prop_assert!(one.contains(item));
        }
    }
}

/// What the histories of the first seeds contain; a law over an empty one says
/// nothing.
#[test]
fn the_histories_contain_what_the_laws_are_about() {
    let mut seen = std::collections::BTreeMap::<&str, usize>::new();
    for seed in 0..40 {
        let history = run(seed);
        let ledger = &history.world.ledger;
        let mut add = |what, count: usize| *seen.entry(what).or_default() += count;
        add("forks", ledger.accounts().filter(|account| ledger.is_forked(account)).count());
        for account in ledger.accounts() {
            let fork = ledger.fork_of(&account).map_or(u64::MAX, |fork| fork.seq());
            add(
                "forks cut above",
                ledger.chain(&account).iter().filter(|receipt| receipt.seq == fork).count(),
            );
            let balance = ledger.balance(&account);
            add("uncovered", usize::from(balance.uncovered > Ucr::ZERO));
            add("final spendable", usize::from(balance.fin.spendable > Ucr::ZERO));
            for receipt in ledger.chain(&account) {
                let (id, amount) = (&receipt.id, ledger.counted_of(&receipt.id));
                let is_frozen = usize::from(ledger.is_frozen(id));
                match &receipt.body {
                    Body::Genesis(_) | Body::Attest(_) => {}
                    Body::Claim(_) => match ledger.verdict_of(id) {
                        ClaimVerdict::Unknown => panic!("a claim in a valid prefix is known"),
                        ClaimVerdict::Open { .. } => add("open claims", 1),
                        ClaimVerdict::Minted { .. } => add("minted claims", 1),
                        ClaimVerdict::Refuted { .. } => add("refuted claims", 1),
                        ClaimVerdict::Closed => add("closed claims", 1),
                    },
                    Body::Mint(Mint::Trial(_)) => add("frozen mints", is_frozen),
                    Body::Mint(Mint::Fee(_)) => add("fees", 1),
                    Body::Vest(_) => add("vests", 1),
                    Body::Hold(hold) => add("holds covered in part", usize::from(amount < hold.amount)),
                    Body::Settle(settle) => {
                        add("settles", usize::from(amount > Ucr::ZERO));
                        add("settles covered in part", usize::from(amount < settle.amount()));
                        add("frozen settles", is_frozen);
                    }
                    Body::Release(release) => {
                        add("frozen releases", is_frozen);
                        match release.proof {
                            ReleaseProof::Settle(_) => add("releases by settle", 1),
                            ReleaseProof::ExpiredBy(_) => add("releases by expiry", 1),
                            ReleaseProof::ForkOf(_) => add("releases by fork", 1),
                        }
                    }
                }
            }
        }
    }
    println!("{seen:#?}");
    assert!(seen.len() == 19 && seen.values().all(|count| *count > 0));
}

/// Whether some check notices, within the seeds, that a rule is left out.
fn is_noticed(sabotage: Sabotage) -> bool {
    (0..60).any(|seed| {
        let mut history = History::new(seed, sabotage);
        for _ in 0..STEPS {
            history.step();
        }
        let world = &history.world;
        let (audit, _) = Audit::both(&world.charter, &FlatTerms, &world.items);
        let differs = world.ledger.accounts().any(|account| {
            u128::from(world.ledger.balance(&account).counted.spendable.get())
                != audit.money_of(&account).spendable
        });
        differs || !world.ledger.audit_totals().is_conserved()
    })
}

#[test]
fn each_drill_is_noticed_and_a_whole_ledger_is_not() {
    for sabotage in
        [Sabotage::SettleTwice, Sabotage::IgnoreFork, Sabotage::MintWithOne, Sabotage::CountUncovered]
    {
        assert!(is_noticed(sabotage), "{sabotage:?}");
    }
    assert!(!is_noticed(Sabotage::None));
}
