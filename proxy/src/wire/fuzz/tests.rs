//! The properties with seeds and a few thousand mutations of them, the same each time.

use super::*;
pub(crate) use crate::testing::run;
use crate::wire::parity_table as table;

const REQUESTS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../integration/parity/h1_requests.txt"));
const RESPONSES: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../integration/parity/h1_responses.txt"));

fn seeds(table: &str) -> Vec<Vec<u8>> {
    let seeds = table::read(table).into_iter().filter_map(|case| case.bytes("send"));
    seeds.filter(|seed| !seed.is_empty() && seed.len() < 2_000).map(|seed| [&[0], &seed[..]].concat()).collect()
}

/// Pieces that matter to a parser, to be thrown in.
const WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b":",
    b"0\r\n\r\n",
    b"5\r\nhello\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"Connection: close\r\n",
    b"Connection: upgrade\r\n",
    b"Connection: content-length\r\n",
    b"Connection: transfer-encoding\r\n",
    b"Upgrade: websocket\r\n",
    b"Host: b\r\n",
    b"GET / HTTP/1.1\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"\x00",
    b"\xff",
    b"ffffffffffffffff",
    b";x=y",
    b"http://",
    b"@",
    b"[",
    b"]",
    b"*",
];

/// One of the seeds, changed here and there.
pub(crate) fn mutate(random: &mut fastrand::Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    crate::testing::mutate(random, seeds, WORDS)
}

#[test]
fn mutated_requests() {
    run(h1_request, mutate, &seeds(REQUESTS), 1, 6_000);
}

#[test]
fn mutated_responses() {
    run(h1_response, mutate, &seeds(RESPONSES), 2, 6_000);
}

#[test]
fn mutated_frames() {
    run(h2_server, mutate, &frames(), 3, 3_000);
}

#[test]
fn mutated_answers() {
    run(h2_client, mutate, &answers(), 5, 3_000);
}

#[test]
fn mutated_conversations_without_a_socket() {
    let client = |seed: Vec<u8>| [&[1 + 2 * (seed.len() as u8 % 4)], &seed[10..]].concat();
    let seeds: Vec<_> = frames().into_iter().chain(answers().into_iter().map(client)).collect();
    run(h2_frames, mutate, &seeds, 6, 6_000);
}

#[test]
fn mutated_header_blocks() {
    let blocks: [&[u8]; 5] = [
        b"\x0c\x82\x86\x84\x41\x07example\x02\xbe\x82",
        b"\x07\x40\x01x\x03one\x02\xbe\xbe\x07\x40\x01x\x03two\x02\xbe\xbf",
        b"\x0a\x3f\x45\x48\x82\x64\x02\x58\x81\x07\x20\x02\x20\x82",
        b"\x04\x88\xbe\x0f\x0d",
        b"\x09\x10\x01a\x04\x01b\x02 c\x05\x7f\x00\x00\x01\x01",
    ];
    run(hpack, mutate, &blocks.map(<[u8]>::to_vec), 7, 6_000);
}

#[test]
fn random_header_operations() {
    let mut random = fastrand::Rng::with_seed(4);
    for _ in 0..2_000 {
        let input: Vec<u8> = (0..random.usize(0..200)).map(|_| random.u8(..)).collect();
        headers(&input);
    }
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0, 0, payload.len() as u8, kind, flags, 0, 0, 0, stream];
    frame.extend(payload);
    frame
}

/// Some sound answers.
fn answers() -> Vec<Vec<u8>> {
    let settings = || [vec![0], frame(4, 0, 0, &[]), frame(4, 1, 0, &[])].concat();
    let length = |digit: u8| [&b"\x88\x00\x0econtent-length\x01"[..], &[digit]].concat();
    let trailers = b"\x00\x0bgrpc-status\x010";
    vec![
        [settings(), frame(1, 5, 1, b"\x88")].concat(),
        [settings(), frame(1, 4, 1, &length(b'5')), frame(0, 1, 1, b"hello")].concat(),
        [settings(), frame(1, 4, 1, &length(b'5')), frame(0, 0, 1, b"hel"), frame(0, 1, 1, b"lo")].concat(),
        [settings(), frame(1, 4, 1, b"\x88"), frame(0, 0, 1, b"hello"), frame(1, 5, 1, trailers)].concat(),
        [settings(), frame(1, 4, 1, b"\x08\x03103"), frame(1, 0, 1, b"\x88"), frame(9, 4, 1, trailers)].concat(),
        [settings(), frame(1, 5, 1, b"\x89"), frame(7, 0, 0, &[0; 8])].concat(),
        [settings(), frame(8, 0, 1, &[0, 0, 1, 0]), frame(3, 0, 1, &[0, 0, 0, 7])].concat(),
        [settings(), frame(1, 5, 1, &length(b'0')), frame(3, 0, 1, &[0, 0, 0, 0])].concat(),
    ]
}

/// Some sound conversations.
fn frames() -> Vec<Vec<u8>> {
    let get = b"\x82\x86\x84\x41\x07example";
    let post = b"\x83\x86\x84\x41\x07example\x00\x01x\x01y";
    vec![
        [vec![0], frame(1, 5, 1, get)].concat(),
        [vec![0], frame(1, 4, 1, post), frame(0, 0, 1, b"hello"), frame(0, 1, 1, b"world")].concat(),
        [vec![0], frame(1, 4, 1, post), frame(0, 0, 1, b"x"), frame(1, 5, 1, b"\x00\x01t\x011")].concat(),
        [vec![0], frame(1, 0, 1, &get[..3]), frame(9, 4, 1, &get[3..]), frame(3, 0, 1, &[0, 0, 0, 8])].concat(),
        [vec![0], frame(4, 0, 0, &[0, 4, 0, 0, 0, 10]), frame(1, 5, 1, get), frame(8, 0, 1, &[0, 0, 1, 0])].concat(),
        [vec![0], frame(6, 0, 0, &[1; 8]), frame(2, 0, 3, &[0; 5]), frame(7, 0, 0, &[0; 8])].concat(),
        [vec![0], frame(1, 13, 1, &[&[2][..], get, &[0, 0]].concat()), frame(1, 5, 3, get), frame(1, 5, 5, get)]
            .concat(),
    ]
}
