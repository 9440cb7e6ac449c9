use super::*;
use crate::options::UnknownFields;

fn json(text: &str) -> Source<'_> {
    Source { name: "b.json", text, is_json: true }
}

fn load_one(text: &str) -> Result<Bootstrap, BootstrapError> {
    load(&[json(text)], UnknownFields::Reject)
}

/// A bootstrap of the shape that the agent writes.
const AGENT: &str = include_str!("../../testdata/bootstrap/agent.json");

#[test]
fn the_agents_bootstrap_is_read() {
    let bootstrap = load(&[json(AGENT)], UnknownFields::Ignore).unwrap();
    assert_eq!(&*bootstrap.node_id, "sidecar~10.0.0.2~ratings-vm.bookinfo~bookinfo.svc.cluster.local");
    assert_eq!(bootstrap.admin, Some(Address::Socket("127.0.0.1:15000".parse().unwrap())));
    let ads = bootstrap.ads.unwrap();
    assert!(ads.delta && ads.node_on_first_message_only);
    assert_eq!(&*ads.cluster, "xds-grpc");
    assert!(matches!(bootstrap.lds, Some(DynamicSource::Ads { initial_fetch_timeout: None })));
    let names = |list: &[StaticResource]| list.iter().map(|one| one.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&bootstrap.static_clusters), ["prometheus_stats", "agent", "sds-grpc", "xds-grpc"]);
    assert_eq!(names(&bootstrap.static_listeners), ["0.0.0.0_15090", "0.0.0.0_15021"]);
    assert_eq!(bootstrap.max_downstream_connections, Some(2_147_483_647));
    assert!(matches!(bootstrap.stats_matcher, StatsMatcher::Inclusion(ref patterns) if patterns.len() == 3));
    assert!(
        bootstrap
            .runtime
            .iter()
            .any(|(key, value)| key.ends_with("http_reject_path_with_fragment") && &**value == "false")
    );
    assert!(bootstrap.ignored.iter().any(|name| name.contains("internal_listener")));
}

#[test]
fn yaml_and_json_give_the_same() {
    let yaml = Source {
        name: "b.yaml",
        text: "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}",
        is_json: false,
    };
    let from_yaml = load(&[yaml], UnknownFields::Reject).unwrap();
    let from_json =
        load_one(r#"{"admin": {"address": {"socketAddress": {"address": "127.0.0.1", "portValue": 1}}}}"#).unwrap();
    assert_eq!(from_yaml.admin, from_json.admin);
}

#[test]
fn a_second_source_is_merged_over_the_first() {
    let base = json(r#"{"node": {"id": "a", "cluster": "c"}, "static_resources": {"clusters": [{"name": "one"}]}}"#);
    let over = Source {
        name: "--config-yaml",
        text: "{node: {id: b}, static_resources: {clusters: [{name: two}]}}",
        is_json: false,
    };
    let bootstrap = load(&[base, over], UnknownFields::Reject).unwrap();
    assert_eq!((&*bootstrap.node_id, &*bootstrap.node_cluster), ("b", "c"));
    let names: Vec<_> = bootstrap.static_clusters.iter().map(|cluster| &*cluster.name).collect();
    assert_eq!(names, ["one", "two"]);
}

#[test]
fn mistakes_name_file_and_place() {
    let cases = [
        ("{", "b.json: not valid JSON: EOF while parsing"),
        ("", "b.json: not valid JSON: it is empty"),
        ("[1]", "b.json: not valid JSON: invalid type"),
        (r#"{"nodes": {}}"#, "b.json: nodes: "),
        (
            r#"{"static_resources": {"clusters": [{"name": "x", "typo": 1}]}}"#,
            r#"b.json: static_resources.clusters["x"].typo: "#,
        ),
        (r#"{"static_resources": {"cluster": []}}"#, "b.json: static_resources.cluster: no such field"),
        (r#"{"dynamic_resources": {"lds_config": {"ads": {}}}}"#, "b.json: dynamic_resources.lds_config: asks for ADS"),
        (
            r#"{"dynamic_resources": {"ads_config": {"api_type": "REST"}}}"#,
            "b.json: dynamic_resources.ads_config.api_type: ",
        ),
    ];
    for (text, expected) in cases {
        let error = load_one(text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "for {text}: {error}");
    }
}

#[test]
fn unknown_fields_are_ignored_on_request() {
    let text = r#"{"nodes": {}, "static_resources": {"clusters": [{"name": "x", "typo": 1}], "more": []}}"#;
    let bootstrap = load(&[json(text)], UnknownFields::Ignore).unwrap();
    assert_eq!(bootstrap.static_clusters.len(), 1);
}
