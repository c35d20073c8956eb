//! What counts: earning, holds, forks and finality, with literal amounts.

use credits::{
    Attest, Body, ClaimVerdict, Counted, Item, Ledger, Mint, Refusal, Release, ReleaseProof, Ucr, Verdict,
};
use proto::ids::ReceiptId;

use crate::world::{SEASON, VEST, WORTH, World, at};

fn counted(spendable: u64, held: u64, vesting: u64) -> Counted {
    Counted { spendable: Ucr::new(spendable), held: Ucr::new(held), vesting: Ucr::new(vesting) }
}

/// Counted and final amounts of an account: spendable, held, vesting.
#[track_caller]
fn check(world: &World, key: usize, valid: [u64; 3], fin: [u64; 3]) {
    let balance = world.ledger.balance(&world.account(key));
    let amounts = |[spendable, held, vesting]: [u64; 3]| counted(spendable, held, vesting);
    assert_eq!((balance.counted, balance.fin), (amounts(valid), amounts(fin)));
    assert!(world.ledger.audit_totals().is_conserved());
    assert!(world.ledger.final_totals().is_conserved());
}

const NOTHING: [u64; 3] = [0, 0, 0];

#[test]
fn a_trial_earns_vests_and_becomes_final() {
    let mut world = World::new(3, 5, 2, 2);
    let earned = world.earn(4, 1);
    check(&world, 4, [0, 0, WORTH], NOTHING);
    world.anchor_by_all(4);
    assert!(world.ledger.is_final(&earned.mint));
    assert!(!world.ledger.is_frozen(&earned.mint));
    check(&world, 4, [0, 0, WORTH], NOTHING);
    world.epoch += VEST;
    world.vest(4).unwrap();
    check(&world, 4, [WORTH, 0, 0], NOTHING);
    world.anchor_by_all(4);
    assert!(world.ledger.is_frozen(&earned.mint));
    check(&world, 4, [WORTH, 0, 0], [WORTH, 0, 0]);
}

#[test]
fn every_size_of_founder_group_is_live() {
    for founders in [1, 2, 3, 5, 16] {
        let mut world = World::new(founders, founders + 1, u32::try_from(founders / 2 + 1).unwrap(), 2);
        for key in [0, founders] {
            let earned = world.earn_spendable(key, 1);
            world.anchor_by_all(key);
            assert!(world.ledger.is_frozen(&earned.mint), "{founders} founders");
            check(&world, key, [WORTH, 0, 0], [WORTH, 0, 0]);
        }
    }
}

#[test]
fn fees_count_with_the_mint_of_their_claim() {
    let mut world = World::new(3, 5, 2, 2);
    let claim = world.claim(4, 1).unwrap();
    let draw = world.draw(&claim);
    let attests: Vec<_> = (0..2).filter_map(|founder| world.attest(founder, &claim, &draw)).collect();
    let body = Attest { digest: Some([1; 32]), ..world.attest_body(2, &claim, &draw).unwrap() };
    let against = world.sign(2, Body::Attest(body)).unwrap();
    let mint = world.mint_body(&claim, &draw, attests.clone());
    let mint = world.sign(4, Body::Mint(Mint::Trial(mint))).unwrap();
    let fee = world.fee(0, attests[0], mint).unwrap();
    check(&world, 0, [0, 0, 27], NOTHING);
    // Not anchored, the refutation says nothing; anchored in the window, it does.
    world.anchor_by_all(4);
    check(&world, 4, [0, 0, WORTH], NOTHING);
    assert!(matches!(world.ledger.verdict_of(&claim), ClaimVerdict::Minted { stands: true, .. }));
    world.epoch += VEST - 1;
    world.anchor_by_all(2);
    check(&world, 4, NOTHING, NOTHING);
    check(&world, 0, NOTHING, NOTHING);
    assert_eq!(world.ledger.verdict_of(&claim), ClaimVerdict::Refuted { mint, by: vec![against] });
    world.epoch += 1;
    assert!(world.ledger.vestable(&world.account(4), world.epoch).is_empty());
    assert!(world.ledger.listable(&world.account(4), &world.account(0), world.epoch).is_empty());
    assert_eq!(world.ledger.balance(&world.account(0)).uncovered, Ucr::new(27));
    assert_eq!(world.ledger.counted_of(&fee), Ucr::ZERO);
}

