//! Tests of `policy`: every way in which a resource may carry it.

use serde_json::{Value, json};

use super::{HttpFilters, Policy};
use crate::dump;

const RBAC: &str = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC";
const PER_ROUTE: &str = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute";
const MANAGER: &str =
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const TLS: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";

fn listener(filter: Value) -> Policy {
    of_chain(json!({"filters": [{"name": "f", "typed_config": filter}]}))
}

fn of_chain(chain: Value) -> Policy {
    let listener = json!({
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": "a", "filter_chains": [chain]
    });
    Policy::of_listener(&dump::encode(&listener).unwrap())
}

fn typed_struct(wrapper: &str, type_url: &str, value: Value) -> Value {
    json!({"@type": format!("type.googleapis.com/{wrapper}"), "type_url": type_url, "value": value})
}

#[test]
fn policy_is_found_wherever_it_stands() {
    let none = Policy::default();
    let filter = json!({"name": "rbac", "typed_config": {"@type": RBAC}});
    let discovered = json!({"name": "later", "config_discovery": {"config_source": {"ads": {}}, "type_urls": [RBAC]}});
    let inside = typed_struct("xds.type.v3.TypedStruct", RBAC, json!({}));
    let manager = |filters: Value| json!({"@type": MANAGER, "http_filters": filters});
    let route = |any: Value| {
        let route = json!({"match": {"prefix": "/"}, "typed_per_filter_config": {"rbac": any}});
        json!({"@type": MANAGER, "route_config": {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [route]}]}})
    };
    let wrapped =
        json!({"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {"@type": PER_ROUTE}});
    let cases = [
        ("an HTTP filter", manager(json!([filter]))),
        ("an HTTP filter in a TypedStruct", manager(json!([{"name": "r", "typed_config": inside}]))),
        ("one to be discovered", manager(json!([discovered]))),
        (
            "a manager in a TypedStruct",
            typed_struct("udpa.type.v1.TypedStruct", MANAGER, json!({"http_filters": [filter]})),
        ),
        (
            "in camel case",
            typed_struct(
                "udpa.type.v1.TypedStruct",
                MANAGER,
                json!({"httpFilters": [{"name": "r", "typedConfig": {"@type": RBAC}}]}),
            ),
        ),
        ("settings of a route", route(json!({"@type": PER_ROUTE}))),
        ("wrapped settings of a route", route(wrapped)),
    ];
    for (what, filter) in cases {
        assert!(listener(filter).exceeds(&none), "{what}");
    }
    assert!(!listener(manager(json!([]))).exceeds(&none));
    assert!(
        Policy::of_cluster(b"\xff\xff no message, and yet envoy.extensions.filters.http.rbac.v3.RBAC").exceeds(&none)
    );
}

#[test]
fn a_chain_that_demands_certificates_carries_policy() {
    let none = Policy::default();
    let chain = |tls: Value| of_chain(json!({"transport_socket": {"name": "tls", "typed_config": tls}}));
    let inside = |value| chain(typed_struct("xds.type.v3.TypedStruct", TLS, value));
    assert!(chain(json!({"@type": TLS, "require_client_certificate": true})).exceeds(&none));
    assert!(inside(json!({"requireClientCertificate": true})).exceeds(&none));
    assert!(inside(json!({"require_client_certificate": true})).exceeds(&none));
    assert!(inside(json!({"require_client_certificate": {"no": "bool"}})).exceeds(&none), "it may");
    assert!(!chain(json!({"@type": TLS, "require_client_certificate": false})).exceeds(&none));
}

#[test]
fn a_part_is_compared_with_itself_and_a_new_one_takes_nothing_down() {
    let chain = |port: u16, filters: usize| {
        let filter = json!({"name": "rbac", "typed_config": {"@type": RBAC}});
        let manager = json!({"@type": MANAGER, "http_filters": vec![filter; filters]});
        let matches = json!({"destination_port": port});
        json!({"filter_chain_match": matches, "filters": [{"name": "f", "typed_config": manager}]})
    };
    let of = |chains: &[Value]| {
        let url = "type.googleapis.com/envoy.config.listener.v3.Listener";
        Policy::of_listener(&dump::encode(&json!({"@type": url, "name": "a", "filter_chains": chains})).unwrap())
    };
    let before = of(&[chain(1, 1), chain(2, 0)]);
    assert!(!of(&[chain(1, 1), chain(2, 0), chain(3, 1)]).exceeds(&before), "another chain beside them");
    assert!(of(&[chain(1, 1), chain(2, 1)]).exceeds(&before), "a chain that had none");
    assert!(of(&[chain(1, 2)]).exceeds(&before), "a chain that had less");
    assert!(!of(&[chain(1, 0)]).exceeds(&before));
    assert!(of(&[chain(1, 1), chain(3, 1)]).exceeds(&before), "a chain that had none, and now matches something else");
    assert!(!of(&[chain(3, 1), chain(2, 0)]).exceeds(&before), "one that had as much");
    assert!(of(&[chain(3, 1)]).exceeds(&of(&[chain(2, 0)])), "the first policy of all");
    // The default chain is another one than that which matches all.
    let with_default = |filters: usize| {
        let mut all = chain(1, filters);
        all.as_object_mut().unwrap().remove("filter_chain_match");
        let url = "type.googleapis.com/envoy.config.listener.v3.Listener";
        let listener = json!({"@type": url, "name": "a", "filter_chains": [all], "default_filter_chain": chain(2, 1)});
        Policy::of_listener(&dump::encode(&listener).unwrap())
    };
    assert!(with_default(1).exceeds(&with_default(0)));
}

#[test]
fn no_more_plaintext_is_policy() {
    let chain = |port: u16, demands: bool| {
        let tls = json!({"@type": TLS, "require_client_certificate": demands});
        let matches = json!({"destination_port": port});
        json!({"filter_chain_match": matches, "transport_socket": {"name": "tls", "typed_config": tls}})
    };
    let of = |chains: &[Value]| {
        let url = "type.googleapis.com/envoy.config.listener.v3.Listener";
        Policy::of_listener(&dump::encode(&json!({"@type": url, "name": "a", "filter_chains": chains})).unwrap())
    };
    let permissive = of(&[chain(1, true), chain(2, false)]);
    assert!(of(&[chain(1, true)]).exceeds(&permissive), "strict");
    assert!(!permissive.exceeds(&of(&[chain(1, true)])));
    assert!(!of(&[chain(1, true), chain(2, false), chain(3, true)]).exceeds(&permissive));
}

#[test]
fn virtual_hosts_are_compared_each() {
    let of = |hosts: &[(&str, usize)]| {
        let host = |(name, routes): &(&str, usize)| {
            let route = json!({"match": {"prefix": "/"}, "typed_per_filter_config": {"rbac": {"@type": PER_ROUTE}}});
            json!({"name": name, "domains": [name], "routes": vec![route; *routes]})
        };
        let hosts: Vec<Value> = hosts.iter().map(host).collect();
        let url = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
        Policy::of_routes(
            &dump::encode(&json!({"@type": url, "name": "t", "virtual_hosts": hosts})).unwrap(),
            &HttpFilters::default(),
        )
    };
    let before = of(&[("a", 1), ("b", 0)]);
    assert!(of(&[("b", 1)]).exceeds(&before));
    assert!(!of(&[("a", 1), ("b", 0), ("c", 1)]).exceeds(&before));
    assert!(of(&[("a", 1), ("c", 1)]).exceeds(&before), "it may be the other one under a new name");
    assert!(of(&[("c", 1)]).exceeds(&of(&[("b", 0)])));
}

/// What is only tried, or switched off, forbids nothing: a version that has no more than that lacks the policy of one that acts.
#[test]
fn policy_that_does_not_act_is_none() {
    let all = json!({"p": {"permissions": [{"any": true}], "principals": [{"any": true}]}});
    let of = |filter: Value| listener(json!({"@type": MANAGER, "http_filters": [filter]}));
    let rbac = |rules: Value| {
        let mut config = json!({"@type": RBAC});
        config.as_object_mut().unwrap().append(&mut rules.as_object().unwrap().clone());
        json!({"name": "rbac", "typed_config": config})
    };
    let denies = of(rbac(json!({"rules": {"action": "DENY", "policies": all}})));
    let nobody_may = of(rbac(json!({"rules": {"action": "ALLOW"}})));
    let mut off = rbac(json!({"rules": {"action": "DENY", "policies": all}}));
    off["disabled"] = true.into();
    let idle = [
        ("only tried", of(rbac(json!({"shadow_rules": {"action": "DENY", "policies": all}})))),
        ("switched off", of(off)),
        ("denies nobody", of(rbac(json!({"rules": {"action": "DENY"}})))),
        ("only notes", of(rbac(json!({"rules": {"action": "LOG", "policies": all}})))),
        ("no rules", of(rbac(json!({})))),
    ];
    for (what, idle) in &idle {
        assert!(denies.exceeds(idle) && nobody_may.exceeds(idle), "{what}");
        assert!(!idle.exceeds(idle) && !idle.exceeds(&denies), "{what}");
    }
    assert!(!denies.exceeds(&denies) && !nobody_may.exceeds(&denies));
}

/// How peers are verified is policy, too, of listeners and of clusters.
#[test]
fn demands_on_certificates_are_policy() {
    let roots = json!({"trusted_ca": {"inline_string": "x"}});
    let mut named = roots.clone();
    named["match_typed_subject_alt_names"] = json!([{"san_type": "URI", "matcher": {"exact": "spiffe://a/b"}}]);
    let mut two_names = named.clone();
    two_names["match_typed_subject_alt_names"]
        .as_array_mut()
        .unwrap()
        .push(json!({"san_type": "URI", "matcher": {"exact": "c"}}));
    let mut revoked = roots.clone();
    revoked["crl"] = json!({"inline_string": "x"});
    let common = |context: &Value| json!({"validation_context": context});
    let chain = |context: &Value| {
        let tls = json!({"@type": TLS, "require_client_certificate": true, "common_tls_context": common(context)});
        of_chain(json!({"transport_socket": {"name": "tls", "typed_config": tls}}))
    };
    let upstream = TLS.replace("Downstream", "Upstream");
    let cluster = |context: Option<&Value>| {
        let mut cluster = json!({"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "c"});
        if let Some(context) = context {
            let tls = json!({"@type": upstream, "common_tls_context": common(context)});
            cluster["transport_socket"] = json!({"name": "tls", "typed_config": tls});
        }
        Policy::of_cluster(&dump::encode(&cluster).unwrap())
    };
    for stricter in [&named, &revoked] {
        assert!(chain(stricter).exceeds(&chain(&roots)) && !chain(&roots).exceeds(&chain(stricter)));
        assert!(cluster(Some(stricter)).exceeds(&cluster(Some(&roots))));
        assert!(!cluster(Some(&roots)).exceeds(&cluster(Some(stricter))));
    }
    assert!(cluster(Some(&json!({}))).exceeds(&cluster(None)), "TLS where there was none");
    assert!(!cluster(None).exceeds(&cluster(Some(&roots))));
    assert!(!chain(&two_names).exceeds(&chain(&named)), "another name may come in: that is no demand");
}

fn http(filters: Value, routes: Value) -> Policy {
    let host = json!({"name": "v", "domains": ["*"], "routes": routes});
    listener(json!({"@type": MANAGER, "http_filters": filters, "route_config": {"virtual_hosts": [host]}}))
}

fn one(package: &str, mut config: Value) -> Policy {
    config["@type"] = json!(format!("type.googleapis.com/envoy.extensions.filters.http.{package}"));
    http(json!([{"name": "f", "typed_config": config}]), json!([]))
}

/// Versions of one filter by how much they judge: each may stand in for those above it, and for those beside it.
#[test]
fn what_lets_all_pass_stands_in_for_nothing_and_what_judges_some_not_for_what_judges_all() {
    let rbac = |rules: Value| one("rbac.v3.RBAC", json!({"rules": rules}));
    let policies = |permission: Value| json!({"p": {"permissions": [permission], "principals": [{"any": true}]}});
    let path = |path: &str| json!({"url_path": {"path": {"exact": path}}});
    let tree = |otherwise: &str, matches: bool| {
        let action = |action: &str| {
            json!({"action": {"name": "a", "typed_config": {
            "@type": "type.googleapis.com/envoy.config.rbac.v3.Action", "name": "a", "action": action}}})
        };
        let input = json!({"name": "i", "typed_config": {
            "@type": "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput", "header_name": "x"}});
        let list = json!({"matchers": [{"on_match": action("DENY"), "predicate":
            {"single_predicate": {"input": input, "value_match": {"exact": "a"}}}}]});
        let mut tree = json!({"on_no_match": action(otherwise)});
        if matches {
            tree["matcher_list"] = list;
        }
        one("rbac.v3.RBAC", json!({"matcher": tree}))
    };
    let jwt = |rules: Value| {
        let keys = json!({"inline_string": "{}"});
        one("jwt_authn.v3.JwtAuthentication", json!({"providers": {"p": {"local_jwks": keys}}, "rules": rules}))
    };
    let rule = |path: &str, requires: Value| json!({"match": {"prefix": path}, "requires": requires});
    let provider = json!({"provider_name": "p"});
    let or_missing = json!({"requires_any": {"requirements": [provider, {"allow_missing": {}}]}});
    let or_failed = json!({"requires_any": {"requirements": [provider, {"allow_missing_or_failed": {}}]}});
    let authz = |config: Value| one("ext_authz.v3.ExtAuthz", config);
    let csrf =
        |share: u32| one("csrf.v3.CsrfPolicy", json!({"filter_enabled": {"default_value": {"numerator": share}}}));
    let cases = [
        (
            "rules",
            vec![
                rbac(json!({"action": "ALLOW", "policies": policies(json!({"any": true}))})),
                rbac(
                    json!({"action": "ALLOW", "policies": policies(json!({"or_rules": {"rules": [path("/x"), {"any": true}]}}))}),
                ),
                rbac(json!({"action": "DENY", "policies": {}})),
            ],
            vec![rbac(json!({"action": "DENY", "policies": policies(path("/nope"))}))],
            vec![
                rbac(json!({"action": "DENY", "policies": policies(json!({"any": true}))})),
                rbac(json!({"action": "ALLOW", "policies": policies(path("/admin"))})),
            ],
        ),
        (
            "a tree",
            vec![tree("ALLOW", false)],
            vec![tree("ALLOW", true)],
            vec![tree("DENY", true), tree("DENY", false)],
        ),
        (
            "tokens",
            vec![jwt(json!([])), jwt(json!([{"match": {"prefix": "/"}}])), jwt(json!([rule("/", or_failed)]))],
            vec![jwt(json!([rule("/", or_missing)])), jwt(json!([rule("/other", provider.clone())]))],
            vec![jwt(json!([rule("/", provider.clone())]))],
        ),
        (
            "an authorizer",
            vec![authz(json!({"shadow_mode": true}))],
            vec![authz(json!({"failure_mode_allow": true}))],
            vec![authz(json!({}))],
        ),
        ("a share", vec![csrf(0)], vec![csrf(50)], vec![csrf(100)]),
    ];
    for (what, nothing, some, all) in cases {
        let levels = [nothing, some, all];
        for (more, refused) in levels.iter().enumerate() {
            for (less, serving) in levels.iter().enumerate() {
                for (refused, serving) in refused.iter().flat_map(|one| serving.iter().map(move |other| (one, other))) {
                    assert_eq!(refused.exceeds(serving), more > less, "{what}: {less} for {more}");
                }
            }
        }
    }
}

#[test]
fn what_a_route_switched_off_is_policy_when_it_is_on_again() {
    let deny =
        json!({"action": "DENY", "policies": {"p": {"permissions": [{"any": true}], "principals": [{"any": true}]}}});
    let filters = json!([
        {"name": "rbac", "typed_config": {"@type": RBAC, "rules": deny}},
        {"name": "zip", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.compressor.v3.Compressor"}}
    ]);
    let off = json!({"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": true});
    let told = |name: &str, any: Value| {
        http(filters.clone(), json!([{"match": {"prefix": "/"}, "typed_per_filter_config": {name: any}}]))
    };
    let plain = http(filters.clone(), json!([]));
    assert!(plain.exceeds(&told("rbac", off.clone())));
    assert!(plain.exceeds(&told("rbac", json!({"@type": PER_ROUTE}))));
    assert!(!told("rbac", off.clone()).exceeds(&plain));
    assert!(!plain.exceeds(&told("zip", off.clone())), "no policy");
    // A table does not know its filters: who asks does, as far as there are any.
    let mut known = HttpFilters::default();
    let table = |name: &str, any: Option<Value>, known: &HttpFilters| {
        let per_route = any.map_or(json!({}), |any| json!({name: any}));
        let route = json!({"match": {"prefix": "/"}, "typed_per_filter_config": per_route});
        let host = json!({"name": "v", "domains": ["*"], "routes": [route]});
        let url = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
        Policy::of_routes(&dump::encode(&json!({"@type": url, "name": "t", "virtual_hosts": [host]})).unwrap(), known)
    };
    let counts =
        |name: &str, known: &HttpFilters| table(name, None, known).exceeds(&table(name, Some(off.clone()), known));
    let none = table("rbac", None, &known);
    assert!(!none.exceeds(&none));
    assert!(["rbac", "zip", "around", "later"].iter().all(|name| counts(name, &known)), "nothing is known");
    let holder = json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.composite.v3.Composite"});
    let mut filters = filters.as_array().unwrap().clone();
    filters.push(json!({"name": "around", "typed_config": holder}));
    let resource = |filters: Vec<Value>| {
        let manager = json!({"@type": MANAGER, "http_filters": filters});
        let chain = json!({"filters": [{"name": "hcm", "typed_config": manager}]});
        dump::encode(
            &json!({"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "filter_chains": [chain]}),
        )
        .unwrap()
    };
    known.add_listener(&resource(filters.clone()));
    assert_eq!(["rbac", "zip", "around", "later"].map(|name| counts(name, &known)), [true, false, true, true]);
    // In another chain that name is something else.
    filters[0]["name"] = json!("zip");
    known.add_listener(&resource(filters));
    assert!(counts("zip", &known));
}

#[test]
fn a_host_that_wants_tls_of_its_clients_carries_policy() {
    let of = |tls: &str| {
        let host = json!({"name": "v", "domains": ["*"], "require_tls": tls});
        let url = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
        let table = dump::encode(&json!({"@type": url, "name": "t", "virtual_hosts": [host]})).unwrap();
        let inline = listener(json!({"@type": MANAGER, "route_config": {"virtual_hosts": [host]}}));
        (Policy::of_routes(&table, &HttpFilters::default()), inline)
    };
    let [none, external, all] = ["NONE", "EXTERNAL_ONLY", "ALL"].map(of);
    for (more, less) in [(&external, &none), (&all, &none), (&all, &external)] {
        assert!(more.0.exceeds(&less.0) && more.1.exceeds(&less.1));
        assert!(!less.0.exceeds(&more.0) && !less.1.exceeds(&more.1));
    }
}

/// Filters of an upgrade's own stand in the place of those of all requests.
#[test]
fn a_version_is_held_to_what_its_upgrades_judge() {
    let deny =
        json!({"action": "DENY", "policies": {"p": {"permissions": [{"any": true}], "principals": [{"any": true}]}}});
    let rbac = json!({"name": "rbac", "typed_config": {"@type": RBAC, "rules": deny}});
    let router = json!({"name": "router", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}});
    let version = |all: bool, upgrade: Option<bool>| {
        let filters = |judges: bool| if judges { json!([rbac, router]) } else { json!([router]) };
        let mut websocket = json!({"upgrade_type": "WebSocket"});
        if let Some(judges) = upgrade {
            websocket["filters"] = filters(judges);
        }
        listener(json!({"@type": MANAGER, "http_filters": filters(all), "upgrade_configs": [websocket]}))
    };
    let (plain, everywhere) = (version(false, None), version(true, None));
    let (mixed, upgrades, both) = (version(true, Some(false)), version(false, Some(true)), version(true, Some(true)));
    for (new, old) in [
        (&everywhere, &plain),
        (&upgrades, &plain),
        (&both, &plain),
        (&everywhere, &mixed),
        (&both, &mixed),
        (&upgrades, &mixed),
        (&everywhere, &upgrades),
        (&both, &upgrades),
        (&mixed, &upgrades),
    ] {
        assert!(new.exceeds(old), "{new:?} {old:?}");
    }
    for (new, old) in [
        (&mixed, &mixed),
        (&upgrades, &upgrades),
        (&plain, &mixed),
        (&mixed, &everywhere),
        (&upgrades, &everywhere),
        (&everywhere, &both),
        (&upgrades, &both),
        (&mixed, &both),
    ] {
        assert!(!new.exceeds(old), "{new:?} {old:?}");
    }
}
