//! Amounts of money as people write them: digits and a unit, never a floating-point number.

use alloy_primitives::U256;
use thiserror::Error;

/// Units, each with how many decimal places it has in wei. Longer names first: `gwei` ends in `wei`.
const UNITS: [(&str, usize); 3] = [("btn", 18), ("gwei", 9), ("wei", 0)];

/// Why an amount is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AmountError {
    /// No unit, or one that does not exist.
    #[error("amount `{0}` has no unit; write BTN, gwei or wei behind it, as in 10000BTN")]
    Unit(String),
    /// Something other than digits and one point.
    #[error("amount `{0}` is not a decimal number; write digits and at most one point, as in 0.5BTN")]
    Digits(String),
    /// A fraction of a wei.
    #[error("amount `{amount}` has {actual} decimal places, its unit has {expected}")]
    Places {
        /// As written.
        amount: String,
        /// Decimal places found.
        actual: usize,
        /// Decimal places that the unit has.
        expected: usize,
    },
    /// More than 2²⁵⁶ − 1 wei.
    #[error("amount `{0}` is larger than an account can hold")]
    TooLarge(String),
}

/// Reads `10000BTN`, `0.5 BTN`, `5gwei`, `1wei`; the result is in wei.
///
/// # Errors
/// [`AmountError`].
pub fn parse_amount(text: &str) -> Result<U256, AmountError> {
    let owned = || text.to_owned();
    let lower = text.trim().to_ascii_lowercase();
    let (digits, places) = UNITS
        .iter()
        .find_map(|&(unit, places)| Some((lower.strip_suffix(unit)?.trim_end(), places)))
        .ok_or_else(|| AmountError::Unit(owned()))?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = [whole, fraction].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    if !all_digits || whole.is_empty() || digits.ends_with('.') {
        return Err(AmountError::Digits(owned()));
    }
    if fraction.len() > places {
        return Err(AmountError::Places { amount: owned(), actual: fraction.len(), expected: places });
    }
    let wei = format!("{whole}{fraction:0<places$}");
    U256::from_str_radix(&wei, 10).map_err(|_| AmountError::TooLarge(owned()))
}

/// Writes an amount in BTN with all its digits and thousands separated: `10,000 BTN`, `0.5 BTN`.
#[must_use]
pub fn format_btn(wei: U256) -> String {
    let digits = format!("{wei:0>19}");
    let (whole, fraction) = digits.split_at(digits.len() - 18);
    let grouped = whole
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| String::from_utf8_lossy(group))
        .collect::<Vec<_>>()
        .join(",");
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { format!("{grouped} BTN") } else { format!("{grouped}.{fraction} BTN") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BTN: u64 = 1_000_000_000_000_000_000;

    #[test]
    fn units_are_exact() {
        let ten_thousand = U256::from(BTN) * U256::from(10_000);
        for text in ["10000BTN", " 10000 btn", "10000.000BTN", "10000000000000000000000wei"] {
            assert_eq!(parse_amount(text), Ok(ten_thousand), "{text}");
        }
        assert_eq!(parse_amount("5gwei"), Ok(U256::from(5_000_000_000u64)));
        assert_eq!(parse_amount("0.000000001gwei"), Ok(U256::from(1)));
        assert_eq!(parse_amount("0.1BTN"), Ok(U256::from(BTN / 10)));
        assert_eq!(parse_amount("0wei"), Ok(U256::ZERO));
    }

    #[test]
    fn everything_else_is_refused() {
        for text in ["", "1", "1e18", "1ETH", "0x10"] {
            assert!(matches!(parse_amount(text), Err(AmountError::Unit(_))), "{text}");
        }
        for text in ["BTN", "-1BTN", "+1BTN", "1.BTN", ".5BTN", "1.2.3BTN", "1,000BTN", "1e3BTN", "infBTN"] {
            assert!(matches!(parse_amount(text), Err(AmountError::Digits(_))), "{text}");
        }
        let places = AmountError::Places { amount: "0.5wei".into(), actual: 1, expected: 0 };
        assert_eq!(parse_amount("0.5wei"), Err(places));
        let huge = format!("1{}BTN", "0".repeat(60));
        assert_eq!(parse_amount(&huge), Err(AmountError::TooLarge(huge.clone())));
    }

    #[test]
    fn formatting_loses_no_digit() {
        let cases = [
            ("10000BTN", "10,000 BTN"),
            ("1234567BTN", "1,234,567 BTN"),
            ("0.5BTN", "0.5 BTN"),
            ("1wei", "0.000000000000000001 BTN"),
            ("0wei", "0 BTN"),
            ("999BTN", "999 BTN"),
        ];
        for (text, expected) in cases {
            assert_eq!(format_btn(parse_amount(text).unwrap()), expected);
        }
        assert!(format_btn(U256::MAX).ends_with("584007913129639935 BTN"));
    }
}
