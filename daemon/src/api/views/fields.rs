//! What a receipt's body says, field by field, and its bytes.

use std::fmt::Display;

use credits::{
    Attest, Body, Claim, Genesis, Hold, Mint, Receipt, Release, ReleaseProof, Settle, TrialMint, Vest,
};
use data_encoding::HEXLOWER;
use prost::Message;
use proto::api::{Field, ReceiptView};

use super::{declared, kind_of};

/// A receipt's bytes and what they say.
pub(super) fn view(receipt: &Receipt) -> ReceiptView {
    ReceiptView {
        receipt: receipt.id,
        kind: kind_of(&receipt.body),
        account: receipt.account,
        seq: receipt.seq,
        epoch: receipt.epoch,
        prev: receipt.prev,
        after: declared(&receipt.after),
        fields: fields(&receipt.body),
        envelope: HEXLOWER.encode(&receipt.envelope().encode_to_vec()),
    }
}

fn field(name: impl Into<String>, value: impl Display) -> Field {
    Field { name: name.into(), value: value.to_string() }
}

fn hex(name: impl Into<String>, bytes: &[u8]) -> Field {
    field(name, HEXLOWER.encode(bytes))
}

/// Names are those of the wire message; absent optional fields are left out.
fn fields(body: &Body) -> Vec<Field> {
    match body {
        Body::Genesis(genesis) => genesis_fields(genesis),
        Body::Claim(claim) => claim_fields(claim),
        Body::Attest(attest) => attest_fields(attest),
        Body::Mint(Mint::Trial(mint)) => mint_fields(mint),
        Body::Mint(Mint::Fee(fee)) => vec![field("fee.attest", fee.attest), field("fee.mint", fee.mint)],
        Body::Vest(vest) => vest_fields(vest),
        Body::Hold(hold) => hold_fields(hold),
        Body::Settle(settle) => settle_fields(settle),
        Body::Release(release) => release_fields(release),
    }
}

fn genesis_fields(genesis: &Genesis) -> Vec<Field> {
    let mut fields = vec![hex("vrf_key", &genesis.vrf_key), field("numeric_class", genesis.numeric_class)];
    fields.extend(genesis.payout.map(|payout| field("payout", payout)));
    fields.extend(genesis.next_key_digest.map(|digest| hex("next_key_digest", &digest)));
    fields
}

fn claim_fields(claim: &Claim) -> Vec<Field> {
    vec![
        field("track", claim.track),
        hex("recipe", &claim.recipe),
        field("nonce", claim.nonce),
        field("gas", claim.gas),
        field("metric_microbits", claim.metric_microbits),
        hex("trace_root", &claim.trace_root),
        field("segments", claim.segments),
        field("numeric_class", claim.numeric_class),
    ]
}

fn attest_fields(attest: &Attest) -> Vec<Field> {
    let mut fields = vec![
        field("claim", attest.claim),
        field("draw", attest.draw),
        hex("draw_output", &attest.draw_output),
        field("round", attest.round),
        field("segment", attest.segment),
        field("block", attest.block),
    ];
    fields.extend(attest.digest.map(|digest| hex("digest", &digest)));
    fields.extend([
        hex("vrf_key", &attest.vrf_key),
        hex("vrf_output", &attest.proof.output),
        hex("vrf_proof", &attest.proof.proof),
    ]);
    fields
}

fn mint_fields(mint: &TrialMint) -> Vec<Field> {
    let mut fields = vec![field("trial.claim", mint.claim), field("trial.draw", mint.draw)];
    let attests = mint.attests.iter().enumerate();
    fields.extend(attests.map(|(place, attest)| field(format!("trial.attests[{place}]"), attest)));
    let leaves = mint.segment_leaves.iter().enumerate();
    fields.extend(leaves.map(|(place, leaf)| hex(format!("trial.segment_leaves[{place}]"), leaf)));
    for (place, block) in mint.blocks.iter().enumerate() {
        fields.push(field(format!("trial.blocks[{place}].sum_microbits"), block.sum_microbits));
        fields.push(hex(format!("trial.blocks[{place}].nats_hash"), &block.nats_hash));
    }
    fields
}

fn vest_fields(vest: &Vest) -> Vec<Field> {
    let entries = vest.entries.iter().enumerate();
    entries
        .flat_map(|(place, entry)| {
            [
                field(format!("entries[{place}].receipt"), entry.receipt),
                field(format!("entries[{place}].anchor"), entry.anchor),
            ]
        })
        .collect()
}

fn hold_fields(hold: &Hold) -> Vec<Field> {
    vec![
        field("payee", hold.payee),
        field("job", hold.job),
        field("amount", hold.amount.get()),
        field("per_segment", hold.per_segment.get()),
        field("expiry_epoch", hold.expiry_epoch),
    ]
}

fn settle_fields(settle: &Settle) -> Vec<Field> {
    let mut fields = vec![field("hold", settle.hold)];
    if let Some(voucher) = &settle.voucher {
        fields.extend([
            field("voucher.cumulative", voucher.cumulative.get()),
            field("voucher.segment", voucher.segment),
            hex("voucher.digest", &voucher.digest),
        ]);
    }
    fields
}

fn release_fields(release: &Release) -> Vec<Field> {
    let proof = match release.proof {
        ReleaseProof::Settle(id) => field("settle", id),
        ReleaseProof::ExpiredBy(id) => field("expired_by", id),
        ReleaseProof::ForkOf(account) => field("fork_of", account),
    };
    vec![field("hold", release.hold), proof]
}
