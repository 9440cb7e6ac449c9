//! Whatever bytes arrive, a translation answers with a value or a rejection: it never panics, hangs, or grows without bound. Seeds
//! are fixed, so that a failure can be repeated.

use std::path::Path;

use outrigger_config::bootstrap::{self, Source};
use outrigger_config::descriptors::Descriptors;
use outrigger_config::json::AnyJson;
use outrigger_config::{Options, UnknownFields, access_log, cluster, dump, endpoint, listener, route, secret};

/// A small generator of numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap_or_default()
    }
}

fn decode_all(bytes: &[u8]) {
    let options = Options::default();
    let _ = cluster::decode(bytes, &options);
    let _ = endpoint::decode(bytes, &options);
    let _ = listener::decode(bytes, &options);
    let _ = route::decode(bytes, &options);
    let _ = secret::decode(bytes, &options);
}

/// The resources that the translation goldens use, with their types.
fn samples() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/translation");
    let mut samples = Vec::new();
    for entry in std::fs::read_dir(folder).expect("testdata is committed").flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = std::fs::read_to_string(path).expect("a readable file");
            let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            samples.push((
                value["@type"].as_str().unwrap_or_default().to_owned(),
                dump::encode(&value).expect("a resource"),
            ));
        }
    }
    samples.sort();
    samples
}

#[test]
fn random_bytes() {
    let mut random = Random(1);
    for _ in 0..3000 {
        let bytes: Vec<u8> = (0..random.below(200)).map(|_| random.next() as u8).collect();
        decode_all(&bytes);
    }
}

#[test]
fn truncated_and_damaged_resources() {
    let mut random = Random(2);
    for (_, bytes) in samples() {
        for end in 0..bytes.len() {
            if random.below(4) == 0 {
                decode_all(&bytes[..end]);
            }
        }
        for _ in 0..400 {
            let mut damaged = bytes.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(damaged.len());
                damaged[at] = random.next() as u8;
            }
            decode_all(&damaged);
        }
    }
}

#[test]
fn damaged_resources_print_and_are_searched_for_unknown_fields() {
    let mut random = Random(3);
    let mut descriptors = Descriptors::new();
    let strict = Options::new(UnknownFields::Reject, true);
    for (type_url, bytes) in samples() {
        for round in 0..60 {
            let mut damaged = bytes.clone();
            let at = random.below(damaged.len());
            damaged[at] = random.next() as u8;
            serde_json::to_string(&AnyJson::new(&mut descriptors, &type_url, &damaged)).expect("anything prints");
            if round < 5 {
                let _ = listener::decode(&damaged, &strict);
            }
        }
    }
}

/// `levels` messages in one another through field `number`.
fn nested(number: u8, levels: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..levels {
        let mut outer = vec![number << 3 | 2];
        let mut length = bytes.len();
        while length >= 0x80 {
            outer.push(length as u8 | 0x80);
            length >>= 7;
        }
        outer.push(length as u8);
        outer.extend(bytes);
        bytes = outer;
    }
    bytes
}

#[test]
fn deeply_nested_messages() {
    for number in 1..16 {
        decode_all(&nested(number, 5000));
    }
}

#[test]
fn damaged_bootstraps() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/bootstrap/agent.json");
    let text = std::fs::read_to_string(path).unwrap();
    let mut random = Random(4);
    for round in 0..120 {
        let mut bytes = text.clone().into_bytes();
        match round % 3 {
            0 => bytes.truncate(random.below(bytes.len())),
            1 => {
                let at = random.below(bytes.len());
                bytes[at] = b"{}[]\",:0a\\-"[random.below(11)];
            }
            _ => {
                let at = random.below(bytes.len());
                let end = (at + random.below(40)).min(bytes.len());
                bytes.drain(at..end);
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        for is_json in [true, false] {
            if let Ok(found) = bootstrap::load(&[Source { name: "x", text: &text, is_json }], UnknownFields::Ignore) {
                let _ = found.each_static(&Options::default(), |_, _| Ok(()));
            }
        }
    }
}

#[test]
fn damaged_formats() {
    let mut random = Random(5);
    let pieces = [
        "%",
        "%%",
        "REQ",
        "(",
        ")",
        ":",
        "?",
        "9",
        "START_TIME",
        "é",
        "\n",
        "%REQ(A)%",
        "BYTES_SENT",
        "PROTOCOL%",
        "_",
    ];
    for _ in 0..20_000 {
        let text: String = (0..random.below(9)).map(|_| pieces[random.below(pieces.len())]).collect();
        let _ = access_log::format::parse(&text);
    }
}

#[test]
fn damaged_patterns() {
    let mut random = Random(6);
    let pieces = [
        "a", "(", ")", "[", "]", "{", "}", "\\", "^", "$", "|", "*", "+", "?", "-", "\\d", "\\Q", "\\E", "9", ",", ":",
        "é", "&&", "(?i)", "\\x{", "\\p{L}",
    ];
    for _ in 0..20_000 {
        let pattern: String = (0..random.below(10)).map(|_| pieces[random.below(pieces.len())]).collect();
        // A secret with one SAN matcher, encoded by hand: each length fits one octet.
        let regex = [&[0x12, pattern.len() as u8][..], pattern.as_bytes()].concat();
        let matcher = [&[0x2a, regex.len() as u8][..], &regex].concat();
        let context = [&[0x4a, matcher.len() as u8][..], &matcher].concat();
        let secret = [&[0x22, context.len() as u8][..], &context].concat();
        let _ = secret::decode(&secret, &Options::default());
    }
}
