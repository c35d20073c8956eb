//! Decimal numbers of three significant digits: the only fractions a recipe has.
//!
//! A change in a last digit is then no new recipe, and equal values have equal bytes.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Smallest exponent: the smallest positive value is `100e-12`.
pub const EXPONENT_MIN: i8 = -12;

/// Largest exponent: the largest value is `999e6`.
pub const EXPONENT_MAX: i8 = 6;

/// A value that is not a decimal of this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not a number, or infinite.
    #[error("not a finite number")]
    NotFinite,
    /// Below zero.
    #[error("a negative number")]
    Negative,
    /// Between zero and 1e-10, or at least 1e9 after rounding.
    #[error("a number outside 1e-10 to 9.99e8")]
    Exponent,
    /// A mantissa that is neither 0 (with exponent 0) nor 100 to 999.
    #[error("a number that is not in its canonical form")]
    NotCanonical,
    /// Text that is not a number.
    #[error("not a number")]
    NotANumber,
}

/// A non-negative decimal, `mantissa · 10^exponent`.
///
/// The mantissa is 100 to 999, or 0 with exponent 0; so equal values are equal fields.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal {
    mantissa: u16,
    exponent: i8,
}

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self { mantissa: 0, exponent: 0 };

    /// Takes a canonical pair.
    ///
    /// # Errors
    /// [`DecimalError::NotCanonical`] for another mantissa, [`DecimalError::Exponent`] outside the
    /// range of exponents.
    pub const fn new(mantissa: u32, exponent: i32) -> Result<Self, DecimalError> {
        if mantissa == 0 && exponent == 0 {
            return Ok(Self::ZERO);
        }
        if mantissa < 100 || mantissa > 999 {
            return Err(DecimalError::NotCanonical);
        }
        if exponent < EXPONENT_MIN as i32 || exponent > EXPONENT_MAX as i32 {
            return Err(DecimalError::Exponent);
        }
        Ok(Self { mantissa: mantissa as u16, exponent: exponent as i8 })
    }

    /// A canonical pair known when the program is written.
    ///
    /// # Panics
    /// Where [`Decimal::new`] errs; in a constant that is a compile error.
    pub const fn literal(mantissa: u32, exponent: i32) -> Self {
        match Self::new(mantissa, exponent) {
            Ok(decimal) => decimal,
            Err(_) => panic!("the literal is not a canonical decimal"),
        }
    }

    /// Rounds to three significant digits, ties to even.
    ///
    /// # Errors
    /// [`DecimalError::NotFinite`], [`DecimalError::Negative`] or [`DecimalError::Exponent`].
    pub fn from_f64(value: f64) -> Result<Self, DecimalError> {
        if !value.is_finite() {
            return Err(DecimalError::NotFinite);
        }
        if value == 0.0 {
            return Ok(Self::ZERO);
        }
        if value < 0.0 {
            return Err(DecimalError::Negative);
        }
        // Formatting rounds the exact binary value, so every machine gets the same digits.
        let text = format!("{value:.2e}");
        let (digits, exponent) = text.split_once('e').expect("the format writes an exponent");
        let mantissa = digits.replace('.', "").parse().expect("the format writes three digits");
        let exponent: i32 = exponent.parse().expect("the format writes an integer exponent");
        Self::new(mantissa, exponent - 2)
    }

    /// The nearest double. The same bits everywhere: both operands of the one division or product
    /// are exact.
    pub fn to_f64(self) -> f64 {
        let mantissa = f64::from(self.mantissa);
        let power = 10_u64.pow(u32::from(self.exponent.unsigned_abs())) as f64;
        if self.exponent < 0 { mantissa / power } else { mantissa * power }
    }

    /// The mantissa: 0, or 100 to 999.
    pub const fn mantissa(self) -> u32 {
        self.mantissa as u32
    }

    /// The exponent of ten that the mantissa is multiplied with.
    pub const fn exponent(self) -> i32 {
        self.exponent as i32
    }

    /// Whether this is zero.
    pub const fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    /// The value times `factor`, rounded; `None` where that leaves the range.
    pub fn scaled(self, factor: f64) -> Option<Self> {
        Self::from_f64(self.to_f64() * factor).ok()
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |decimal: &Self| (!decimal.is_zero(), decimal.exponent, decimal.mantissa);
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_f64())
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        Self::from_f64(text.parse().map_err(|_| DecimalError::NotANumber)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, mantissa: u32, exponent: i32, shown: &str) {
        let decimal: Decimal = text.parse().unwrap();
        assert_eq!((decimal.mantissa(), decimal.exponent()), (mantissa, exponent), "{text}");
        assert_eq!(decimal.to_string(), shown, "{text}");
    }

    #[test]
    fn text_is_rounded_to_three_digits() {
        check("0", 0, 0, "0.0");
        check("-0.0", 0, 0, "0.0");
        check("1", 100, -2, "1.0");
        check("0.003", 300, -5, "0.003");
        check("3e-3", 300, -5, "0.003");
        check("0.0012345", 123, -5, "0.00123");
        check("0.0012351", 124, -5, "0.00124");
        check("0.9996", 100, -2, "1.0");
        check("0.125", 125, -3, "0.125");
        check("2.5e-10", 250, -12, "2.5e-10");
        check("999e6", 999, 6, "999000000.0");
    }

    #[test]
    fn what_is_no_decimal_is_named() {
        let error = |text: &str| text.parse::<Decimal>().unwrap_err();
        assert_eq!(error("x"), DecimalError::NotANumber);
        assert_eq!(error("inf"), DecimalError::NotFinite);
        assert_eq!(error("-0.1"), DecimalError::Negative);
        assert_eq!(error("9.9e-11"), DecimalError::Exponent);
        assert_eq!(error("9.996e8"), DecimalError::Exponent);
        assert_eq!(Decimal::new(99, 0), Err(DecimalError::NotCanonical));
        assert_eq!(Decimal::new(1000, 0), Err(DecimalError::NotCanonical));
        assert_eq!(Decimal::new(0, 1), Err(DecimalError::NotCanonical));
        assert_eq!(Decimal::new(100, 7), Err(DecimalError::Exponent));
        assert_eq!(Decimal::new(100, i32::MIN), Err(DecimalError::Exponent));
    }

    proptest! {
        #[test]
        fn every_decimal_survives_text_and_double(mantissa in 100..=999_u32, exponent in -12..=6_i32) {
            let decimal = Decimal::new(mantissa, exponent).unwrap();
            prop_assert_eq!(Decimal::from_f64(decimal.to_f64()), Ok(decimal));
            prop_assert_eq!(decimal.to_string().parse(), Ok(decimal));
        }

        #[test]
        fn order_is_the_order_of_values(a in (100..=999_u32, -12..=6_i32), b in (100..=999_u32, -12..=6_i32)) {
            let (a, b) = (Decimal::new(a.0, a.1).unwrap(), Decimal::new(b.0, b.1).unwrap());
            prop_assert_eq!(a.cmp(&b), a.to_f64().total_cmp(&b.to_f64()));
            prop_assert!(Decimal::ZERO < a);
        }
    }
}
