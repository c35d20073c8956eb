//! Claims, attestations, mints, draws and anchors: for every refusal a row that meets
//! it, and a neighbour that does not.

use credits::{
    Anchor, Attest, Body, Claim, Draw, FeeMint, Genesis, Mint, Receipt, Refusal, TermsFault, TrialMint,
    Verdict,
};
use proto::ids::{AccountId, DrawId, ReceiptId, TrackId};

use crate::world::{BLOCKS, METRIC, PAY_FLOOR, World, check, class, rich, track};

const NOTHING: ReceiptId = ReceiptId::new([9; 32]);

#[test]
fn genesis() {
    let world = World::empty(2, 3, 1, 2);
    let Body::Genesis(genesis) = world.keys[0].genesis() else { panic!() };
    let other = Genesis { vrf_key: world.keys[1].vrf.public(), ..genesis.clone() };
    let rows = vec![
        (Some(Refusal::WrongVrfKey), Body::Genesis(other.clone())),
        (Some(Refusal::WrongPlace), Body::Claim(world.claim_body(0, 1))),
        (None, Body::Genesis(genesis.clone())),
    ];
    check(&world, 0, rows);
    check(&world, 2, vec![(None, Body::Genesis(other))]);
    let world = World::new(2, 3, 1, 2);
    check(&world, 0, vec![(Some(Refusal::WrongPlace), Body::Genesis(genesis))]);
}

#[test]
fn claims() {
    let world = World::new(3, 4, 2, 2);
    let good = world.claim_body(3, 1);
    let recipe = |byte: u8| Claim { recipe: vec![byte], ..good.clone() };
    let rows = [
        (
            Some(Refusal::Terms(TermsFault::UnknownTrack)),
            Claim { track: TrackId::new([1; 32]), ..good.clone() },
        ),
        (Some(Refusal::Terms(TermsFault::MalformedRecipe)), recipe(0xf0)),
        (Some(Refusal::Terms(TermsFault::WrongGas)), recipe(0xf1)),
        (Some(Refusal::Terms(TermsFault::OutOfRange)), recipe(0xf2)),
        (None, recipe(0xf3)),
        (Some(Refusal::WrongSegments), Claim { segments: 3, ..good.clone() }),
        (Some(Refusal::WrongSegments), Claim { segments: 5, ..good.clone() }),
        (Some(Refusal::OutOfBounds), Claim { segments: 65, ..good.clone() }),
        (Some(Refusal::OutOfBounds), Claim { recipe: vec![0; 1025], ..good.clone() }),
        (None, Claim { recipe: vec![0; 1024], ..good.clone() }),
        (Some(Refusal::WrongClass), Claim { numeric_class: class(2), ..good.clone() }),
        (Some(Refusal::ClaimTooLarge), Claim { gas: 10_000_000_000_001, ..good.clone() }),
        (None, Claim { gas: 10_000_000_000_000, ..good.clone() }),
        (None, good.clone()),
    ];
    check(&world, 3, rows.into_iter().map(|(refusal, claim)| (refusal, Body::Claim(claim))).collect());
    assert_eq!(good.track, track());
}

#[test]
fn claims_are_not_repeated_and_three_are_open_at_most() {
    let mut world = World::new(3, 4, 2, 2);
    let first = world.claim(3, 1).unwrap();
    let again = Body::Claim(world.claim_body(3, 1));
    let other = Body::Claim(world.claim_body(3, 9));
    check(&world, 3, vec![(Some(Refusal::ClaimRepeated), again.clone()), (None, other.clone())]);
    world.claim(3, 2).unwrap();
    world.claim(3, 3).unwrap();
    check(&world, 3, vec![(Some(Refusal::TooManyClaims), other.clone())]);
    check(&world, 2, vec![(None, Body::Claim(world.claim_body(2, 1)))]);
    // A mint closes a claim, and so do nine epochs.
    let draw = world.draw(&first);
    let attests = (0..3).filter_map(|founder| world.attest(founder, &first, &draw)).collect();
    let mint = world.mint_body(&first, &draw, attests);
    world.sign(3, Body::Mint(Mint::Trial(mint))).unwrap();
    check(&world, 3, vec![(None, other.clone()), (Some(Refusal::ClaimRepeated), again)]);
    world.claim(3, 4).unwrap();
    check(&world, 3, vec![(Some(Refusal::TooManyClaims), other.clone())]);
    world.epoch += 8;
    check(&world, 3, vec![(Some(Refusal::TooManyClaims), other.clone())]);
    world.epoch += 1;
    check(&world, 3, vec![(None, other)]);
}

