//! Tests of `secrets`.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use config::tls::{SdsName, SdsSource, SecretId};
use config::xds_server::XdsServer;
use serde_json::{Value, json};
use xds_client::type_url;

use super::super::testing::{Told, World, bytes, static_cluster, tcp_listener};
use crate::cluster::testing::run;
use crate::store::{Kind, Stored};
use crate::tls::testing::{Authority, server};

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
fn a_secret_of_another_kind_than_is_wanted_is_refused_and_the_one_before_stays() {
    run(async {
        let mut world = World::new();
        world.push(&[static_cluster("c", 1)]).unwrap();
        world.push(&[with_tls(tcp_listener("l", "c"), "Downstream", "own")]).unwrap();
        let roots = Authority::new("mesh").issue("spiffe://mesh/ns/a/sa/b").chain;
        let roots = json!({
            "@type": type_url::SECRET, "name": "own", "validation_context": {"trusted_ca": {"inline_string": roots}}
        });
        let first = good("own");
        for before in [None, Some(bytes(&first))] {
            let refused = world.refused(std::slice::from_ref(&roots));
            let words = "secret own: it is validation_context, and is named where tls_certificate is wanted";
            assert!(refused.len() == 1 && refused[0].1.starts_with(words), "{refused:?}");
            assert_eq!(world.active(Kind::Secret, "own"), before);
            assert!(world.shown_refusal(Kind::Secret, "own").is_some());
            // The listener waits for its certificate, and has it in the end.
            assert_eq!(world.told(), if before.is_some() { vec![Told::Listen(0)] } else { vec![] });
            world.push(std::slice::from_ref(&first)).unwrap();
        }
    });
}

#[test]
fn a_secret_that_does_not_parse_is_named_and_the_one_before_stays() {
    run(async {
        let mut world = World::new();
        world.control.settle(None);
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
        assert!(secrets.has(&SecretId::over_ads(&"beside".into())));
        assert!(secrets.certificates().iter().any(|facts| facts.serial == shown[0].serial), "the old one is in use");
    });
}

#[test]
fn bytes_that_are_no_secret_are_refused() {
    run(async {
        let mut world = World::new();
        let watches = &mut world.control.secrets;
        let id = SecretId::over_ads(&"default".into());
        let reason = watches.apply(&id, Stored::now(Bytes::from_static(b"\xff\xff"), &Arc::from("1"))).unwrap_err();
        assert!(!reason.is_empty());
        assert!(!watches.secrets.has(&id));
    });
}

