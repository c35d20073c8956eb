//! Heads, ranges and bundles.

use credits::{Item, Verdict};

use crate::world::{World, at};

fn keys(items: &[Item]) -> Vec<[u8; 32]> {
    items.iter().map(Item::key).collect()
}

fn receipt(world: &World, id: &proto::ids::ReceiptId) -> Item {
    Item::Receipt(world.ledger.receipt(id).unwrap().clone())
}

#[test]
fn a_bundle_holds_what_the_item_names_before_it() {
    let mut world = World::new(3, 5, 2, 2);
    let earned = world.earn(4, 1);
    let anchor = world.anchor(0, 4);
    let genesis = Item::Receipt(world.ledger.chain(&world.account(4))[0].clone());
    let claim = receipt(&world, &earned.claim);
    let draw = Item::Draw(earned.draw.clone());
    let mint = receipt(&world, &earned.mint);
    let attests: Vec<Item> = earned.attests.iter().map(|id| receipt(&world, id)).collect();
    let bundle = |item: &Item| keys(&world.ledger.with_names(item));
    assert_eq!(bundle(&genesis), vec![genesis.key()]);
    assert_eq!(bundle(&claim), keys(&[genesis, claim.clone()]));
    assert_eq!(bundle(&draw), keys(&[claim.clone(), draw.clone()]));
    let all = [vec![claim, draw], attests, vec![mint.clone()]].concat();
    assert_eq!(bundle(&mint), keys(&all));
    assert_eq!(bundle(&Item::Anchor(anchor.clone())), keys(&[mint, Item::Anchor(anchor)]));
}

#[test]
fn heads_show_what_a_peer_lacks_and_nothing_else() {
    let mut world = World::new(3, 5, 2, 2);
    let before = world.items.len();
    world.earn(4, 1);
    let mut behind = world.replay(&world.items[..before]);
    assert_eq!(world.ledger.summary(500).len(), 5);
    assert_eq!(world.ledger.summary(2).len(), 2);
    let (items, more) = world.ledger.missing(&behind.summary(500), 1 << 20);
    assert_eq!((keys(&items), more), (keys(&world.items[before..]), false));
    assert!(behind.missing(&world.ledger.summary(500), 1 << 20).0.is_empty());
    for item in items {
        assert_eq!(behind.apply(item, at(world.epoch)).verdict, Verdict::New);
    }
    assert!(world.ledger.missing(&behind.summary(500), 1 << 20).0.is_empty());
    assert_eq!(world.ledger.summary(500), behind.summary(500));
    assert_eq!(behind.digest(), world.ledger.digest());
}

#[test]
fn an_answer_stays_within_its_bytes_and_says_so() {
    let mut world = World::new(3, 5, 2, 2);
    world.earn(4, 1);
    let (all, _) = world.ledger.missing(&[], usize::MAX);
    assert_eq!(all.len(), world.items.len());
    let (none, more) = world.ledger.missing(&[], 10);
    assert_eq!((none.len(), more), (0, true));
    let (some, more) = world.ledger.missing(&[], 1000);
    assert!(more && !some.is_empty() && some.len() < all.len());
}

#[test]
fn a_full_list_of_heads_says_nothing_about_accounts_after_its_last() {
    let world = World::new(3, 5, 2, 2);
    let heads = world.ledger.summary(500);
    let first = vec![heads[0].clone(); proto::limits::HEADS_MAX];
    assert!(world.ledger.missing(&first, 1 << 20).0.is_empty());
    assert_eq!(world.ledger.missing(&first[1..], 1 << 20).0.len(), 4);
}

#[test]
fn a_range_comes_with_what_it_names() {
    let mut world = World::new(3, 5, 2, 2);
    let earned = world.earn(4, 1);
    let (items, more) = world.ledger.range(&world.account(4), 3, 1 << 20);
    let mint = receipt(&world, &earned.mint);
    assert_eq!((keys(&items), more), (keys(&world.ledger.with_names(&mint)), false));
    assert_eq!(world.ledger.range(&world.account(4), 4, 1 << 20), (Vec::new(), false));
}
