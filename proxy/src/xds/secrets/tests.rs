//! Tests of `secrets`.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use config::tls::{SdsName, SdsSource};
use serde_json::{Value, json};
use xds_client::type_url;

use super::super::testing::{Told, World, bytes, static_cluster, tcp_listener};
use crate::cluster::testing::run;
use crate::store::{Kind, Stored};
use crate::tls::testing::Authority;

fn certificate(name: &str, chain: &str, key: &str) -> Value {
    json!({
        "@type": type_url::SECRET, "name": name,
        "tls_certificate": {"certificate_chain": {"inline_string": chain}, "private_key": {"inline_string": key}}
    })
}

fn good(name: &str) -> Value {
    let leaf = Authority::new("mesh").issue("spiffe://mesh/ns/a/sa/b");
    certificate(name, &leaf.chain, &leaf.key)
}

fn over_ads(name: &str) -> Value {
    json!([{"name": name, "sds_config": {"ads": {}, "initial_fetch_timeout": "0s"}}])
}

fn with_tls(mut resource: Value, side: &str, name: &str) -> Value {
    let context = json!({
        "@type": format!("type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{side}TlsContext"),
        "common_tls_context": {"tls_certificate_sds_secret_configs": over_ads(name)}
    });
    let socket = json!({"name": "tls", "typed_config": context});
    match side {
        "Downstream" => resource["filter_chains"][0]["transport_socket"] = socket,
        _ => resource["transport_socket"] = socket,
    }
    resource
}

#[test]
fn a_cluster_and_a_listener_wait_for_their_secret_and_the_ones_before_go_on() {
    run(async {
        let mut world = World::new();
        world.push(&[static_cluster("c", 1)]).unwrap();
        world.push(&[tcp_listener("l", "c")]).unwrap();
        assert_eq!(world.told(), [Told::Listen(0)]);
        world.push(&[with_tls(static_cluster("c", 2), "Upstream", "own")]).unwrap();
        world.push(&[with_tls(tcp_listener("l", "c"), "Downstream", "own")]).unwrap();
        assert_eq!((world.told(), world.ports("c")), (vec![], vec!["10.0.0.1:1".to_owned()]));
        world.push(&[good("another")]).unwrap();
        assert_eq!(world.told(), []);
        world.push(&[good("own")]).unwrap();
        assert_eq!((world.told(), world.ports("c")), (vec![Told::Replace(0)], vec!["10.0.0.1:2".to_owned()]));
    });
}

#[test]
fn a_secret_that_does_not_parse_is_named_and_the_one_before_stays() {
    run(async {
        let mut world = World::new();
        let first = good("default");
        world.push(std::slice::from_ref(&first)).unwrap();
        let shown = world.control.secrets.secrets.certificates();
        let refused = world.refused(&[certificate("default", "this is no PEM", "nor is this"), good("beside")]);
        assert!(refused.len() == 1 && refused[0].0 == "default", "{refused:?}");
        assert!(refused[0].1.contains("secret default"), "{}", refused[0].1);
        assert!(refused[0].1.contains("; it must hold a BEGIN CERTIFICATE block"), "what to do: {}", refused[0].1);
        assert!(!refused[0].1.contains("nor is this"), "keys are not printed: {}", refused[0].1);
        assert_eq!(world.active(Kind::Secret, "default"), Some(bytes(&first)));
        assert!(world.shown_refusal(Kind::Secret, "default").is_some());
        let secrets = &world.control.secrets.secrets;
        assert!(secrets.has("beside"));
        assert!(secrets.certificates().iter().any(|facts| facts.serial == shown[0].serial), "the old one is in use");
    });
}

#[test]
fn bytes_that_are_no_secret_are_refused() {
    run(async {
        let mut world = World::new();
        let watches = &mut world.control.secrets;
        let reason = watches
            .apply(&Arc::from("default"), Stored::now(Bytes::from_static(b"\xff\xff"), &Arc::from("1")))
            .unwrap_err();
        assert!(!reason.is_empty());
        assert!(!watches.secrets.has("default"));
    });
}

#[test]
fn a_source_that_is_no_static_cluster_leaves_the_rest_alone() {
    run(async {
        let mut world = World::new();
        let wanted = |cluster: &str| SdsName {
            name: "default".into(),
            source: SdsSource::Cluster(cluster.into()),
            initial_fetch_timeout: None,
        };
        let needed: HashSet<SdsName> = [wanted("nowhere")].into();
        world.control.secrets.want(&needed);
        world.control.secrets.want(&needed);
        assert!(world.control.secrets.clients.is_empty());
        assert_eq!(world.control.secrets.unknown.len(), 1, "it is told once");
        assert!(!world.control.secrets.are_ready(&[wanted("nowhere")], std::time::Instant::now()));
    });
}
