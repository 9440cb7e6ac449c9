//! Tests of `transport`.

use std::sync::Arc;

use config::cluster::TransportMatch;
use config::secret::TlsCertificate;
use config::tls::SecretSource;
use serde_json::json;

use super::*;
use crate::cluster::testing::{address, config, eds, endpoint};
use crate::tls::testing::{Authority, file, istio_client};

fn criteria(pairs: &[(&str, serde_json::Value)]) -> Criteria {
    Criteria(pairs.iter().map(|(key, value)| (Arc::from(*key), value.clone())).collect())
}

fn entry(name: &str, pairs: &[(&str, serde_json::Value)], transport: UpstreamTransport) -> TransportMatch {
    TransportMatch { name: name.into(), criteria: criteria(pairs), transport }
}

fn chosen(cluster: &Cluster, pairs: &[(&str, serde_json::Value)]) -> Option<u16> {
    let transports = Transports::new(cluster, &Secrets::new()).expect("good transports");
    let endpoint = Endpoint { transport_socket_match: criteria(pairs), ..endpoint(address(1)) };
    transports.choose(cluster, &endpoint)
}

#[test]
fn the_first_match_wins_and_an_empty_one_matches_all() {
    let cluster = Cluster {
        transport_matches: vec![
            entry("hbone", &[("tunnel", json!("http"))], UpstreamTransport::Internal),
            entry("tlsMode-istio", &[("tlsMode", json!("istio"))], UpstreamTransport::Raw),
            entry("tlsMode-disabled", &[], UpstreamTransport::Raw),
        ],
        ..config(eds())
    };
    assert_eq!(chosen(&cluster, &[("tlsMode", json!("istio"))]), Some(1));
    assert_eq!(chosen(&cluster, &[("tlsMode", json!("istio")), ("more", json!(1))]), Some(1));
    assert_eq!(chosen(&cluster, &[("tlsMode", json!("other"))]), Some(2));
    assert_eq!(chosen(&cluster, &[]), Some(2));
    assert_eq!(chosen(&cluster, &[("tunnel", json!("http"))]), None, "an internal upstream is never selectable");
}

#[test]
fn without_a_match_the_cluster_s_own_transport_is_taken() {
    let cluster = Cluster {
        transport_matches: vec![entry("a", &[("x", json!(true)), ("y", json!("z"))], UpstreamTransport::Internal)],
        ..config(eds())
    };
    assert_eq!(chosen(&cluster, &[("x", json!(true))]), Some(1));
    assert_eq!(chosen(&cluster, &[("x", json!(true)), ("y", json!("z"))]), None);
}

#[test]
fn the_locality_s_metadata_is_asked_when_the_endpoint_s_fits_nothing() {
    let cluster = Cluster {
        transport_matches: vec![
            entry("a", &[("x", json!(1))], UpstreamTransport::Raw),
            entry("b", &[("x", json!(2))], UpstreamTransport::Raw),
        ],
        ..config(eds())
    };
    let transports = Transports::new(&cluster, &Secrets::new()).expect("good transports");
    let chosen = |own: &[(&str, serde_json::Value)], of_locality: &[(&str, serde_json::Value)]| {
        let locality_socket_match = Arc::new(criteria(of_locality));
        let transport_socket_match = criteria(own);
        transports.choose(&cluster, &Endpoint { transport_socket_match, locality_socket_match, ..endpoint(address(1)) })
    };
    assert_eq!(chosen(&[], &[("x", json!(1))]), Some(0));
    assert_eq!(chosen(&[("x", json!(2))], &[("x", json!(1))]), Some(1), "the endpoint's own comes first");
    assert_eq!(chosen(&[("x", json!(3))], &[("x", json!(3))]), Some(2));
}

#[test]
fn a_proxy_protocol_wrapper_is_as_good_as_what_it_wraps() {
    let wrap = |inner| UpstreamTransport::ProxyProtocol {
        version: 2,
        added: Arc::default(),
        passes: Default::default(),
        inner: Box::new(inner),
    };
    let cluster = Cluster { transport: wrap(UpstreamTransport::Raw), ..config(eds()) };
    assert_eq!(chosen(&cluster, &[]), Some(0));
    let transports = Transports::new(&cluster, &Secrets::new()).expect("good transports");
    assert_eq!(transports.get(0).proxy_protocol(), Some(2));
    assert_eq!(transports.get(7).proxy_protocol(), None);
    let cluster = Cluster { transport: wrap(UpstreamTransport::Internal), ..config(eds()) };
    assert_eq!(chosen(&cluster, &[]), None);
}

#[test]
fn files_of_a_context_are_read_before_the_first_connection_needs_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let leaf = Authority::new("mesh").issue("spiffe://mesh/ns/a/sa/b");
    let paths = [("chain.pem", &leaf.chain), ("key.pem", &leaf.key)].map(|(name, text)| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    });
    let pair = TlsCertificate { chain: file(&paths[0]), key: file(&paths[1]), password: None, staple: None };
    let mut tls = istio_client(&[], vec![]);
    tls.common.certificates = vec![SecretSource::Inline(Arc::new(pair))];
    let cluster = Cluster { transport: UpstreamTransport::Tls(Arc::new(tls)), ..config(eds()) };
    let transports = Transports::new(&cluster, &Secrets::new()).expect("good transports");
    folder.close().expect("removed");
    let context = transports.get(0).tls().expect("TLS").context();
    assert!(context.is_ok(), "{:?}", context.err());
}
