//! `ledger explain`.

use proto::api::{AnchorEvidence, CheckEvidence, CheckVerdict, Explanation, Place, RunEvidence};

use crate::amounts::{amount, bits, short};
use crate::output::Page;

/// Says why a receipt changed what it changed: a sentence, the arithmetic, the
/// evidence.
pub(crate) fn say(explanation: &Explanation, page: &mut Page) {
    page.line(&explanation.sentence);
    if !explanation.arithmetic.is_empty() {
        page.heading("Arithmetic");
        for line in &explanation.arithmetic {
            let result = line.amount_ucr.map(|ucr| format!(" = {}", amount(ucr))).unwrap_or_default();
            page.field(&line.name, format!("{}{result}", line.formula));
        }
    }
    let evidence = &explanation.evidence;
    if let Some(run) = &evidence.run {
        say_run(run, page);
    }
    if !evidence.checks.is_empty() {
        page.heading("Who re-ran a part of it");
        page.table(
            &["attest", "who", ">segment", ">block", ">votes", "signed digest", "opened digest", "verdict"],
            evidence.checks.iter().map(check_row).collect(),
        );
    }
    say_place(&evidence.place, page);
    if !evidence.anchors.is_empty() {
        page.heading("Founders' anchors over it");
        let row = |anchor: &AnchorEvidence| {
            vec![
                short(anchor.anchor),
                short(anchor.founder),
                anchor.seq.to_string(),
                anchor.epoch.to_string(),
                if anchor.lists { "yes" } else { "no" }.to_owned(),
            ]
        };
        page.table(
            &["anchor", "founder", ">up to", ">epoch", "freezes it"],
            evidence.anchors.iter().map(row).collect(),
        );
    }
    page.heading("In full");
    page.field("receipt", explanation.receipt.to_string());
    page.field("account", explanation.account.to_string());
}

fn say_run(run: &RunEvidence, page: &mut Page) {
    page.heading("Who ran it");
    page.field("account", run.account.to_string());
    page.field("claim", run.claim.to_string());
    let recipe = run.recipe.map_or_else(|| "unknown".to_owned(), short);
    page.field("recipe", format!("{recipe} on track {}", short(run.track)));
    page.field("result", format!("{} bits per byte, {} gas", bits(run.val_bpb_microbits), run.gas));
    page.field("trace", format!("{} segments, root {}", run.segments, run.trace_root));
    match run.draw {
        Some(draw) => {
            let founders: Vec<String> = run.draw_founders.iter().map(short).collect();
            page.field("drawn by", format!("{} (draw {})", founders.join(", "), short(draw)));
        }
        None => page.field("drawn by", "nobody yet"),
    }
}

fn check_row(check: &CheckEvidence) -> Vec<String> {
    let verdict = match check.verdict {
        CheckVerdict::Confirms => "same: confirms",
        CheckVerdict::Refutes => "differs: refutes",
        CheckVerdict::Unavailable => "could not be checked",
        CheckVerdict::NotOpenYet => "trace not open yet",
    };
    let digest = |digest: &Option<String>| digest.as_ref().map_or_else(|| "none".to_owned(), short);
    vec![
        short(check.attest),
        short(check.account),
        check.segment.to_string(),
        check.block.to_string(),
        check.votes.map_or_else(|| "?".to_owned(), |votes| votes.to_string()),
        digest(&check.digest_signed),
        digest(&check.digest_opened),
        verdict.to_owned(),
    ]
}

fn say_place(place: &Place, page: &mut Page) {
    page.heading("Place in the chain");
    page.field("position", format!("{} of {}, epoch {}", place.seq, place.head_seq, place.epoch));
    page.field(
        "after",
        place.prev.map_or_else(|| "nothing: it opens the chain".to_owned(), |prev| prev.to_string()),
    );
    let standing = match (place.is_valid, place.is_final) {
        (false, _) => "cut off: its chain is not valid up to it",
        (true, true) => "final",
        (true, false) => "not final yet",
    };
    page.field(
        "standing",
        format!("{standing}: {} of the {} founders needed", place.anchored_by, place.threshold),
    );
    page.field("signature", &place.signature);
}
