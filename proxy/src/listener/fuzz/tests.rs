//! The properties with seeds and some thousand mutations of them.

use super::*;
use crate::testing::{mutate, run};

const WORDS: &[&[u8]] = &[
    b"PROXY ",
    b"TCP4 ",
    b"TCP6 ",
    b"UNKNOWN",
    b"\r\n",
    b" ",
    b"10.0.0.1 ",
    b"::1 ",
    b"65535",
    b"\r\n\r\n\0\r\nQUIT\n",
    b"\x21\x11\x00\x0c",
    b"\x20\x00\x00\x00",
    b"\x16\x03\x01\x00\x05",
    b"\x00\x00\x00\x0a\x00\x08\x00\x00\x05",
    b"\x00\x10\x00\x05\x00\x03\x02h2",
    b"\xff\xff",
    b"\0",
];

fn words(random: &mut fastrand::Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    mutate(random, seeds, WORDS)
}

/// A hello of one record, and of several.
fn hellos() -> Vec<Vec<u8>> {
    let name = b"\x00\x00\x00\x0e\x00\x0c\x00\x00\x09a.EXAMPLE";
    let protocols = b"\x00\x10\x00\x0e\x00\x0c\x02h2\x08http/1.1";
    let extensions = [&name[..], protocols].concat();
    let length = (extensions.len() as u16).to_be_bytes();
    let body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 1, 1, 0], &length, &extensions].concat();
    let message = [&[1, 0, 0, body.len() as u8][..], &body].concat();
    let record = |part: &[u8]| [&[22, 3, 1][..], &(part.len() as u16).to_be_bytes(), part].concat();
    vec![
        record(&message),
        message.chunks(9).flat_map(record).collect(),
        record(&message[..50]),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    ]
}

fn headers() -> Vec<Vec<u8>> {
    let second = |rest: &[u8]| [&b"\r\n\r\n\0\r\nQUIT\n"[..], rest].concat();
    vec![
        b"PROXY TCP4 10.0.0.1 10.0.0.2 4660 80\r\nmore".to_vec(),
        b"PROXY TCP6 ::1 ::2 7 8\r\n".to_vec(),
        b"PROXY UNKNOWN ffff\r\n".to_vec(),
        second(b"\x21\x11\x00\x0c\x0a\x00\x00\x01\x0a\x00\x00\x02\x12\x34\x00\x50"),
        second(b"\x20\x00\x00\x00GET /"),
        second(&[&b"\x21\x21\x00\x27"[..], &[1; 36], b"\x04\x00\x00"].concat()),
    ]
}

#[test]
fn mutated_hellos() {
    run(client_hello, words, &hellos(), 11, 6_000);
}

#[test]
fn mutated_headers() {
    run(proxy_protocol, words, &headers(), 12, 6_000);
}
