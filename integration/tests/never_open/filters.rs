//! Filters that judge requests and connections, each with all that it needs. Used by the test alone.

use std::net::SocketAddr;

use outrigger_integration::parity::http::tokens::Key;
use serde_json::{Value, json};

use super::{EXTENSIONS, Feature, bootstrap};

pub const HTTP: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0";
const NETWORK: &str = "/static_resources/listeners/0/filter_chains/0/filters/0";
/// The cluster of the authoriser.
const CLUSTER: &str = "/static_resources/clusters/1";

/// All of them. `authorizer` lets everybody in.
pub fn features(authorizer: SocketAddr) -> Vec<Feature> {
    vec![
        basic_auth(),
        api_key_auth(),
        tokens(),
        asked_over_grpc(authorizer),
        asked_over_http(authorizer),
        asked_about_connections(authorizer),
        discovered(),
        credential(),
    ]
}

pub fn filter(kind: &str, message: &str, mut config: Value) -> Value {
    config["@type"] = format!("{EXTENSIONS}.filters.{kind}.v3.{message}").into();
    json!({"name": "f", "typed_config": config})
}

pub fn feature(name: &'static str, bootstrap: Value) -> Feature {
    Feature { name, bootstrap, ..Feature::default() }
}

/// A pointer that begins at the filter.
pub fn of(base: &str, pointer: &str) -> &'static str {
    format!("{base}/typed_config{pointer}").leak()
}

fn basic_auth() -> Feature {
    let users = "ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=";
    let config = json!({"users": {"inline_string": users}});
    Feature {
        headers: "authorization: Basic YW5uOnBhc3N3b3Jk\r\n".into(),
        pieces: vec![of(HTTP, "/users")],
        spoiled: vec![
            (of(HTTP, "/users/inline_string"), json!("")),
            (of(HTTP, "/users/inline_string"), json!("nothing")),
            (of(HTTP, "/users/inline_string"), json!("bob:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=")),
            (of(HTTP, "/users"), json!({"filename": "/nowhere/at/all"})),
        ],
        ..feature("passwords", bootstrap(None, vec![filter("http.basic_auth", "BasicAuth", config)], vec![]))
    }
}

fn api_key_auth() -> Feature {
    let config = json!({"credentials": [{"key": "k", "client": "c"}], "key_sources": [{"header": "x-key"}]});
    Feature {
        headers: "x-key: k\r\n".into(),
        pieces: vec![
            of(HTTP, "/credentials"),
            of(HTTP, "/credentials/0"),
            of(HTTP, "/credentials/0/key"),
            of(HTTP, "/key_sources"),
            of(HTTP, "/key_sources/0"),
        ],
        spoiled: vec![
            (of(HTTP, "/credentials/0/key"), json!("another")),
            (of(HTTP, "/key_sources/0/header"), json!("x-another")),
        ],
        ..feature("keys", bootstrap(None, vec![filter("http.api_key_auth", "ApiKeyAuth", config)], vec![]))
    }
}

fn tokens() -> Feature {
    let (key, other) = (Key::rsa().expect("a key"), Key::rsa().expect("a key"));
    let set = |key: &Key| json!({"keys": [key.jwk(&json!({"kid": "1"}))]}).to_string();
    let header = json!({"alg": "RS256", "kid": "1"});
    let token = key.token(&header, &json!({"iss": "i", "exp": 4_102_444_800_u64}).to_string()).expect("a token");
    let config = json!({
        "providers": {"p": {"issuer": "i", "local_jwks": {"inline_string": set(&key)}}},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}],
    });
    let fetched = json!({"issuer": "i", "remote_jwks": {
        "http_uri": {"uri": "http://sds/keys", "cluster": "sds", "timeout": "1s"},
    }});
    Feature {
        headers: format!("authorization: Bearer {token}\r\n"),
        pieces: vec![
            of(HTTP, "/providers"),
            of(HTTP, "/providers/p"),
            of(HTTP, "/providers/p/local_jwks"),
            of(HTTP, "/providers/p/local_jwks/inline_string"),
        ],
        spoiled: vec![
            (of(HTTP, "/providers/p/issuer"), json!("another")),
            (of(HTTP, "/providers/p/local_jwks/inline_string"), json!(set(&other))),
            (of(HTTP, "/providers/p/local_jwks/inline_string"), json!("nothing")),
            (of(HTTP, "/providers/p/local_jwks/inline_string"), json!("{\"keys\": []}")),
            (of(HTTP, "/providers/p"), fetched),
            (of(HTTP, "/rules/0/requires/provider_name"), json!("another")),
        ],
        ..feature("tokens", bootstrap(None, vec![filter("http.jwt_authn", "JwtAuthentication", config)], vec![]))
    }
}

/// With a cluster for it; `http2`: it speaks gRPC.
pub fn with_authorizer(mut bootstrap: Value, authorizer: SocketAddr, http2: bool) -> Value {
    let address = json!({"socket_address": {"address": authorizer.ip().to_string(), "port_value": authorizer.port()}});
    let mut cluster = bootstrap["static_resources"]["clusters"][0].clone();
    cluster["name"] = "authorizer".into();
    cluster["load_assignment"]["cluster_name"] = "authorizer".into();
    cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"] = address;
    if !http2 {
        cluster.as_object_mut().expect("an object").remove("typed_extension_protocol_options");
    }
    bootstrap["static_resources"]["clusters"].as_array_mut().expect("a list").push(cluster);
    bootstrap
}

/// Whoever is to be asked is gone, or somewhere else.
pub fn without_authorizer() -> (Vec<&'static str>, Vec<(&'static str, Value)>) {
    let below = |pointer: &str| -> &'static str { format!("{CLUSTER}{pointer}").leak() };
    let endpoints = below("/load_assignment/endpoints");
    let address = below("/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address");
    (vec![CLUSTER, endpoints], vec![(endpoints, json!([])), (address, json!({"pipe": {"path": "SOCKET.nobody"}}))])
}

