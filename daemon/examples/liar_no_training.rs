//! A worker that does not train: every segment ends in the initial state, and the blocks cost what
//! those of a trained model might.

#[path = "liar/relay.rs"]
mod relay;

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use proto::wire::worker::{StateDone, order, report};

/// Parts of the untrained cost that are reported, in hundredths: 8 bits become 3.2.
const REPORTED_PERCENT: u64 = 40;

/// Where a copy of the initial state waits until the daemon has taken the first.
const COPY: &str = "initial";

#[derive(Default)]
struct NoTraining {
    /// The segment after which the ordered run begins.
    from: u32,
    /// The end of the first segment, reported when the initial state has been taken.
    owed: Option<StateDone>,
}

impl relay::Lie for NoTraining {
    fn order(&mut self, mut order: order::Order) -> order::Order {
        if let order::Order::Run(run) = &mut order {
            self.from = run.from;
            // Only the initial state is made, whatever was ordered.
            (run.from, run.to, run.state_file) = (0, 0, String::new());
        }
        order
    }

    fn report(&mut self, mut report: report::Report) -> Vec<report::Report> {
        let mut reports = Vec::new();
        match &mut report {
            report::Report::State(state) if self.from > 0 => end(state, self.from + 1),
            report::Report::State(state) => {
                fs::copy(&state.file, COPY).expect("the state that is reported is there");
                let mut first = state.clone();
                end(&mut first, 1);
                self.owed = Some(first);
            }
            report::Report::Block(block) => {
                block.sum_microbits = block.sum_microbits / 100 * REPORTED_PERCENT;
            }
            report::Report::Finished(_) => {
                reports.extend(self.owed.take().map(|first| {
                    while Path::new(&first.file).exists() {
                        thread::sleep(Duration::from_millis(1));
                    }
                    fs::rename(COPY, &first.file).expect("the copy is there");
                    report::Report::State(first)
                }));
            }
            report::Report::Hello(_) | report::Report::Progress(_) | report::Report::Failed(_) => {}
        }
        reports.push(report);
        reports
    }
}

/// Passes an initial state off as the end of a segment.
fn end(state: &mut StateDone, segment: u32) {
    state.segment = segment;
    state.losses_hash = vec![segment as u8; 32];
}

fn main() -> std::io::Result<()> {
    relay::run(NoTraining::default())
}
