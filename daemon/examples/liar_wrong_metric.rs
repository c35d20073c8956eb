//! A worker that trains honestly and reports a tenth less than its blocks cost.

#[path = "liar/relay.rs"]
mod relay;

use proto::wire::worker::report;

struct WrongMetric;

impl relay::Lie for WrongMetric {
    fn report(&mut self, mut report: report::Report) -> Vec<report::Report> {
        if let report::Report::Block(block) = &mut report {
            block.sum_microbits = block.sum_microbits / 10 * 9;
        }
        vec![report]
    }
}

fn main() -> std::io::Result<()> {
    relay::run(WrongMetric)
}
