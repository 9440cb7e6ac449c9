//! Random octets that look like HTTP/1 and mostly are not, and cases with less in them. Used by the test in [`super`] alone. The same seed makes
//! the same case.

use outrigger_integration::parity::hostile::{Case, LISTENERS};
use outrigger_integration::parity::rbac::Random;

const METHODS: [&str; 14] =
    ["GET", "GET", "POST", "POST", "HEAD", "PUT", "OPTIONS", "CONNECT", "get", "G", "BREW", "PRI", "GET\x00", "G(T"];
const TARGETS: [&str; 27] = [
    "/",
    "/",
    "/a",
    "/a?b=c",
    "/a#f",
    "/a//b",
    "/a/../b",
    "/%2e%2e/b",
    "/a%2fb",
    "/a%00b",
    "/\x01",
    "/\u{e9}",
    "*",
    "",
    "?q",
    "a",
    "http://h/x",
    "http://h",
    "http://h:80?q",
    "HTTP://h/",
    "https://h/",
    "http://u@h/",
    "http:///x",
    "h:80",
    "//h/x",
    "/a b",
    "/\t",
];
const VERSIONS: [&str; 14] = [
    "HTTP/1.1",
    "HTTP/1.1",
    "HTTP/1.1",
    "HTTP/1.1",
    "HTTP/1.1",
    "HTTP/1.0",
    "HTTP/1.2",
    "HTTP/2.0",
    "HTTP/0.9",
    "HTTP/1",
    "http/1.1",
    "",
    "HTTP/1.1 ",
    "HTTP/01.1",
];
const ENDS: [&str; 9] = ["\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", "\r\r\n", " \r\n"];
const NAMES: [&str; 30] = [
    "Host",
    "host",
    "HOST",
    "Content-Length",
    "content-length",
    "Transfer-Encoding",
    "transfer-encoding",
    "Connection",
    "connection",
    "Upgrade",
    "Expect",
    "TE",
    "Trailer",
    "X-A",
    "x_b",
    "Keep-Alive",
    "Proxy-Connection",
    "HTTP2-Settings",
    "Content-Length ",
    " Host",
    "x\u{e9}",
    "x\x01",
    "x\x00",
    "",
    "x y",
    "x:",
    "x-port",
    "Cookie",
    "X-Forwarded-For",
    "x(",
];
const SEPARATORS: [&str; 9] = [": ", ": ", ": ", ": ", ":", ":\t", " : ", ":  ", ""];
const VALUES: [&str; 58] = [
    "a",
    "a",
    "b:80",
    "a:b",
    "a b",
    "[::1]",
    "",
    " ",
    "0",
    "5",
    "05",
    "+5",
    "-5",
    "5, 5",
    "5,6",
    "5 ",
    "0x5",
    "5;",
    "99999999999999999999",
    "18446744073709551615",
    "9223372036854775808",
    "chunked",
    "chunked",
    "Chunked",
    "chunked, chunked",
    "gzip, chunked",
    "chunked, gzip",
    "identity",
    "identity, chunked",
    "xchunked",
    "chunked;a=b",
    ",chunked",
    "chunked,",
    "\"chunked\"",
    "close",
    "keep-alive",
    "close, keep-alive",
    "upgrade",
    "Upgrade, close",
    "te",
    "host",
    "content-length",
    "transfer-encoding",
    "x-a",
    "websocket",
    "h2c",
    "foo",
    "100-continue",
    "200-ok",
    "trailers",
    "gzip",
    "a\x00b",
    "a\x01b",
    "a\u{e9}b",
    "a\tb",
    "\x0bchunked",
    "a\x7fb",
    "a\r\n b",
];
const SIZES: [&str; 27] = [
    "5",
    "5",
    "5",
    "05",
    "00005",
    "5;a",
    "5;a=b",
    "5;a=\"b\"",
    "5 ",
    " 5",
    "5\t",
    "5 ;a",
    "5 5",
    "5;\n",
    "5\u{e9}",
    "0x5",
    "+5",
    "-5",
    "",
    "g",
    "A",
    "5,",
    "ffffffffffffffff",
    "10000000000000000",
    "fffffffffffffffff",
    "5;a\x00",
    "5;\x01",
];
const OCTETS: [u8; 16] = [0, 1, b'\t', b'\n', 0x0b, b'\r', b' ', b'"', b',', b'0', b':', b';', 0x7f, 0x80, 0xff, b'A'];

/// The case of a seed.
pub(super) fn case(seed: u64) -> Case {
    let mut random = Random::new(seed);
    let mut pieces = Vec::new();
    for _ in 0..1 + random.below(3) / 2 {
        request(&mut random, &mut pieces);
    }
    if random.one_in(3) {
        pieces.push(b"GET /after HTTP/1.1\r\nHost: after\r\n\r\n".to_vec());
    }
    for _ in 0..[0, 0, 0, 0, 1, 1, 2, 4][random.below(8)] {
        damage(&mut random, &mut pieces);
    }
    Case { listener: random.below(LISTENERS), pieces, slowly: random.one_in(6) }
}

