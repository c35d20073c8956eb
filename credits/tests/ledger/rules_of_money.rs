//! Vests, holds, settles and releases: for every refusal a row that meets it, and a
//! neighbour that does not.

use credits::{Body, Hold, Refusal, Release, ReleaseProof, Settle, Ucr, Vest, VestEntry, Voucher};
use proto::ids::{AccountId, AnchorId, ReceiptId};

use crate::world::{Earned, SEASON, VEST, World, check, rich};

const NOBODY: AccountId = AccountId::new([9; 32]);
const NOTHING: ReceiptId = ReceiptId::new([9; 32]);

#[test]
fn vests() {
    let mut world = World::new(3, 5, 2, 2);
    let early = world.anchor(0, 4);
    let Earned { claim, mint, .. } = world.earn(4, 1);
    let anchor = world.anchor(0, 4);
    let elsewhere = world.anchor(1, 3);
    let vest = |entries: &[(ReceiptId, AnchorId)]| {
        let entry =
            |(receipt, anchor): &(ReceiptId, AnchorId)| VestEntry { receipt: *receipt, anchor: *anchor };
        Body::Vest(Vest { entries: entries.iter().map(entry).collect() })
    };
    let good = vest(&[(mint, anchor.id)]);
    world.epoch += VEST - 1;
    check(&world, 4, vec![(Some(Refusal::NotDue), good.clone())]);
    world.epoch += 1;
    check(
        &world,
        4,
        vec![
            (Some(Refusal::NamesMissing), vest(&[(NOTHING, anchor.id)])),
            (Some(Refusal::NamesMissing), vest(&[(mint, AnchorId::new([9; 32]))])),
            (Some(Refusal::OutOfBounds), vest(&[])),
            (Some(Refusal::OutOfBounds), vest(&[(mint, anchor.id); 33])),
            (Some(Refusal::NameRepeated), vest(&[(mint, anchor.id); 2])),
            (Some(Refusal::WrongName), vest(&[(claim, anchor.id)])),
            (Some(Refusal::NotAnchored), vest(&[(mint, early.id)])),
            (Some(Refusal::NotAnchored), vest(&[(mint, elsewhere.id)])),
            (None, good.clone()),
        ],
    );
    check(&world, 3, vec![(Some(Refusal::WrongName), good.clone())]);
    world.sign(4, good.clone()).unwrap();
    check(&world, 4, vec![(Some(Refusal::VestRepeated), good)]);
    // A settle is due after the season.
    let hold = world.hold(4, 3, 50).unwrap();
    let settle = world.settle(4, 3, hold, 50).unwrap();
    let anchor = world.anchor(0, 3);
    world.epoch += SEASON - 1;
    check(&world, 3, vec![(Some(Refusal::NotDue), vest(&[(settle, anchor.id)]))]);
    world.epoch += 1;
    check(&world, 3, vec![(None, vest(&[(settle, anchor.id)]))]);
}

#[test]
fn holds() {
    let world = rich();
    let good = world.hold_body(5, 100);
    let rows = [
        (Some(Refusal::NotEnough), world.hold_body(5, 101)),
        (Some(Refusal::WrongAmounts), world.hold_body(5, 0)),
        (Some(Refusal::WrongAmounts), Hold { per_segment: Ucr::ZERO, ..good }),
        (Some(Refusal::WrongAmounts), Hold { per_segment: Ucr::new(101), ..good }),
        (None, Hold { per_segment: Ucr::new(100), ..good }),
        (Some(Refusal::HoldForSelf), Hold { payee: world.account(4), ..good }),
        (None, Hold { payee: NOBODY, ..good }),
        (Some(Refusal::HoldExpired), Hold { expiry_epoch: world.epoch - 1, ..good }),
        (None, Hold { expiry_epoch: world.epoch, ..good }),
        (None, Hold { expiry_epoch: u64::MAX, ..good }),
        (None, good),
    ];
    check(&world, 4, rows.into_iter().map(|(refusal, hold)| (refusal, Body::Hold(hold))).collect());
}

#[test]
fn settles() {
    let mut world = rich();
    let hold = world.hold(4, 5, 60).unwrap();
    let other = world.hold(4, 5, 40).unwrap();
    let mint = world.ledger.vestable(&world.account(4), world.epoch);
    assert!(mint.is_empty());
    let settle = |hold, voucher: Voucher| Body::Settle(Settle { hold, voucher: Some(voucher) });
    let empty = |hold| Body::Settle(Settle { hold, voucher: None });
    let claim = world.ledger.chain(&world.account(4))[1].id;
    let rows = vec![
        (Some(Refusal::NamesMissing), empty(NOTHING)),
        (Some(Refusal::WrongName), empty(claim)),
        (Some(Refusal::WrongName), settle(hold, world.voucher(4, other, 10))),
        (Some(Refusal::VoucherUnsigned), settle(hold, world.voucher(3, hold, 10))),
        (Some(Refusal::VoucherAboveHold), settle(hold, world.voucher(4, hold, 61))),
        (Some(Refusal::OutOfBounds), settle(hold, world.voucher(4, hold, 0))),
        (None, settle(hold, world.voucher(4, hold, 60))),
        (None, empty(hold)),
    ];
    check(&world, 5, rows);
    check(&world, 3, vec![(Some(Refusal::NotThePayee), empty(hold))]);
    world.epoch += 10;
    check(&world, 5, vec![(None, empty(hold))]);
    world.epoch += 1;
    check(&world, 5, vec![(Some(Refusal::HoldExpired), empty(hold))]);
    world.epoch -= 1;
    world.settle(4, 5, hold, 30).unwrap();
    check(&world, 5, vec![(Some(Refusal::SettleRepeated), empty(hold)), (None, empty(other))]);
}

