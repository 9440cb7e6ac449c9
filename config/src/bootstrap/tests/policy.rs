//! Fields of policy that there are not.

use serde_json::json;

use super::json as source;
use super::*;
use crate::proto::{listener::v3 as pb, wkt::Any};

/// A listener with a connection manager; `inner` changes it.
fn managed(inner: impl FnOnce(&mut serde_json::Value)) -> String {
    let typed = |name: &str| format!("type.googleapis.com/envoy.extensions.filters.{name}");
    let policy = json!({"permissions": [{"any": true}], "principals": [{"any": true}]});
    let rbac = json!({"@type": typed("http.rbac.v3.RBAC"), "rules": {"action": "DENY", "policies": {"p": policy}}});
    let router = json!({"@type": typed("http.router.v3.Router")});
    let mut manager = json!({
        "@type": typed("network.http_connection_manager.v3.HttpConnectionManager"), "stat_prefix": "s",
        "http_filters": [{"name": "rbac", "typed_config": rbac}, {"name": "r", "typed_config": router}],
        "route_config": {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "direct_response": {"status": 200}}
        ]}]}
    });
    inner(&mut manager);
    let chain = json!({"filters": [{"name": "h", "typed_config": manager}]});
    json!({"static_resources": {"listeners": [{"name": "l", "filter_chains": [chain]}]}}).to_string()
}

/// `actoin: DENY` allows.
#[test]
fn nothing_of_policy_is_left_out_whatever_the_flag_says() {
    let place = "b.json: static_resources.listeners[\"l\"].filter_chains[0].filters[0].typed_config.";
    let of_rbac = "of policy (envoy.extensions.filters.http.rbac.v3.RBAC)";
    let cases: [(&str, &str, String); 6] = [
        (
            "http_filters[0].typed_config.rules.actoin",
            of_rbac,
            managed(|manager| {
                let rules = &mut manager["http_filters"][0]["typed_config"]["rules"];
                rules["actoin"] = rules.as_object_mut().unwrap().remove("action").unwrap();
            }),
        ),
        (
            "http_filters[0].typed_config.rules.policies[\"p\"].permissions[0].url_pth",
            of_rbac,
            managed(|manager| {
                manager["http_filters"][0]["typed_config"]["rules"]["policies"]["p"]["permissions"][0]["url_pth"] =
                    json!({});
            }),
        ),
        // The field is none, and policy stands in it.
        (
            "http_filterss",
            of_rbac,
            managed(|manager| {
                manager["http_filterss"] = manager.as_object_mut().unwrap().remove("http_filters").unwrap();
            }),
        ),
        (
            "route_config.virtual_hosts[0].typed_per_filter_confg",
            "of policy (envoy.extensions.filters.http.rbac.v3.RBACPerRoute)",
            managed(|manager| {
                let settings =
                    json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute"});
                manager["route_config"]["virtual_hosts"][0]["typed_per_filter_confg"] = json!({"rbac": settings});
            }),
        ),
        (
            "",
            "transport_socket.typed_config.require_client_certificat: ",
            json!({"static_resources": {"listeners": [{"name": "l", "filter_chains": [{"transport_socket": {
                "name": "tls", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                    "require_client_certificat": true
                }
            }}]}]}})
            .to_string(),
        ),
        (
            "",
            "static_resources.secrets[\"s\"].validation_context.match_typed_subject_alt_name: ",
            json!({"static_resources": {"secrets": [
                {"name": "s", "validation_context": {"match_typed_subject_alt_name": []}}
            ]}})
            .to_string(),
        ),
    ];
    for (path, words, text) in cases {
        for unknown in [UnknownFields::Ignore, UnknownFields::Reject] {
            let reason = load(&[source(&text)], unknown).unwrap_err().to_string();
            let starts = path.is_empty() || reason.starts_with(&format!("{place}{path}: is not a field of "));
            assert!(starts && reason.contains("check its spelling"), "{reason}");
            assert!(unknown == UnknownFields::Reject || reason.contains(words), "{reason}");
            assert!(!reason.contains("--allow-unknown-static-fields") && reason.contains("no flag leaves"), "{reason}");
        }
    }
    let beside = managed(|manager| manager["of_tomorrow"] = json!({"a": 1}));
    assert_eq!(load(&[source(&beside)], UnknownFields::Ignore).unwrap().unknown.len(), 1);
    let nowhere = r#"{"static_resources": {"listenerss": [{"a": {"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"}}]}}"#;
    let reason = load(&[source(nowhere)], UnknownFields::Ignore).unwrap_err().to_string();
    assert!(
        reason.starts_with("b.json: static_resources.listenerss: is not a field of") && reason.contains(of_rbac),
        "{reason}"
    );
}

/// A listener of the control plane whose RBAC is this.
fn pushed(rbac: &serde_json::Value) -> crate::Rejection {
    let text = managed(|manager| manager["http_filters"][0]["typed_config"] = rbac.clone());
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut listener = document["static_resources"]["listeners"][0].clone();
    listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
    listener["address"] = json!({"socket_address": {"address": "127.0.0.1", "port_value": 0}});
    let bytes = crate::dump::encode(&listener).unwrap();
    crate::listener::decode(&bytes, &Options::default()).unwrap_err()
}

#[test]
fn nothing_of_policy_in_a_struct_is_left_out_and_no_advice_says_how() {
    let rbac = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC";
    let policies = json!({"p": {"permissions": [{"any": true}], "principals": [{"any": true}]}});
    let rejection = pushed(&json!({
        "@type": "type.googleapis.com/xds.type.v3.TypedStruct", "type_url": rbac,
        "value": {"rules": {"actoin": "DENY", "policies": policies}}
    }));
    assert!(rejection.path.ends_with("http_filters[0].typed_config.value.rules.actoin"), "{rejection}");
    assert!(rejection.withholds_policy && !rejection.reason.contains("--"), "{rejection}");
    // A field of tomorrow in octets, where the filter stands does not matter.
    let value = vec![0xc0, 0x3e, 1];
    let typed = pb::listener_filter::ConfigType::TypedConfig(Any { type_url: rbac.to_owned(), value });
    let filter = pb::ListenerFilter { name: "r".to_owned(), config_type: Some(typed), ..Default::default() };
    let listener = pb::Listener { listener_filters: vec![filter], ..Default::default() };
    let strict = Options::new(UnknownFields::Reject, true);
    let rejection = crate::listener::decode(&listener.encode_to_vec(), &strict).unwrap_err();
    assert!(rejection.reason.starts_with("field number 1000 is not known in"), "{rejection}");
    assert!(rejection.reason.contains("policy") && !rejection.reason.contains("--"), "{rejection}");
}
