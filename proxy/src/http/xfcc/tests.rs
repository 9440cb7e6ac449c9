//! Tests of `xfcc`.

use std::sync::Arc;

use super::*;

fn details() -> ClientCertDetails {
    ClientCertDetails { subject: true, uri: true, dns: true, ..ClientCertDetails::default() }
}

fn peer() -> PeerCertificate {
    PeerCertificate {
        uri_sans: vec!["spiffe://td/ns/a/sa/client".into()],
        dns_sans: vec!["a.example".into(), "b.example".into()],
        subject: Arc::from(""),
        sha256: Arc::from("00ff"),
        chain: vec![Bytes::from_static(&[0xfb, 0xff, 0xfe, 1])],
    }
}

fn tls() -> TlsInfo {
    TlsInfo { local_uri_sans: Arc::from([Arc::from("spiffe://td/ns/a/sa/server")]), ..TlsInfo::default() }
}

#[test]
fn the_order_is_by_hash_subject_uri_dns() {
    let element = text(details(), &tls(), &peer());
    assert_eq!(
        &element[..],
        b"By=spiffe://td/ns/a/sa/server;Hash=00ff;Subject=\"\";URI=spiffe://td/ns/a/sa/client;DNS=a.example;DNS=b.example"
    );
}

#[test]
fn certificates_are_url_encoded_pem() {
    let details = ClientCertDetails { cert: true, ..ClientCertDetails::default() };
    let element = text(details, &tls(), &peer());
    let text = std::str::from_utf8(&element).unwrap();
    assert!(
        text.ends_with(
            ";Cert=\"-----BEGIN%20CERTIFICATE-----%0A%2B%2F%2F%2BAQ%3D%3D%0A-----END%20CERTIFICATE-----%0A\""
        ),
        "{text}"
    );
}

#[test]
fn the_uri_key_stays_when_there_is_none() {
    let peer = PeerCertificate { uri_sans: Vec::new(), dns_sans: Vec::new(), ..peer() };
    let element = text(details(), &tls(), &peer);
    assert!(element.ends_with(b";Subject=\"\";URI="));
}

#[test]
fn several_lines_become_one_with_our_element_last() {
    let mut headers = Headers::new();
    headers.append(Name::X_FORWARDED_CLIENT_CERT, "a");
    headers.append(Name::X_REQUEST_ID, "id");
    headers.append(Name::X_FORWARDED_CLIENT_CERT, "b");
    join(&mut headers, Some(&Bytes::from_static(b"ours")));
    let lines: Vec<_> = headers.iter().map(|header| header.value.clone()).collect();
    assert_eq!(lines, ["a,b,ours", "id"]);
}

#[test]
fn as_json_names_are_lists() {
    let details =
        ClientCertDetails { subject: true, uri: true, cert: true, json: true, ..ClientCertDetails::default() };
    let element = json(details, &tls(), &peer());
    let told: serde_json::Value = serde_json::from_slice(&element).unwrap();
    assert_eq!(told["by"][0], "spiffe://td/ns/a/sa/server");
    assert_eq!(told["uri"][0], "spiffe://td/ns/a/sa/client");
    assert_eq!((&told["hash"], &told["subject"]), (&"00ff".into(), &"".into()));
    assert_eq!(told["cert"], "-----BEGIN CERTIFICATE-----\n+//+AQ==\n-----END CERTIFICATE-----\n");
    assert!(element.starts_with(b"{\"by\":") && told.get("dns").is_none());
}
