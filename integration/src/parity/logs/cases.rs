//! What is said to the listeners of [`super`].

use std::time::Duration;

/// What is said to a listener, and how many entries are made of it.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it is about.
    pub name: &'static str,
    /// To whom.
    pub listener: &'static str,
    /// All of it.
    pub octets: String,
    /// How many come of it.
    pub entries: usize,
    /// When the client goes.
    pub until: Until,
}

/// When the client goes.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// When the other side does.
    End,
    /// When it has heard this.
    Heard(&'static str),
    /// When this is over.
    Passed(Duration),
}

/// All cases, in order.
pub fn all() -> Vec<Case> {
    let request = |line: &str, headers: &str| {
        format!("{line} HTTP/1.1\r\nhost: svc.example\r\n{headers}connection: close\r\n\r\n")
    };
    let case = |name, listener, octets, entries| Case { name, listener, octets, entries, until: Until::End };
    let plain = |name, listener, line: &str, entries| case(name, listener, request(line, ""), entries);
    let ups = "connection: upgrade\r\nupgrade: websocket\r\n";
    let tunnel = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: svc.example\r\n{ups}\r\n");
    let grpc = "content-type: application/grpc\r\nte: trailers\r\n";
    let id = "x-request-id: 0000003c-5e8c-4a5e-9a3b-4b5b9a4b7a6c\r\n";
    vec![
        case(
            "a request",
            "http",
            request("GET /200/a?q=1", "user-agent: ua\r\nreferer: ref\r\nx-a: 1\r\nx-a: 2\r\n"),
            1,
        ),
        case(
            "with a body",
            "http",
            "POST /200 HTTP/1.1\r\nhost: svc.example\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello".into(),
            1,
        ),
        plain("a method of its own", "http", "FOO /200", 1),
        case("what is no Unicode", "http", request("GET /200", "x-a: a\u{e9}\r\nuser-agent: \u{fc}\r\n"), 1),
        case("of HTTP/1.0", "http", "GET /200 HTTP/1.0\r\nhost: svc.example\r\n\r\n".into(), 1),
        case("no route's", "http", request("GET /x", "x-nowhere: 1\r\n"), 1),
        plain("no cluster's", "http", "GET /none", 1),
        plain("answered here", "http", "GET /direct", 1),
        plain("of a dead cluster", "http", "GET /dead", 1),
        plain("too late", "http", "GET /never/x", 1),
        plain("tried again", "http", "GET /once/http", 1),
        plain("rewritten", "http", "GET /rewritten", 1),
        case("with trailers", "http", request("POST /grpc/5", grpc), 1),
        case("without a host", "http", "GET /200 HTTP/1.1\r\nconnection: close\r\n\r\n".into(), 1),
        case("no head", "http", "nonsense\r\n\r\n".into(), 1),
        Case {
            until: Until::Passed(Duration::from_millis(200)),
            ..plain("a client that leaves", "http", "GET /long/x", 1)
        },
        Case { until: Until::Heard("hello"), ..case("a tunnel", "http", tunnel("/up/x"), 1) },
        plain("a request of a log of connections", "tcp-of-http", "GET /200", 1),
        plain("early", "early", "GET /200", 2),
        case("early, no route's", "early", request("GET /x", "x-nowhere: 1\r\n"), 2),
        case("early, without a host", "early", "GET /200 HTTP/1.1\r\nconnection: close\r\n\r\n".into(), 1),
        Case { until: Until::Heard("hello"), ..case("early, a tunnel", "early", tunnel("/up/x"), 3) },
        case("early, a tunnel that is not allowed", "early", tunnel("/200"), 2),
        Case { until: Until::Passed(Duration::from_millis(450)), ..plain("again", "again", "GET /long/x", 2) },
        case("filters", "filters", request("GET /200", id), 9),
        case("filters of gRPC", "filters", request("POST /grpc/5", &format!("{grpc}{id}")), 9),
        case("records", "otel", request("GET /200/a?q=1", "x-a: 1\r\n"), 3),
        case("records of what has no route", "otel", request("GET /x", "x-nowhere: 1\r\n"), 3),
        case("a connection", "tcp", "hello bye\n".into(), 1),
        case("a connection of a log of requests", "http-of-tcp", "hello bye\n".into(), 1),
        case("a connection to nowhere", "tcp-dead", "hello".into(), 1),
        Case {
            until: Until::Passed(Duration::from_millis(450)),
            ..case("a connection, early and again", "tcp-early", "hello".into(), 4)
        },
        case("a connection to nowhere, early", "tcp-early-dead", "hello".into(), 2),
    ]
}
