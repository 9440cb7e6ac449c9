//! Names and bundles by themselves; handshakes are in `tls/tests/spiffe.rs`.

use super::*;

#[test]
fn a_domain_is_what_stands_between_scheme_and_path() {
    for (uri, expected) in [
        ("spiffe://mesh/peer", Some("mesh")),
        ("spiffe://mesh/", Some("mesh")),
        ("spiffe://mesh", None),
        ("spiffe:///peer", Some("")),
        ("SPIFFE://mesh/peer", None),
        ("spiffe://mesh.evil/peer", Some("mesh.evil")),
        ("spiffe://peer@mesh/peer", Some("peer@mesh")),
        ("https://mesh/peer", None),
        ("", None),
    ] {
        assert_eq!(domain_of(uri.as_bytes()), expected.map(str::as_bytes), "{uri}");
    }
}

#[test]
fn what_is_no_map_of_bundles_is_named() {
    let root = crate::tls::testing::Authority::new("a").root;
    let der: String = root.lines().filter(|line| !line.starts_with('-')).collect();
    let good = format!(r#"{{"trust_domains":{{"a":{{"keys":[{{"use":"x509-svid","x5c":["{der}"]}}]}}}}}}"#);
    let read = json_bundles(good.as_bytes()).unwrap();
    assert_eq!((read.len(), read[0].0.as_str(), read[0].1.certificates.len()), (1, "a", 1));
    let tailed = STANDARD.encode([STANDARD.decode(&der).unwrap(), vec![0]].concat());
    for (text, expected) in [
        ("".to_owned(), "Invalid JSON"),
        ("[]".to_owned(), "No trust domains"),
        (r#"{"trust_domains":{}}"#.to_owned(), "No trust domains"),
        (r#"{"trust_domains":{"a":{}}}"#.to_owned(), "trust domain a: No keys"),
        (r#"{"trust_domains":{"a":{"keys":[{}]}}}"#.to_owned(), "'use'"),
        (good.replace("x509-svid", "jwt-svid"), "'use'"),
        (good.replace("x5c", "x5d"), "'x5c'"),
        (good.replace(&der, "AAAA"), "Invalid x509 object"),
        (good.replace(&der, "?"), "Invalid x509 object"),
        (good.replace(&der, &tailed), "Invalid x509 object"),
    ] {
        let said = json_bundles(text.as_bytes()).map(|_| ()).unwrap_err();
        assert!(said.contains(expected), "{text}: {said}");
    }
}
