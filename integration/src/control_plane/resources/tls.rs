//! TLS contexts and the SDS sources in them.
//!
//! Called by clusters and listeners. Must never carry a key: those come over SDS.

use serde_json::{Value, json};

/// The config source for what comes over the ADS stream.
pub(super) fn ads() -> Value {
    json!({ "ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3" })
}

fn sds(name: &str) -> Value {
    json!({
        "name": name,
        "sds_config": {
            "api_config_source": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "grpc_services": [{ "envoy_grpc": { "cluster_name": "sds-grpc" } }],
                "set_node_on_first_message_only": true
            },
            "initial_fetch_timeout": "0s",
            "resource_api_version": "V3"
        }
    })
}

/// What an ingress port terminates with.
pub(super) fn downstream(trust_domain: &str, alpn: &[&str]) -> Value {
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "tls_params": {
                    "tls_minimum_protocol_version": "TLSv1_2",
                    "tls_maximum_protocol_version": "TLSv1_3",
                    "cipher_suites": [
                        "ECDHE-ECDSA-AES256-GCM-SHA384",
                        "ECDHE-RSA-AES256-GCM-SHA384",
                        "ECDHE-ECDSA-AES128-GCM-SHA256",
                        "ECDHE-RSA-AES128-GCM-SHA256",
                        "AES256-GCM-SHA384",
                        "AES128-GCM-SHA256"
                    ]
                },
                "tls_certificate_sds_secret_configs": [sds("default")],
                "combined_validation_context": {
                    "default_validation_context": {
                        "match_subject_alt_names": [{ "prefix": format!("spiffe://{trust_domain}/") }]
                    },
                    "validation_context_sds_secret_config": sds("ROOTCA")
                },
                "alpn_protocols": alpn
            },
            "require_client_certificate": true
        }
    })
}

/// What auto-mTLS originates with.
pub(super) fn upstream(sni: &str, alpn: &[&str], identities: &[String]) -> Value {
    let names: Vec<Value> = identities.iter().map(|identity| json!({ "exact": identity })).collect();
    let validation = if names.is_empty() { json!({}) } else { json!({ "match_subject_alt_names": names }) };
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "common_tls_context": {
                "tls_params": {
                    "tls_minimum_protocol_version": "TLSv1_2",
                    "tls_maximum_protocol_version": "TLSv1_3"
                },
                "tls_certificate_sds_secret_configs": [sds("default")],
                "combined_validation_context": {
                    "default_validation_context": validation,
                    "validation_context_sds_secret_config": sds("ROOTCA")
                },
                "alpn_protocols": alpn
            },
            "sni": sni
        }
    })
}
