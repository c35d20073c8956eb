//! What the bytes of an item must be before any ledger is asked.

use credits::{Anchor, Body, Draw, ForkProof, Item, Receipt, Refusal, Verdict};
use ed25519_dalek::SigningKey;
use prost::Message;
use proto::ids::{ReceiptId, SwarmId};
use proto::sign::Domain;
use proto::wire::receipt as wire;

use crate::world::{World, at};

/// A world with one receipt of every kind of account 4.
fn full() -> World {
    let mut world = World::new(3, 6, 2, 2);
    let earned = world.earn_spendable(4, 1);
    world.fee(0, earned.attests[0], earned.mint).unwrap();
    let hold = world.hold(4, 5, 50).unwrap();
    let settle = world.settle(4, 5, hold, 20).unwrap();
    world.release(4, hold, credits::ReleaseProof::Settle(settle)).unwrap();
    world
}

fn sign(body: Vec<u8>, kind: u16, swarm: &SwarmId, key: &SigningKey) -> wire::Envelope {
    let digest = Domain::Receipt.digest(swarm, kind, &body);
    wire::Envelope { body, signature: Domain::Receipt.sign(key, &digest).to_vec() }
}

/// A receipt of account 4 with its decoded form changed and signed again.
fn forged(world: &World, kind: u16, change: impl Fn(&mut wire::Receipt)) -> wire::Envelope {
    let receipt = of_kind(world, kind);
    let mut decoded = wire::Receipt::decode(&receipt.envelope().body[..]).unwrap();
    change(&mut decoded);
    let key = world.keys.iter().find(|key| key.account == receipt.account).unwrap();
    sign(decoded.encode_to_vec(), kind, &world.charter.id, &key.signing)
}

fn of_kind(world: &World, kind: u16) -> Receipt {
    let mut receipts = world.items.iter().filter_map(|item| match item {
        Item::Receipt(receipt) if receipt.body.kind() == kind => Some(receipt),
        Item::Receipt(_) | Item::Draw(_) | Item::Anchor(_) | Item::Fork(_) => None,
    });
    (**receipts.next_back().unwrap()).clone()
}

fn header(change: impl Fn(&mut wire::Header)) -> impl Fn(&mut wire::Receipt) {
    move |receipt| change(receipt.header.as_mut().unwrap())
}

#[track_caller]
fn check(world: &World, envelope: &wire::Envelope, expected: Option<Refusal>) {
    assert_eq!(Receipt::check(envelope, &world.charter).err(), expected);
}

#[test]
fn receipts_of_every_kind_check_as_they_were_signed() {
    let world = full();
    for kind in 16..=23 {
        let receipt = of_kind(&world, kind);
        assert_eq!(Receipt::check(receipt.envelope(), &world.charter), Ok(receipt.clone()));
        assert_eq!(forged(&world, kind, |_| ()), *receipt.envelope());
    }
}

#[test]
fn every_single_bit_change_of_an_envelope_is_refused() {
    let world = full();
    for kind in 16..=23 {
        let bytes = of_kind(&world, kind).envelope().encode_to_vec();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            if let Ok(envelope) = wire::Envelope::decode(&changed[..]) {
                assert!(Receipt::check(&envelope, &world.charter).is_err(), "kind {kind}, bit {bit}");
            }
        }
    }
}

#[test]
fn every_single_bit_change_of_a_draw_an_anchor_and_a_fork_proof_is_refused() {
    let mut world = full();
    world.claim(3, 1).unwrap();
    let other = world.branch(3, 2, &[Body::Claim(world.claim_body(3, 2))])[0].clone();
    world.apply(other.into());
    let first =
        |is_wanted: fn(&Item) -> bool| world.items.iter().find(|item| is_wanted(item)).unwrap().clone();
    for item in [
        first(|item| matches!(item, Item::Draw(_))),
        first(|item| matches!(item, Item::Anchor(_))),
        first(|item| matches!(item, Item::Fork(_))),
    ] {
        let bytes = item.to_wire().encode_to_vec();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            // A draw is no envelope: a share whose tag has changed is not seen, and then
            // the quorum is not met.
            let checked = wire::Item::decode(&changed[..]).map(|wire| Item::check(&wire, &world.charter));
            if let Ok(Ok(item)) = checked {
                let refused = Verdict::Refused(Refusal::WrongQuorum);
                assert_eq!(world.ledger.apply(item, at(world.epoch)).verdict, refused, "bit {bit}");
            }
        }
    }
}

