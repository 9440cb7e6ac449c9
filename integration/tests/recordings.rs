//! What a real istiod sent, all of it: complete, free of keys, and understood.

use std::collections::BTreeSet;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::config::listener::v3::Listener;
use envoy_types::pb::envoy::config::route::v3::RouteConfiguration;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{Secret, secret};
use outrigger_integration::recordings::{Recording, SECRET, TYPES};
use prost::Message;

#[test]
fn each_resource_is_of_its_type_and_bears_its_name() {
    for recording in Recording::all().unwrap() {
        for (kind, type_url) in TYPES {
            for resource in recording.resources(kind).unwrap() {
                let any = resource.resource.as_ref().unwrap();
                assert_eq!(any.type_url, *type_url, "{} {}", recording.name(), resource.name);
                let name = match *kind {
                    "cds" => Cluster::decode(any.value.as_slice()).unwrap().name,
                    "eds" => ClusterLoadAssignment::decode(any.value.as_slice()).unwrap().cluster_name,
                    "lds" => Listener::decode(any.value.as_slice()).unwrap().name,
                    "rds" => RouteConfiguration::decode(any.value.as_slice()).unwrap().name,
                    _ => resource.name.clone(),
                };
                assert_eq!(name, resource.name, "{} {kind}", recording.name());
            }
        }
    }
}

#[test]
fn the_recordings_that_others_count_on_are_there() {
    let names: BTreeSet<_> = Recording::all().unwrap().iter().map(Recording::name).collect();
    for name in ["bookinfo", "bookinfo-stock-envoy", "rich", "tcp-and-tls"] {
        assert!(names.contains(name), "{name} is missing among {names:?}");
        let recording = Recording::named(name);
        for kind in ["cds", "eds", "lds", "rds"] {
            assert!(!recording.resources(kind).unwrap().is_empty(), "{name} has no {kind}");
        }
        assert!(serde_json::from_str::<serde_json::Value>(&recording.bootstrap().unwrap()).is_ok());
    }
}

#[test]
fn secrets_are_two_and_hold_no_key() {
    for recording in Recording::all().unwrap() {
        let secrets = recording.secrets().unwrap();
        let decode = |any: &envoy_types::pb::google::protobuf::Any| {
            assert_eq!(any.type_url, SECRET);
            Secret::decode(any.value.as_slice()).unwrap()
        };
        let secrets: Vec<_> = secrets.iter().map(decode).collect();
        assert_eq!(secrets.iter().map(|secret| secret.name.as_str()).collect::<Vec<_>>(), ["default", "ROOTCA"]);
        let Some(secret::Type::TlsCertificate(certificate)) = &secrets[0].r#type else {
            panic!("default is a certificate")
        };
        assert!(certificate.private_key.is_none() && certificate.certificate_chain.is_some());
    }
}

/// Everything is understood: istiod's default mode must not lose a resource.
#[test]
fn clusters_endpoints_and_routes_translate() {
    let options = config::Options::default();
    for recording in Recording::all().unwrap() {
        for (kind, translate) in TRANSLATE {
            for resource in recording.resources(kind).unwrap() {
                let rejection = translate(&bytes(&resource), &options);
                assert_eq!(rejection, None, "{} {kind} {}", recording.name(), resource.name);
            }
        }
    }
}

/// A listener is refused only where it carries a policy that does not act yet, and the refusal names the filter.
#[test]
fn listeners_translate_or_name_the_policy() {
    let options = config::Options::default();
    for recording in Recording::all().unwrap() {
        for resource in recording.resources("lds").unwrap() {
            let Err(rejection) = config::listener::decode(&bytes(&resource), &options) else { continue };
            let text = rejection.to_string();
            assert_eq!(recording.name(), "rich", "{} is refused: {text}", resource.name);
            let policies = ["JwtAuthentication", "ExtAuthz"];
            assert!(policies.iter().any(|policy| text.contains(policy)), "{}: {text}", resource.name);
        }
    }
}

type Translate = fn(&[u8], &config::Options) -> Option<config::Rejection>;

const TRANSLATE: [(&str, Translate); 3] = [
    ("cds", |bytes, options| config::cluster::decode(bytes, options).err()),
    ("eds", |bytes, options| config::endpoint::decode(bytes, options).err()),
    ("rds", |bytes, options| config::route::decode(bytes, options).err()),
];

fn bytes(resource: &envoy_types::pb::envoy::service::discovery::v3::Resource) -> Vec<u8> {
    resource.resource.as_ref().expect("a recorded resource has a body").value.clone()
}
