//! Names and subjects out of certificates.

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

use super::*;

fn certificate(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    change(&mut params);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

fn facts(der: &[u8]) -> Facts {
    Facts::of(&Certificate::from_der(der).unwrap())
}

#[test]
fn names_are_kept_to_the_octet() {
    let der = certificate(|params| {
        params.subject_alt_names = vec![SanType::URI("spiffe://mesh/?".try_into().unwrap())];
    });
    let place = der.windows(15).position(|window| window == b"spiffe://mesh/?").unwrap() + 14;
    let mut other = der.clone();
    other[place] = 0xff;
    let name = facts(&other).sans.remove(0).value;
    assert_eq!((name.as_bytes(), &**name.text()), (&b"spiffe://mesh/\xff"[..], "spiffe://mesh/\u{fffd}"));
    assert_ne!(name, "spiffe://mesh/\u{fffd}".into());
    assert_eq!(facts(&der).sans.remove(0).value, "spiffe://mesh/?".into());
}

#[test]
fn sans_of_every_kind() {
    let der = certificate(|params| {
        params.subject_alt_names = vec![
            SanType::URI("spiffe://td/ns/a/sa/b".try_into().unwrap()),
            SanType::DnsName("a.example".try_into().unwrap()),
            SanType::Rfc822Name("me@example".try_into().unwrap()),
            SanType::IpAddress("10.0.0.1".parse().unwrap()),
            SanType::IpAddress("fd00::1".parse().unwrap()),
            SanType::OtherName((vec![1, 2, 3], "other".into())),
        ];
    });
    let found: Vec<_> = facts(&der).sans.into_iter().map(|san| (san.kind, san.value.text().to_string())).collect();
    let expected = [
        (SanKind::Uri, "spiffe://td/ns/a/sa/b"),
        (SanKind::Dns, "a.example"),
        (SanKind::Email, "me@example"),
        (SanKind::IpAddress, "10.0.0.1"),
        (SanKind::IpAddress, "fd00::1"),
        (SanKind::OtherName, "other"),
    ];
    assert_eq!(found, expected.map(|(kind, value)| (kind, value.to_owned())));
}

#[test]
fn subjects_are_printed_as_openssl_does() {
    let der = certificate(|params| {
        params.distinguished_name.push(DnType::CountryName, "CH");
        params.distinguished_name.push(DnType::OrganizationName, "Muster, Söhne + Co");
        params.distinguished_name.push(DnType::CommonName, "#1 \"app\" ");
    });
    let subject = facts(&der).subject;
    assert_eq!(&*subject, "CN=\\#1 \\\"app\\\"\\ ,O=Muster\\, S\\C3\\B6hne \\+ Co,C=CH");
    assert_eq!(&*facts(&certificate(|_| {})).subject, "");
}

#[test]
fn what_is_no_certificate_is_not_read() {
    let der = certificate(|_| {});
    assert!(Certificate::from_der(&der).is_some());
    assert!(Certificate::from_der(b"garbage").is_none());
    assert!(Certificate::from_der(b"").is_none());
    assert!(Certificate::from_der(&der[..der.len() - 1]).is_none());
    assert!(Certificate::from_der(&[&der[..], &[0]].concat()).is_none());
}
