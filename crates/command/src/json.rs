//! JSON forms of what commands carry: bytes as 0x and hex digits, integers up to 2⁵³ − 1, and texts cut off.

use crate::constants::{MAX_JSON_NUMBER, MAX_TEXT_BYTES};
use crate::error::CommandError;
use btn_types::B256;
use serde::de::{Error as _, Visitor};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use std::fmt;

/// At most `MOST` bytes as `0x` and two hex digits for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hex<const MOST: usize>(pub Vec<u8>);

struct HexVisitor<const MOST: usize>;

impl<const MOST: usize> Visitor<'_> for HexVisitor<MOST> {
    type Value = Hex<MOST>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x and an even number of hex digits, for at most {MOST} bytes")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Hex<MOST>, E> {
        let wrong = |why: &dyn fmt::Display| E::custom(format_args!("{why}; expected {}", Expected(&self)));
        let digits = text.strip_prefix("0x").ok_or_else(|| wrong(&"a text without 0x"))?;
        if digits.len() / 2 > MOST {
            return Err(wrong(&format_args!("{} hex digits", digits.len())));
        }
        hex::decode(digits).map(Hex).map_err(|error| wrong(&error))
    }
}

/// What a visitor expects, in its own words.
struct Expected<'a, V>(&'a V);

impl<'de, V: Visitor<'de>> fmt::Display for Expected<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }
}

impl<'de, const MOST: usize> Deserialize<'de> for Hex<MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(HexVisitor::<MOST>)
    }
}

impl<const MOST: usize> Serialize for Hex<MOST> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.len() > MOST {
            return Err(S::Error::custom(format_args!("{} bytes, at most {MOST} are allowed", self.0.len())));
        }
        serializer.serialize_str(&format!("0x{}", hex::encode(&self.0)))
    }
}

/// A hash, an id or a root: `0x` and 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hex32(pub B256);

impl<'de> Deserialize<'de> for Hex32 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Hex::<32>::deserialize(deserializer)?.0;
        let actual = bytes.len();
        let bytes: [u8; 32] =
            bytes.try_into().map_err(|_| D::Error::custom(format_args!("{actual} bytes, expected 32")))?;
        Ok(Self(bytes.into()))
    }
}

impl Serialize for Hex32 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Hex::<32>(self.0.to_vec()).serialize(serializer)
    }
}

/// An integer of at most [`MAX_JSON_NUMBER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number(pub u64);

impl Number {
    fn check<E>(number: u64, error: impl FnOnce(String) -> E) -> Result<Self, E> {
        if number > MAX_JSON_NUMBER {
            return Err(error(format!("{number} is over {MAX_JSON_NUMBER}, the largest integer allowed")));
        }
        Ok(Self(number))
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::check(u64::deserialize(deserializer)?, D::Error::custom)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::check(self.0, S::Error::custom)?;
        serializer.serialize_u64(self.0)
    }
}

/// Reads an object's JSON text into a form. Fields that the form does not know are passed over: a later version may
/// add some.
pub(crate) fn read<'a, T: Deserialize<'a>>(what: &'static str, text: &'a str) -> Result<T, CommandError> {
    // A form would take its fields from an array too, by their order.
    if !text.starts_with('{') {
        return Err(CommandError::Json { what, reason: "expected an object".to_owned() });
    }
    serde_json::from_str(text).map_err(|error| json_error(what, &error))
}

/// Writes a form as JSON text.
pub(crate) fn write<T: Serialize>(what: &'static str, form: &T) -> Result<Box<RawValue>, CommandError> {
    to_raw_value(form).map_err(|error| json_error(what, &error))
}

fn json_error(what: &'static str, error: &serde_json::Error) -> CommandError {
    CommandError::Json { what, reason: for_people(&error.to_string()) }
}

/// Canonical bytes out of a command.
pub(crate) fn rlp_error(what: &'static str, error: &alloy_rlp::Error) -> CommandError {
    CommandError::Rlp { what, reason: error.to_string() }
}

/// A peer's text as it may be shown: at most [`MAX_TEXT_BYTES`], and nothing that moves a terminal's cursor.
pub(crate) fn for_people(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        let character = if character.is_control() { ' ' } else { character };
        if shown.len() + character.len_utf8() > MAX_TEXT_BYTES {
            break;
        }
        shown.push(character);
    }
    shown
}
