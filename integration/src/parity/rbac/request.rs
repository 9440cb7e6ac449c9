//! Who asks, and for what. Values are few, so that policies that are made of the same values match now and then.

use std::fmt;

use super::Random;

/// Paths, with queries.
pub const PATHS: &[&str] = &[
    "/",
    "/a",
    "/a/b",
    "/a/b?x=1",
    "/a?y=/b",
    "/api/v1/users",
    "/api/v1/users/7",
    "/API/v1",
    "/a%2Fb",
    "/ab",
    "/b/c/d?x=1&y=2",
];
/// Values of headers.
pub const VALUES: &[&str] =
    &["1", "2", "10", "-3", "a", "b", "ab", "A", "a,b", "x y", "true", "007", "9223372036854775808", "\u{e9}"];
/// Values that are no Unicode, or more than ASCII: [`STRANGE`] stands for the octet 0xff.
const OCTETS: &[&str] = &["a\u{f8ff}", "\u{f8ff}", "ab\u{f8ff}x", "\u{e9}a\u{f8ff}", "a\u{2603}"];
const STRANGE: &[u8] = "\u{f8ff}".as_bytes();
/// Headers that requests have.
pub const HEADERS: &[&str] = &["x-a", "x-b", "x-c"];
/// Hosts.
pub const HOSTS: &[&str] = &["app", "app:80", "other.example", "APP"];
/// Methods.
pub const METHODS: &[&str] = &["GET", "POST", "PUT", "DELETE", "PATCH"];
/// Who connects, and to where, as PROXY protocol says it.
pub const PLAIN: &[(&str, &str, u16)] = &[
    ("10.1.2.3", "10.9.9.9", 80),
    ("10.1.3.3", "10.9.9.9", 8080),
    ("192.168.0.1", "10.9.0.1", 443),
    ("fd00::1", "fd00::2", 80),
];
/// Who shows which certificate; the last shows none.
pub const PEERS: &[(&str, &str, &str)] = &[
    ("spiffe://mesh/ns/a/sa/one", "", ""),
    ("spiffe://mesh/ns/b/sa/two", "two.example", "two"),
    ("", "*.three.example", "three"),
    ("", "", ""),
];

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    /// Which of the connections: of [`PLAIN`], then of [`PEERS`].
    pub connection: usize,
    /// Method.
    pub method: &'static str,
    /// Path.
    pub path: &'static str,
    /// `host`.
    pub host: &'static str,
    /// The other headers.
    pub headers: Vec<(&'static str, &'static str)>,
}

impl Request {
    /// Any.
    pub fn random(random: &mut Random) -> Request {
        let mut headers = Vec::new();
        for name in HEADERS {
            for _ in 0..random.pick(&[0, 1, 1, 2]) {
                headers.push((*name, if random.one_in(6) { random.pick(OCTETS) } else { random.pick(VALUES) }));
            }
        }
        if random.one_in(3) {
            headers.push(("x-forwarded-for", random.pick(&["10.1.2.3", "10.1.9.9, 192.168.0.1", "fd00::1", "nobody"])));
        }
        if random.one_in(4) {
            headers.push(("user-agent", random.pick(&["curl/8", "a"])));
        }
        if random.one_in(4) {
            headers.push(("referer", random.pick(&["http://app/a", "a"])));
        }
        if random.one_in(2) {
            headers.push((
                "x-where",
                random.pick(&["10.1.2.3:80", "192.168.0.9:1", "[fd00::1]:443", "10.1.2.3", "nowhere"]),
            ));
        }
        // About the server as a whole: what stands there for the path is `/` to all who judge.
        let about_server = random.one_in(12);
        Request {
            connection: random.below(PLAIN.len() + PEERS.len()),
            method: if about_server { "OPTIONS" } else { random.pick(METHODS) },
            path: if about_server { "http://app" } else { random.pick(PATHS) },
            host: random.pick(HOSTS),
            headers,
        }
    }

    /// As it is sent to a route.
    pub fn wire(&self, route: usize) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\nhost: {}\r\nx-route: {route}\r\n", self.method, self.path, self.host);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        let (mut wire, mut rest) = (Vec::new(), text.as_bytes());
        while let Some((first, tail)) = rest.split_first() {
            let strange = rest.strip_prefix(STRANGE);
            wire.push(if strange.is_some() { 0xff } else { *first });
            rest = strange.unwrap_or(tail);
        }
        wire
    }
}

impl fmt::Display for Request {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.connection.checked_sub(PLAIN.len()) {
            None => write!(out, "from {:?} ", PLAIN[self.connection])?,
            Some(peer) => write!(out, "by {:?} ", PEERS[peer])?,
        }
        write!(out, "{} {} of {} {:?}", self.method, self.path, self.host, self.headers)
    }
}
