//! Request counters and latencies, under a bounded set of names.

use crate::client::Server;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::json;

#[test]
fn requests_are_counted_by_method_and_outcome() {
    assert_eq!(Server::start().get("/metrics").status, 404, "off unless configured");
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    // Other tests in this process may count too: only names that they do not use are looked at exactly.
    metrics::set_global_recorder(recorder).expect("the only recorder of this process");
    let server = Server::with(|config| config.metrics = Some(handle));
    for _ in 0..3 {
        server.result("net_listening", json!([]));
    }
    server.error("net_listening", json!([1]));
    server.error("made_up_name_1", json!([]));
    server.error("made_up_name_2", json!([]));
    let answer = server.get("/metrics");
    assert_eq!(answer.status, 200);
    let has = |line: &str| assert!(answer.body.contains(line), "{line} is not in\n{}", answer.body);
    has("# TYPE btn_rpc_requests_total counter");
    has(r#"btn_rpc_requests_total{method="unknown",outcome="error"}"#);
    has(r#"btn_rpc_request_duration_seconds_count{method="net_listening"}"#);
    assert!(!answer.body.contains("made_up_name"), "a client made a label");
    let count = |outcome: &str| {
        let start = format!("btn_rpc_requests_total{{method=\"net_listening\",outcome=\"{outcome}\"}} ");
        let line = answer.body.lines().find_map(|line| line.strip_prefix(start.as_str()));
        line.and_then(|count| count.parse::<u64>().ok()).unwrap_or(0)
    };
    assert!(count("ok") >= 3 && count("error") >= 1, "{}", answer.body);
}
