//! The numbers of one proposal, in the order in which they are asked for.

use crate::counter_rng::{self, Stream};

const PURPOSE: &str = "search";

/// A source of small random numbers.
pub(super) struct Dice(Stream);

impl Dice {
    pub(super) fn new(seed: &[u8; 32]) -> Self {
        Self(counter_rng::stream(seed, PURPOSE, 0))
    }

    /// A number from 0 to `end - 1`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        let bits = self.0.next().expect("the stream is endless");
        counter_rng::below(bits, end)
    }

    /// One of the values; `None` of none.
    pub(super) fn pick<T: Copy>(&mut self, values: &[T]) -> Option<T> {
        if values.is_empty() {
            return None;
        }
        let index = self.below(values.len() as u64);
        values.get(index as usize).copied()
    }
}