#[test]
fn releases() {
    let mut world = rich();
    let (hold, other) = (world.hold(4, 5, 60).unwrap(), world.hold(4, 5, 10).unwrap());
    let settle = world.settle(4, 5, hold, 20).unwrap();
    let unused = world.hold(4, 3, 10).unwrap();
    let head = |world: &World, key: usize| world.ledger.head(&world.account(key)).unwrap().id;
    let release = |hold, proof| Body::Release(Release { hold, proof });
    check(
        &world,
        4,
        vec![
            (Some(Refusal::NamesMissing), release(NOTHING, ReleaseProof::Settle(settle))),
            (Some(Refusal::NamesMissing), release(hold, ReleaseProof::Settle(NOTHING))),
            (Some(Refusal::WrongName), release(settle, ReleaseProof::Settle(settle))),
            (Some(Refusal::WrongName), release(other, ReleaseProof::Settle(settle))),
            (Some(Refusal::WrongName), release(hold, ReleaseProof::Settle(hold))),
            (Some(Refusal::WrongName), release(hold, ReleaseProof::ExpiredBy(head(&world, 3)))),
            (Some(Refusal::HoldNotEnded), release(other, ReleaseProof::ExpiredBy(head(&world, 5)))),
            (Some(Refusal::NamesMissing), release(unused, ReleaseProof::ForkOf(world.account(3)))),
            (None, release(hold, ReleaseProof::Settle(settle))),
        ],
    );
    check(&world, 5, vec![(Some(Refusal::WrongName), release(hold, ReleaseProof::Settle(settle)))]);
    // At the expiry itself a settle may still come; beyond it, none that is not
    // there already.
    world.epoch += 10;
    world.claim(5, 1).unwrap();
    check(
        &world,
        4,
        vec![(Some(Refusal::HoldNotEnded), release(other, ReleaseProof::ExpiredBy(head(&world, 5))))],
    );
    world.epoch += 1;
    world.claim(5, 2).unwrap();
    check(
        &world,
        4,
        vec![
            (Some(Refusal::HoldNotEnded), release(hold, ReleaseProof::ExpiredBy(head(&world, 5)))),
            (None, release(other, ReleaseProof::ExpiredBy(head(&world, 5)))),
        ],
    );
    // A fork of the payee ends its holds and no others.
    let branch =
        world.branch(3, 2, &[Body::Claim(world.claim_body(3, 1)), Body::Claim(world.claim_body(3, 2))]);
    let second = world.branch(3, 2, &[Body::Claim(world.claim_body(3, 3))]);
    for receipt in [&branch[0], &branch[1], &second[0]] {
        world.apply(receipt.clone().into());
    }
    check(
        &world,
        4,
        vec![
            (None, release(unused, ReleaseProof::ForkOf(world.account(3)))),
            (Some(Refusal::WrongName), release(other, ReleaseProof::ForkOf(world.account(3)))),
        ],
    );
    world.release(4, hold, ReleaseProof::Settle(settle)).unwrap();
    check(&world, 4, vec![(Some(Refusal::ReleaseRepeated), release(hold, ReleaseProof::Settle(settle)))]);
}

#[test]
fn amounts_stop_at_both_ends_of_u64() {
    let mut world = World::new(3, 6, 2, 2);
    world.earn_worth(4, 1, u64::MAX - 10).unwrap();
    assert_eq!(world.earn_worth(4, 2, 11).err(), Some(Refusal::Overflow));
    assert_eq!(world.earn_worth(4, 3, u64::MAX).err(), Some(Refusal::Overflow));
    world.epoch += 9;
    world.earn_worth(4, 4, 10).unwrap();
    assert_eq!(world.ledger.declared(&world.account(4)).vesting, Ucr::new(u64::MAX));
    world.epoch += 9;
    assert_eq!(world.earn_worth(4, 5, 1).err(), Some(Refusal::Overflow));
    world.anchor_by_all(4);
    world.epoch += VEST;
    world.vest(4).unwrap();
    let hold = world.hold(4, 5, u64::MAX - 1).unwrap();
    check(
        &world,
        4,
        vec![
            (Some(Refusal::NotEnough), Body::Hold(world.hold_body(5, 2))),
            (None, Body::Hold(world.hold_body(5, 1))),
        ],
    );
    // Two accounts may have so much each: sums over accounts are wider.
    world.earn_worth(5, 1, 1).unwrap();
    assert_eq!(world.settle(4, 5, hold, u64::MAX - 1), Ok(world.ledger.head(&world.account(5)).unwrap().id));
    world.epoch += 9;
    assert_eq!(world.earn_worth(5, 2, 1).err(), Some(Refusal::Overflow));
    world.earn_worth(3, 1, u64::MAX).unwrap();
    let totals = world.ledger.audit_totals();
    assert!(totals.is_conserved());
    assert_eq!(totals.minted, 2 * u128::from(u64::MAX) + 1);
}
