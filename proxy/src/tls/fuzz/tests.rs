//! The properties with seeds and some thousand mutations of them.

use super::super::testing::{Authority, crl, exact, prefix, roots, spiffe, typed};
use super::*;
use crate::testing::{mutate, run};
use base64::Engine as _;

const WORDS: &[&[u8]] = &[
    b"\x30\x80",
    b"\x30\x84\xff\xff\xff\xff",
    b"\x06\x03\x55\x1d\x11",
    b"\x06\x03\x55\x1d\x0f",
    b"\x86\x00",
    b"\x87\x04\x0a\x00\x00\x01",
    b"\xa0\x06\x06\x01\x2a\xa0\x01\x05",
    b"\x18\x0f99991231235959Z",
    b"\x01\x01\xff",
    b"\x02\x01\x80",
    b"\xff",
    b"\0",
    b"-----BEGIN CERTIFICATE-----\n",
    b"-----END CERTIFICATE-----\n",
    b"-----BEGIN X509 CRL-----\n",
    b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
    b"Proc-Type: 4,ENCRYPTED\n",
    b"\"x5c\":[\"",
    b"{\"trust_domains\":",
];

fn words(random: &mut fastrand::Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    mutate(random, seeds, WORDS)
}

fn der(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().skip(1).take_while(|line| !line.starts_with("--")).collect();
    base64::engine::general_purpose::STANDARD.decode(body).unwrap()
}

#[test]
fn mutated_certificates() {
    let authority = Authority::new("mesh");
    let leaves = [authority.issue("spiffe://mesh/a").chain, authority.issue("a.example").chain, authority.root];
    run(certificate, words, &leaves.map(|leaf| der(&leaf)), 21, 4_000);
}

#[test]
fn mutated_pem() {
    let authority = Authority::new("mesh");
    let leaf = authority.issue("a.example");
    let map = r#"{"trust_domains":{"a":{"keys":[{"use":"x509-svid","x5c":["AAAA"]}]}}}"#;
    let texts = [leaf.chain, leaf.key, authority.revoke(7), authority.root, map.to_owned()];
    run(pem, words, &texts.map(String::into_bytes), 22, 3_000);
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let length = [bytes.len() as u8 & 0x7f | 0x80, (bytes.len() >> 7) as u8];
    [&[number << 3 | 2][..], &length, bytes].concat()
}

#[test]
fn mutated_secrets() {
    let authority = Authority::new("mesh");
    let leaf = authority.issue("spiffe://mesh/a");
    let source = |text: &str| field(3, text.as_bytes());
    let certificate = [field(1, &source(&leaf.chain)), field(2, &source(&leaf.key))].concat();
    let context = [roots(&authority.root), crl(&authority.revoke(7)), prefix("spiffe://"), typed(3, "a", "")].concat();
    let by_domain = [spiffe(&[("mesh", &authority.root)]), exact("a")].concat();
    let kinds =
        [field(2, &certificate), field(4, &context), field(4, &by_domain), field(3, &field(1, &field(2, &[7; 80])))];
    let seeds = kinds.map(|kind| [field(1, b"s"), kind].concat());
    // The first octet is the tag of the name: the mutations choose another.
    run(secret, words, &seeds, 23, 3_000);
    run(
        |input| secret(input.get(1..).unwrap_or_default()),
        words,
        &seeds.map(|seed| [vec![0], seed].concat()),
        24,
        3_000,
    );
}