#[test]
fn attestations() {
    let mut world = World::new(3, 5, 2, 2);
    let claim = world.claim(4, 1).unwrap();
    let elsewhere = world.claim(4, 2).unwrap();
    let (draw, other) = (world.draw(&claim), world.draw(&elsewhere));
    let good = world.attest_body(0, &claim, &draw).unwrap();
    let rows = [
        (Some(Refusal::NamesMissing), Attest { claim: NOTHING, ..good.clone() }),
        (Some(Refusal::NamesMissing), Attest { draw: DrawId::new([9; 32]), ..good.clone() }),
        (Some(Refusal::WrongName), Attest { draw: other.id, ..good.clone() }),
        (Some(Refusal::UnknownRound), Attest { round: 1, ..good.clone() }),
        (Some(Refusal::WrongOutput), Attest { draw_output: other.output, ..good.clone() }),
        (Some(Refusal::WrongVrfKey), Attest { vrf_key: world.keys[1].vrf.public(), ..good.clone() }),
        (Some(Refusal::WrongDuty), Attest { segment: good.segment % 4 + 1, ..good.clone() }),
        (Some(Refusal::WrongDuty), Attest { block: (good.block + 1) % BLOCKS, ..good.clone() }),
        (Some(Refusal::OutOfBounds), Attest { segment: 0, ..good.clone() }),
        (Some(Refusal::OutOfBounds), Attest { block: 16, ..good.clone() }),
        (None, Attest { digest: Some([1; 32]), ..good.clone() }),
        (None, Attest { digest: None, ..good.clone() }),
        (None, good.clone()),
    ];
    check(&world, 0, rows.into_iter().map(|(refusal, attest)| (refusal, Body::Attest(attest))).collect());
    // The claimant, and who is no founder, have no vote.
    let stranger = Attest { vrf_key: world.keys[3].vrf.public(), ..good.clone() };
    check(&world, 3, vec![(Some(Refusal::NoDuty), Body::Attest(stranger))]);
    let own = Attest { vrf_key: world.keys[4].vrf.public(), ..good.clone() };
    check(&world, 4, vec![(Some(Refusal::NoDuty), Body::Attest(own))]);
    let head = world.ledger.head(&world.account(4)).unwrap().id;
    let not_a_claim = world.ledger.receipt(&head).unwrap().prev.unwrap();
    let genesis = world.ledger.receipt(&not_a_claim).unwrap().prev.unwrap();
    check(
        &world,
        0,
        vec![(Some(Refusal::WrongName), Body::Attest(Attest { claim: genesis, ..good.clone() }))],
    );
    world.attest(0, &claim, &draw).unwrap();
    check(&world, 0, vec![(Some(Refusal::AttestRepeated), Body::Attest(good))]);
    let second = world.attest_body(0, &elsewhere, &other).unwrap();
    check(&world, 0, vec![(None, Body::Attest(second))]);
}

#[test]
fn attestations_are_of_the_own_numeric_class() {
    let mut world = World::empty(2, 3, 1, 2);
    for key in 0..3 {
        let Body::Genesis(genesis) = world.keys[key].genesis() else { panic!() };
        let byte = if key == 1 { 2 } else { 1 };
        world.sign(key, Body::Genesis(Genesis { numeric_class: class(byte), ..genesis })).unwrap();
    }
    let claim = world.claim(2, 1).unwrap();
    let draw = world.draw(&claim);
    let good = world.attest_body(0, &claim, &draw).unwrap();
    let other = Attest { vrf_key: world.keys[1].vrf.public(), ..good.clone() };
    check(&world, 1, vec![(Some(Refusal::WrongClass), Body::Attest(other))]);
    check(&world, 0, vec![(None, Body::Attest(good))]);
    assert!(world.attest_body(1, &claim, &draw).is_none());
}

