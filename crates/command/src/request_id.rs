//! The name of a remote call: a uuid, fresh for each.

use crate::error::CommandError;
use std::fmt;
use std::str::FromStr;
use uuid::{Builder, Uuid};

/// Bytes of a uuid's text form: 32 digits and four hyphens.
const TEXT_BYTES: usize = 36;

/// A remote call's id. Its text form is a uuid's, in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub [u8; 16]);

impl RequestId {
    /// A uuid of version 4 (RFC 9562) out of 16 random bytes.
    #[must_use]
    pub const fn from_random(bytes: [u8; 16]) -> Self {
        Self(*Builder::from_random_bytes(bytes).as_uuid().as_bytes())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).as_hyphenated().fmt(f)
    }
}

impl FromStr for RequestId {
    type Err = CommandError;

    /// # Errors
    /// Anything but 36 characters with hyphens; the other forms of a uuid would give one call several names.
    fn from_str(text: &str) -> Result<Self, CommandError> {
        let refused = CommandError::RequestId { bytes: text.len() };
        if text.len() != TEXT_BYTES {
            return Err(refused);
        }
        Uuid::try_parse(text).map(|uuid| Self(uuid.into_bytes())).map_err(|_| refused)
    }
}
