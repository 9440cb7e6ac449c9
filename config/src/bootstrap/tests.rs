//! Bootstraps as the agent writes them, merged, and wrong ones.

use prost::Message as _;

use super::*;

mod policy;

/// What a bootstrap without static resources becomes, as text without the bytes that are kept for the dump.
pub(crate) fn probed(bytes: &[u8]) -> String {
    let Ok(proto) = crate::proto::bootstrap::v3::Bootstrap::decode(bytes) else { return "no message".to_owned() };
    let read = translate::translated(&proto, read::Statics::default(), &Options::unchecked());
    format!("{:?}", read.map(|bootstrap| Bootstrap { body: Bytes::new(), ignored: Vec::new(), ..bootstrap }))
}

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
    assert_eq!(bootstrap.admin.as_ref().unwrap().address, Address::Socket("127.0.0.1:15000".parse().unwrap()));
    let ads = bootstrap.ads.unwrap();
    assert!(ads.delta && ads.node_on_first_message_only);
    assert_eq!(&*ads.cluster, "xds-grpc");
    assert_eq!(bootstrap.lds, Some(DynamicSource { initial_fetch_timeout: None }));
    let names = |list: &[StaticResource]| list.iter().map(|one| one.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&bootstrap.static_clusters), ["prometheus_stats", "agent", "sds-grpc", "xds-grpc"]);
    assert_eq!(names(&bootstrap.static_listeners), ["0.0.0.0_15090", "0.0.0.0_15021"]);
    assert_eq!(bootstrap.max_downstream_connections, Some(2_147_483_647));
    assert!(matches!(bootstrap.stats_matcher, StatsMatcher::Inclusion(ref patterns) if patterns.len() == 3));
    assert_eq!(bootstrap.runtime.get("envoy.reloadable_features.http_reject_path_with_fragment"), Some(false));
    assert!(bootstrap.ignored.iter().any(|name| name.contains("internal_listener")));
}

