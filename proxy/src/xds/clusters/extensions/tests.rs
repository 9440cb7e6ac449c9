//! Tests of clusters whose filters are discovered.

use serde_json::{Value, json};
use xds_client::type_url;

use crate::cluster::testing::run;
use crate::store::Kind;
use crate::xds::testing::{World, static_cluster};

const BUFFER: &str = "envoy.extensions.filters.http.buffer.v3.Buffer";
const RBAC: &str = "envoy.extensions.filters.http.rbac.v3.RBAC";
const CODEC: &str = "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec";

fn url(type_name: &str) -> String {
    format!("type.googleapis.com/{type_name}")
}

/// Whose only filter of its own may be any of these.
fn cluster(name: &str, types: &[&str]) -> Value {
    let urls: Vec<String> = types.iter().map(|name| url(name)).collect();
    let source = json!({"config_source": {"ads": {}, "initial_fetch_timeout": "0s"}, "type_urls": urls});
    let mut cluster = static_cluster(name, 1);
    cluster["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http_protocol_options": {}},
            "http_filters": [
                {"name": "later", "config_discovery": source},
                {"name": "codec", "typed_config": {"@type": url(CODEC)}}
            ]
        }
    });
    cluster
}

fn source(cluster: &mut Value) -> &mut Value {
    &mut cluster["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]["http_filters"]
        [0]["config_discovery"]
}

fn buffer() -> Value {
    json!({"@type": url(BUFFER), "max_request_bytes": 4})
}

fn extension(config: Value) -> Value {
    json!({"@type": type_url::EXTENSION_CONFIG, "name": "later", "typed_config": config})
}

fn wanted(world: &World) -> Vec<String> {
    world.control.extensions.names().collect()
}

#[test]
fn a_cluster_waits_for_its_filters_and_the_one_before_serves() {
    run(async {
        let mut world = World::new();
        world.push(&[static_cluster("a", 7)]).unwrap();
        world.push(&[cluster("a", &[BUFFER])]).unwrap();
        assert_eq!((world.ports("a"), wanted(&world)), (vec!["10.0.0.1:7".to_owned()], vec!["later".to_owned()]));
        world.push(&[extension(buffer())]).unwrap();
        assert_eq!(world.ports("a"), ["10.0.0.1:1"]);
        assert_eq!(world.value("extension_config_discovery.upstream_http_filter.later.config_reload"), 1);
        // The next that names it has nothing to wait for.
        world.push(&[cluster("a", &[BUFFER]), cluster("b", &[BUFFER])]).unwrap();
        assert!(world.cluster("b").is_some());
    });
}

#[test]
fn a_cluster_that_begins_with_the_default_waits_for_nothing() {
    run(async {
        let mut world = World::new();
        let mut cluster = cluster("a", &[BUFFER]);
        source(&mut cluster)["default_config"] = buffer();
        source(&mut cluster)["apply_default_config_without_warming"] = json!(true);
        world.push(&[cluster]).unwrap();
        assert!(world.cluster("a").is_some());
        assert_eq!(wanted(&world), ["later"]);
    });
}

#[test]
fn a_refused_config_or_a_word_that_there_is_none_ends_the_wait() {
    run(async {
        let mut world = World::new();
        world.push(&[cluster("a", &[BUFFER])]).unwrap();
        let refused = world.refused(&[extension(json!({"@type": url(RBAC)}))]);
        assert!(refused[0].1.contains("but expect envoy.extensions.filters.http.buffer.v3.Buffer"), "{refused:?}");
        assert!(world.cluster("a").is_some());
        let mut world = World::new();
        world.push(&[cluster("a", &[BUFFER])]).unwrap();
        world.take_away(type_url::EXTENSION_CONFIG, &["later"]).unwrap();
        assert!(world.cluster("a").is_some());
    });
}

#[test]
fn a_name_is_forgotten_with_the_last_cluster_that_has_it() {
    run(async {
        let mut world = World::new();
        world.push(&[cluster("a", &[BUFFER])]).unwrap();
        world.push(&[extension(buffer())]).unwrap();
        world.take_away(type_url::CLUSTER, &["a"]).unwrap();
        assert_eq!(wanted(&world), Vec::<String>::new());
        assert!(world.shown(Kind::Extension).is_empty());
    });
}

#[test]
fn what_cannot_stand_behind_the_router_is_refused_where_it_is_named_and_where_it_comes() {
    run(async {
        let mut world = World::new();
        let refused = world.refused(&[cluster("a", &[BUFFER, "envoy.extensions.filters.http.cors.v3.Cors"])]);
        assert!(
            refused[0].1.contains("http_filters[0].config_discovery.type_urls[1]: Error: no factory found"),
            "{refused:?}"
        );
        let mut other = cluster("a", &[BUFFER]);
        source(&mut other)["default_config"] = json!({"@type": url(BUFFER)});
        let refused = world.refused(&[other]);
        assert!(refused[0].1.contains("config_discovery.default_config.max_request_bytes"), "{refused:?}");
    });
}

/// Types that a filter may have are no policy that the cluster has.
#[test]
fn a_cluster_does_not_go_on_for_policy_that_its_filter_could_have_been() {
    run(async {
        let mut world = World::new();
        let faulty = || {
            let mut cluster = cluster("a", &[BUFFER, RBAC]);
            cluster["connect_timeout"] = json!("-1s");
            cluster
        };
        world.push(&[cluster("a", &[BUFFER, RBAC])]).unwrap();
        world.push(&[extension(json!({"@type": url(RBAC), "rules": {}}))]).unwrap();
        world.refused(&[faulty()]);
        assert!(world.cluster("a").is_some(), "the policy is in force");
        world.push(&[extension(buffer())]).unwrap();
        world.refused(&[faulty()]);
        assert!(world.cluster("a").is_none());
    });
}