#[test]
fn a_refutation_after_the_window_comes_too_late() {
    let mut world = World::new(3, 5, 2, 2);
    let earned = world.earn(4, 1);
    assert_eq!(earned.attests.len(), 3);
    world.anchor_by_all(4);
    let ClaimVerdict::Minted { window: Some(window), .. } = world.ledger.verdict_of(&earned.claim) else {
        panic!("minted and anchored");
    };
    assert_eq!((window.opened, window.ends), (0, VEST));
    let mut world = World::new(3, 5, 2, 2);
    let claim = world.claim(4, 1).unwrap();
    let draw = world.draw(&claim);
    let attests: Vec<_> = (0..2).filter_map(|founder| world.attest(founder, &claim, &draw)).collect();
    let mint = world.mint_body(&claim, &draw, attests);
    world.sign(4, Body::Mint(Mint::Trial(mint))).unwrap();
    world.anchor_by_all(4);
    world.epoch += VEST;
    let body = Attest { digest: None, ..world.attest_body(2, &claim, &draw).unwrap() };
    world.sign(2, Body::Attest(body)).unwrap();
    world.anchor_by_all(2);
    check(&world, 4, [0, 0, WORTH], NOTHING);
}

#[test]
fn claims_are_open_until_minted_or_closed() {
    let mut world = World::new(3, 5, 2, 2);
    let account = world.account(4);
    let claim = world.claim(4, 1).unwrap();
    assert_eq!(world.ledger.verdict_of(&claim), ClaimVerdict::Open { draws: 0, votes: 0, unavailable: 0 });
    let draw = world.draw(&claim);
    world.attest(0, &claim, &draw).unwrap();
    let body = Attest { digest: None, ..world.attest_body(1, &claim, &draw).unwrap() };
    world.sign(1, Body::Attest(body)).unwrap();
    // Three founders share six votes: two each.
    assert_eq!(world.ledger.verdict_of(&claim), ClaimVerdict::Open { draws: 1, votes: 2, unavailable: 2 });
    assert_eq!(world.ledger.balance(&account).open_claims, vec![claim]);
    assert_eq!(world.ledger.claims().map(|claim| claim.id).collect::<Vec<_>>(), vec![claim]);
    world.epoch += 8;
    world.anchor(0, 4);
    assert!(matches!(world.ledger.verdict_of(&claim), ClaimVerdict::Open { .. }));
    world.epoch += 1;
    world.anchor(0, 4);
    assert_eq!(world.ledger.verdict_of(&claim), ClaimVerdict::Closed);
    assert!(world.ledger.balance(&account).open_claims.is_empty());
    assert_eq!(world.ledger.verdict_of(&ReceiptId::new([9; 32])), ClaimVerdict::Unknown);
}

/// Account 4 with 100 ucr, final and spendable, and what it holds for account 5.
fn holding(amount: u64) -> (World, ReceiptId) {
    let mut world = World::new(3, 6, 3, 2);
    world.earn_spendable(4, 1);
    let hold = world.hold(4, 5, amount).unwrap();
    world.anchor_by_all(4);
    (world, hold)
}

#[test]
fn a_hold_is_settled_and_released() {
    let (mut world, hold) = holding(60);
    check(&world, 4, [40, 60, 0], [40, 60, 0]);
    assert_eq!(world.ledger.final_of(&hold), Ucr::new(60));
    let settle = world.settle(4, 5, hold, 25).unwrap();
    check(&world, 4, [40, 35, 0], [40, 60, 0]);
    check(&world, 5, [0, 0, 25], NOTHING);
    world.release(4, hold, ReleaseProof::Settle(settle)).unwrap();
    check(&world, 4, [75, 0, 0], [40, 60, 0]);
    world.anchor_by_all(4);
    world.anchor_by_all(5);
    check(&world, 4, [75, 0, 0], [75, 0, 0]);
    world.epoch += SEASON;
    world.vest(5).unwrap();
    world.anchor_by_all(5);
    check(&world, 5, [25, 0, 0], [25, 0, 0]);
}

#[test]
fn an_unpaid_hold_returns_after_its_expiry() {
    let (mut world, hold) = holding(60);
    world.epoch += 11;
    world.claim(5, 1).unwrap();
    let head = world.ledger.head(&world.account(5)).unwrap().id;
    world.release(4, hold, ReleaseProof::ExpiredBy(head)).unwrap();
    world.anchor_by_all(4);
    check(&world, 4, [100, 0, 0], [100, 0, 0]);
}

