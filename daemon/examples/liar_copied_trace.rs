//! A worker that answers with the trace of another account: it runs another seed than ordered.

#[path = "liar/relay.rs"]
mod relay;

use proto::wire::worker::{Run, order};

struct CopiedTrace;

impl relay::Lie for CopiedTrace {
    fn order(&mut self, order: order::Order) -> order::Order {
        match order {
            // One seed for everybody, so that one run would serve any number of claims.
            order::Order::Run(run) => order::Order::Run(Run { seed: vec![7; 32], ..run }),
            other => other,
        }
    }
}

fn main() -> std::io::Result<()> {
    relay::run(CopiedTrace)
}
