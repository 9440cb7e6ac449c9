//! Settings that sharpen a feature, or stand at a route: pins, revocation lists, responses that must be shown, policy of one route,
//! conditions under which somebody is asked. Used by the test alone.

use std::net::SocketAddr;

use outrigger_integration::control_plane::ca::Leaf;
use outrigger_integration::parity::der::{self, CLIENT, Key, List, SERVER, Text};
use outrigger_integration::parity::http::tokens;
use outrigger_integration::parity::peers::{base64, hex, pem, sha256};
use rcgen::PublicKeyData;
use serde_json::{Value, json};

use super::filters::{HTTP, feature, filter, of, with_authorizer, without_authorizer};
use super::{EXTENSIONS, Feature, bootstrap, certificate};

const ROUTE: &str =
    "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0/routes/0";

/// All of them. `authorizer` lets everybody in; `own` is shown by the proxy.
pub fn features(authorizer: SocketAddr, own: &Leaf) -> Vec<Feature> {
    let world = World::new();
    vec![
        world.revoked(own),
        world.pinned(own, "verify_certificate_hash", json!(hex(&sha256(&world.leaf)))),
        world.pinned(own, "verify_certificate_spki", json!(base64(&sha256(&world.key.pair.subject_public_key_info())))),
        world.stapled(own),
        origins(),
        policy_of_a_route(),
        tokens_of_a_route(),
        audience(),
        authorizer_of_a_route(authorizer),
        asked_where_the_shadow_says_so(authorizer),
    ]
}

/// An authority and a peer, of which everything is known.
struct World {
    root_key: Key,
    root: Vec<u8>,
    key: Key,
    leaf: Vec<u8>,
}

const SERIAL: u8 = 0x11;

impl World {
    fn new() -> World {
        let (root_key, key) = (Key::new(), Key::new());
        let root = Text::new("root", "root", vec![der::constraints(true, None), der::usage(0x06)]);
        let root = root.sign(&root_key, &root_key);
        let leaf = text(&[]).sign(&key, &root_key);
        World { root_key, root, key, leaf }
    }

    fn peer(&self) -> Leaf {
        Leaf { chain: pem("CERTIFICATE", &self.leaf), key: pem("PRIVATE KEY", &self.key.pair.serialize_der()) }
    }

    fn feature(&self, name: &'static str, own: &Leaf, validation: Value) -> Feature {
        let context = json!({
            "require_client_certificate": true,
            "common_tls_context": {"tls_certificates": [certificate(own)], "validation_context": validation},
        });
        Feature { peer: Some(self.peer()), ..feature(name, bootstrap(Some(context), vec![], vec![])) }
    }

    fn revoked(&self, own: &Leaf) -> Feature {
        let list = |list: List, key: &Key| pem("X509 CRL", &list.sign(key));
        let good = list(List::new("root", &[]), &self.root_key);
        let validation = json!({
            "trusted_ca": {"inline_string": pem("CERTIFICATE", &self.root)},
            "crl": {"inline_string": good},
        });
        let text = context("/validation_context/crl/inline_string");
        let others = Key::new();
        Feature {
            pieces: vec![context("/validation_context"), context("/validation_context/trusted_ca")],
            spoiled: vec![
                (text, json!(list(List::new("root", &[SERIAL]), &self.root_key))),
                (text, json!(list(List::new("root", &[]), &others))),
                (text, json!(list(List::new("other", &[]), &others))),
                (text, json!(list(List { until: Some("240101000000Z"), ..List::new("root", &[]) }, &self.root_key))),
                (text, json!("nothing")),
                (text, json!("")),
                (context("/validation_context/crl"), json!({"filename": "/nowhere/at/all"})),
                (context("/validation_context/crl"), json!({})),
            ],
            ..self.feature("a revocation list", own, validation)
        }
    }

    fn pinned(&self, own: &Leaf, field: &str, pin: Value) -> Feature {
        let wrong = if field.ends_with("hash") { json!(hex(&[7; 32])) } else { json!(base64(&[7; 32])) };
        let validation = json!({field: [pin]});
        let at: &'static str = context(&format!("/validation_context/{field}"));
        Feature {
            pieces: vec![context("/validation_context"), at],
            spoiled: vec![(at, json!([wrong])), (at, json!(["nothing"])), (at, json!([""]))],
            ..self.feature(
                if field.ends_with("hash") { "a certificate that is pinned" } else { "a key that is pinned" },
                own,
                validation,
            )
        }
    }

