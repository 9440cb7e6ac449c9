//! Tests of the compression: the examples of RFC 7541, cuts at every octet, and what a hostile peer would write.

use bytes::{BufMut, Bytes, BytesMut};

use super::decode::{Broken, Decoder};
use super::encode::{Encoder, integer, string};
use super::{DEFAULT_TABLE, Pseudo, STATIC_TEXT, huffman};
use crate::wire::h2::lines::Lines;
use crate::wire::headers::Name;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|digit| !digit.is_ascii_whitespace()).collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn lines() -> Lines {
    Lines::new(1 << 20, 10_000)
}

/// All lines, pseudo-headers first, as `name: value`.
fn text(lines: &Lines) -> Vec<String> {
    let frozen = lines.freeze();
    let pseudo = Pseudo::ALL.iter().filter(|pseudo| lines.has(**pseudo));
    let pseudo = pseudo.map(|pseudo| (pseudo.text().to_owned(), lines.pseudo(*pseudo, &frozen)));
    let headers = lines.headers(&frozen, |_, _| true);
    let headers = headers.iter().map(|header| (header.name.as_str().to_owned(), header.value.clone()));
    pseudo.chain(headers).map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(&value))).collect()
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<String>, Broken> {
    let mut lines = lines();
    let whole = decoder.decode(block, true, &mut lines)?;
    if whole == block.len() { Ok(text(&lines)) } else { Err(Broken("cut off")) }
}

/// Blocks of one connection, what they say, and how large the table is behind each.
fn examples(limit: Option<u32>, blocks: &[(&str, &[&str], usize)]) {
    let mut decoder = Decoder::new(65_536);
    if let Some(limit) = limit {
        // The examples begin with that table, as if it had been agreed to before.
        let mut update = BytesMut::new();
        integer(&mut update, 0x20, 5, limit as usize);
        decode(&mut decoder, &update).unwrap();
    }
    for (block, expected, size) in blocks {
        assert_eq!(decode(&mut decoder, &hex(block)).unwrap(), *expected);
        assert_eq!(decoder.size, *size);
    }
}

#[test]
fn requests_without_huffman() {
    examples(
        None,
        &[
            (
                "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
                &[":method: GET", ":scheme: http", ":authority: www.example.com", ":path: /"],
                57,
            ),
            (
                "8286 84be 5808 6e6f 2d63 6163 6865",
                &[
                    ":method: GET",
                    ":scheme: http",
                    ":authority: www.example.com",
                    ":path: /",
                    "cache-control: no-cache",
                ],
                110,
            ),
            (
                "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
                &[
                    ":method: GET",
                    ":scheme: https",
                    ":authority: www.example.com",
                    ":path: /index.html",
                    "custom-key: custom-value",
                ],
                164,
            ),
        ],
    );
}

#[test]
fn requests_with_huffman() {
    examples(
        None,
        &[
            (
                "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
                &[":method: GET", ":scheme: http", ":authority: www.example.com", ":path: /"],
                57,
            ),
            (
                "8286 84be 5886 a8eb 1064 9cbf",
                &[
                    ":method: GET",
                    ":scheme: http",
                    ":authority: www.example.com",
                    ":path: /",
                    "cache-control: no-cache",
                ],
                110,
            ),
            (
                "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
                &[
                    ":method: GET",
                    ":scheme: https",
                    ":authority: www.example.com",
                    ":path: /index.html",
                    "custom-key: custom-value",
                ],
                164,
            ),
        ],
    );
}

#[test]
fn responses_that_evict() {
    let date = "date: Mon, 21 Oct 2013 20:13:21 GMT";
    let third = [
        ":status: 200",
        "cache-control: private",
        "date: Mon, 21 Oct 2013 20:13:22 GMT",
        "location: https://www.example.com",
        "content-encoding: gzip",
        "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
    ];
    let first = [":status: 302", "cache-control: private", date, "location: https://www.example.com"];
    let second = [":status: 307", "cache-control: private", date, "location: https://www.example.com"];
    examples(Some(256), &[
        (
            "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d
             546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            &first,
            222,
        ),
        ("4803 3330 37c1 c0bf", &second, 222),
        (
            "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f
             6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b
             2076 6572 7369 6f6e 3d31",
            &third,
            215,
        ),
    ]);
    examples(Some(256), &[
        (
            "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7
             8f0b 97c8 e9ae 82ae 43d3",
            &first,
            222,
        ),
        ("4883 640e ffc1 c0bf", &second, 222),
        (
            "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335
             dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
            &third,
            215,
        ),
    ]);
}