#[test]
fn runtime_decides_about_fragments() {
    let agent = load(&[json(AGENT)], UnknownFields::Ignore).unwrap();
    assert!(!agent.options(UnknownFields::Ignore).reject_fragment);
    assert!(load_one("{}").unwrap().options(UnknownFields::Ignore).reject_fragment);
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
        ("{,}", "b.json: not valid JSON: key must be a string at line 1 column 2"),
        (r#"{"static_resources": {"listeners": [,]}}"#, "b.json: not valid JSON: expected value at line 1 column 37"),
        (
            r#"{"admin": {"address": {"envoy_internal_address": {"server_listener_name": "a"}}}}"#,
            "b.json: admin.address: the admin listener needs an IP",
        ),
        (r#"{"admin": {"profile_path": 1}}"#, "b.json: admin.profile_path: cannot be read"),
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
        assert!(error.contains("; "), "what to do, for {text}: {error}");
    }
}

#[test]
fn unknown_fields_are_ignored_on_request() {
    let text = r#"{"nodes": {}, "static_resources": {"clusters": [{"name": "x", "typo": 1}], "more": []}}"#;
    let bootstrap = load(&[json(text)], UnknownFields::Ignore).unwrap();
    assert_eq!(bootstrap.static_clusters.len(), 1);
}

const MINIMAL: &str = r#"{
  "node": {"id": "a", "cluster": "b", "metadata": {"ISTIO_VERSION": "1.30", "PORT": 15090},},
  "dynamicResources": {
    "lds_config": {"ads": {}, "initial_fetch_timeout": "0s"}, "cds_config": {"ads": {}},
    "ads_config": {"api_type": "DELTA_GRPC", "set_node_on_first_message_only": true,
                   "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}, "initial_metadata": [{"key": "a", "value": "b"}]}]}
  },
  "static_resources": {"clusters": [{"name": "xds", "connectTimeout": "1s", "type": "STATIC",
    "load_assignment": {"cluster_name": "xds", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": "./x"}}}}]}]}},]},
  "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": "15000"}}},
  "layered_runtime": {"layers": [{"name": "s", "static_layer": {"re2": {"max_program_size.error_level": "32768"}, "x": false, "n": 3}}]},
  "overload_manager": {"resource_monitors": [{"name": "m", "typed_config":
    {"@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
     "max_active_downstream_connections": "2147483647"}}]}
}"#;

#[test]
fn json_with_both_spellings_and_trailing_commas() {
    let bootstrap = load_one(MINIMAL).unwrap();
    assert_eq!(&*bootstrap.node_id, "a");
    assert_eq!(bootstrap.admin.as_ref().unwrap().address, Address::Socket("127.0.0.1:15000".parse().unwrap()));
    let ads = bootstrap.ads.as_ref().unwrap();
    assert!(ads.delta && ads.node_on_first_message_only);
    assert_eq!(ads.metadata, [(Arc::from("a"), Arc::from("b"))]);
    assert_eq!(bootstrap.lds, Some(DynamicSource { initial_fetch_timeout: None }));
    assert_eq!(bootstrap.max_downstream_connections, Some(2_147_483_647));
    assert_eq!(
        (bootstrap.runtime.get("n"), bootstrap.runtime.get("x"), bootstrap.runtime.len()),
        (Some(3_u64), Some(false), 3)
    );
    assert_eq!(bootstrap.static_clusters.len(), 1);
    bootstrap.each_static(&Options::default(), |_, _| Ok(())).unwrap();
    let node = crate::proto::core::v3::Node::decode(bootstrap.node).unwrap();
    assert_eq!(node.metadata.unwrap().fields.len(), 2);
}

#[test]
fn wrong_bootstraps_say_where() {
    assert_eq!(
        wrong(r#"{"static_resources": {"clusters": [{"name": "a", "connect_timeout": "soon"}]}}"#),
        "b.json: static_resources.clusters[\"a\"].connect_timeout: cannot be read: failed to parse duration; \
         write seconds, as in \"1.5s\""
    );
    assert_eq!(
        wrong(r#"{"static_resources": {"clusters": 3}}"#),
        "b.json: static_resources.clusters: is not a list; put what it holds in [ ]"
    );
    assert_eq!(
        wrong(r#"{"dynamic_resources": {"lds_config": {"path_config_source": {"path": "/lds.yaml"}}}}"#),
        "b.json: dynamic_resources.lds_config: only ads: {} with dynamic_resources.ads_config works; files belong into static_resources"
    );
    assert!(wrong(r#"{"static_resources": 3}"#).starts_with("b.json: static_resources: cannot be read"));
    assert_eq!(
        wrong(r#"{"static_resources": {"clusters": [{"name": "a"}, {"name": "a"}]}}"#),
        "b.json: static_resources.clusters[1].name: \"a\" is the name of an earlier one; names are unique"
    );
    assert_eq!(
        wrong(&MINIMAL.replace("\"cluster_name\": \"xds\"}", "\"cluster_name\": \"nope\"}")),
        "b.json: dynamic_resources.ads_config.grpc_services[0].envoy_grpc.cluster_name: \"nope\" is not among static_resources.clusters; add it there, or correct the name"
    );
    assert_eq!(
        wrong(
            r#"{"bootstrap_extensions": [{"name": "x", "typed_config": {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster"}}]}"#
        ),
        "b.json: bootstrap_extensions[0].typed_config: Didn't find a registered implementation for 'x' with type URL: 'envoy.config.cluster.v3.Cluster'; take it out, or keep Envoy for this workload"
    );
}

#[test]
fn a_refused_static_resource_is_named() {
    let text = r#"{"static_resources": {"clusters": [{"name": "a"}, {"name": "b", "circuit_breakers": {"thresholds": [{"priority": 7}]}}]}}"#;
    let bootstrap = load_one(text).unwrap();
    assert_eq!(
        BootstrapError::Several(bootstrap.each_static(&Options::default(), |_, _| Ok(())).unwrap_err()).to_string(),
        "b.json: static_resources.clusters[\"b\"].circuit_breakers.thresholds[0].priority: value must be one of the defined \
         enum values; 7 is none, the sender is newer"
    );
}

fn wrong(text: &str) -> String {
    load_one(text).unwrap_err().to_string()
}

#[test]
fn all_that_is_wrong_is_said_in_one_go() {
    let text = r#"{"nodes": {}, "admin": {"profile_path": 1}, "static_resources": {"cluster": [], "listeners": 1,
        "clusters": [{"name": "a", "typo": 1}, {"name": "b"}, {"typo": 2}, {"name": "b"}]}}"#;
    let Examined { bootstrap, faults, unread_clusters } = examine(&[json(text)], UnknownFields::Reject);
    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    let places = [
        "static_resources.cluster: ",
        "static_resources.listeners: ",
        "static_resources.clusters[\"a\"].typo: ",
        "static_resources.clusters[2].typo: ",
        "nodes: ",
        "admin.profile_path: ",
        "static_resources.clusters[1].name: ",
    ];
    assert_eq!(faults.len(), places.len(), "{faults:#?}");
    for (fault, place) in faults.iter().zip(places) {
        assert!(fault.starts_with(&format!("b.json: {place}")), "{place}: {fault}");
    }
    assert_eq!(bootstrap.unwrap().static_clusters.len(), 2);
    assert_eq!(unread_clusters, ["a".into(), "".into()]);
    let error = load_one(text).unwrap_err().to_string();
    assert_eq!(error.lines().count(), places.len(), "{error}");
    // What is wrong with what was read is said of each field, too.
    let text = r#"{"stats_flush_interval": "0s", "admin": {"address": {"envoy_internal_address": {"server_listener_name": "a"}}}}"#;
    let error = load_one(text).unwrap_err().to_string();
    assert!(
        error.lines().any(|line| line.starts_with("b.json: admin.address: "))
            && error.contains("b.json: stats_flush_interval: ")
            && error.lines().count() == 2,
        "{error}"
    );
}

#[test]
fn what_is_left_out_is_told_with_its_place() {
    let limit = r#"{"@type": "type.googleapis.com/envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit", "stat_prefix": "s", "max_connection": 1}"#;
    let text = format!(
        r#"{{"nodes": {{}}, "node": {{"metadata": {{"any": 1}}}}, "static_resources": {{"more": [], "listeners": [
            {{"name": "l", "filter_chains": [{{"filters": [{{"name": "r", "typed_config": {limit}}}], "matches": {{}}}}]}},
            {{"name": "good"}}
        ]}}}}"#
    );
    let bootstrap = load(&[json(&text)], UnknownFields::Ignore).unwrap();
    assert_eq!(bootstrap.static_listeners.len(), 2);
    let places = [
        "static_resources.more: envoy.config.bootstrap.v3.Bootstrap.StaticResources",
        "static_resources.listeners[\"l\"].filter_chains[0].filters[0].typed_config.max_connection: envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit",
        "static_resources.listeners[\"l\"].filter_chains[0].matches: envoy.config.listener.v3.FilterChain",
        "nodes: envoy.config.bootstrap.v3.Bootstrap",
    ];
    let expected: Vec<_> = places
        .iter()
        .map(|place| format!("b.json: Unknown field {place} has none of that name, and it is left out"))
        .collect();
    assert_eq!(bootstrap.unknown, expected);
    assert!(load(&[json(AGENT)], UnknownFields::Ignore).unwrap().unknown.is_empty());
}

#[test]
fn a_log_of_objects_has_the_keys_that_are_asked_for() {
    let text = r#"{"application_log_config": {"log_format": {"json_format": {"what": "%j", "at": {"file": "%g"}}}}}"#;
    let bootstrap = load_one(text).unwrap();
    assert_eq!(bootstrap.log_format.as_deref(), Some(r#"{"at":{"file":"%g"},"what":"%j"}"#));
}