/// A claim with its draw and all attestations.
fn attested(world: &mut World, key: usize, nonce: u64) -> (ReceiptId, std::sync::Arc<Draw>, Vec<ReceiptId>) {
    let claim = world.claim(key, nonce).unwrap();
    let draw = world.draw(&claim);
    let attests = (0..world.founders).filter_map(|founder| world.attest(founder, &claim, &draw)).collect();
    (claim, draw, attests)
}

#[test]
fn mints() {
    let mut world = World::new(3, 5, 2, 4);
    let (claim, draw, attests) = attested(&mut world, 4, 1);
    let (elsewhere, other_draw, _) = attested(&mut world, 4, 2);
    let (_, _, other_attests) = attested(&mut world, 3, 1);
    assert_eq!(attests.len(), 3);
    let good = world.mint_body(&claim, &draw, attests.clone());
    let mut leaves = good.segment_leaves.clone();
    leaves[1] = [0; 32];
    let blocks = |change: fn(&mut Vec<credits::BlockOpening>)| {
        let mut blocks = good.blocks.clone();
        change(&mut blocks);
        TrialMint { blocks, ..good.clone() }
    };
    let named = |attests: &[ReceiptId]| TrialMint { attests: attests.to_vec(), ..good.clone() };
    let rows = [
        (Some(Refusal::NamesMissing), TrialMint { claim: NOTHING, ..good.clone() }),
        (Some(Refusal::NamesMissing), named(&[NOTHING])),
        (Some(Refusal::WrongName), TrialMint { claim: elsewhere, ..good.clone() }),
        (Some(Refusal::WrongName), TrialMint { draw: other_draw.id, ..good.clone() }),
        (Some(Refusal::WrongName), named(&[attests[0], other_attests[1]])),
        (Some(Refusal::WrongName), named(&[claim])),
        (Some(Refusal::NameRepeated), named(&[attests[0], attests[0]])),
        (Some(Refusal::WrongRoot), TrialMint { segment_leaves: leaves, ..good.clone() }),
        (
            Some(Refusal::WrongOpening),
            TrialMint { segment_leaves: good.segment_leaves[..4].to_vec(), ..good.clone() },
        ),
        (Some(Refusal::WrongOpening), blocks(|blocks| blocks.truncate(1))),
        (Some(Refusal::WrongRoot), blocks(|blocks| blocks[0].sum_microbits += 1)),
        (Some(Refusal::OutOfBounds), named(&[])),
        (Some(Refusal::OutOfBounds), named(&[attests[0]; 17])),
        (Some(Refusal::OutOfBounds), blocks(Vec::clear)),
        (Some(Refusal::TooFewVotes), named(&attests[..1])),
        (None, good.clone()),
    ];
    check(
        &world,
        4,
        rows.into_iter().map(|(refusal, mint)| (refusal, Body::Mint(Mint::Trial(mint)))).collect(),
    );
    check(&world, 3, vec![(Some(Refusal::WrongName), Body::Mint(Mint::Trial(good.clone())))]);
    world.epoch += 8;
    check(&world, 4, vec![(None, Body::Mint(Mint::Trial(good.clone())))]);
    world.epoch += 1;
    check(&world, 4, vec![(Some(Refusal::ClaimClosed), Body::Mint(Mint::Trial(good.clone())))]);
    world.epoch -= 1;
    world.sign(4, Body::Mint(Mint::Trial(good.clone()))).unwrap();
    check(&world, 4, vec![(Some(Refusal::MintRepeated), Body::Mint(Mint::Trial(good)))]);
}