fn request(random: &mut Random, pieces: &mut Vec<Vec<u8>>) {
    // Mostly one thing is wrong and the rest is good, or nobody would look beyond the first line.
    let tame = random.below(4);
    let mut say = |text: String| pieces.push(text.into_bytes());
    if random.one_in(20) {
        say(random.pick(&["\r\n", "\n", "\r\n\r\n", " ", "\x00", "\u{feff}"]).to_owned());
    }
    let end = |random: &mut Random| if random.one_in(15) { random.pick(&ENDS) } else { "\r\n" };
    let (method, target, version) = match tame {
        0 => (random.pick(&METHODS), random.pick(&TARGETS), random.pick(&VERSIONS)),
        1 => (random.pick(&METHODS[..6]), random.pick(&TARGETS), "HTTP/1.1"),
        _ => (random.pick(&METHODS[..6]), "/a", if random.one_in(10) { "HTTP/1.0" } else { "HTTP/1.1" }),
    };
    let space = if random.one_in(25) { random.pick(&["  ", "\t", "", " \t"]) } else { " " };
    say(format!("{method}{space}{target} {version}{}", end(random)));
    if !random.one_in(8) {
        say(format!(
            "Host: {}{}",
            random.pick(&["a", "a", "a", "b:80", "A.B", "a_b", "[::1]", "", "a,b", "a/b"]),
            end(random)
        ));
    }
    for _ in 0..random.below(4) {
        let wild = tame == 2 || random.one_in(6);
        let name = if wild { random.pick(&NAMES) } else { random.pick(&NAMES[..18]) };
        let separator = if random.one_in(8) { random.pick(&SEPARATORS) } else { ": " };
        say(format!("{name}{separator}{}{}", random.pick(&VALUES), end(random)));
    }
    if random.one_in(30) {
        say(format!("{}{}", random.pick(&["folded", " folded", "\tfolded", "a:", ":"]), end(random)));
    }
    let body = random.below(6);
    match body {
        0 => say(format!("Content-Length: {}{}", random.pick(&["5", "5", "0", "3", "7", "05", "5 "]), end(random))),
        1 | 2 => say(format!(
            "Transfer-Encoding: {}{}",
            random.pick(&["chunked", "chunked", "chunked", "Chunked", "gzip, chunked"]),
            end(random)
        )),
        _ => {}
    }
    say(end(random).to_owned());
    match body {
        0 => say("hello".to_owned()),
        1 | 2 => {
            for _ in 0..random.below(3) {
                let size = if random.one_in(3) { random.pick(&SIZES) } else { "5" };
                say(format!("{size}{}", end(random)));
                say(format!("hello{}", end(random)));
            }
            say(format!(
                "{}{}",
                if random.one_in(10) { random.pick(&["00", "0;a", "0 ", "000000000000000000"]) } else { "0" },
                end(random)
            ));
            if random.one_in(4) {
                say(format!(
                    "{}{}{}{}",
                    random.pick(&NAMES),
                    random.pick(&SEPARATORS),
                    random.pick(&VALUES),
                    end(random)
                ));
            }
            say(end(random).to_owned());
        }
        _ => {}
    }
}

/// Changes something anywhere.
fn damage(random: &mut Random, pieces: &mut Vec<Vec<u8>>) {
    let at = random.below(pieces.len());
    let piece = &mut pieces[at];
    let place = random.below(piece.len() + 1);
    match random.below(7) {
        0 => piece.insert(place, random.pick(&OCTETS)),
        1 if place < piece.len() => drop(piece.remove(place)),
        2 if place < piece.len() => piece[place] = random.pick(&OCTETS),
        3 => piece.truncate(place),
        4 => {
            let again = pieces[at].clone();
            pieces.insert(at, again);
        }
        5 if pieces.len() > 1 => drop(pieces.remove(at)),
        _ => {
            let other = random.below(pieces.len());
            pieces.swap(at, other);
        }
    }
}

/// Cases that have less: without a piece, or without a part of one.
pub(super) fn smaller(case: &Case) -> Vec<Case> {
    let with = |pieces: Vec<Vec<u8>>| Case { pieces, ..case.clone() };
    let mut all = Vec::new();
    if case.slowly {
        all.push(Case { slowly: false, ..case.clone() });
    }
    if case.listener > 0 {
        all.push(Case { listener: 0, ..case.clone() });
    }
    for at in 0..case.pieces.len() {
        let mut pieces = case.pieces.clone();
        pieces.remove(at);
        all.push(with(pieces));
    }
    for (at, piece) in case.pieces.iter().enumerate() {
        for parts in [2, 3, 5, 9, piece.len()] {
            let size = piece.len().div_ceil(parts.max(1)).max(1);
            for begin in (0..piece.len()).step_by(size) {
                let mut pieces = case.pieces.clone();
                pieces[at].drain(begin..piece.len().min(begin + size));
                all.push(with(pieces));
            }
        }
    }
    all.retain(|case| case.length() > 0);
    all.sort_by_key(Case::length);
    all.dedup();
    all
}
