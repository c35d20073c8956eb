//! Amounts in ucr and the three roundings that make them from gas and prices.
//!
//! No floating point anywhere in this crate: every amount is a checked `u64`.

use std::fmt;

/// Gas of one ucr.
pub const GAS_PER_UCR: u64 = 1_000_000_000;

/// An amount of credit: 1 ucr = 10^9 gas, 1 credit = 10^6 ucr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ucr(u64);

impl Ucr {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Takes a number of ucr.
    pub const fn new(ucr: u64) -> Self {
        Self(ucr)
    }

    /// The number of ucr.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sum, unless it is above `u64::MAX`.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The difference, unless it is below zero.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }

    /// The difference, or nothing when it would be below zero.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Ucr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ucr", self.0)
    }
}

/// What a verified trial of `gas` is worth: `⌊gas / 10^9⌋`.
pub fn trial_worth(gas: u64) -> Ucr {
    Ucr(gas / GAS_PER_UCR)
}

/// `⌊total·j / segments⌋ − ⌊total·(j − 1) / segments⌋`: the share of segment `j`,
/// counted from 1, so that the shares of all segments add up to the total.
fn share(total: u64, j: u32, segments: u32) -> u64 {
    assert!(1 <= j && j <= segments, "segments are counted from 1 to {segments}, not {j}");
    let upto = |j: u32| u128::from(total) * u128::from(j) / u128::from(segments);
    u64::try_from(upto(j) - upto(j - 1)).expect("a share is at most the total")
}

/// The fee for re-running segment `j` (from 1) of a trial of `gas`: eleven tenths
/// of the segment's gas, `⌊gas of the segment · 11 / (10 · 10^9)⌋`.
///
/// # Panics
/// If `j` is not in `1..=segments`.
pub fn attest_fee(gas: u64, j: u32, segments: u32) -> Ucr {
    let fee = u128::from(share(gas, j, segments)) * 11 / (10 * u128::from(GAS_PER_UCR));
    Ucr(u64::try_from(fee).expect("a fee is far below its gas"))
}

/// The price of segment `j` (from 1) of a job: the shares add up to `price`.
///
/// # Panics
/// If `j` is not in `1..=segments`.
pub fn segment_price(price: Ucr, j: u32, segments: u32) -> Ucr {
    Ucr(share(price.0, j, segments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trial_worth_rounds_down_at_each_giga_gas() {
        for (gas, ucr) in [
            (0, 0),
            (999_999_999, 0),
            (1_000_000_000, 1),
            (1_999_999_999, 1),
            (100_000_000_000, 100),
            (u64::MAX, 18_446_744_073),
        ] {
            assert_eq!(trial_worth(gas), Ucr::new(ucr), "{gas}");
        }
    }

    #[test]
    fn attest_fee_is_eleven_tenths_of_the_segment_rounded_down() {
        for (gas, j, segments, ucr) in [
            (100_000_000_000, 1, 4, 27),
            (100_000_000_000, 4, 4, 27),
            (909_090_909, 1, 1, 0),
            (909_090_910, 1, 1, 1),
            (1_818_181_818, 1, 1, 1),
            (1_818_181_819, 1, 1, 2),
            (u64::MAX, 1, 1, 20_291_418_481),
            (u64::MAX, 64, 64, 317_053_413),
        ] {
            assert_eq!(attest_fee(gas, j, segments), Ucr::new(ucr), "{gas} {j}/{segments}");
        }
    }

    #[test]
    fn segment_prices_add_up_to_the_price() {
        assert_eq!([1, 2, 3].map(|j| segment_price(Ucr::new(10), j, 3).get()), [3, 3, 4]);
        for price in [0, 1, 63, 64, 65, u64::MAX - 1, u64::MAX] {
            let sum: u64 = (1..=64).map(|j| segment_price(Ucr::new(price), j, 64).get()).sum();
            assert_eq!(sum, price);
        }
    }

    #[test]
    #[should_panic(expected = "segments are counted from 1 to 3, not 0")]
    fn segment_zero_is_a_broken_invariant() {
        segment_price(Ucr::new(10), 0, 3);
    }

    #[test]
    fn arithmetic_stops_at_both_ends() {
        let most = Ucr::new(u64::MAX);
        assert_eq!(most.checked_add(Ucr::new(1)), None);
        assert_eq!(Ucr::new(u64::MAX - 1).checked_add(Ucr::new(1)), Some(most));
        assert_eq!(Ucr::ZERO.checked_sub(Ucr::new(1)), None);
        assert_eq!(Ucr::new(1).checked_sub(Ucr::new(1)), Some(Ucr::ZERO));
        assert_eq!(Ucr::new(1).saturating_sub(Ucr::new(2)), Ucr::ZERO);
        assert_eq!(Ucr::new(123).to_string(), "123 ucr");
    }
}
