//! Which service a cluster stands for.

use std::sync::Arc;

use config::metadata::Metadata;
use serde_json::json;

use super::*;

fn metadata(service: serde_json::Value) -> Arc<Metadata> {
    Arc::new(Metadata::from([("istio", json!({ "services": [service] }))]))
}

#[test]
fn a_cluster_says_which_service_it_is_and_is_asked_once() {
    let labels = metadata(json!({ "host": "a.b.svc", "name": "a", "namespace": "b" }));
    let service = service_of(Some("default"), Goes::To("outbound|80||a.b.svc", &labels));
    assert_eq!((&*service.host, &*service.name, &*service.namespace), ("a.b.svc", "a", "b"));
    assert_eq!(service_of(None, Goes::To("outbound|80||a.b.svc", &labels)).number, service.number);
    // Another version of the cluster is read anew.
    let labels = metadata(json!({ "host": "c.d.svc" }));
    let service = service_of(None, Goes::To("outbound|80||a.b.svc", &labels));
    assert_eq!((&*service.host, &*service.name, &*service.namespace), ("c.d.svc", "c", ""));
}

#[test]
fn what_leads_nowhere_in_the_mesh_is_called_by_its_name() {
    let labels = metadata(json!({ "host": "a.b.svc", "name": "a", "namespace": "b" }));
    let names = |route: Option<&str>, cluster: &str| {
        let service = service_of(route, Goes::To(cluster, &labels));
        (service.host.to_string(), service.name.to_string())
    };
    assert_eq!(names(Some("allow_any"), "x"), (String::new(), "PassthroughCluster".into()));
    assert_eq!(names(Some("block_all"), "x"), (String::new(), "BlackHoleCluster".into()));
    assert_eq!(names(None, "InboundPassthroughCluster"), (String::new(), "InboundPassthroughCluster".into()));
    let nothing = service_of(None, Goes::Nowhere);
    assert_eq!((&*nothing.host, &*nothing.name), ("", ""));
}
