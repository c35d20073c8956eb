//! Views over a small ledger built by hand.

mod world;

use super::*;

use data_encoding::HEXLOWER;
use jobs::Recipe;
use prost::Message;
use proto::api::{CheckVerdict, FrontierLineage, HISTORY_ROWS_DEFAULT};
use proto::wire::receipt::Envelope;

use world::{World, recipe};

const NOBODY: AccountId = AccountId::new([0xee; 32]);

fn amounts(spendable_ucr: u64, held_ucr: u64, vesting_ucr: u64) -> Amounts {
    Amounts { spendable_ucr, held_ucr, vesting_ucr }
}

fn figures(balance: &Balance) -> Amounts {
    let counted = &balance.counted;
    amounts(counted.spendable.amount_ucr, counted.held.amount_ucr, counted.vesting.amount_ucr)
}

fn parts(figure: &Figure) -> Vec<(ReceiptId, i64)> {
    figure.receipts.iter().map(|part| (part.receipt, part.change_ucr)).collect()
}

fn sentence(world: &World, id: &ReceiptId) -> String {
    world.view().explain(world.ledger.receipt(id).unwrap()).sentence
}

fn arithmetic(world: &World, id: &ReceiptId) -> Vec<String> {
    let explanation = world.view().explain(world.ledger.receipt(id).unwrap());
    let line = |line: &proto::api::ArithmeticLine| {
        let result = line.amount_ucr.map(|ucr| format!(" = {ucr}")).unwrap_or_default();
        format!("{}: {}{result}", line.name, line.formula)
    };
    explanation.arithmetic.iter().map(line).collect()
}

#[test]
fn a_balance_names_the_receipts_behind_each_figure() {
    let mut world = World::new();
    let own = world.account(0);
    assert_eq!(figures(&world.view().balance(&own)), amounts(0, 0, 0));

    let claim = world.claim(0, 1, &recipe(), world.sum());
    let balance = world.view().balance(&own);
    let open = UnmintedClaim { claim, epoch: 0, worth_ucr: 99, state: ClaimState::Open };
    assert_eq!((figures(&balance), balance.claims), (amounts(0, 0, 0), vec![open]));

    let draw = world.draw(&claim);
    let attests = [1, 2].map(|key| world.attest(key, (&claim, world.sum()), &draw, Some));
    let mint = world.mint(0, (&claim, world.sum()), &draw, attests.to_vec());
    let balance = world.view().balance(&own);
    assert_eq!((figures(&balance), balance.claims.len()), (amounts(0, 0, 99), 0));
    assert_eq!(parts(&balance.counted.vesting), [(mint, 99)]);
    assert_eq!(balance.settled, amounts(0, 0, 0));

    world.anchor(0);
    world.epoch = 4;
    let vest = world.vest(0);
    world.anchor(0);
    let balance = world.view().balance(&own);
    assert_eq!((figures(&balance), balance.settled), (amounts(99, 0, 0), amounts(99, 0, 0)));
    assert_eq!(parts(&balance.counted.spendable), [(vest, 99)]);
    assert!(balance.counted.vesting.receipts.is_empty());

    let hold = world.hold(0, 1, 40);
    let balance = world.view().balance(&own);
    assert_eq!((figures(&balance), balance.settled), (amounts(59, 40, 0), amounts(99, 0, 0)));
    assert_eq!(parts(&balance.counted.spendable), [(hold, -40), (vest, 99)]);
    assert_eq!(parts(&balance.counted.held), [(hold, 40)]);

    let settle = world.settle(0, 1, hold, 30);
    world.release(0, hold, settle);
    let balance = world.view().balance(&own);
    assert_eq!(figures(&balance), amounts(69, 0, 0));
    assert!(balance.counted.held.receipts.is_empty());
    assert_eq!((balance.uncovered_ucr, balance.is_forked), (0, false));
    assert_eq!(world.view().amounts(), amounts(69, 0, 0));
}

