//! A worker that does not train: every segment ends in the initial state, and the blocks cost what
//! those of a trained model might.

#[path = "liar/relay.rs"]
mod relay;

use proto::wire::worker::{StateDone, order, report};

/// Parts of the untrained cost that are reported, in hundredths: 8 bits become 3.2.
const REPORTED_PERCENT: u64 = 40;

#[derive(Default)]
struct NoTraining {
    /// Segments that the daemon expects beyond the initial state.
    owed: u32,
}

impl relay::Lie for NoTraining {
    fn order(&mut self, mut order: order::Order) -> order::Order {
        if let order::Order::Run(run) = &mut order
            && run.from == 0
        {
            self.owed = std::mem::take(&mut run.to);
        }
        order
    }

    fn report(&mut self, mut report: report::Report) -> Vec<report::Report> {
        let mut invented = Vec::new();
        if let report::Report::State(initial) = &report {
            invented.extend((1..=std::mem::take(&mut self.owed)).map(|segment| {
                let losses_hash = vec![segment as u8; 32];
                report::Report::State(StateDone { segment, losses_hash, ..initial.clone() })
            }));
        }
        if let report::Report::Block(block) = &mut report {
            block.sum_microbits = block.sum_microbits / 100 * REPORTED_PERCENT;
        }
        invented.insert(0, report);
        invented
    }
}

fn main() -> std::io::Result<()> {
    relay::run(NoTraining::default())
}
