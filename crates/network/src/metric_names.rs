//! The names of every metric of this crate, and the only places that touch them.
//!
//! Labels: `class` is `vote`, `proposal` or `bulk`; `reason` is a fixed word.

use crate::limits::class_name;
use btn_types::MessageClass;

/// Counter, `class`: bytes of frames received, with their headers.
pub const BYTES_IN: &str = "btn_network_bytes_in_total";
/// Counter, `class`: bytes of frames handed to QUIC, with their headers.
pub const BYTES_OUT: &str = "btn_network_bytes_out_total";
/// Counter, `class`: messages received and decoded.
pub const MESSAGES_IN: &str = "btn_network_messages_in_total";
/// Counter, `class`: messages handed to QUIC.
pub const MESSAGES_OUT: &str = "btn_network_messages_out_total";
/// Counter, `class`, `reason` (`overflow`: the queue was full; `stale`: waited longer than
/// [`crate::limits::QUEUE_AGE`]; `oversize`: larger than a frame may be): messages never sent.
pub const DROPPED: &str = "btn_network_messages_dropped_total";
/// Counter: connections that passed the hello, first ones and later ones.
pub const CONNECTIONS: &str = "btn_network_connections_total";
/// Counter, `reason` (`lost`, `closed`, `violation`, `replaced`): connections that ended.
pub const DISCONNECTIONS: &str = "btn_network_disconnections_total";
/// Counter, `reason` (`unreachable`, `refused`, `busy`): connections that did not get through the hello.
pub const HANDSHAKE_FAILURES: &str = "btn_network_handshake_failures_total";
/// Gauge: peers connected now.
pub const CONNECTED_PEERS: &str = "btn_network_connected_peers";

/// Registers what each metric means with the recorder; called once at start.
pub(crate) fn describe() {
    metrics::describe_counter!(BYTES_IN, metrics::Unit::Bytes, "bytes of frames received, by class");
    metrics::describe_counter!(BYTES_OUT, metrics::Unit::Bytes, "bytes of frames sent, by class");
    metrics::describe_counter!(MESSAGES_IN, "messages received, by class");
    metrics::describe_counter!(MESSAGES_OUT, "messages sent, by class");
    metrics::describe_counter!(DROPPED, "messages never sent, by class and reason");
    metrics::describe_counter!(CONNECTIONS, "connections that passed the hello");
    metrics::describe_counter!(DISCONNECTIONS, "connections that ended, by reason");
    metrics::describe_counter!(HANDSHAKE_FAILURES, "connections that did not pass the hello, by reason");
    metrics::describe_gauge!(CONNECTED_PEERS, "peers connected now");
}

pub(crate) fn received(class: MessageClass, bytes: usize) {
    metrics::counter!(BYTES_IN, "class" => class_name(class)).increment(bytes as u64);
    metrics::counter!(MESSAGES_IN, "class" => class_name(class)).increment(1);
}

pub(crate) fn sent(class: MessageClass, bytes: usize) {
    metrics::counter!(BYTES_OUT, "class" => class_name(class)).increment(bytes as u64);
    metrics::counter!(MESSAGES_OUT, "class" => class_name(class)).increment(1);
}

pub(crate) fn dropped(class: MessageClass, reason: &'static str, messages: usize) {
    if messages > 0 {
        metrics::counter!(DROPPED, "class" => class_name(class), "reason" => reason)
            .increment(messages as u64);
    }
}

pub(crate) fn connected() {
    metrics::counter!(CONNECTIONS).increment(1);
    metrics::gauge!(CONNECTED_PEERS).increment(1.0);
}

pub(crate) fn disconnected() {
    metrics::gauge!(CONNECTED_PEERS).decrement(1.0);
}

pub(crate) fn link_ended(reason: &'static str) {
    metrics::counter!(DISCONNECTIONS, "reason" => reason).increment(1);
}

pub(crate) fn handshake_failed(reason: &'static str) {
    metrics::counter!(HANDSHAKE_FAILURES, "reason" => reason).increment(1);
}

