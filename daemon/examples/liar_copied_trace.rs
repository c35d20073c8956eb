//! A worker that answers with the trace of another account: it runs another seed than ordered.

#[path = "liar/relay.rs"]
mod relay;

use proto::wire::worker::order;

struct CopiedTrace;

impl relay::Lie for CopiedTrace {
    fn order(&mut self, mut order: order::Order) -> order::Order {
        if let order::Order::Run(run) = &mut order {
            // One seed for everybody, so that one run would serve any number of claims.
            run.seed = vec![7; 32];
        }
        order
    }
}

fn main() -> std::io::Result<()> {
    relay::run(CopiedTrace)
}
