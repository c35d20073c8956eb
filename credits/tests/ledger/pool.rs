//! What waits, what strangers can do, and what forkers can fill.

use credits::{Body, Claim, Item, Name, Receipt, Refusal, Verdict};
use proto::ids::ReceiptId;

use crate::world::{World, at};

fn receipts(world: &World, key: usize) -> Vec<Item> {
    world.ledger.chain(&world.account(key)).iter().cloned().map(Item::Receipt).collect()
}

/// A chain of a Genesis and so many claims, nine epochs apart.
fn long(claims: u64) -> World {
    let mut world = World::new(3, 5, 2, 2);
    for nonce in 0..claims {
        world.epoch += 9;
        world.claim(4, nonce).unwrap();
    }
    world
}

#[test]
fn what_came_too_early_is_applied_with_what_it_waited_for() {
    let world = long(3);
    let chain = receipts(&world, 4);
    let mut ledger = world.fresh_ledger();
    let now = at(world.epoch);
    for item in chain.iter().skip(1).rev() {
        let outcome = ledger.apply(item.clone(), now);
        assert_eq!((outcome.verdict, outcome.applied.len()), (Verdict::Pending, 0));
    }
    assert_eq!(ledger.pending(), 3);
    assert_eq!(ledger.awaited().count(), 3);
    assert!(ledger.awaited().any(|name| name == Name::Receipt(ReceiptId::new(chain[0].key()))));
    let outcome = ledger.apply(chain[0].clone(), now);
    assert_eq!((outcome.verdict, outcome.applied), (Verdict::New, chain));
    assert_eq!(ledger.pending(), 0);
}

#[test]
fn of_one_account_32_items_wait_at_most() {
    let world = long(34);
    let chain = receipts(&world, 4);
    let mut ledger = world.fresh_ledger();
    for (at_seq, item) in chain.iter().enumerate().skip(1) {
        let expected = if at_seq <= 32 { Verdict::Pending } else { Verdict::Refused(Refusal::PoolFull) };
        assert_eq!(ledger.apply(item.clone(), at(world.epoch)).verdict, expected, "{at_seq}");
    }
    // Others have their own room.
    let mut other = World::new(3, 5, 2, 2);
    other.claim(3, 1).unwrap();
    let waiting = receipts(&other, 3)[1].clone();
    assert_eq!(ledger.apply(waiting, at(world.epoch)).verdict, Verdict::Pending);
}

#[test]
fn nothing_waits_longer_than_ten_minutes() {
    let world = long(2);
    let chain = receipts(&world, 4);
    let mut ledger = world.fresh_ledger();
    let now = at(world.epoch);
    ledger.apply(chain[1].clone(), now);
    assert!(ledger.expire_pending(now + 600_000).is_empty());
    assert_eq!(ledger.pending(), 1);
    ledger.expire_pending(now + 600_001);
    assert_eq!(ledger.pending(), 0);
    assert_eq!(ledger.awaited().count(), 0);
}

#[test]
fn what_is_ahead_of_the_clock_is_held_back_until_it_is_not() {
    let world = long(1);
    let chain = receipts(&world, 4);
    let mut ledger = world.fresh_ledger();
    ledger.apply(chain[0].clone(), at(0));
    assert_eq!(world.epoch, 9);
    assert_eq!(ledger.apply(chain[1].clone(), at(7)).verdict, Verdict::Pending);
    assert!(ledger.expire_pending(at(8) - 1).is_empty());
    assert_eq!(ledger.expire_pending(at(8)), vec![chain[1].clone()]);
    // Or with whatever comes next.
    let mut ledger = world.fresh_ledger();
    ledger.apply(chain[0].clone(), at(0));
    ledger.apply(chain[1].clone(), at(7));
    let outcome = ledger.apply(chain[0].clone(), at(8));
    assert_eq!((outcome.verdict, outcome.applied), (Verdict::Duplicate, vec![chain[1].clone()]));
}

#[test]
fn a_stranger_changes_nothing_with_bytes_that_name_nothing_known() {
    let mut world = World::new(3, 5, 2, 2);
    world.earn(4, 1);
    let digest = world.ledger.digest();
    // Another swarm's chains and proofs, as far as they check here at all.
    let elsewhere = World::empty(1, 5, 1, 1);
    let genesis = elsewhere.draft(4, elsewhere.keys[4].genesis()).unwrap();
    assert_eq!(
        Item::check(&Item::from(genesis).to_wire(), &world.charter).err(),
        Some(Refusal::BadSignature)
    );
    let mut stranger = World::empty(3, 9, 2, 2);
    stranger.sign(8, stranger.keys[8].genesis()).unwrap();
    for nonce in 0..3 {
        stranger.claim(8, nonce).unwrap();
    }
    for item in receipts(&stranger, 8).into_iter().skip(1) {
        assert_eq!(world.ledger.apply(item, at(0)).verdict, Verdict::Pending);
    }
    assert_eq!(world.ledger.digest(), digest);
}

#[test]
fn of_a_forked_chain_256_receipts_are_kept_beside_the_valid_ones() {
    let mut world = World::new(3, 5, 2, 2);
    world.claim(4, 0).unwrap();
    let siblings: Vec<Receipt> = (1..=256)
        .map(|nonce| world.branch(4, 2, &[Body::Claim(world.claim_body(4, nonce))])[0].clone())
        .collect();
    let (last, rest) = siblings.split_last().unwrap();
    for sibling in rest {
        assert_eq!(world.apply(sibling.clone().into()), Verdict::New);
    }
    // With the first, cut by the fork, that makes 256.
    assert_eq!(world.apply(last.clone().into()), Verdict::Refused(Refusal::TooManyBranches));
    // Unless something waits for it.
    let over = (world.account(4), last.seq, last.id);
    let anchor = credits::Anchor::sign(&world.charter, over, world.epoch, vec![], &world.keys[0].signing);
    assert_eq!(world.apply(anchor.into()), Verdict::Pending);
    assert_eq!(world.apply(last.clone().into()), Verdict::New);
    assert_eq!(world.ledger.pending(), 0);
}

#[test]
fn of_several_fork_proofs_the_lowest_is_kept_whatever_came_first() {
    let mut world = World::new(3, 5, 2, 2);
    world.claim(4, 0).unwrap();
    world.claim(4, 1).unwrap();
    let claim = |nonce| Body::Claim(Claim { nonce, ..world.claim_body(4, 0) });
    let at_three = world.branch(4, 3, &[claim(7)])[0].clone();
    let at_two = world.branch(4, 2, &[claim(8)])[0].clone();
    let fork = |ledger: &credits::Ledger| ledger.fork_of(&world.account(4)).unwrap();
    let mut orders = Vec::new();
    for siblings in [[&at_three, &at_two], [&at_two, &at_three]] {
        let mut ledger = world.replay(&world.items);
        for sibling in siblings {
            ledger.apply(sibling.clone().into(), at(0));
        }
        assert_eq!(ledger.chain(&world.account(4)).len(), 1);
        orders.push((fork(&ledger), ledger.digest()));
    }
    assert_eq!(orders[0], orders[1]);
    assert_eq!(orders[0].0.seq(), 2);
    let mut ledger = world.replay(&world.items);
    let proof = Item::Fork(orders[0].0.clone());
    assert_eq!(ledger.apply(proof.clone(), at(0)).verdict, Verdict::New);
    assert_eq!(ledger.apply(proof, at(0)).verdict, Verdict::Duplicate);
    assert_eq!(ledger.chain(&world.account(4)).len(), 1);
}
