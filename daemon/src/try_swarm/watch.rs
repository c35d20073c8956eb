//! Watching the three nodes until they have earned, with bars for what takes long.

use std::collections::BTreeSet;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use proto::api::{ApiAnswer, Doing, Status};
use tokio::time::{Instant, sleep};

use super::checks::{self, Failed};
use super::stage::{LIAR, NODES, Stage};
use super::{TryArgs, TryError};

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Different recipes that the show waits for.
const RECIPES_MIN: usize = 3;

/// What was seen of one node.
#[derive(Default, Clone)]
struct Seen {
    claimed: u64,
    minted: u64,
    spendable_ucr: u64,
}

/// The bars, and lines of what happened.
struct Screen {
    all: MultiProgress,
    bars: Vec<ProgressBar>,
    is_terminal: bool,
}

impl Screen {
    fn new() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let is_terminal = !all.is_hidden();
        let style = ProgressStyle::with_template("{prefix:6} {bar:30} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bars = (1..=NODES)
            .map(|node| {
                let bar = all.add(ProgressBar::new(1).with_style(style.clone()));
                bar.set_prefix(format!("node {node}"));
                bar
            })
            .collect();
        Self { all, bars, is_terminal }
    }

    fn say(&self, line: &str) {
        if self.is_terminal {
            // Only what is drawn is lost.
            let _ = self.all.println(line);
        } else {
            println!("{line}");
        }
    }

    fn show(&self, node: usize, status: &Status) {
        let bar = &self.bars[node];
        match &status.doing {
            Doing::Training { step, steps, loss_microbits, recipe, .. } => {
                bar.set_length((*steps).max(1));
                bar.set_position(*step);
                let loss = loss_microbits.map(|loss| format!(", loss {:.3} bits", loss as f64 / 1e6));
                bar.set_message(format!("trial of {}{}", recipe.short(), loss.unwrap_or_default()));
            }
            Doing::Checking { account, segment, .. } => {
                bar.set_message(format!("re-runs segment {segment} of {}", account.short()));
            }
            Doing::Idle => bar.set_message("idle"),
            Doing::NoWorker { reason } => bar.set_message(reason.clone()),
        }
    }

    fn end(&self) {
        self.bars.iter().for_each(ProgressBar::finish_and_clear);
    }
}

/// Waits until every honest node has a mint and can spend what it earned, and a liar's
/// claim has been checked and not minted.
pub(super) async fn until_earned(
    stage: &mut Stage,
    args: &TryArgs,
    patience: Duration,
) -> Result<(), TryError> {
    let screen = Screen::new();
    let done = look(stage, args, patience, &screen).await;
    screen.end();
    done
}

async fn look(
    stage: &mut Stage,
    args: &TryArgs,
    patience: Duration,
    screen: &Screen,
) -> Result<(), TryError> {
    let deadline = Instant::now() + patience;
    let honest = if args.liar.is_some() { LIAR } else { NODES };
    let mut seen = vec![Seen::default(); NODES];
    let mut has_joined = false;
    let mut is_to_kill = args.kill;
    loop {
        for (node, seen) in seen.iter_mut().enumerate() {
            let ApiAnswer::Status(status) = stage.ask(node, &["status"]).await? else { continue };
            screen.show(node, &status);
            tell(screen, node, seen, &status);
            if node == NODES - 1 && status.peers as usize == NODES - 1 && !has_joined {
                has_joined = true;
                screen.say("All three are connected.");
            }
            let is_in_the_middle = matches!(status.doing, Doing::Training { step, .. } if step > 0);
            if is_to_kill && node == 1 && is_in_the_middle {
                is_to_kill = false;
                screen.say("node 2 is killed in the middle of its trial and started again.");
                stage.kill_node(1).await?;
                stage.start_node(1).await?;
            }
        }
        let has_earned = seen[..honest].iter().all(|seen| seen.minted > 0 && seen.spendable_ucr > 0);
        if has_earned && !is_to_kill && recipes(stage).await? >= RECIPES_MIN.min(honest) {
            let is_judged = args.liar.is_none() || checks::judged_claim(stage, LIAR).await?.is_some();
            if is_judged {
                return Ok(());
            }
        }
        if Instant::now() > deadline {
            return Err(Failed::new("every node earns in time", describe(&seen)).into());
        }
        sleep(LOOK_EVERY).await;
    }
}

fn tell(screen: &Screen, node: usize, seen: &mut Seen, status: &Status) {
    let name = node + 1;
    if status.trials.claimed > seen.claimed {
        screen.say(&format!("node {name} claims a trial; the others are drawn to re-run parts of it."));
    }
    if status.trials.minted > seen.minted {
        let vesting = status.balance.vesting_ucr;
        screen
            .say(&format!("node {name}'s claim was confirmed: minted, {vesting} ucr wait for their window."));
    }
    let spendable_ucr = status.balance.spendable_ucr;
    if spendable_ucr > seen.spendable_ucr {
        screen.say(&format!("node {name} can spend {spendable_ucr} ucr."));
    }
    *seen = Seen { claimed: status.trials.claimed, minted: status.trials.minted, spendable_ucr };
}

async fn recipes(stage: &Stage) -> Result<usize, TryError> {
    let ApiAnswer::Frontier(frontier) = stage.ask(0, &["search", "frontier"]).await? else { return Ok(0) };
    let recipes: BTreeSet<_> = frontier.rows.iter().map(|row| row.recipe).collect();
    Ok(recipes.len())
}

fn describe(seen: &[Seen]) -> String {
    let row = |(node, seen): (usize, &Seen)| {
        format!(
            "node {}: {} claimed, {} minted, {} ucr spendable",
            node + 1,
            seen.claimed,
            seen.minted,
            seen.spendable_ucr
        )
    };
    seen.iter().enumerate().map(row).collect::<Vec<_>>().join("; ")
}