/// Integers of appendix C.1.
#[test]
fn integers() {
    for (prefix, value, expected) in [(5, 10, "0a"), (5, 1337, "1f9a0a"), (8, 42, "2a")] {
        let mut out = BytesMut::new();
        if prefix == 8 {
            out.put_u8(42)
        } else {
            integer(&mut out, 0, prefix, value)
        }
        assert_eq!(&out[..], hex(expected));
    }
}

#[test]
fn every_octet_has_its_code() {
    let all: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
    for text in all.windows(3).chain([&all[..], b""]) {
        let mut coded = BytesMut::new();
        huffman::encode(text, &mut coded);
        assert_eq!(coded.len(), huffman::encoded_len(text));
        let mut out = BytesMut::new();
        huffman::decode(&coded, &mut out).unwrap();
        assert_eq!(&out[..], text);
    }
}

/// Section 5.2: padding is the beginning of the code for the end, and shorter than an octet.
#[test]
fn what_is_no_huffman_code() {
    for bad in ["ff", "3fffffff", "ffffffff", "00", "f8ff", "1fff", "fffffffa", "fe", "f1e3c2e5f23a6ba0ab90f4fe"] {
        let bad = hex(bad);
        let mut out = BytesMut::new();
        let result = huffman::decode(&bad, &mut out);
        // `00` is "0" and three bits of "0".
        assert!(result.is_err(), "{bad:02x?} {out:?}");
    }
    // "0", padded.
    huffman::decode(&hex("07"), &mut BytesMut::new()).unwrap();
}

#[test]
fn broken_blocks() {
    let bad = [
        // Index 0, and indexes beyond the tables.
        "80",
        "be",
        "c0",
        "ff80808008",
        "7e0161",
        "0f8001 0161",
        // An integer without an end.
        "ffffffffffff",
        "1fffffffffff7f",
        "ff80808080808000",
        // A table above the limit, and an update behind a field.
        "3fe2 1f",
        "82 20",
        // A string above the limit.
        "00 7fe1ff7f",
    ];
    for block in bad {
        let result = decode(&mut Decoder::new(65_536), &hex(block));
        assert!(matches!(result, Err(Broken(what)) if what != "cut off"), "{block} {result:?}");
    }
    // Two updates at the beginning are allowed.
    assert_eq!(decode(&mut Decoder::new(65_536), &hex("20 3fe11f 82")).unwrap(), [":method: GET"]);
}

/// A block that is cut anywhere says the same.
#[test]
fn cuts_at_every_octet() {
    let mut encoder = Encoder::new(DEFAULT_TABLE, Some(true));
    let mut block = BytesMut::new();
    encoder.begin(&mut block);
    encoder.pseudo(Pseudo::Method, b"PATCH", &mut block);
    encoder.pseudo(Pseudo::Path, &[b'p'; 300], &mut block);
    for (name, value) in [("x-own", "1"), ("cookie", "a=b"), ("x-own", "1"), ("accept", "text/html"), ("x-b", "")] {
        encoder.header(&Name::new(name), &Bytes::from(value), &mut block);
    }
    let expected = decode(&mut Decoder::new(65_536), &block).unwrap();
    assert_eq!(expected.len(), 7);
    for cut in 0..block.len() {
        let (mut decoder, mut lines) = (Decoder::new(65_536), lines());
        let whole = decoder.decode(&block[..cut], true, &mut lines).unwrap();
        assert!(whole <= cut);
        assert_eq!(decoder.decode(&block[whole..], whole == 0, &mut lines).unwrap(), block.len() - whole);
        assert_eq!(text(&lines), expected);
    }
}