#[test]
fn bytes_are_canonical() {
    let world = full();
    let good = of_kind(&world, 21).envelope().clone();
    let key = &world.keys[4].signing;
    let resign = |body: Vec<u8>| sign(body, 21, &world.charter.id, key);
    check(&world, &resign(good.body.clone()), None);
    // An unknown field, a zero written out, a longer varint than needed.
    check(&world, &resign([&good.body[..], &[0xf8, 0x7f, 1]].concat()), Some(Refusal::NotCanonical));
    let mut long = good.body.clone();
    assert_eq!((long[0], long[2..4].to_vec()), (0x0a, vec![0x08, 1]));
    long.splice(3..4, [0x81, 0x00]);
    long[1] += 1;
    check(&world, &resign(long), Some(Refusal::NotCanonical));
    check(&world, &resign(good.body[1..].to_vec()), Some(Refusal::Malformed));
    check(&world, &resign(Vec::new()), Some(Refusal::Malformed));
    check(&world, &resign(vec![0x0a; 4097]), Some(Refusal::TooLong));
    check(&world, &resign(vec![0x0a; 4096]), Some(Refusal::Malformed));
}

#[test]
fn headers_are_bounded_and_in_place() {
    let world = full();
    type Change = Box<dyn Fn(&mut wire::Receipt)>;
    let rows: Vec<(u16, Option<Refusal>, Change)> = vec![
        (21, Some(Refusal::UnknownVersion), Box::new(header(|header| header.version = 2))),
        (21, Some(Refusal::UnknownVersion), Box::new(header(|header| header.version = 0))),
        (21, Some(Refusal::Malformed), Box::new(header(|header| header.account.truncate(31)))),
        (21, Some(Refusal::Malformed), Box::new(header(|header| header.prev.truncate(31)))),
        (21, Some(Refusal::Malformed), Box::new(|receipt| receipt.body = None)),
        (21, Some(Refusal::Malformed), Box::new(|receipt| receipt.header = None)),
        (21, Some(Refusal::WrongPlace), Box::new(header(|header| header.seq = 0))),
        (21, Some(Refusal::WrongPlace), Box::new(header(|header| header.seq = 1))),
        (21, Some(Refusal::WrongPlace), Box::new(header(|header| header.prev.clear()))),
        (16, Some(Refusal::WrongPlace), Box::new(header(|header| header.seq = 2))),
        (16, Some(Refusal::WrongPlace), Box::new(header(|header| header.prev = vec![1; 32]))),
        (21, None, Box::new(header(|header| header.seq = u64::MAX))),
    ];
    for (row, (kind, expected, change)) in rows.into_iter().enumerate() {
        let checked = Receipt::check(&forged(&world, kind, change), &world.charter);
        assert_eq!(checked.err(), expected, "row {row}");
    }
}

#[test]
fn signatures_are_of_the_account_role_and_swarm() {
    let world = full();
    let good = of_kind(&world, 21);
    let body = good.envelope().body.clone();
    let swarm = &world.charter.id;
    let (own, other) = (&world.keys[4].signing, &world.keys[5].signing);
    check(&world, &sign(body.clone(), 21, swarm, own), None);
    check(&world, &sign(body.clone(), 21, swarm, other), Some(Refusal::BadSignature));
    check(&world, &sign(body.clone(), 22, swarm, own), Some(Refusal::BadSignature));
    check(&world, &sign(body.clone(), 21, &SwarmId::new([1; 32]), own), Some(Refusal::BadSignature));
    let digest = Domain::Receipt.digest(swarm, 21, &body);
    for role in [Domain::Voucher, Domain::Draw, Domain::Anchor, Domain::Hello, Domain::Charter] {
        let signature = role.sign(own, &digest).to_vec();
        let envelope = wire::Envelope { body: body.clone(), signature };
        check(&world, &envelope, Some(Refusal::BadSignature));
    }
}