#[test]
fn a_fork_cuts_before_itself_and_never_what_is_final() {
    let (mut world, hold) = holding(60);
    let account = world.account(4);
    let head = world.ledger.head(&account).unwrap();
    // At the head's own position: the head is final, so it stays.
    let other = world.branch(4, head.seq, &[Body::Hold(world.hold_body(3, 100))]);
    let outcome = world.ledger.apply(other[0].clone().into(), at(world.epoch));
    assert_eq!(outcome.verdict, Verdict::New);
    assert!(matches!(outcome.applied[..], [Item::Receipt(_), Item::Fork(_)]));
    assert!(world.ledger.is_forked(&account));
    assert_eq!(world.ledger.head(&account).unwrap().id, hold);
    check(&world, 4, [40, 60, 0], [40, 60, 0]);
    assert_eq!(world.draft(4, Body::Claim(world.claim_body(4, 2))).err(), Some(Refusal::Forked));
    // The payee's money is as good as before.
    world.settle(4, 5, hold, 60).unwrap();
    check(&world, 5, [0, 0, 60], NOTHING);
}

#[test]
fn what_lies_above_a_fork_and_is_not_final_is_gone_with_all_that_came_of_it() {
    let mut world = World::new(3, 7, 3, 2);
    world.earn_spendable(4, 1);
    world.anchor_by_all(4);
    let hold = world.hold(4, 5, 100).unwrap();
    world.settle(4, 5, hold, 70).unwrap();
    world.anchor_by_all(5);
    world.epoch += SEASON;
    world.vest(5).unwrap();
    let onward = world.hold(5, 6, 50).unwrap();
    world.settle(5, 6, onward, 40).unwrap();
    check(&world, 5, [20, 10, 0], NOTHING);
    check(&world, 6, [0, 0, 40], NOTHING);
    let seq = world.ledger.receipt(&hold).unwrap().seq;
    let other = world.branch(4, seq, &[Body::Hold(world.hold_body(3, 60))]);
    world.apply(other[0].clone().into());
    check(&world, 4, [100, 0, 0], [100, 0, 0]);
    check(&world, 5, NOTHING, NOTHING);
    check(&world, 6, NOTHING, NOTHING);
    assert_eq!(world.ledger.balance(&world.account(6)).uncovered, Ucr::new(40));
    // Finality of one branch brings it back, whichever came first.
    let over = (world.account(4), seq, hold);
    for founder in 0..3 {
        let key = &world.keys[founder].signing;
        let anchor = credits::Anchor::sign(&world.charter, over, world.epoch, vec![], key);
        assert_eq!(world.apply(anchor.into()), Verdict::New);
    }
    check(&world, 4, [0, 30, 0], [0, 100, 0]);
    check(&world, 5, [20, 10, 0], NOTHING);
    check(&world, 6, [0, 0, 40], NOTHING);
}

#[test]
fn anchors_over_two_branches_are_anchors_over_what_both_have_below() {
    let mut world = World::new(3, 6, 3, 2);
    world.earn_spendable(4, 1);
    let vest = world.ledger.head(&world.account(4)).unwrap();
    assert!(!world.ledger.is_final(&vest.id));
    let one = world.hold(4, 5, 60).unwrap();
    let other = world.branch(4, vest.seq + 1, &[Body::Hold(world.hold_body(3, 60))])[0].clone();
    world.apply(other.clone().into());
    for (founder, over) in [(0, one), (1, other.id), (2, other.id)] {
        let over = (world.account(4), vest.seq + 1, over);
        let key = &world.keys[founder].signing;
        world.apply(credits::Anchor::sign(&world.charter, over, world.epoch, vec![], key).into());
    }
    assert!(world.ledger.is_final(&vest.id));
    assert_eq!(world.ledger.head(&world.account(4)), Some(vest));
    check(&world, 4, [100, 0, 0], NOTHING);
}

