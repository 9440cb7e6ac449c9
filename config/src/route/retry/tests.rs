//! Tests of `retry`.

use serde_json::json;

use super::*;

fn read(policy: serde_json::Value) -> Result<RetryPolicy, Rejection> {
    let mut message = policy;
    message["@type"] = "type.googleapis.com/envoy.config.route.v3.RetryPolicy".into();
    let bytes = crate::dump::encode(&message)?;
    policy_of(&proto::message(&bytes, &At::root())?)
}

fn policy_of(proto: &pb::RetryPolicy) -> Result<RetryPolicy, Rejection> {
    policy(&At::root(), proto, &Options::default())
}

fn predicate(name: &str, mut config: serde_json::Value) -> serde_json::Value {
    config["@type"] = format!("type.googleapis.com/envoy.extensions.retry.host.{name}").into();
    json!({ "name": "p", "typed_config": config })
}

#[test]
fn words_are_taken_in_any_order_and_apart_by_kind() {
    let on = RetryOn::parse("5xx, cancelled,nonsense, http3-post-connect-failure ,reset");
    assert_eq!(on.http().0, RetryOn::SERVER_ERROR | RetryOn::RESET);
    assert_eq!(on.grpc().0, RetryOn::GRPC_CANCELLED);
}

#[test]
fn headers_that_say_how_long_to_wait() {
    let policy = read(json!({ "rate_limited_retry_back_off": {
        "reset_headers": [{ "name": "Retry-After" }, { "name": "x-reset", "format": "UNIX_TIMESTAMP" }],
    } }));
    let found = policy.unwrap().rate_limited.unwrap();
    let expected = [("retry-after", false), ("x-reset", true)];
    let expected = expected.map(|(name, is_timestamp)| ResetHeader { name: name.into(), is_timestamp });
    assert_eq!(found, RateLimitedBackOff { headers: expected.into(), max_interval: Duration::from_secs(300) });
}

#[test]
fn predicates_of_hosts() {
    let policy = read(json!({ "retry_host_predicate": [
        predicate("previous_hosts.v3.PreviousHostsPredicate", json!({})),
        predicate("omit_canary_hosts.v3.OmitCanaryHostsPredicate", json!({})),
        predicate("omit_host_metadata.v3.OmitHostMetadataConfig", json!({
            "metadata_match": { "filter_metadata": { "envoy.lb": { "tier": "a" }, "other": { "x": 1 } } },
        })),
    ] }));
    let labels = vec![("tier".into(), json!("a"))];
    let expected = [HostPredicate::PreviousHosts, HostPredicate::OmitCanaryHosts, HostPredicate::OmitMetadata(labels)];
    assert_eq!(policy.unwrap().predicates, expected);
    let priority = json!({ "name": "p", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
        "update_frequency": 2,
    } });
    assert!(read(json!({ "retry_host_predicate": [priority] })).is_err(), "it is no predicate of hosts");
    assert_eq!(read(json!({ "retry_priority": priority })).unwrap().previous_priorities, Some(2));
}

#[test]
fn predicates_of_options_are_unknown_to_envoy_too() {
    let unknown = predicate("previous_hosts.v3.PreviousHostsPredicate", json!({}));
    let error = read(json!({ "retry_options_predicates": [unknown] })).unwrap_err().to_string();
    assert!(
        error.starts_with("retry_options_predicates[0]: Didn't find a registered implementation for 'p'"),
        "{error}"
    );
}