#[test]
fn random_outputs_are_proven() {
    let world = full();
    let change = |at: fn(&mut wire::Attest) -> &mut Vec<u8>| {
        forged(&world, 18, move |receipt| {
            let Some(wire::receipt::Body::Attest(attest)) = &mut receipt.body else { panic!() };
            at(attest)[0] ^= 1;
        })
    };
    check(&world, &forged(&world, 18, |_| ()), None);
    check(&world, &change(|attest| &mut attest.vrf_proof), Some(Refusal::BadProof));
    check(&world, &change(|attest| &mut attest.vrf_output), Some(Refusal::BadProof));
    check(&world, &change(|attest| &mut attest.vrf_key), Some(Refusal::BadProof));
    check(&world, &change(|attest| &mut attest.draw_output), Some(Refusal::BadProof));
    check(&world, &change(|attest| &mut attest.claim), Some(Refusal::BadProof));
    check(&world, &change(|attest| &mut attest.digest), None);
}

#[test]
fn draws_are_of_founders_signed_proven_and_in_order() {
    let world = full();
    let claim = of_kind(&world, 17).id;
    let draw = world.draw_body(&claim).to_wire();
    let check = |draw: &wire::Draw| Draw::check(draw, &world.charter).err();
    let changed = |change: fn(&mut wire::Draw)| {
        let mut draw = draw.clone();
        change(&mut draw);
        draw
    };
    assert_eq!(check(&draw), None);
    assert_eq!(check(&changed(|draw| draw.shares.reverse())), Some(Refusal::NotCanonical));
    assert_eq!(check(&changed(|draw| draw.shares.clear())), Some(Refusal::OutOfBounds));
    assert_eq!(
        check(&changed(|draw| draw.shares = vec![draw.shares[0].clone(); 17])),
        Some(Refusal::OutOfBounds)
    );
    assert_eq!(check(&changed(|draw| draw.shares[0].epoch += 1)), Some(Refusal::BadSignature));
    assert_eq!(check(&changed(|draw| draw.shares[0].signature[0] ^= 1)), Some(Refusal::BadSignature));
    assert_eq!(check(&changed(|draw| draw.shares[0].proof[0] ^= 1)), Some(Refusal::BadProof));
    assert_eq!(check(&changed(|draw| draw.shares[0].output.truncate(31))), Some(Refusal::Malformed));
    assert_eq!(check(&changed(|draw| draw.claim[0] ^= 1)), Some(Refusal::BadSignature));
    assert_eq!(check(&changed(|draw| draw.shares[0].founder = vec![1; 32])), Some(Refusal::NotAFounder));
}

#[test]
fn anchors_are_of_founders_signed_bounded_and_in_order() {
    let world = full();
    let account = world.account(4);
    let over = (account, 3, ReceiptId::new([3; 32]));
    let listed: Vec<ReceiptId> = (0..64).map(|byte| ReceiptId::new([byte; 32])).collect();
    let signed =
        |key: usize, over| Anchor::sign(&world.charter, over, 1, listed.clone(), &world.keys[key].signing);
    let check = |anchor: &Anchor| Anchor::check(anchor.envelope(), &world.charter).err();
    assert_eq!(check(&signed(0, over)), None);
    assert_eq!(check(&signed(3, over)), Some(Refusal::NotAFounder));
    assert_eq!(check(&signed(0, (world.account(0), 3, over.2))), Some(Refusal::NotAFounder));
    assert_eq!(check(&signed(1, (world.account(0), 3, over.2))), None);
    let changed = |change: fn(&mut wire::Anchor)| {
        let mut decoded = wire::Anchor::decode(&signed(0, over).envelope().body[..]).unwrap();
        change(&mut decoded);
        let body = decoded.encode_to_vec();
        let digest = Domain::Anchor.digest(&world.charter.id, 0, &body);
        let signature = Domain::Anchor.sign(&world.keys[0].signing, &digest).to_vec();
        Anchor::check(&wire::Envelope { body, signature }, &world.charter).err()
    };
    assert_eq!(changed(|_| ()), None);
    assert_eq!(changed(|anchor| anchor.listed.reverse()), Some(Refusal::NotCanonical));
    assert_eq!(changed(|anchor| anchor.listed[1] = anchor.listed[0].clone()), Some(Refusal::NotCanonical));
    assert_eq!(changed(|anchor| anchor.listed.push(vec![0xff; 32])), Some(Refusal::OutOfBounds));
    assert_eq!(changed(|anchor| anchor.id.truncate(3)), Some(Refusal::Malformed));
    assert_eq!(changed(|anchor| anchor.founder = vec![1; 32]), Some(Refusal::BadSignature));
    let mut envelope = signed(0, over).envelope().clone();
    envelope.signature[0] ^= 1;
    assert_eq!(Anchor::check(&envelope, &world.charter).err(), Some(Refusal::BadSignature));
    envelope.body.resize(4097, 0);
    assert_eq!(Anchor::check(&envelope, &world.charter).err(), Some(Refusal::TooLong));
}

