//! Every constant of the command layer in one place (G-28). The paper names most of them and gives the value of
//! none but the ten seconds of R-068: the values are ours, and docs/wire.md lists them. A changed value is a new
//! [`COMMAND_VERSION`].

use btn_types::limits::MAX_FRAME_BYTES;

/// Version of the language: commands, their fields and these constants. `hello` tells it.
pub const COMMAND_VERSION: u32 = 1;

/// First four bytes of a command frame, "BTNC" in ASCII.
pub const BTN_CMD_FLAG: u32 = 0x4254_4e43;

/// First four bytes of a binary frame, "BTNB" in ASCII.
pub const BTN_BLOB_FLAG: u32 = 0x4254_4e42;

/// UDP port where a master listens for supervisors unless its configuration says otherwise.
pub const PRIMARY_PORT: u16 = 30_304;

/// Most bytes of one command's body (G-26). The largest are a full list of seals and the largest transaction, half
/// a megabyte in hex.
pub const MAX_COMMAND_BYTES: usize = 1024 * 1024;

/// Most bytes of one binary frame's content.
pub const MAX_BLOB_BYTES: usize = MAX_FRAME_BYTES;

/// How long a remote call waits for its reply, in milliseconds.
pub const REMOTE_TIMEOUT_MS: u64 = 10_000;

/// Largest JSON integer: 2⁵³ − 1, up to which every JSON reader has the exact value (RFC 8259 §6).
pub const MAX_JSON_NUMBER: u64 = (1 << 53) - 1;

/// Most bytes of a text for people, an error or a refusal, before it is cut off.
pub const MAX_TEXT_BYTES: usize = 1_024;

/// Command of a remote request.
pub const REMOTE_REQUEST: &str = "REMOTE_REQUEST";

/// Command of the reply to a remote request.
pub const REMOTE_RESPONSE: &str = "REMOTE_RESPONSE";

/// Command that tells a supervisor of a block or certificate unasked.
pub const ANNOUNCE: &str = "ANNOUNCE";

/// Return code `r`: the call was carried out.
pub const RETURN_OK: i32 = 0;

/// Return code `r`: the call was refused or failed; `error` says why.
pub const RETURN_FAILED: i32 = 1;

/// Return code `r`: no reply within [`REMOTE_TIMEOUT_MS`].
pub const RETURN_TIMEOUT: i32 = 2;

/// Bytes before the content of a command frame: flag and length.
pub(crate) const COMMAND_HEADER_BYTES: usize = 8;

/// Bytes before the content of a binary frame: flag, length, request id.
pub(crate) const BLOB_HEADER_BYTES: usize = 24;
