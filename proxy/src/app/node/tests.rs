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
