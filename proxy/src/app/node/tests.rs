//! Tests of `node`.

use clap::Parser;
use envoy_types::pb::envoy::config::core::v3::Locality;

use super::*;

fn completed(arguments: &[&str]) -> Node {
    let node = Node {
        id: "of-bootstrap".to_owned(),
        cluster: "c".to_owned(),
        locality: Some(Locality { region: "r".to_owned(), zone: "z".to_owned(), ..Locality::default() }),
        ..Node::default()
    };
    let options = Options::parse_from([&["outrigger"], arguments].concat());
    complete(&node.encode_to_vec().into(), &options).unwrap()
}

#[test]
fn the_command_line_counts() {
    let node = completed(&["--service-node", "n", "--service-cluster", "k", "--service-zone", "y"]);
    assert_eq!((&*node.id, &*node.cluster), ("n", "k"));
    let locality = node.locality.unwrap();
    assert_eq!((&*locality.region, &*locality.zone), ("r", "y"));
    let node = completed(&[]);
    assert_eq!((&*node.id, &*node.cluster, &*node.locality.unwrap().zone), ("of-bootstrap", "c", "z"));
}

#[test]
fn it_says_what_this_build_is_and_can_do() {
    let node = completed(&[]);
    let Some(UserAgentVersionType::UserAgentBuildVersion(build)) = node.user_agent_version_type else {
        panic!("a version")
    };
    let version = build.version.unwrap();
    let printed = format!("{}.{}.{}", version.major_number, version.minor_number, version.patch);
    assert_eq!(printed, version::NUMBER);
    let router = node.extensions.iter().find(|extension| extension.name == "envoy.filters.http.router").unwrap();
    assert_eq!(router.category, "envoy.filters.http");
    assert_eq!(router.type_urls, ["envoy.extensions.filters.http.router.v3.Router"]);
    let refused = extensions().find(|entry| entry.state == State::Refused).unwrap();
    assert!(node.extensions.iter().all(|extension| extension.type_urls != [refused.type_name]), "only what acts");
}

/// A bootstrap of this node.
fn bootstrap(node: &str) -> Bootstrap {
    let text = format!(r#"{{"node": {node}}}"#);
    let source = config::bootstrap::Source { name: "b.json", text: &text, is_json: true };
    config::bootstrap::examine(&[source], config::UnknownFields::Reject).bootstrap.unwrap()
}

#[test]
fn the_platform_says_where_a_node_is_that_nobody_else_says() {
    let facts = || Facts {
        region: "eu-central-1".into(),
        zone: "eu-central-1a".into(),
        more: vec![("aws_instance_id", "i-1".into())],
    };
    let options = Options::parse_from(["outrigger"]);
    let found = located(bootstrap(r#"{"id": "n", "metadata": {"a": "b"}}"#), &options, facts);
    let node = Node::decode(found.node.clone()).unwrap();
    let locality = node.locality.unwrap();
    assert_eq!((&*locality.region, &*locality.zone), ("eu-central-1", "eu-central-1a"));
    let platform = serde_json::json!({ "aws_region": "eu-central-1", "aws_availability_zone": "eu-central-1a",
        "aws_instance_id": "i-1" });
    assert_eq!(*found.node_metadata, serde_json::json!({ "a": "b", "PLATFORM_METADATA": platform }));
    assert!(node.metadata.unwrap().fields.contains_key("PLATFORM_METADATA"));
    let read = found.options(config::UnknownFields::Reject);
    assert_eq!((&*read.node_locality.region, &*read.node_locality.zone), ("eu-central-1", "eu-central-1a"));

    let told = bootstrap(r#"{"id": "n", "locality": {"zone": "z"}}"#);
    let before = told.node.clone();
    assert_eq!(located(told, &options, || panic!("nobody is asked")).node, before);
    let zone = Options::parse_from(["outrigger", "--service-zone", "y"]);
    let told = bootstrap(r#"{"id": "n"}"#);
    let before = told.node.clone();
    assert_eq!(located(told, &zone, || panic!("nobody is asked")).node, before);
    let nowhere = bootstrap(r#"{"id": "n"}"#);
    let before = nowhere.node.clone();
    assert_eq!(located(nowhere, &options, Facts::default).node, before);
}
