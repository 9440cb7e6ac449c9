//! Tests of `lines`.

use super::line_of;

const YAML: &str = "\
node: {id: a}
static_resources:
  clusters:
  - name: a
    connect_timeout: 1s
  - name: b.c
    loadAssignment:
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {}}
    metadata:
      filter_metadata:
        x.y: {z: 1}
";

#[test]
fn a_field_is_found_by_its_path() {
    for (path, line) in [
        ("node.id", 1),
        ("static_resources", 2),
        ("static_resources.clusters[\"a\"].connect_timeout", 5),
        ("static_resources.clusters[1]", 6),
        ("static_resources.clusters[\"b.c\"].load_assignment.endpoints[0].lb_endpoints[0].endpoint", 10),
        ("static_resources.clusters[\"b.c\"].metadata.filter_metadata[\"x.y\"].z", 13),
        // What is not there is missing in what is nearest.
        ("static_resources.clusters[\"a\"].lb_policy.x", 4),
        ("static_resources.listeners[0]", 2),
    ] {
        assert_eq!(line_of(YAML, path), Some(line), "{path}");
    }
    assert_eq!(line_of(YAML, "admin.address"), None);
    assert_eq!(line_of(YAML, ""), None);
    assert_eq!(line_of(YAML, "static_resources.clusters[x"), Some(3));
}

#[test]
fn json_has_lines_too() {
    let json = "{\n\t\"admin\": {\n\t\t\"accessLogPath\": 7\n\t}\n}";
    assert_eq!(line_of(json, "admin.access_log_path"), Some(3));
    assert_eq!(line_of("{", "admin"), None);
}