#[test]
fn a_history_runs_oldest_first_and_keeps_the_newest() {
    let mut world = World::new();
    let earned = world.earn_first();
    world.anchor(0);
    world.epoch = 4;
    let vest = world.vest(0);
    let own = world.account(0);
    let history = world.view().history(&own, None, HISTORY_ROWS_DEFAULT);
    let rows: Vec<_> = history.rows.iter().map(|row| (row.seq, row.kind, row.epoch, row.is_final)).collect();
    assert_eq!(
        rows,
        [
            (1, ReceiptKind::Genesis, 0, true),
            (2, ReceiptKind::Claim, 0, true),
            (3, ReceiptKind::Mint, 0, true),
            (4, ReceiptKind::Vest, 4, false),
        ]
    );
    let last = history.rows.last().unwrap();
    assert_eq!((last.receipt, last.after, last.counterparty), (vest, amounts(99, 0, 0), None));
    assert_eq!(last.change, Changes { spendable_ucr: 99, held_ucr: 0, vesting_ucr: -99 });

    let newest = world.view().history(&own, None, 1);
    assert_eq!((newest.rows.len(), newest.rows[0].seq, newest.rows_left_out), (1, 4, 3));
    let mints = world.view().history(&own, Some(ReceiptKind::Mint), 5);
    assert_eq!((mints.rows.len(), mints.rows[0].receipt, mints.rows_left_out), (1, earned.mint, 0));
    assert!(world.view().history(&NOBODY, None, 5).rows.is_empty());

    let checker = world.view().history(&world.account(1), Some(ReceiptKind::Attest), 5);
    assert_eq!(checker.rows[0].counterparty, Some(own));
}

#[test]
fn an_export_is_a_page_from_a_position_on() {
    let mut world = World::new();
    world.earn_first();
    let own = world.account(0);
    let seqs = |from_seq| {
        let export = world.view().export(&own, from_seq);
        (export.rows.iter().map(|row| row.seq).collect::<Vec<_>>(), export.next_seq)
    };
    assert_eq!(seqs(1), (vec![1, 2, 3], None));
    assert_eq!(seqs(0), (vec![1, 2, 3], None));
    assert_eq!(seqs(3), (vec![3], None));
    assert_eq!(seqs(4), (vec![], None));
}

/// One receipt of each kind, with what they are about.
struct Deeds {
    world: World,
    genesis: ReceiptId,
    earned: world::Earned,
    /// Segment and block that account 1 checked.
    checked: (u32, u32),
    fee: ReceiptId,
    vest: ReceiptId,
    hold: ReceiptId,
    settle: ReceiptId,
    release: ReceiptId,
}

/// Account 0 earns, account 1 collects its fee, account 2 is paid.
fn deeds() -> Deeds {
    let mut world = World::new();
    let genesis = world.last(0);
    let earned = world.earn_first();
    let fee = world.fee(1, earned.attests[0], earned.mint);
    world.anchor(0);
    world.epoch = 4;
    let vest = world.vest(0);
    let hold = world.hold(0, 2, 40);
    let settle = world.settle(0, 2, hold, 30);
    let release = world.release(0, hold, settle);
    let attest = world.ledger.receipt(&earned.attests[0]).unwrap();
    let Body::Attest(attest) = &attest.body else { panic!("not an attestation") };
    let checked = (attest.segment, attest.block);
    Deeds { world, genesis, earned, checked, fee, vest, hold, settle, release }
}

#[test]
fn each_kind_is_explained_in_a_sentence() {
    let Deeds { world, genesis, earned, checked, fee, vest, hold, settle, release } = deeds();
    let [own, first, second] = [0, 1, 2].map(|key| world.account(key).short());
    let (claim, mint) = (earned.claim.short(), earned.mint.short());
    let (segment, block) = checked;
    let rows = [
        (genesis, format!("{own} opened its chain with nothing, as a machine of numeric class 07070707")),
        (
            earned.claim,
            format!(
                "{own} claims a trial of 99996892160 gas with 2.343750 bits per byte; \
                 it was verified and minted by {mint}"
            ),
        ),
        (
            earned.attests[0],
            format!(
                "{first} re-ran segment {segment} and evaluation block {block} of claim {claim} of {own} and got the same"
            ),
        ),
        (
            earned.mint,
            format!(
                "{own} earned 99 ucr for one trial of 99996892160 gas, which 6 votes of 2 checkers confirmed"
            ),
        ),
        (fee, format!("{first} earned 27 ucr for checking segment {segment} of claim {claim} of {own}")),
        (vest, format!("{own} may spend 99 ucr more: 1 earning it had been waiting for came due")),
        (hold, format!("{own} reserved 40 ucr for job 05050505 at {second}, to be collected until epoch 14")),
        (settle, format!("{second} collected 30 ucr of hold {} of {own}", hold.short())),
        (release, format!("{own} got 10 ucr back of hold {}, settled by {}", hold.short(), settle.short())),
    ];
    for (id, expected) in rows {
        assert_eq!(sentence(&world, &id), expected);
    }
}