/// What one end writes the other reads, whatever the table's size, and however that changes.
#[test]
fn both_ends_agree() {
    let mut random = fastrand::Rng::with_seed(7541);
    for round in 0..300 {
        let wanted = [0, 31, 64, 200, 4096, 10_000][round % 6];
        let mut encoder = Encoder::new(wanted, [None, Some(false), Some(true)][round % 3]);
        let mut decoder = Decoder::new(65_536);
        decoder.allow(10_000, false);
        for _ in 0..40 {
            if random.u8(..) < 40 {
                encoder.limited(random.choice([0, 50, 100, 1_000, 4_096, 9_000]).unwrap());
            }
            let mut block = BytesMut::new();
            encoder.begin(&mut block);
            let mut expected = Vec::new();
            let path = format!("/{}", random.u8(..4));
            encoder.pseudo(Pseudo::Path, path.as_bytes(), &mut block);
            expected.push(format!(":path: {path}"));
            for _ in 0..random.usize(..12) {
                let name = random
                    .choice(["accept", "x-one", "x-two", "authorization", "set-cookie", "user-agent", "x-three"])
                    .unwrap();
                let value = "v".repeat(random.usize(..70));
                encoder.header(&Name::new(name), &Bytes::from(value.clone()), &mut block);
                expected.push(format!("{name}: {value}"));
            }
            assert_eq!(decode(&mut decoder, &block).unwrap(), expected);
            assert!(decoder.size <= 10_000);
        }
    }
}

/// The second message of many costs an octet a line.
#[test]
fn what_repeats_is_short_and_secrets_never_are() {
    let mut encoder = Encoder::new(DEFAULT_TABLE, None);
    let mut write = |lines: &[(&str, &str)]| {
        let mut block = BytesMut::new();
        encoder.begin(&mut block);
        lines
            .iter()
            .for_each(|(name, value)| encoder.header(&Name::new(name), &Bytes::from((*value).to_owned()), &mut block));
        block
    };
    let lines = [("accept", "a/b"), ("x-own", "own"), ("user-agent", "me")];
    assert!(write(&lines).len() > 10);
    assert_eq!(write(&lines).len(), 3);
    for secret in ["authorization", "proxy-authorization", "cookie", "set-cookie"] {
        for _ in 0..2 {
            let block = write(&[(secret, "s3cret")]);
            assert_eq!((block[0] & 0xf0, &block[block.len() - 6..]), (0x10, &b"s3cret"[..]), "{secret}");
        }
    }
    // What is never the same leaves the table alone after a while.
    for number in 0..200 {
        write(&[("x-request-id", &format!("{number:0>36}"))]);
    }
    assert_eq!(write(&lines).len(), 3, "nothing has driven them out");
}

/// Section 4.2: a smaller table is taken into use by the peer before its next field, or the state is lost.
#[test]
fn a_smaller_table_must_be_agreed_to() {
    let mut decoder = Decoder::new(65_536);
    decoder.allow(100, false);
    assert!(decode(&mut decoder, &hex("82")).is_ok(), "it has not heard of it yet");
    decoder.allow(100, true);
    assert_eq!(decode(&mut decoder, &hex("82")), Err(Broken("no table size update")));
    let mut decoder = Decoder::new(65_536);
    decoder.allow(100, true);
    assert_eq!(decode(&mut decoder, &hex("3f45 82")).unwrap(), [":method: GET"]);
    assert_eq!(decode(&mut decoder, &hex("3f46 82")), Err(Broken("a table above its limit")));
}

/// Many small references to a large entry: the message has its limit, and the table is still right afterwards.
#[test]
fn a_bomb_is_bounded() {
    let mut block = BytesMut::new();
    integer(&mut block, 0x40, 6, 0);
    string(&mut block, b"x-bomb", false);
    string(&mut block, &[b'b'; 4_000], false);
    block.extend(std::iter::repeat_n(0xbe, 16_000));
    let mut decoder = Decoder::new(65_536);
    let mut lines = Lines::new(60 * 1024, 100);
    decoder.decode(&block, true, &mut lines).unwrap();
    assert!(lines.is_over());
    assert!(text(&lines).len() <= 100);
    lines.clear();
    assert_eq!(decoder.decode(&[0xbe], true, &mut lines), Ok(1));
    assert_eq!(text(&lines).len(), 1);
}

#[test]
fn names_that_are_none() {
    for name in ["", "X", "a b", "a\u{e4}", ":path2", "a:", "a\0"] {
        let mut block = BytesMut::new();
        integer(&mut block, 0x40, 6, 0);
        string(&mut block, name.as_bytes(), false);
        string(&mut block, b"v", false);
        // And once more, from the table.
        block.put_u8(0xbe);
        let mut lines = lines();
        Decoder::new(65_536).decode(&block, true, &mut lines).unwrap();
        assert!(lines.is_malformed(), "{name}");
    }
    assert_eq!(STATIC_TEXT[60].0, "www-authenticate");
}