#[test]
fn a_hold_is_covered_as_far_as_real_money_reaches() {
    let mut world = World::new(3, 7, 3, 2);
    world.earn_spendable(4, 1);
    // Account 5 has 70 from 4, which 4 then takes back by a fork, and 100 earned.
    let hold = world.hold(4, 5, 70).unwrap();
    world.settle(4, 5, hold, 70).unwrap();
    world.earn_spendable(5, 1);
    let onward = world.hold(5, 6, 150).unwrap();
    let settle = world.settle(5, 6, onward, 120).unwrap();
    check(&world, 5, [20, 30, 0], NOTHING);
    let seq = world.ledger.receipt(&hold).unwrap().seq;
    let other = world.branch(4, seq, &[Body::Hold(world.hold_body(3, 60))]);
    world.apply(other[0].clone().into());
    assert_eq!(world.ledger.counted_of(&onward), Ucr::new(100));
    assert_eq!(world.ledger.counted_of(&settle), Ucr::new(100));
    check(&world, 5, NOTHING, NOTHING);
    check(&world, 6, [0, 0, 100], NOTHING);
    world.release(5, onward, ReleaseProof::Settle(settle)).unwrap();
    check(&world, 5, NOTHING, NOTHING);
    assert_eq!(world.ledger.balance(&world.account(5)).uncovered, Ucr::new(50));
}

/// A world after a hold, and items that contend for it: the settle, a release by it,
/// a release by the payee's fork, that fork, and anchors that list the one or the
/// other.
fn contenders() -> (World, ReceiptId, Vec<Item>) {
    let (mut world, hold) = holding(60);
    let base = world.items.len();
    let settle = world.settle(4, 5, hold, 25).unwrap();
    world.anchor_by_all(5);
    let seq = world.ledger.receipt(&settle).unwrap().seq;
    let fork = world.branch(5, seq, &[Body::Claim(world.claim_body(5, 1))])[0].clone();
    let by_settle =
        world.draft(4, Body::Release(Release { hold, proof: ReleaseProof::Settle(settle) })).unwrap();
    let items: Vec<Item> = world.items.split_off(base);
    let mut other = world.replay(&world.items);
    let genesis = world.replay(&world.items).chain(&world.account(5))[0].clone();
    for receipt in [world.ledger.receipt(&settle).unwrap().clone(), fork.clone().into()] {
        other.apply(Item::Receipt(receipt), at(world.epoch));
    }
    assert!(other.is_forked(&genesis.account));
    let proof = ReleaseProof::ForkOf(world.account(5));
    let body = Body::Release(Release { hold, proof });
    let by_fork = other.draft(&world.account(4), world.epoch, body).unwrap().sign(&world.keys[4].signing);
    let mut all = items;
    all.extend([Item::from(fork), by_settle.clone().into(), by_fork.clone().into()]);
    for (founder, release) in [(0, &by_fork), (1, &by_fork), (2, &by_settle)] {
        let over = (world.account(4), release.seq, release.id);
        let key = &world.keys[founder].signing;
        let anchor = credits::Anchor::sign(&world.charter, over, world.epoch, vec![release.id], key);
        all.push(anchor.into());
    }
    (world, hold, all)
}

#[test]
fn a_unit_of_a_hold_has_one_owner_in_every_subset_of_what_contends_for_it() {
    let (world, hold, contenders) = contenders();
    assert_eq!(contenders.len(), 10);
    let fits = |ledger: &Ledger| {
        let paid: u64 = contenders
            .iter()
            .filter_map(|item| match item {
                Item::Receipt(receipt) => Some(ledger.counted_of(&receipt.id).get()),
                Item::Draw(_) | Item::Anchor(_) | Item::Fork(_) => None,
            })
            .sum();
        paid <= ledger.counted_of(&hold).get() && ledger.audit_totals().is_conserved()
    };
    for subset in 0..1_u32 << contenders.len() {
        let mut ledger = world.replay(&world.items);
        for (at_bit, item) in contenders.iter().enumerate() {
            if subset & (1 << at_bit) != 0 {
                ledger.apply(item.clone(), at(world.epoch));
            }
        }
        assert!(fits(&ledger), "subset {subset:b}");
    }
}

#[test]
fn founders_list_of_one_hold_only_what_does_not_contradict() {
    let (mut world, hold) = holding(60);
    world.epoch += 10;
    let settle = world.settle(4, 5, hold, 25).unwrap();
    let founder = world.account(0);
    assert_eq!(world.ledger.listable(&world.account(5), &founder, world.epoch), vec![settle]);
    world.anchor(0, 5);
    assert!(world.ledger.listable(&world.account(5), &founder, world.epoch).is_empty());
    assert_eq!(world.ledger.listable(&world.account(5), &world.account(1), world.epoch), vec![settle]);
    let release = world.release(4, hold, ReleaseProof::Settle(settle)).unwrap();
    assert!(world.ledger.listable(&world.account(4), &founder, world.epoch).contains(&release));
}