#[test]
fn the_arithmetic_of_each_kind_can_be_followed_by_hand() {
    let Deeds { world, genesis, earned, checked: (segment, _), fee, vest, hold, settle, release } = deeds();
    assert!(arithmetic(&world, &genesis).is_empty());
    assert_eq!(arithmetic(&world, &earned.claim), ["worth: floor(99996892160 gas / 1000000000) = 99"]);
    assert_eq!(
        arithmetic(&world, &earned.mint),
        [
            "worth: floor(99996892160 gas / 1000000000) = 99",
            "result: floor((600000000 + 600000000) micro-bits / 512 bytes) = 2343750 micro-bits a byte",
            "vesting: 0 + 99 = 99",
        ]
    );
    assert_eq!(
        arithmetic(&world, &fee),
        [
            format!(
                "segment: floor(99996892160 * {segment} / 4) - floor(99996892160 * {} / 4) = 24999223040 gas",
                segment - 1
            ),
            "fee: floor(24999223040 gas * 11 / (10 * 1000000000)) = 27".to_owned(),
            "vesting: 0 + 27 = 27".to_owned(),
        ]
    );
    let due = format!("due: earned by {} = 99", earned.mint.short());
    assert_eq!(arithmetic(&world, &vest), [&due, "spendable: 0 + 99 = 99", "vesting: 99 - 99 = 0"]);
    assert_eq!(arithmetic(&world, &hold), ["spendable: 99 - 40 = 59", "held: 0 + 40 = 40"]);
    assert_eq!(
        arithmetic(&world, &settle),
        ["voucher: promised for 3 segments = 30", "vesting: 0 + 30 = 30"]
    );
    assert_eq!(arithmetic(&world, &release), ["spendable: 59 + 10 = 69", "held: 40 - 40 = 0"]);
}

#[test]
fn a_claim_is_explained_by_where_it_stands() {
    let mut world = World::new();
    let claim = world.claim(0, 1, &recipe(), world.sum());
    let own = world.account(0).short();
    let said = |world: &World, state: &str| {
        let expected =
            format!("{own} claims a trial of 99996892160 gas with 2.343750 bits per byte; {state}");
        assert_eq!(sentence(world, &claim), expected);
    };
    said(&world, "it waits for its draw");
    let draw = world.draw(&claim);
    said(&world, "its checks have 0 votes so far, 2 are needed");
    let attest = world.attest(1, (&claim, world.sum()), &draw, Some);
    said(&world, "its checks have 3 votes so far, 2 are needed");
    assert!(sentence(&world, &attest).ends_with(" and signed what it got; the trace is not open yet"));
    let unavailable = world.attest(2, (&claim, world.sum()), &draw, |_| None);
    said(&world, "its checks have 3 votes so far, 2 are needed, and 3 votes could not check");
    assert!(sentence(&world, &unavailable).ends_with(" and could not get what it needed"));
    assert_eq!(world.view().trials(), Trials { claimed: 1, minted: 0, refuted: 0 });
}

#[test]
fn a_refuted_trial_is_said_to_be_worth_nothing() {
    let mut world = World::new();
    let claim = world.claim(0, 1, &recipe(), world.sum());
    let draw = world.draw(&claim);
    let confirms = world.attest(1, (&claim, world.sum()), &draw, Some);
    let refutes = world.attest(2, (&claim, world.sum()), &draw, |_| Some([0xdd; 32]));
    let mint = world.mint(0, (&claim, world.sum()), &draw, vec![confirms]);
    let own = world.account(0);
    assert_eq!(figures(&world.view().balance(&own)), amounts(0, 0, 99));

    world.anchor(0);
    world.anchor(2);
    let balance = world.view().balance(&own);
    assert_eq!((figures(&balance), balance.uncovered_ucr), (amounts(0, 0, 0), 99));
    let refuted = UnmintedClaim { claim, epoch: 0, worth_ucr: 99, state: ClaimState::Refuted };
    assert_eq!(balance.claims, [refuted]);
    assert_eq!(world.view().trials(), Trials { claimed: 1, minted: 0, refuted: 1 });
    assert!(world.view().frontier().rows.is_empty());
    assert!(sentence(&world, &claim).ends_with("; 1 check refuted it, so it earned nothing"));
    let said = "confirmed; it does not count, as 1 check refuted the trial";
    assert!(sentence(&world, &mint).ends_with(said), "{}", sentence(&world, &mint));
    assert!(sentence(&world, &refutes).ends_with(" and got something else"));
}

