//! Numbers as people read them: amounts, bits per byte, spans of time.

/// Ledger units of one credit.
const CREDIT_UCR: u64 = 1_000_000;

/// From here on an amount is shown in credits: 0.01 credit.
const SHOWN_IN_CREDITS_UCR: u64 = CREDIT_UCR / 100;

/// An amount: below 0.01 credit in ucr, else in credits. Always exact.
pub(crate) fn amount(ucr: u64) -> String {
    if ucr < SHOWN_IN_CREDITS_UCR {
        return format!("{ucr} ucr");
    }
    let fraction = format!("{:06}", ucr % CREDIT_UCR);
    let fraction = fraction.trim_end_matches('0');
    let whole = ucr / CREDIT_UCR;
    match (whole, fraction) {
        (1, "") => "1 credit".to_owned(),
        (_, "") => format!("{whole} credits"),
        _ => format!("{whole}.{fraction} credits"),
    }
}

/// A change of an amount, with its sign; nothing for no change.
pub(crate) fn change(ucr: i64) -> String {
    match ucr {
        0 => String::new(),
        1.. => format!("+{}", amount(ucr.unsigned_abs())),
        ..0 => format!("-{}", amount(ucr.unsigned_abs())),
    }
}

/// Millionths of a bit as bits with six decimals.
pub(crate) fn bits(microbits: u64) -> String {
    format!("{}.{:06}", microbits / 1_000_000, microbits % 1_000_000)
}

/// A difference of millionths of a bit, with its sign.
pub(crate) fn bits_change(microbits: i64) -> String {
    let sign = if microbits < 0 { '-' } else { '+' };
    format!("{sign}{}", bits(microbits.unsigned_abs()))
}

/// A span of time in its two largest units.
pub(crate) fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// The first 8 digits of an id.
pub(crate) fn short(id: impl ToString) -> String {
    id.to_string().chars().take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_ucr_below_a_hundredth_of_a_credit() {
        let rows = [
            (0, "0 ucr"),
            (9_999, "9999 ucr"),
            (10_000, "0.01 credits"),
            (999_999, "0.999999 credits"),
            (1_000_000, "1 credit"),
            (1_000_001, "1.000001 credits"),
            (2_500_000, "2.5 credits"),
            (u64::MAX, "18446744073709.551615 credits"),
        ];
        for (ucr, text) in rows {
            assert_eq!(amount(ucr), text);
        }
    }

    #[test]
    fn changes_carry_their_sign() {
        let rows = [
            (0, ""),
            (1, "+1 ucr"),
            (-1, "-1 ucr"),
            (-2_500_000, "-2.5 credits"),
            (i64::MIN, "-9223372036854.775808 credits"),
        ];
        for (ucr, text) in rows {
            assert_eq!(change(ucr), text);
        }
        assert_eq!(bits_change(-100), "-0.000100");
        assert_eq!(bits_change(0), "+0.000000");
        assert_eq!(bits(3_412_345), "3.412345");
    }

    #[test]
    fn spans_show_two_units() {
        let rows = [(0, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (3_725, "1 h 2 min"), (172_800, "2 d 0 h")];
        for (seconds, text) in rows {
            assert_eq!(span(seconds), text);
        }
    }
}
