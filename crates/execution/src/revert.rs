//! The reason inside revert data, as geth prints it.

use alloy_primitives::U256;

/// Selector of `Error(string)`.
const ERROR: [u8; 4] = [0x08, 0xc3, 0x79, 0xa0];
/// Selector of `Panic(uint256)`.
const PANIC: [u8; 4] = [0x4e, 0x48, 0x7b, 0x71];

/// What Solidity's panic codes mean, in geth's words.
const PANICS: [(u64, &str); 10] = [
    (0x00, "generic panic"),
    (0x01, "assert(false)"),
    (0x11, "arithmetic underflow or overflow"),
    (0x12, "division or modulo by zero"),
    (0x21, "enum overflow"),
    (0x22, "invalid encoded storage byte array accessed"),
    (0x31, "out-of-bounds array access; popping on an empty array"),
    (0x32, "out-of-bounds access of an array or bytesN"),
    (0x41, "out of memory"),
    (0x51, "uninitialized function"),
];

/// Decodes `Error(string)` or `Panic(uint256)` into geth's message, "execution reverted: …"; `None` for
/// other data, where geth says only "execution reverted".
#[must_use]
pub fn revert_reason(data: &[u8]) -> Option<String> {
    let (selector, arguments) = data.split_first_chunk::<4>()?;
    let reason = match *selector {
        ERROR => error_string(arguments)?,
        PANIC => panic_words(arguments)?,
        _ => return None,
    };
    Some(format!("execution reverted: {reason}"))
}

fn error_string(arguments: &[u8]) -> Option<String> {
    let start = length_at(arguments, 0)?;
    let length = length_at(arguments, start)?;
    let text = arguments.get(start.checked_add(32)?..)?.get(..length)?;
    // geth prints the bytes as they are; JSON allows no broken UTF-8.
    Some(String::from_utf8_lossy(text).into_owned())
}

fn panic_words(arguments: &[u8]) -> Option<String> {
    let code = word_at(arguments, 0)?;
    let known = PANICS.iter().find(|(known, _)| code == U256::from(*known));
    Some(known.map_or_else(|| format!("unknown panic code: {code:#x}"), |(_, words)| (*words).to_owned()))
}

fn length_at(data: &[u8], offset: usize) -> Option<usize> {
    usize::try_from(word_at(data, offset)?).ok()
}

fn word_at(data: &[u8], offset: usize) -> Option<U256> {
    let word = data.get(offset..)?.first_chunk::<32>()?;
    Some(U256::from_be_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::hex;

    #[test]
    fn error_and_panic_are_decoded_in_geths_words() {
        let error = hex!(
            "08c379a0"
            "0000000000000000000000000000000000000000000000000000000000000020"
            "0000000000000000000000000000000000000000000000000000000000000005"
            "68656c6c6f000000000000000000000000000000000000000000000000000000"
        );
        assert_eq!(revert_reason(&error).as_deref(), Some("execution reverted: hello"));
        let mut panic = hex!("4e487b710000000000000000000000000000000000000000000000000000000000000011");
        let overflow = "execution reverted: arithmetic underflow or overflow";
        assert_eq!(revert_reason(&panic).as_deref(), Some(overflow));
        panic[35] = 0x77;
        assert_eq!(revert_reason(&panic).as_deref(), Some("execution reverted: unknown panic code: 0x77"));
    }

    #[test]
    fn broken_data_has_no_reason_and_does_not_panic() {
        let error = hex!(
            "08c379a0"
            "0000000000000000000000000000000000000000000000000000000000000020"
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        );
        for length in 0..=error.len() {
            assert_eq!(revert_reason(&error[..length]), None);
        }
        assert_eq!(revert_reason(&hex!("deadbeef")), None);
        let far = hex!("08c379a0000000000000000000000000000000000000000000000000ffffffffffffffff");
        assert_eq!(revert_reason(&far), None);
    }
}
