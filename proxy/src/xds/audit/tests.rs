//! What is worth a line, and what it says.

use std::time::{Duration, UNIX_EPOCH};

use config::secret::SecretKind;
use config::tls::SecretId;
use serde_json::{Value, json};

use super::*;
use crate::tls::Secrets;
use crate::tls::testing::{Authority, crl, roots, secret};
use crate::xds::testing::bytes;

const PER_ROUTE: &str = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute";

fn table(prefix: &str, policy: Option<&str>) -> Vec<u8> {
    let per_filter =
        |policy: &str| json!({"a": {"@type": PER_ROUTE, "rbac": {"rules": {}, "shadow_rules_stat_prefix": policy}}});
    let text = json!({
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": prefix,
        "typed_per_filter_config": policy.map_or(Value::Null, per_filter),
    });
    bytes(&text).to_vec()
}

#[test]
fn policy_that_comes_changes_or_goes_is_told_and_nothing_else() {
    let told = |before: Option<Vec<u8>>, after: Option<Vec<u8>>| {
        change(Carrier::Routes, before.as_deref(), after.as_deref()).unwrap_or_default()
    };
    let (plain, one, two) = (table("a", None), table("a", Some("one")), table("a", Some("two")));
    assert_eq!(told(None, Some(plain.clone())), "");
    assert_eq!(
        told(None, Some(one.clone())),
        "is in force where chains have the filters: filters.http.rbac.v3.RBACPerRoute for 'a' x1"
    );
    assert_eq!(
        told(Some(plain.clone()), Some(one.clone())),
        "is in force where chains have the filters: filters.http.rbac.v3.RBACPerRoute for 'a' x1"
    );
    assert_eq!(told(Some(one.clone()), Some(table("b", Some("one")))), "", "the rest has changed");
    let changed = told(Some(one.clone()), Some(two));
    assert_eq!(
        changed,
        "has changed: filters.http.rbac.v3.RBACPerRoute for 'a' x1; before: filters.http.rbac.v3.RBACPerRoute for 'a' x1"
    );
    assert_eq!(
        told(Some(one.clone()), Some(plain)),
        "is in force no more: filters.http.rbac.v3.RBACPerRoute for 'a' x1"
    );
    assert_eq!(told(Some(one), None), "is in force no more: filters.http.rbac.v3.RBACPerRoute for 'a' x1");
}

fn cluster(sni: Option<&str>) -> Vec<u8> {
    let tls = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
    let socket = |sni: &str| json!({"name": "tls", "typed_config": {"@type": tls, "sni": sni}});
    let text = json!({
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": "c",
        "transport_socket": sni.map_or(Value::Null, socket),
    });
    bytes(&text).to_vec()
}

#[test]
fn a_cluster_that_comes_with_tls_is_no_news_and_one_whose_tls_changes_is() {
    let told = |before: Option<Vec<u8>>, after: Option<Vec<u8>>| {
        change(Carrier::Cluster, before.as_deref(), after.as_deref()).is_some()
    };
    assert!(!told(None, Some(cluster(Some("a")))) && !told(Some(cluster(Some("a"))), None));
    assert!(told(Some(cluster(Some("a"))), Some(cluster(Some("b")))));
    assert!(told(Some(cluster(Some("a"))), Some(cluster(None))));
    assert!(!told(Some(cluster(None)), Some(cluster(None))));
}

fn said_of(kind: SecretKind) -> String {
    let (secrets, id) = (Secrets::new(), SecretId::over_ads(&"s".into()));
    secrets.update(&id, kind).unwrap();
    said(&secrets.material(&id))
}

#[test]
fn a_secret_is_told_by_what_anybody_may_know_of_it() {
    let authority = Authority::new("mesh");
    let until = UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    let leaf = authority.issue_with("spiffe://mesh/a", UNIX_EPOCH, until, |params| {
        params.serial_number = Some(0x1234.into());
    });
    let line = said_of(leaf.secret());
    assert_eq!(line, "certificate serial 1234 until 2096-10-02T07:06:40Z names [spiffe://mesh/a]");
    let line = said_of(secret(&[roots(&authority.root)]));
    assert!(line.starts_with("1 roots, 0 revocation lists, sha256 "), "{line}");
    let with_list = said_of(secret(&[roots(&authority.root), crl(&authority.revoke(1))]));
    assert!(with_list.starts_with("1 roots, 1 revocation lists, sha256 "), "{with_list}");
    assert_ne!(with_list, said_of(secret(&[roots(&authority.root), crl(&authority.revoke(2))])));
}
