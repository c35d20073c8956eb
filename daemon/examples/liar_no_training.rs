//! A worker that does not train: every segment ends in the initial state, and the blocks cost what
//! those of a trained model might.

#[path = "liar/relay.rs"]
mod relay;

use proto::wire::worker::{BlockDone, Run, StateDone, order, report};

/// Parts of the untrained cost that are reported, in hundredths: 8 bits become 3.2.
const REPORTED_PERCENT: u64 = 40;

#[derive(Default)]
struct NoTraining {
    /// Segments that the daemon expects beyond the initial state.
    owed: u32,
}

impl relay::Lie for NoTraining {
    fn order(&mut self, order: order::Order) -> order::Order {
        match order {
            order::Order::Run(run) if run.from == 0 => {
                self.owed = run.to;
                order::Order::Run(Run { to: 0, ..run })
            }
            other => other,
        }
    }

    fn report(&mut self, report: report::Report) -> Vec<report::Report> {
        match report {
            report::Report::State(initial) if initial.segment == 0 => {
                let segments = 1..=std::mem::take(&mut self.owed);
                let invented = segments.map(|segment| StateDone {
                    segment,
                    losses_hash: vec![segment as u8; 32],
                    ..initial.clone()
                });
                std::iter::once(initial.clone()).chain(invented).map(report::Report::State).collect()
            }
            report::Report::Block(block) => {
                let sum_microbits = block.sum_microbits / 100 * REPORTED_PERCENT;
                vec![report::Report::Block(BlockDone { sum_microbits, ..block })]
            }
            honest => vec![honest],
        }
    }
}

fn main() -> std::io::Result<()> {
    relay::run(NoTraining::default())
}