#[test]
fn mints_of_other_metrics_digests_and_of_nothing() {
    let mut world = World::new(3, 5, 2, 2);
    for (nonce, metric, expected) in [
        (1, METRIC, None),
        (2, METRIC + 1, Some(Refusal::WrongMetric)),
        (3, METRIC - 1, Some(Refusal::WrongMetric)),
        (4, PAY_FLOOR, Some(Refusal::WrongMetric)),
        (5, PAY_FLOOR + 1, Some(Refusal::WorthNothing)),
    ] {
        world.epoch += 9;
        let body = Claim { metric_microbits: metric, ..world.claim_body(4, nonce) };
        let claim = world.sign(4, Body::Claim(body)).unwrap();
        let draw = world.draw(&claim);
        let attests = (0..3).filter_map(|founder| world.attest(founder, &claim, &draw)).collect();
        let mint = world.mint_body(&claim, &draw, attests);
        check(&world, 4, vec![(expected, Body::Mint(Mint::Trial(mint)))]);
    }
    for (nonce, digest) in [(6, Some([1; 32])), (7, None)] {
        world.epoch += 9;
        let claim = world.claim(4, nonce).unwrap();
        let draw = world.draw(&claim);
        let honest = world.attest(0, &claim, &draw).unwrap();
        let body = Attest { digest, ..world.attest_body(1, &claim, &draw).unwrap() };
        let against = world.sign(1, Body::Attest(body)).unwrap();
        let mint = |attests| Body::Mint(Mint::Trial(world.mint_body(&claim, &draw, attests)));
        check(
            &world,
            4,
            vec![(Some(Refusal::DigestDiffers), mint(vec![honest, against])), (None, mint(vec![honest]))],
        );
        // Nor does who attested otherwise earn a fee.
        let minted = world.sign(4, mint(vec![honest])).unwrap();
        let fee = |attest| Body::Mint(Mint::Fee(FeeMint { attest, mint: minted }));
        check(&world, 1, vec![(Some(Refusal::DigestDiffers), fee(against))]);
        check(&world, 0, vec![(None, fee(honest))]);
    }
}

#[test]
fn fees() {
    let mut world = World::new(3, 5, 2, 2);
    let one = world.earn(4, 1);
    let other = world.earn(4, 2);
    let fee = |attest, mint| Body::Mint(Mint::Fee(FeeMint { attest, mint }));
    check(
        &world,
        0,
        vec![
            (Some(Refusal::NamesMissing), fee(NOTHING, one.mint)),
            (Some(Refusal::NamesMissing), fee(one.attests[0], NOTHING)),
            (Some(Refusal::WrongName), fee(one.attests[1], one.mint)),
            (Some(Refusal::WrongName), fee(one.attests[0], other.mint)),
            (Some(Refusal::WrongName), fee(one.attests[0], one.claim)),
            (None, fee(one.attests[0], one.mint)),
        ],
    );
    world.fee(0, one.attests[0], one.mint).unwrap();
    check(
        &world,
        0,
        vec![
            (Some(Refusal::MintRepeated), fee(one.attests[0], one.mint)),
            (None, fee(other.attests[0], other.mint)),
        ],
    );
    // Eleven tenths of a segment below one ucr pay nothing.
    for (nonce, gas, expected) in
        [(8, 4 * 909_090_909, Some(Refusal::WorthNothing)), (9, 4 * 909_090_910, None)]
    {
        let body = Claim { gas, ..world.claim_body(4, nonce) };
        let claim = world.sign(4, Body::Claim(body)).unwrap();
        let draw = world.draw(&claim);
        let attests: Vec<_> = (0..3).filter_map(|founder| world.attest(founder, &claim, &draw)).collect();
        let mint = world.mint_body(&claim, &draw, attests.clone());
        let mint = world.sign(4, Body::Mint(Mint::Trial(mint))).unwrap();
        check(&world, 0, vec![(expected, fee(attests[0], mint))]);
    }
}