/// Counter, `kind` (`command`, `blob`): bytes of frames received on links between masters and supervisors.
pub const SUPERVISION_BYTES_IN: &str = "btn_supervision_bytes_in_total";
/// Counter, `kind`: bytes of frames sent on these links.
pub const SUPERVISION_BYTES_OUT: &str = "btn_supervision_bytes_out_total";
/// Counter, `kind`: frames received.
pub const SUPERVISION_FRAMES_IN: &str = "btn_supervision_frames_in_total";
/// Counter, `kind`: frames sent.
pub const SUPERVISION_FRAMES_OUT: &str = "btn_supervision_frames_out_total";
/// Counter: links that passed the hello.
pub const SUPERVISION_CONNECTIONS: &str = "btn_supervision_connections_total";
/// Counter, `reason` (`lost`, `closed`, `violation`, `replaced`, `dropped`): links that ended.
pub const SUPERVISION_DISCONNECTIONS: &str = "btn_supervision_disconnections_total";
/// Counter, `reason` (`unreachable`, `refused`, `busy`): connections that did not get through the hello.
pub const SUPERVISION_FAILURES: &str = "btn_supervision_handshake_failures_total";
/// Gauge: links that stand: at a master its supervisors, at a supervisor its masters.
pub const SUPERVISION_LINKS: &str = "btn_supervision_links";
/// Counter, `name` (of the call), `outcome` (`answered`, `refused`, `failed`, `timed_out`): a supervisor's calls, as
/// counted on either side.
pub const SUPERVISION_CALLS: &str = "btn_supervision_calls_total";
/// Counter: announcements that were never sent because too many waited.
pub const ANNOUNCEMENTS_DROPPED: &str = "btn_supervision_announcements_dropped_total";
/// Counter: masters that this supervisor dropped for lying or stalling.
pub const MASTERS_DROPPED: &str = "btn_supervision_masters_dropped_total";

/// Registers the metrics of the links between masters and supervisors; called once at their start.
pub(crate) fn describe_supervision() {
    use metrics::Unit::Bytes;
    metrics::describe_counter!(SUPERVISION_BYTES_IN, Bytes, "bytes of frames received, by kind");
    metrics::describe_counter!(SUPERVISION_BYTES_OUT, Bytes, "bytes of frames sent, by kind");
    metrics::describe_counter!(SUPERVISION_FRAMES_IN, "frames received, by kind");
    metrics::describe_counter!(SUPERVISION_FRAMES_OUT, "frames sent, by kind");
    metrics::describe_counter!(SUPERVISION_CONNECTIONS, "links that passed the hello");
    metrics::describe_counter!(SUPERVISION_DISCONNECTIONS, "links that ended, by reason");
    metrics::describe_counter!(SUPERVISION_FAILURES, "connections that did not pass the hello, by reason");
    metrics::describe_gauge!(SUPERVISION_LINKS, "links that stand");
    metrics::describe_counter!(SUPERVISION_CALLS, "calls of supervisors, by name and outcome");
    metrics::describe_counter!(ANNOUNCEMENTS_DROPPED, "announcements never sent");
    metrics::describe_counter!(MASTERS_DROPPED, "masters dropped for lying or stalling");
}

pub(crate) fn frame_received(kind: &'static str, bytes: usize) {
    metrics::counter!(SUPERVISION_BYTES_IN, "kind" => kind).increment(bytes as u64);
    metrics::counter!(SUPERVISION_FRAMES_IN, "kind" => kind).increment(1);
}

pub(crate) fn frame_sent(kind: &'static str, bytes: usize) {
    metrics::counter!(SUPERVISION_BYTES_OUT, "kind" => kind).increment(bytes as u64);
    metrics::counter!(SUPERVISION_FRAMES_OUT, "kind" => kind).increment(1);
}

pub(crate) fn supervision_connected() {
    metrics::counter!(SUPERVISION_CONNECTIONS).increment(1);
    metrics::gauge!(SUPERVISION_LINKS).increment(1.0);
}

pub(crate) fn supervision_disconnected() {
    metrics::gauge!(SUPERVISION_LINKS).decrement(1.0);
}

pub(crate) fn supervision_ended(reason: &'static str) {
    metrics::counter!(SUPERVISION_DISCONNECTIONS, "reason" => reason).increment(1);
}

pub(crate) fn supervision_refused(reason: &'static str) {
    metrics::counter!(SUPERVISION_FAILURES, "reason" => reason).increment(1);
}

pub(crate) fn call(name: &'static str, outcome: &'static str) {
    metrics::counter!(SUPERVISION_CALLS, "name" => name, "outcome" => outcome).increment(1);
}

pub(crate) fn announcements_dropped(count: u64) {
    if count > 0 {
        metrics::counter!(ANNOUNCEMENTS_DROPPED).increment(count);
    }
}

pub(crate) fn master_dropped() {
    metrics::counter!(MASTERS_DROPPED).increment(1);
}