#[test]
fn a_fork_proof_is_two_receipts_of_one_position_in_order() {
    let mut world = full();
    world.claim(3, 1).unwrap();
    let own = world.ledger.chain(&world.account(3))[1].clone();
    let other = world.branch(3, 2, &[Body::Claim(world.claim_body(3, 2))])[0].clone();
    let fork = ForkProof::new(&own, &other).unwrap();
    assert_eq!(fork, ForkProof::new(&other, &own).unwrap());
    assert_eq!(ForkProof::new(&own, &own), None);
    let check = |first: &Receipt, second: &Receipt| {
        let [first, second] = [first, second].map(|receipt| Some(receipt.envelope().clone()));
        ForkProof::check(&wire::ForkProof { first, second }, &world.charter).err()
    };
    assert_eq!(check(&fork.first, &fork.second), None);
    assert_eq!(check(&fork.second, &fork.first), Some(Refusal::NotCanonical));
    assert_eq!(check(&own, &own), Some(Refusal::NotAFork));
    let genesis = world.ledger.chain(&world.account(3))[0].clone();
    let (low, high) = if genesis.id < own.id { (&genesis, &own) } else { (&own, &genesis) };
    assert_eq!(check(low, high), Some(Refusal::NotAFork));
    let missing = wire::ForkProof { first: None, second: None };
    assert_eq!(ForkProof::check(&missing, &world.charter).err(), Some(Refusal::Malformed));
    assert_eq!(Item::check(&wire::Item { item: None }, &world.charter).err(), Some(Refusal::Malformed));
}

#[test]
fn stated_balances_and_places_are_those_that_follow() {
    let world = full();
    type Change = Box<dyn Fn(&mut wire::Header)>;
    let rows: Vec<(Verdict, Change)> = vec![
        (Verdict::Refused(Refusal::WrongBalances), Box::new(|header| header.spendable_after += 1)),
        (Verdict::Refused(Refusal::WrongBalances), Box::new(|header| header.held_after += 1)),
        (Verdict::Refused(Refusal::WrongBalances), Box::new(|header| header.vesting_after += 1)),
        (Verdict::Refused(Refusal::WrongBalances), Box::new(|header| header.earned_after += 1)),
        (Verdict::Refused(Refusal::WrongPlace), Box::new(|header| header.seq += 1)),
        (Verdict::Refused(Refusal::EpochBackwards), Box::new(|header| header.epoch -= 1)),
        (Verdict::Pending, Box::new(|header| header.prev = vec![1; 32])),
        (Verdict::Pending, Box::new(|header| header.epoch += 2)),
        (Verdict::New, Box::new(|_| ())),
    ];
    let hold = of_kind(&world, 21).id;
    for (row, (expected, change)) in rows.into_iter().enumerate() {
        let is_before = |item: &&Item| match item {
            Item::Receipt(receipt) => receipt.id != hold,
            Item::Draw(_) | Item::Anchor(_) | Item::Fork(_) => true,
        };
        let mut ledger = world.replay(world.items.iter().filter(is_before));
        let envelope = forged(&world, 21, header(change));
        let receipt = Receipt::check(&envelope, &world.charter).unwrap();
        assert_eq!(ledger.apply(receipt.into(), at(world.epoch)).verdict, expected, "row {row}");
    }
}
