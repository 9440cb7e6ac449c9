//! The property with seeds and some thousand mutations of them, the same each time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::wire::fuzz::tests::{mutate, run};
use crate::wire::grpc::frames::Framed;

/// Bodies that mean something to a filter, each twice: as a request's and as a response's.
fn seeds() -> Vec<Vec<u8>> {
    let message = |text: &[u8]| Framed::of(text).into_bytes().to_vec();
    let messages = [message(b"hello"), message(b""), message(&[7; 300])].concat();
    let gzip = "H4sIAAAAAAACA8tIzcnJV8gglgQAanYsuS8AAAA=";
    let bodies = [
        messages.clone(),
        STANDARD.encode(&messages).into_bytes(),
        [STANDARD.encode(&messages[..10]), STANDARD.encode(&messages[10..])].concat().into_bytes(),
        STANDARD.decode(gzip).unwrap(),
        // "hello" in a block as it stands: brotli, and zstd without a checksum.
        b"\x0b\x02\x80hello\x03".to_vec(),
        b"\x28\xb5\x2f\xfd\x20\x05\x29\x00\x00hello".to_vec(),
        b"plain text that no filter knows".to_vec(),
    ];
    let twice = |body: Vec<u8>| [&[0; 5], &body[..], &body[..]].concat();
    bodies.into_iter().map(twice).collect()
}

/// All five octets that choose, not the first alone.
fn mutated(random: &mut fastrand::Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut input = mutate(random, seeds);
    input.iter_mut().take(5).for_each(|octet| *octet = random.u8(..));
    input
}

#[test]
fn mutated_bodies() {
    run(filters, mutated, &seeds(), 6, 4_000);
}

/// Every filter alone and all together, over what each of them is for.
#[test]
fn what_each_is_for() {
    for seed in seeds() {
        for stack in (0..8).map(|bit| 1 << bit).chain([0xff, 0x7e]) {
            for (types, ends) in [(0, 0), (1, 3), (2, 64), (3, 0xc0), (0x85, 5)] {
                for more in (0..5).map(|bit| 1 << bit).chain([0, 0xff]) {
                    let choice = [stack, 0x80 | (types % 3), types, ends, more];
                    filters(&[&choice, &seed[5..]].concat());
                }
            }
        }
    }
}
