//! One command: `name{json}` (R-055 to R-059).

use crate::error::CommandError;
use serde_json::{Map, Value};
use std::fmt;
use std::sync::OnceLock;

/// One command as it travels. Its JSON is parsed when it is first asked for: what a hostile peer sends may take
/// many times its size in memory once it is a tree.
#[derive(Clone)]
pub struct BtnCmd {
    body: String,
    /// Where the parameters begin: the first `{`, or the end.
    split: usize,
    param: OnceLock<Option<Value>>,
}

impl BtnCmd {
    /// Splits a body at its first `{` (R-055). Every text is a command; without `{` it has no parameters.
    #[must_use]
    pub fn parse(body: String) -> Self {
        let split = body.find('{').unwrap_or(body.len());
        Self { body, split, param: OnceLock::new() }
    }

    /// What stands before the first `{`, untrimmed, or the whole body.
    #[must_use]
    pub fn cmd(&self) -> &str {
        &self.body[..self.split]
    }

    /// The first `{` and all that follows, or nothing.
    #[must_use]
    pub fn param_string(&self) -> &str {
        &self.body[self.split..]
    }

    /// The parameters: a JSON object, or `None` where there are none or they are malformed (R-056). Malformed
    /// includes text after the object and nesting deeper than the parser goes (128).
    #[must_use]
    pub fn param(&self) -> Option<&Value> {
        self.param.get_or_init(|| serde_json::from_str(self.param_string()).ok()).as_ref()
    }

    /// The whole body.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.body
    }

    /// A text by name; `None` where it is missing or null (R-057).
    ///
    /// # Errors
    /// Any other type.
    pub fn string(&self, name: &str) -> Result<Option<&str>, CommandError> {
        self.get(name, "a string", Value::as_str)
    }

    /// A 64-bit integer by name; `None` where it is missing or null (R-057).
    ///
    /// # Errors
    /// Any other type or range.
    pub fn long(&self, name: &str) -> Result<Option<i64>, CommandError> {
        self.get(name, "an integer of 64 bits", Value::as_i64)
    }

    /// A 32-bit integer by name; `None` where it is missing or null (R-057).
    ///
    /// # Errors
    /// Any other type or range.
    pub fn int(&self, name: &str) -> Result<Option<i32>, CommandError> {
        let narrow = |value: &Value| value.as_i64().and_then(|long| i32::try_from(long).ok());
        self.get(name, "an integer of 32 bits", narrow)
    }

    /// True or false by name; `None` where it is missing or null (R-057).
    ///
    /// # Errors
    /// Any other type.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>, CommandError> {
        self.get(name, "true or false", Value::as_bool)
    }

    /// An object by name; `None` where it is missing or null (R-057).
    ///
    /// # Errors
    /// Any other type.
    pub fn object(&self, name: &str) -> Result<Option<&Map<String, Value>>, CommandError> {
        self.get(name, "an object", Value::as_object)
    }

    /// An array by name; `None` where it is missing or null (R-057).
    ///
    /// # Errors
    /// Any other type.
    pub fn array(&self, name: &str) -> Result<Option<&[Value]>, CommandError> {
        self.get(name, "an array", |value| value.as_array().map(Vec::as_slice))
    }

    /// The return code: the 32-bit integer `r` (R-059).
    ///
    /// # Errors
    /// `r` of any other type or range.
    pub fn return_code(&self) -> Result<Option<i32>, CommandError> {
        self.int("r")
    }

    /// A field by name. The paper does not say what a field of the wrong type is; here it is an error, so that
    /// nobody takes it for a missing one. Null says "absent" (as in R-067) and is taken so.
    fn get<'a, T>(
        &'a self,
        name: &str,
        expected: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, CommandError> {
        match self.param().and_then(|param| param.get(name)) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match read(value) {
                Some(found) => Ok(Some(found)),
                None => {
                    let actual = type_name(value);
                    Err(CommandError::WrongType { name: name.to_owned(), expected, actual })
                }
            },
        }
    }
}

/// What kind of JSON value this is, for people.
const fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number of another kind or range",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Two commands are the same if their bodies are.
impl PartialEq for BtnCmd {
    fn eq(&self, other: &Self) -> bool {
        self.body == other.body
    }
}

impl Eq for BtnCmd {}

/// The paper's `toString` (R-058), with the full body.
impl fmt::Display for BtnCmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BtnCMD:[{}]{}", self.cmd(), self.body)
    }
}

/// For logs, where a body never belongs (G-26).
impl fmt::Debug for BtnCmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BtnCmd of {} bytes", self.body.len())
    }
}