#[test]
fn evidence_is_who_ran_who_re_ran_with_numbers_and_the_place_in_the_chain() {
    let mut world = World::new();
    let earned = world.earn_first();
    let receipt = |world: &World| world.ledger.receipt(&earned.mint).unwrap().clone();
    let before = world.view().explain(&receipt(&world)).evidence;
    assert_eq!((before.anchors.len(), before.place.anchored_by, before.place.is_final), (0, 0, false));

    world.anchor(0);
    world.epoch = 4;
    world.vest(0);
    world.anchor(0);
    let evidence = world.view().explain(&receipt(&world)).evidence;
    let run = evidence.run.unwrap();
    assert_eq!((run.claim, run.account, run.segments), (earned.claim, world.account(0), 4));
    assert_eq!((run.recipe, run.draw), (Some(recipe().id()), Some(earned.draw.id)));
    assert_eq!((run.gas, run.val_bpb_microbits), (99_996_892_160, 2_343_750));
    let founders: BTreeSet<AccountId> = run.draw_founders.into_iter().collect();
    assert_eq!(founders, BTreeSet::from([world.account(1), world.account(2)]));

    let checkers: BTreeSet<AccountId> = evidence.checks.iter().map(|check| check.account).collect();
    assert_eq!(checkers, founders);
    for check in &evidence.checks {
        assert_eq!((check.votes, check.verdict), (Some(3), CheckVerdict::Confirms));
        assert!(check.digest_signed.is_some() && check.digest_signed == check.digest_opened);
    }

    let anchors: Vec<_> =
        evidence.anchors.iter().map(|anchor| (anchor.seq, anchor.epoch, anchor.lists)).collect();
    assert_eq!(anchors, [(4, 4, true), (4, 4, true)]);
    let place = evidence.place;
    assert_eq!((place.seq, place.epoch, place.prev, place.head_seq), (3, 0, Some(earned.claim), 4));
    assert_eq!((place.anchored_by, place.threshold), (2, 2));
    assert!(place.is_valid && place.is_final);
    assert_eq!(place.signature.len(), 128);
}

#[test]
fn a_receipt_shows_its_bytes_and_every_field() {
    let mut world = World::new();
    let earned = world.earn_first();
    world.anchor(0);
    world.epoch = 4;
    let vest = world.vest(0);
    let receipt = world.ledger.receipt(&vest).unwrap();
    let view = fields::view(receipt);
    assert_eq!((view.receipt, view.kind, view.seq), (vest, ReceiptKind::Vest, 4));
    let names: Vec<&str> = view.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["entries[0].receipt", "entries[0].anchor"]);
    assert_eq!(view.fields[0].value, earned.mint.to_string());
    let bytes = HEXLOWER.decode(view.envelope.as_bytes()).unwrap();
    assert_eq!(&Envelope::decode(&bytes[..]).unwrap(), receipt.envelope());

    let count = |id: &ReceiptId| fields::view(world.ledger.receipt(id).unwrap()).fields.len();
    let genesis = world.ledger.chain(&world.account(0))[0].id;
    assert_eq!(
        (count(&genesis), count(&earned.claim), count(&earned.attests[0]), count(&earned.mint)),
        (2, 8, 10, 2 + 2 + 5 + 2 * 2)
    );
}

#[test]
fn the_frontier_lists_attested_trials_best_first_with_their_parents() {
    let mut world = World::new();
    let first = world.earn_first();
    world.epoch = 1;
    let better = Recipe { heads: 1, ..recipe() };
    let second = world.earn(1, 2, &better, world.sum() - 51_200_000);
    world.claim(2, 3, &recipe(), world.sum());
    let frontier = world.view().frontier();
    assert_eq!(
        (frontier.heading.as_str(), frontier.track.as_str()),
        ("single runs, not yet records", "test")
    );
    assert_eq!((frontier.rows.len(), frontier.rows_left_out), (2, 0));
    let claims: BTreeSet<ReceiptId> = frontier.rows.iter().map(|row| row.claim).collect();
    assert_eq!(claims, BTreeSet::from([first.claim, second.claim]));
    let best = &frontier.rows[0];
    assert_eq!((best.claim, best.val_bpb_microbits, best.ran), (second.claim, 2_143_750, world.account(1)));
    assert_eq!((best.fields["heads"].as_str(), best.fields["learning_rate"].as_str()), ("1", "0.003"));
    assert_eq!(best.reran.len(), 2);
    let parent = best.parent.as_ref().unwrap();
    assert_eq!(
        (parent.claim, parent.recipe, parent.lineage),
        (first.claim, recipe().id(), FrontierLineage::Mutation)
    );
    assert_eq!((parent.difference_microbits, parent.changed.join(" ")), (-200_000, "heads".to_owned()));
    assert_eq!((best.was_best, best.epoch), (true, 1));
    let baseline = &frontier.rows[1];
    assert_eq!((baseline.parent.as_ref(), baseline.was_best), (None, true));
}

