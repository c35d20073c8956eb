//! `status`.

use proto::api::{Doing, Signing, Status};

use crate::amounts::{amount, bits, short, span};
use crate::output::Page;

/// Says what the node is and does.
pub(crate) fn say(status: &Status, page: &mut Page) {
    page.field("account", status.account.to_string());
    page.field("swarm", format!("{} ({})", status.swarm.name, short(status.swarm.id)));
    page.field("version", format!("{}, up {}", status.version, span(status.uptime_seconds)));
    page.field("epoch", status.epoch.to_string());
    page.field("peers", status.peers.to_string());
    page.field("doing", doing(&status.doing));
    let trials = status.trials;
    page.field(
        "trials",
        format!("{} claimed, {} minted, {} refuted", trials.claimed, trials.minted, trials.refuted),
    );
    let balance = status.balance;
    page.field(
        "balance",
        format!(
            "{} spendable, {} held, {} vesting",
            amount(balance.spendable_ucr),
            amount(balance.held_ucr),
            amount(balance.vesting_ucr)
        ),
    );
    let signing = match &status.signing {
        Signing::Ok => "ok".to_owned(),
        Signing::Refusing { reason } => format!("refusing: {reason}"),
    };
    page.field("signing", signing);
}

fn doing(doing: &Doing) -> String {
    match doing {
        Doing::Idle => "idle".to_owned(),
        Doing::Training { trial, recipe, step, steps, loss_microbits } => {
            let loss = loss_microbits.map(|loss| format!(", loss {} bits per byte", bits(loss)));
            format!(
                "training trial {trial} ({}): step {step}/{steps}{}",
                short(recipe),
                loss.unwrap_or_default()
            )
        }
        Doing::Checking { claim, account, segment, block } => format!(
            "checking claim {} of {}: segment {segment}, evaluation block {block}",
            short(claim),
            short(account)
        ),
        Doing::NoWorker { reason } => format!("nothing: {reason}"),
    }
}
