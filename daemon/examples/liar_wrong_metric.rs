//! A worker that trains honestly and reports a tenth less than its blocks cost.

#[path = "liar/relay.rs"]
mod relay;

use proto::wire::worker::{BlockDone, report};

struct WrongMetric;

impl relay::Lie for WrongMetric {
    fn report(&mut self, report: report::Report) -> Vec<report::Report> {
        let lied = match report {
            report::Report::Block(block) => {
                report::Report::Block(BlockDone { sum_microbits: block.sum_microbits / 10 * 9, ..block })
            }
            honest => honest,
        };
        vec![lied]
    }
}

fn main() -> std::io::Result<()> {
    relay::run(WrongMetric)
}
