//! docs/json-rpc.md lists exactly the methods that are served.

use std::collections::BTreeSet;

#[test]
fn the_page_and_the_server_agree() {
    let page = include_str!("../../../../docs/json-rpc.md");
    // The first cell of every table row that names a method.
    let cells =
        page.lines().filter_map(|line| line.strip_prefix("| `")).filter_map(|line| line.split('`').next());
    let listed: BTreeSet<&str> = cells.filter(|name| name.contains('_')).collect();
    let served: BTreeSet<&str> = btn_rpc::method_names().into_iter().collect();
    assert_eq!(listed, served);
}
