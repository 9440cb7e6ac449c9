//! Tests of `names`.

use super::*;
use crate::cluster::testing::{config, eds};

#[test]
fn the_names_of_auto_sni_and_auto_san_validation() {
    let mut cluster = config(eds());
    assert_eq!((auto_sni(&cluster, b"app.example", false), auto_san(&cluster, b"app.example")), (None, None));
    cluster.http.auto_sni = true;
    cluster.http.auto_san_validation = true;
    for (authority, name, host) in [
        (&b"app.example"[..], Some("app.example"), "app.example"),
        (b"app.example:8443", Some("app.example"), "app.example"),
        (b"10.0.0.1:8443", None, "10.0.0.1"),
        (b"10.0.0.1", None, "10.0.0.1"),
        (b"[::1]:8443", None, "::1"),
        (b"[::1]", None, "::1"),
        (b"::1", None, "::1"),
        (b"", None, ""),
        (b":80", None, ""),
        (b"\xff", None, ""),
    ] {
        assert_eq!(auto_sni(&cluster, authority, true), name, "{authority:?}");
        let or_address = (!host.is_empty()).then_some(host);
        assert_eq!(auto_sni(&cluster, authority, false), or_address, "without a name of its own: {authority:?}");
        assert_eq!(auto_san(&cluster, authority), Some(host), "{authority:?}");
    }
}
