//! A scripted worker: the protocol of the real one, hashes instead of training.
//!
//! What it reports is a function of the order, so that an honest re-run gives the
//! same; a lying one reports something else.

use daemon::node::input::WorkerReport;
use proto::ids::{BlobHash, NumericClass};
use proto::wire::worker::order::Order as Kind;
use proto::wire::worker::{BlockDone, Evaluate, Order, Run, StateDone};

/// The class of every simulated machine.
pub(crate) const CLASS: NumericClass = NumericClass::new([3; 32]);

/// How a worker treats the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Honesty {
    /// It reports what the order gives.
    Honest,
    /// It reports the states of another trial.
    OtherSeed,
    /// It makes the result look better than it is.
    BetterMetric,
}

/// The reports of one order, in order.
pub(crate) fn carry_out(order: &Order, honesty: Honesty) -> Vec<WorkerReport> {
    let mut reports = match order.order.as_ref() {
        Some(Kind::Run(run)) => states(run, honesty),
        Some(Kind::Evaluate(evaluate)) => blocks(evaluate, honesty),
        Some(Kind::Export(_) | Kind::Stop(_)) | None => Vec::new(),
    };
    reports.push(WorkerReport::Finished { diverged: false });
    reports
}

fn states(run: &Run, honesty: Honesty) -> Vec<WorkerReport> {
    let first = if run.from == 0 { 0 } else { run.from + 1 };
    let lie = if honesty == Honesty::OtherSeed { &b"lie"[..] } else { b"" };
    let state = |segment: u32| {
        let name = [b"state", &run.recipe[..], &run.seed, lie, &segment.to_le_bytes()].concat();
        let hash = blake3::hash(&name);
        let losses = blake3::hash(&[&name[..], b"losses"].concat());
        WorkerReport::State(StateDone {
            segment,
            state_hash: hash.as_bytes().to_vec(),
            losses_hash: losses.as_bytes().to_vec(),
            file: format!("{}.state", hash.to_hex()),
            bytes: 1000,
        })
    };
    (first..=run.to).map(state).collect()
}

fn blocks(evaluate: &Evaluate, honesty: Honesty) -> Vec<WorkerReport> {
    let track = jobs::Track::from_bytes(&evaluate.track).expect("the node sends a track");
    let bytes_per_block = track.eval_bytes() / u64::from(track.eval_blocks);
    let block = |block: u32| {
        let name = [b"nats", evaluate.state_file.as_bytes(), &block.to_le_bytes()].concat();
        let hash = blake3::hash(&name);
        let noise = u64::from(hash.as_bytes()[0]) * 1000;
        let bits_per_byte = match honesty {
            Honesty::Honest | Honesty::OtherSeed => 2_000_000 + noise,
            Honesty::BetterMetric => 1_000_000 + noise,
        };
        WorkerReport::Block(BlockDone {
            block,
            sum_microbits: bytes_per_block * bits_per_byte,
            nats_hash: hash.as_bytes().to_vec(),
        })
    };
    (evaluate.first..=evaluate.last).map(block).collect()
}

/// The state that an order reads, if any.
pub(crate) fn needed(order: &Order) -> Option<BlobHash> {
    let file = match order.order.as_ref()? {
        Kind::Run(run) => &run.state_file,
        Kind::Evaluate(evaluate) => &evaluate.state_file,
        Kind::Export(export) => &export.state_file,
        Kind::Stop(_) => return None,
    };
    file.strip_suffix(".state")?.parse().ok()
}