    /// A certificate that must show a response is refused without one, and so is a context that demands it.
    fn stapled(&self, own: &Leaf) -> Feature {
        let must = text(&[der::extension("1.3.6.1.5.5.7.1.24", false, &der::seq(&[&[2, 1, 5]]))]);
        let must = pem("CERTIFICATE", &must.sign(&self.key, &self.root_key));
        let context_all = json!({
            "ocsp_staple_policy": "LENIENT_STAPLING",
            "common_tls_context": {"tls_certificates": [certificate(own)]},
        });
        let policy = "/static_resources/listeners/0/filter_chains/0/transport_socket/typed_config/ocsp_staple_policy";
        let must = Leaf { chain: must, ..self.peer() };
        Feature {
            spoiled: vec![(policy, json!("MUST_STAPLE")), (context("/tls_certificates/0"), certificate(&must))],
            ..feature("a response that must be shown", bootstrap(Some(context_all), vec![], vec![]))
        }
    }
}

fn text(more: &[Vec<u8>]) -> Text {
    let names = der::sans(&[der::uri("spiffe://mesh/peer")]);
    let mut extensions = vec![der::constraints(false, None), der::usage(0x80), der::extended(&[SERVER, CLIENT]), names];
    extensions.extend_from_slice(more);
    Text { serial: vec![SERIAL], ..Text::new("leaf", "root", extensions) }
}

fn context(pointer: &str) -> &'static str {
    format!("{}{pointer}", super::CONTEXT).leak()
}

fn route(pointer: &str) -> &'static str {
    format!("{ROUTE}{pointer}").leak()
}

/// With settings of the one route for the filter `f`.
fn with_route(mut bootstrap: Value, message: &str, mut settings: Value) -> Value {
    settings["@type"] = format!("{EXTENSIONS}.filters.http.{message}").into();
    bootstrap.pointer_mut(ROUTE).expect("a route")["typed_per_filter_config"] = json!({"f": settings});
    bootstrap
}

fn all(action: &str) -> Value {
    json!({"action": action, "policies": {"p": {"permissions": [{"any": true}], "principals": [{"any": true}]}}})
}

fn origins() -> Feature {
    let config = json!({
        "filter_enabled": {"default_value": {"numerator": 100}},
        "additional_origins": [{"exact": "friend"}],
    });
    Feature {
        method: "POST",
        headers: "origin: http://friend\r\ncontent-length: 0\r\n".into(),
        pieces: vec![
            of(HTTP, "/filter_enabled"),
            of(HTTP, "/filter_enabled/default_value"),
            of(HTTP, "/additional_origins"),
            of(HTTP, "/additional_origins/0/exact"),
        ],
        spoiled: vec![(of(HTTP, "/additional_origins/0/exact"), json!("another"))],
        ..feature("origins", bootstrap(None, vec![filter("http.csrf", "CsrfPolicy", config)], vec![]))
    }
}

fn policy_of_a_route() -> Feature {
    let base = bootstrap(None, vec![filter("http.rbac", "RBAC", json!({"rules": all("DENY")}))], vec![]);
    let rules = "/typed_per_filter_config/f/rbac/rules";
    Feature {
        pieces: vec![
            route("/typed_per_filter_config/f"),
            route("/typed_per_filter_config"),
            route(&format!("{rules}/policies")),
            route(&format!("{rules}/policies/p")),
            route(&format!("{rules}/policies/p/permissions")),
            route(&format!("{rules}/policies/p/principals")),
        ],
        spoiled: vec![
            (route(&format!("{rules}/policies/p/permissions/0")), json!({})),
            (route(&format!("{rules}/action")), json!("DENY")),
        ],
        ..feature(
            "policy of a route",
            with_route(base, "rbac.v3.RBACPerRoute", json!({"rbac": {"rules": all("ALLOW")}})),
        )
    }
}

fn provider(key: &tokens::Key) -> Value {
    let set = json!({"keys": [key.jwk(&json!({"kid": "1"}))]}).to_string();
    json!({"issuer": "i", "audiences": ["us"], "local_jwks": {"inline_string": set}})
}

fn token(key: &tokens::Key) -> String {
    let claims = json!({"iss": "i", "aud": "us", "exp": 4_102_444_800_u64}).to_string();
    let token = key.token(&json!({"alg": "RS256", "kid": "1"}), &claims).expect("a token");
    format!("authorization: Bearer {token}\r\n")
}

fn tokens_of_a_route() -> Feature {
    let key = tokens::Key::rsa().expect("a key");
    let config = json!({
        "providers": {"p": provider(&key)},
        "requirement_map": {"r": {"provider_name": "p"}},
    });
    let base = bootstrap(None, vec![filter("http.jwt_authn", "JwtAuthentication", config)], vec![]);
    let name = "/typed_per_filter_config/f/requirement_name";
    Feature {
        headers: token(&key),
        pieces: vec![
            of(HTTP, "/requirement_map"),
            of(HTTP, "/requirement_map/r"),
            of(HTTP, "/providers"),
            of(HTTP, "/providers/p"),
            of(HTTP, "/providers/p/local_jwks"),
            route(name),
        ],
        spoiled: vec![(route(name), json!("another")), (of(HTTP, "/providers/p/issuer"), json!("another"))],
        ..feature(
            "tokens of a route",
            with_route(base, "jwt_authn.v3.PerRouteConfig", json!({"requirement_name": "r"})),
        )
    }
}

