//! What the simulated network and machines do wrong.

use std::collections::BTreeSet;

/// Faults in force, in thousandths of messages where they concern messages.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// Messages that are lost.
    pub loss: u64,
    /// Messages that come late, by up to 6 seconds.
    pub slow: u64,
    /// Messages that come twice.
    pub twice: u64,
    /// Nodes sometimes die right after they flood something.
    pub crashing: bool,
    /// One side of a partition, if there is one.
    side: Option<BTreeSet<usize>>,
}

impl Faults {
    /// The usual weather of a bad network.
    pub(crate) fn weather() -> Self {
        Self { loss: 30, slow: 50, twice: 30, crashing: true, side: None }
    }

    /// Splits the network: `side` against the rest.
    pub(crate) fn partition(&mut self, side: BTreeSet<usize>) {
        self.side = Some(side);
    }

    /// Ends the partition; whether there was one.
    pub(crate) fn heal(&mut self) -> bool {
        self.side.take().is_some()
    }

    /// Whether no message passes between two nodes.
    pub(crate) fn separates(&self, a: usize, b: usize) -> bool {
        self.side.as_ref().is_some_and(|side| side.contains(&a) != side.contains(&b))
    }

    /// Whether nodes may die after flooding.
    pub(crate) fn crashes_after_signing(&self) -> bool {
        self.crashing
    }
}