#[test]
fn names_are_last_ids_or_their_starts() {
    let mut world = World::new();
    let view = world.view();
    let lonely = View { account: NOBODY, ..view };
    assert_eq!(lonely.named_receipt(&ReceiptName::Last).unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(lonely.named_account(None), Ok(NOBODY));
    let nobody: IdPrefix = "eeeeeeee".parse().unwrap();
    assert_eq!(lonely.named_account(Some(&nobody)), Ok(NOBODY));
    let error = view.named_account(Some(&nobody)).unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::NotFound, "no account known here starts with eeeeeeee")
    );

    let claim = world.claim(0, 1, &recipe(), world.sum());
    let view = world.view();
    let id = claim.to_string();
    for name in ["last", &id, &id[..8], &id[..63]] {
        assert_eq!(view.named_receipt(&name.parse().unwrap()).unwrap().id, claim, "{name}");
    }
    let error = view.named_receipt(&"00000000".parse().unwrap()).unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::NotFound, "no receipt known here starts with 00000000")
    );
    let other = world.account(2);
    assert_eq!(view.named_account(Some(&other.short().parse().unwrap())), Ok(other));
}

#[test]
fn the_ledger_answers_what_it_knows_and_leaves_the_rest() {
    let mut world = World::new();
    world.earn_first();
    let view = world.view();
    let last = || ReceiptName::Last;
    let history = ApiRequest::History { account: None, kind: None, limit: HISTORY_ROWS_DEFAULT };
    let answer = |request: ApiRequest| view.answer(&request).map(Result::unwrap);
    assert!(matches!(answer(ApiRequest::Balance { account: None }), Some(ApiAnswer::Balance(_))));
    assert!(matches!(answer(history), Some(ApiAnswer::History(_))));
    assert!(matches!(answer(ApiRequest::Explain { receipt: last() }), Some(ApiAnswer::Explain(_))));
    assert!(matches!(answer(ApiRequest::Receipt { receipt: last() }), Some(ApiAnswer::Receipt(_))));
    assert!(matches!(answer(ApiRequest::Export { account: None, from_seq: 1 }), Some(ApiAnswer::Export(_))));
    assert!(matches!(answer(ApiRequest::Frontier), Some(ApiAnswer::Frontier(_))));
    for request in [ApiRequest::Status, ApiRequest::Verify, ApiRequest::Peers, ApiRequest::Swarm] {
        assert_eq!(view.answer(&request), None, "{request:?}");
    }
    let unknown = ApiRequest::Explain { receipt: "00000000".parse().unwrap() };
    assert_eq!(view.answer(&unknown).unwrap().unwrap_err().kind, ErrorKind::NotFound);
}

#[test]
fn the_swarm_is_its_charter_and_who_is_connected() {
    let world = World::new();
    let connected = BTreeSet::from([world.account(2), NOBODY]);
    let swarm = world.view().swarm(9, &connected, Some("ticket".to_owned()));
    assert_eq!((swarm.id, swarm.name.as_str()), (world.ledger.charter().id, "small"));
    assert_eq!((swarm.epoch, swarm.accounts, swarm.ticket.as_deref()), (9, 3, Some("ticket")));
    let states: Vec<_> =
        swarm.founders.iter().map(|founder| (founder.is_self, founder.is_connected)).collect();
    assert_eq!(states, [(true, true), (false, false), (false, true)]);
    assert_eq!(swarm.tracks[0].name.as_deref(), Some("test"));
    assert_eq!((swarm.rules.threshold, swarm.rules.vest_epochs, swarm.rules.epoch_ms), (2, 4, 1000));
}
