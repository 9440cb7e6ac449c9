//! What the network filter `ext_authz` asks. The rest is in `listener/tests/called_services.rs`.

use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use prost::Message as _;
use serde_json::json;

use super::*;
use crate::call::tests::service;
use crate::discoveries::Discoveries;
use crate::stats::Stats;
use crate::telemetry::dynamic::TypedValue;

#[test]
fn the_service_is_told_the_metadata_that_it_may_see() {
    let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
    let config = Config {
        stat_prefix: "p".into(),
        service: Arc::new(service()),
        failure_mode_allow: false,
        include_peer_certificate: false,
        enabled_metadata: None,
        shadow: false,
        labels: vec![("zone".into(), "a".into())],
        include_tls_session: false,
        metadata: names(&["plain", "nothing"]),
        typed_metadata: names(&["typed", "nothing"]),
    };
    let stats = Stats::new(Default::default());
    let discoveries = Discoveries::new(stats.clone());
    let filter = ExtAuthz::compile(&config, &FilterDeps { stats: &stats, discoveries: &discoveries }).unwrap();
    let connection = ConnectionInfo::between(([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into());
    {
        let mut metadata = connection.metadata.borrow_mut();
        for name in ["plain", "typed", "untold"] {
            metadata.set(name, json!({"of": name}));
            metadata.set_typed(&name.into(), TypedValue { type_url: "t/a.B".into(), bytes: "typed".into() });
        }
    }
    let question = CheckRequest::decode(&filter.question(&connection)[..]).unwrap();
    let attributes = question.attributes.unwrap();
    assert_eq!(attributes.destination.unwrap().labels.get("zone").map(String::as_str), Some("a"));
    let told = attributes.metadata_context.unwrap();
    assert_eq!(told.filter_metadata.keys().collect::<Vec<_>>(), ["plain"]);
    let typed: Vec<_> = told.typed_filter_metadata.iter().map(|(name, value)| (&**name, &*value.type_url)).collect();
    assert_eq!(typed, [("typed", "t/a.B")]);
}