fn audience() -> Feature {
    let key = tokens::Key::rsa().expect("a key");
    let mut config = json!({
        "providers": {"p": provider(&key)},
        "rules": [{"match": {"prefix": "/"}, "requires": {"requires_all": {"requirements": [
            {"provider_name": "p"}, {"provider_and_audiences": {"provider_name": "p", "audiences": ["us"]}},
        ]}}}],
    });
    config["providers"]["p"]["from_headers"] = json!([{"name": "authorization", "value_prefix": "Bearer "}]);
    config["providers"]["p"]["require_expiration"] = json!(true);
    // Else the first to read the token takes it away.
    config["providers"]["p"]["forward"] = json!(true);
    let rule = "/rules/0/requires/requires_all/requirements";
    Feature {
        headers: token(&key),
        pieces: vec![of(HTTP, &format!("{rule}/1/provider_and_audiences/provider_name")), of(HTTP, "/rules/0/match")],
        spoiled: vec![
            (of(HTTP, "/providers/p/audiences/0"), json!("others")),
            (of(HTTP, &format!("{rule}/1/provider_and_audiences/audiences/0")), json!("others")),
            (of(HTTP, rule), json!([])),
            (of(HTTP, &format!("{rule}/0")), json!({"requires_any": {"requirements": []}})),
            (of(HTTP, "/providers/p/from_headers/0/name"), json!("x-another")),
            (of(HTTP, "/providers/p/from_headers/0/value_prefix"), json!("Token ")),
        ],
        ..feature(
            "what tokens say",
            bootstrap(None, vec![filter("http.jwt_authn", "JwtAuthentication", config)], vec![]),
        )
    }
}

fn authorizer_of_a_route(authorizer: SocketAddr) -> Feature {
    let service = |cluster: &str| json!({"envoy_grpc": {"cluster_name": cluster}, "timeout": "5s"});
    let filters = vec![filter("http.ext_authz", "ExtAuthz", json!({"grpc_service": service("sds")}))];
    let base = with_authorizer(bootstrap(None, filters, vec![]), authorizer, true);
    let settings = json!({"check_settings": {"grpc_service": service("authorizer")}});
    let at = "/typed_per_filter_config/f/check_settings";
    let (mut pieces, mut spoiled) = without_authorizer();
    pieces.extend([route("/typed_per_filter_config"), route(at), route(&format!("{at}/grpc_service"))]);
    spoiled.push((route(&format!("{at}/grpc_service/envoy_grpc/cluster_name")), json!("nobody")));
    Feature {
        pieces,
        spoiled,
        ..feature("an authoriser of a route", with_route(base, "ext_authz.v3.ExtAuthzPerRoute", settings))
    }
}

/// As istiod sends a policy of the kind CUSTOM.
fn asked_where_the_shadow_says_so(authorizer: SocketAddr) -> Feature {
    let mut rules = all("DENY");
    rules["policies"] = json!({"istio-ext-authz-ns[a]-policy[b]-rule[0]": rules["policies"]["p"]});
    let shadow = filter(
        "http.rbac",
        "RBAC",
        json!({
            "shadow_rules": rules, "shadow_rules_stat_prefix": "istio_ext_authz_",
        }),
    );
    let asked = filter(
        "http.ext_authz",
        "ExtAuthz",
        json!({
            "grpc_service": {"envoy_grpc": {"cluster_name": "authorizer"}, "timeout": "5s"},
            "filter_enabled_metadata": {
                "filter": "envoy.filters.http.rbac",
                "path": [{"key": "istio_ext_authz_shadow_effective_policy_id"}],
                "value": {"string_match": {"prefix": "istio-ext-authz"}},
            },
        }),
    );
    let asked_at = HTTP.replace("http_filters/0", "http_filters/1");
    let condition = |pointer: &str| of(&asked_at, &format!("/filter_enabled_metadata{pointer}"));
    let policy = "/shadow_rules/policies/istio-ext-authz-ns[a]-policy[b]-rule[0]";
    let (mut pieces, mut spoiled) = without_authorizer();
    pieces.extend([
        of(HTTP, &format!("{policy}/permissions")),
        of(HTTP, &format!("{policy}/principals")),
        condition("/filter"),
        condition("/path"),
        condition("/path/0/key"),
        condition("/value"),
        condition("/value/string_match/prefix"),
        of(&asked_at, "/grpc_service"),
    ]);
    spoiled.extend([
        (of(HTTP, &format!("{policy}/permissions/0")), json!({})),
        (of(HTTP, &format!("{policy}/principals/0")), json!({"not_id": {}})),
    ]);
    let base = bootstrap(None, vec![shadow, asked], vec![]);
    Feature {
        pieces,
        spoiled,
        ..feature("an authoriser that the shadow calls", with_authorizer(base, authorizer, true))
    }
}