#[test]
fn a_source_that_is_no_static_cluster_leaves_the_rest_alone() {
    run(async {
        let mut world = World::new();
        let wanted = |cluster: &str| SdsName {
            name: "default".into(),
            source: SdsSource::Server(Arc::new(server(cluster))),
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

fn id(source: SdsSource, name: &str) -> SecretId {
    SecretId { source, name: name.into() }
}

fn stored(secret: &Value, version: &str) -> Stored {
    Stored::now(bytes(secret), &version.into())
}

#[test]
fn each_source_has_its_own_secret_of_a_name() {
    run(async {
        let mut world = World::new();
        let watches = &mut world.control.secrets;
        let other = SdsSource::Server(Arc::new(server("other")));
        let with_token = XdsServer { metadata: vec![("token".into(), "t".into())], ..server("other") };
        let sources = [SdsSource::Ads, SdsSource::Static, other, SdsSource::Server(Arc::new(with_token))];
        for (number, source) in sources.iter().enumerate() {
            assert!(!watches.secrets.has(&id(source.clone(), "default")));
            watches.apply(&id(source.clone(), "default"), stored(&good("default"), &number.to_string())).unwrap();
        }
        assert_eq!(watches.secrets.certificates().len(), 4);
        let shown = watches.snapshot().entries;
        let mut versions: Vec<_> = shown.iter().map(|entry| &*entry.active.as_ref().unwrap().version).collect();
        versions.sort_unstable();
        assert_eq!(versions, ["0", "1", "2", "3"]);
        assert!(shown.iter().all(|entry| &*entry.name == "default"));
        assert_eq!(shown.iter().filter(|entry| entry.is_static).count(), 1);
    });
}

#[test]
fn a_listener_takes_the_secret_of_its_own_source() {
    run(async {
        let mut world = World::new();
        world.push(&[static_cluster("c", 1)]).unwrap();
        world.push(&[with_tls(tcp_listener("l", "c"), "Downstream", "default")]).unwrap();
        let elsewhere = id(SdsSource::Server(Arc::new(server("sds-grpc"))), "default");
        world.control.secrets.apply(&elsewhere, stored(&good("default"), "1")).unwrap();
        world.control.settle(None);
        assert_eq!(world.told(), []);
        world.push(&[good("default")]).unwrap();
        assert_eq!(world.told(), [Told::Listen(0)]);
    });
}

#[test]
fn a_secret_that_nobody_needs_any_more_is_forgotten() {
    run(async {
        let mut world = World::new();
        world.push(&[static_cluster("c", 1)]).unwrap();
        let listener = with_tls(tcp_listener("l", "c"), "Downstream", "own");
        world.push(std::slice::from_ref(&listener)).unwrap();
        world.push(&[good("own")]).unwrap();
        assert_eq!(world.told(), [Told::Listen(0)]);
        let of_bootstrap = id(SdsSource::Static, "fixed");
        world.control.secrets.apply(&of_bootstrap, stored(&good("fixed"), "")).unwrap();
        world.take_away(type_url::LISTENER, &["l"]).unwrap();
        assert_eq!(world.told(), [Told::Stop(0)]);
        assert!(!world.control.secrets.secrets.has(&id(SdsSource::Ads, "own")));
        assert_eq!(world.active(Kind::Secret, "own"), None);
        assert!(world.control.secrets.secrets.has(&of_bootstrap), "it is never sent again");
        world.push(&[listener]).unwrap();
        assert_eq!(world.told(), [], "the old one is not used again");
        world.push(&[good("own")]).unwrap();
        assert_eq!(world.told(), [Told::Listen(1)]);
    });
}

#[test]
fn a_secret_that_is_sent_again_unchanged_builds_nothing() {
    run(async {
        let mut world = World::new();
        world.control.settle(None);
        let secret = good("own");
        world.push(std::slice::from_ref(&secret)).unwrap();
        let own = id(SdsSource::Ads, "own");
        let before = world.control.secrets.secrets.version(&own);
        world.push(&[secret]).unwrap();
        assert_eq!(world.control.secrets.secrets.version(&own), before);
        world.push(&[good("own")]).unwrap();
        assert_ne!(world.control.secrets.secrets.version(&own), before);
    });
}

#[test]
fn a_secret_that_the_bootstrap_does_not_have_is_refused_with_who_names_it() {
    run(async {
        let mut world = World::new();
        world.push(&[static_cluster("c", 1)]).unwrap();
        for (side, resource) in [("Downstream", tcp_listener("l", "c")), ("Upstream", static_cluster("d", 1))] {
            let mut resource = with_tls(resource, side, "fixed");
            let socket = match side {
                "Downstream" => &mut resource["filter_chains"][0]["transport_socket"],
                _ => &mut resource["transport_socket"],
            };
            socket["typed_config"]["common_tls_context"]["tls_certificate_sds_secret_configs"] =
                json!([{"name": "fixed"}]);
            let refused = world.refused(std::slice::from_ref(&resource));
            assert!(refused[0].1.contains("Unknown static secret: fixed; add it"), "{}", refused[0].1);
            let fixed = id(SdsSource::Static, "fixed");
            world.control.secrets.apply(&fixed, stored(&good("fixed"), "")).unwrap();
            world.push(&[resource]).unwrap();
            world.control.secrets.secrets.forget(|_| false);
        }
    });
}
