//! The properties with seeds and some thousand mutations of them.

use config::workload::frame_of;

use super::*;
use crate::testing::{mutate, run};

const WORDS: &[&[u8]] = &[
    b"\x3d\x23\x04\x67",
    b"\x00\x00\x00\x00",
    b"\x00\x01\x00\x00",
    b"\xff\xff\xff\xff",
    b"type.googleapis.com/google.protobuf.Struct",
    b"x-envoy-peer-metadata",
    b"LABELS",
    b"NAMESPACE",
    b"\x0a\x05",
    b"\x1a\x03",
    b"CgoKBE5BTUUSAhoA",
    b"=",
    b"k8s.deployment.name=",
    b",",
    b"%41",
];

fn words(random: &mut fastrand::Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    mutate(random, seeds, WORDS)
}

/// The octet before the seed.
fn seeds(all: &[&[u8]]) -> Vec<Vec<u8>> {
    all.iter().map(|seed| [&b"5"[..], seed].concat()).collect()
}

fn workload() -> Workload {
    Workload {
        name: "ratings-v1".into(),
        namespace: "bookinfo".into(),
        service: "ratings".into(),
        labels: vec![("app".into(), "ratings".into()), ("team".into(), "a".into())],
        ..Workload::default()
    }
}

#[test]
fn mutated_frames() {
    let frame = frame_of(&workload(), "id");
    let followed = [&frame[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
    let seeds = seeds(&[&frame, &followed, &frame[..6], b"=# what"]);
    run(peer_frame, words, &seeds, 21, 6_000);
}

#[test]
fn mutated_values_of_headers() {
    let seeds = seeds(&[workload().header().as_bytes(), workload().baggage().as_bytes()]);
    run(peer_header, words, &seeds, 22, 6_000);
}