fn asked_over_grpc(authorizer: SocketAddr) -> Feature {
    let config = json!({"grpc_service": {"envoy_grpc": {"cluster_name": "authorizer"}, "timeout": "5s"}});
    let filters = vec![filter("http.ext_authz", "ExtAuthz", config)];
    let (mut pieces, mut spoiled) = without_authorizer();
    pieces.push(of(HTTP, "/grpc_service"));
    spoiled.push((of(HTTP, "/grpc_service/envoy_grpc/cluster_name"), json!("nobody")));
    // What answers is no authoriser.
    spoiled.push((of(HTTP, "/grpc_service/envoy_grpc/cluster_name"), json!("sds")));
    let bootstrap = with_authorizer(bootstrap(None, filters, vec![]), authorizer, true);
    Feature { pieces, spoiled, ..feature("an authoriser over gRPC", bootstrap) }
}

fn asked_over_http(authorizer: SocketAddr) -> Feature {
    let uri = json!({"uri": "http://authorizer", "cluster": "authorizer", "timeout": "5s"});
    let filters = vec![filter("http.ext_authz", "ExtAuthz", json!({"http_service": {"server_uri": uri}}))];
    let (mut pieces, mut spoiled) = without_authorizer();
    pieces.extend([of(HTTP, "/http_service"), of(HTTP, "/http_service/server_uri")]);
    spoiled.push((of(HTTP, "/http_service/server_uri/cluster"), json!("nobody")));
    let bootstrap = with_authorizer(bootstrap(None, filters, vec![]), authorizer, false);
    Feature { pieces, spoiled, ..feature("an authoriser over HTTP", bootstrap) }
}

fn asked_about_connections(authorizer: SocketAddr) -> Feature {
    let config = json!({
        "stat_prefix": "a",
        "grpc_service": {"envoy_grpc": {"cluster_name": "authorizer"}, "timeout": "5s"},
    });
    let network = vec![filter("network.ext_authz", "ExtAuthz", config)];
    let (mut pieces, mut spoiled) = without_authorizer();
    pieces.push(of(NETWORK, "/grpc_service"));
    spoiled.push((of(NETWORK, "/grpc_service/envoy_grpc/cluster_name"), json!("nobody")));
    let bootstrap = with_authorizer(bootstrap(None, vec![], network), authorizer, true);
    Feature { pieces, spoiled, ..feature("an authoriser of connections", bootstrap) }
}

/// A filter that is to be discovered, of a control plane that is not there: its default lets pass, and without it nothing does.
fn discovered() -> Feature {
    let rules =
        json!({"action": "ALLOW", "policies": {"p": {"permissions": [{"any": true}], "principals": [{"any": true}]}}});
    let default = filter("http.rbac", "RBAC", json!({"rules": rules}))["typed_config"].clone();
    let discovery = json!({"name": "f", "config_discovery": {
        "config_source": {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0.5s"},
        "default_config": default,
        "apply_default_config_without_warming": true,
        "type_urls": [format!("{EXTENSIONS}.filters.http.rbac.v3.RBAC")],
    }});
    let mut bootstrap = bootstrap(None, vec![discovery], vec![]);
    bootstrap["dynamic_resources"] = json!({"ads_config": {
        "api_type": "GRPC", "transport_api_version": "V3", "grpc_services": [{"envoy_grpc": {"cluster_name": "sds"}}],
    }});
    bootstrap["node"] = json!({"id": "n", "cluster": "c"});
    let below = |pointer: &str| -> &'static str { format!("{HTTP}/config_discovery{pointer}").leak() };
    Feature {
        pieces: vec![below("/default_config"), below("/type_urls"), below("/config_source")],
        spoiled: vec![
            (below("/default_config/rules/policies"), json!({})),
            (below("/type_urls/0"), json!(format!("{EXTENSIONS}.filters.http.cors.v3.Cors"))),
        ],
        ..feature("a filter that is discovered", bootstrap)
    }
}

/// What this workload shows to services: without it nothing is sent.
fn credential() -> Feature {
    let generic = json!({
        "@type": format!("{EXTENSIONS}.http.injected_credentials.generic.v3.Generic"),
        "credential": {"name": "token"},
    });
    let config = json!({"credential": {"name": "generic", "typed_config": generic}});
    let filters = vec![filter("http.credential_injector", "CredentialInjector", config)];
    let mut bootstrap = bootstrap(None, filters, vec![]);
    bootstrap["static_resources"]["secrets"] =
        json!([{"name": "token", "generic_secret": {"secret": {"inline_string": "t"}}}]);
    let secret = "/static_resources/secrets/0";
    let below = |pointer: &str| -> &'static str { format!("{secret}{pointer}").leak() };
    let fetched = json!({"name": "token", "sds_config": {"api_config_source": {
        "api_type": "GRPC", "transport_api_version": "V3", "grpc_services": [{"envoy_grpc": {"cluster_name": "sds"}}],
    }}});
    Feature {
        pieces: vec![secret, below("/generic_secret"), below("/generic_secret/secret"), of(HTTP, "/credential")],
        spoiled: vec![
            (below("/generic_secret/secret/inline_string"), json!("")),
            (below("/generic_secret/secret/inline_string"), json!("a\nb")),
            (below("/generic_secret/secret"), json!({"filename": "/nowhere/at/all"})),
            (below("/name"), json!("another")),
            (of(HTTP, "/credential/typed_config/credential"), fetched),
        ],
        ..feature("a credential", bootstrap)
    }
}