#[test]
fn epochs_never_decrease_and_follow_what_is_named() {
    let mut world = World::new(3, 5, 2, 2);
    world.epoch = 5;
    let claim = world.claim(4, 1).unwrap();
    let draw = world.draw(&claim);
    let attest = world.attest_body(0, &claim, &draw).unwrap();
    world.epoch = 4;
    check(&world, 4, vec![(Some(Refusal::EpochBackwards), Body::Claim(world.claim_body(4, 2)))]);
    check(&world, 0, vec![(Some(Refusal::EpochBeforeNamed), Body::Attest(attest.clone()))]);
    world.epoch = 5;
    check(&world, 4, vec![(None, Body::Claim(world.claim_body(4, 2)))]);
    check(&world, 0, vec![(None, Body::Attest(attest))]);
}

#[test]
fn draws() {
    let mut world = World::new(3, 5, 2, 2);
    world.epoch = 5;
    let claim = world.claim(4, 1).unwrap();
    let own = world.claim(0, 1).unwrap();
    let genesis = world.ledger.chain(&world.account(4))[0].id;
    let draw = |world: &World, claim, founders: &[usize]| {
        Draw::assemble(claim, founders.iter().map(|founder| world.share(*founder, &claim)).collect())
    };
    assert_eq!(draw(&world, claim, &[]).err(), Some(Refusal::OutOfBounds));
    assert_eq!(draw(&world, claim, &[0, 0]).err(), Some(Refusal::OutOfBounds));
    world.epoch = 4;
    let early = draw(&world, claim, &[0, 1]).unwrap();
    world.epoch = 5;
    let rows = [
        (Verdict::Refused(Refusal::WrongName), draw(&world, genesis, &[0, 1])),
        (Verdict::Refused(Refusal::EpochBeforeNamed), Ok(early)),
        (Verdict::Refused(Refusal::NotAFounder), draw(&world, own, &[0, 1])),
        (Verdict::Refused(Refusal::WrongQuorum), draw(&world, claim, &[0])),
        (Verdict::Refused(Refusal::WrongQuorum), draw(&world, claim, &[0, 1, 2])),
        (Verdict::Pending, draw(&world, NOTHING, &[0, 1])),
        (Verdict::New, draw(&world, own, &[1, 2])),
        (Verdict::New, draw(&world, claim, &[0, 1])),
    ];
    for (row, (expected, draw)) in rows.into_iter().enumerate() {
        assert_eq!(world.apply(draw.unwrap().into()), expected, "row {row}");
    }
}

#[test]
fn anchors() {
    let mut world = rich();
    let hold = world.hold(4, 5, 10).unwrap();
    let chain: Vec<Receipt> =
        world.ledger.chain(&world.account(4)).iter().map(|receipt| (**receipt).clone()).collect();
    let mint = chain.iter().find(|receipt| matches!(receipt.body, Body::Mint(_))).unwrap();
    let last = chain.last().unwrap();
    let key = &world.keys[0].signing;
    let anchor = |over: (AccountId, u64, ReceiptId), epoch, listed: &[ReceiptId]| {
        Anchor::sign(&world.charter, over, epoch, listed.to_vec(), key)
    };
    let account = world.account(4);
    let (epoch, over) = (world.epoch, (account, last.seq, last.id));
    let rows = [
        (Verdict::Pending, anchor((account, last.seq, NOTHING), epoch, &[])),
        (Verdict::Refused(Refusal::WrongName), anchor((account, last.seq - 1, last.id), epoch, &[])),
        (Verdict::Refused(Refusal::WrongName), anchor((world.account(5), last.seq, last.id), epoch, &[])),
        (Verdict::Refused(Refusal::EpochBeforeNamed), anchor(over, epoch - 1, &[])),
        (Verdict::Refused(Refusal::WrongListing), anchor(over, epoch, &[hold])),
        (Verdict::Refused(Refusal::WrongListing), anchor(over, epoch, &[NOTHING])),
        (Verdict::Refused(Refusal::WrongListing), anchor((account, 2, chain[1].id), epoch, &[mint.id])),
        (Verdict::New, anchor(over, epoch, &[mint.id])),
    ];
    for (row, (expected, anchor)) in rows.into_iter().enumerate() {
        assert_eq!(world.apply(anchor.into()), expected, "row {row}");
    }
}
