//! Tests of `tunnel`: a proxy that says what the test wants.

use tokio::io::{AsyncRead, AsyncWrite};

use super::*;
use crate::transport::Io;

/// What becomes of a tunnel that is answered so, what was asked, and what is left to read.
async fn asked(hostname: &str, answer: &[u8]) -> (Result<(), ConnectFailure>, String, Vec<u8>) {
    let (ours, mut theirs) = tokio::io::duplex(4096);
    let mut stream = Stream::new(Io::Memory(ours));
    theirs.write_all(answer).await.expect("room");
    let address = Address::Socket(SocketAddr::from(([10, 0, 0, 1], 443)));
    let proxy = SocketAddr::from(([10, 0, 0, 9], 3128));
    let goal = Goal { hostname, address: &address, proxy: Some(proxy), tlvs: &[] };
    let (mut asked, mut rest) = (String::new(), Vec::new());
    let result = {
        let (opened, ()) = tokio::join!(open(&mut stream, &goal, proxy), head(&mut theirs, &mut asked));
        opened
    };
    drop(theirs);
    stream.read_to_end(&mut rest).await.expect("the rest");
    (result, asked, rest)
}

/// Takes the head of the request, and says no more.
async fn head(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), head: &mut String) {
    while !head.ends_with("\r\n\r\n") {
        head.push(char::from(stream.read_u8().await.expect("a head")));
    }
    stream.shutdown().await.expect("it ends");
}

#[tokio::test]
async fn a_tunnel_is_asked_for_and_what_follows_is_left() {
    let (result, asked_for, rest) = asked("", b"HTTP/1.1 200 OK\r\nx: y\r\n\r\nhello").await;
    assert_eq!(result, Ok(()));
    assert_eq!(asked_for, "CONNECT 10.0.0.1:443 HTTP/1.1\r\nHost: 10.0.0.1:443\r\n\r\n");
    assert_eq!(rest, b"hello");
    let (result, asked_for, _) = asked("app.example", b"HTTP/1.0 200\r\n\r\n").await;
    assert_eq!(result, Ok(()));
    assert_eq!(asked_for, "CONNECT app.example:443 HTTP/1.1\r\nHost: app.example:443\r\n\r\n");
}

#[tokio::test]
async fn any_other_answer_is_a_failure() {
    let long = [&b"HTTP/1.1 200 OK\r\nx: "[..], &[b'a'; LONGEST], b"\r\n\r\n"].concat();
    let many = [&b"HTTP/1.1 200 OK\r\n"[..], &b"x: y\r\n".repeat(FIELDS + 1), b"\r\n"].concat();
    let answers: [&[u8]; 8] = [
        b"HTTP/1.1 407 No\r\n\r\n",
        b"HTTP/1.1 201 Made\r\n\r\n",
        b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"hello\r\n\r\n",
        b"HTTP/1.1 200 O",
        b"",
        &long,
        &many,
    ];
    for answer in answers {
        let (result, ..) = asked("", answer).await;
        let failure = result.expect_err(&answer.escape_ascii().to_string());
        assert_eq!((failure.kind, failure.transport_reason), (ConnectFailureKind::Remote, None));
    }
}

#[tokio::test]
async fn a_name_that_is_none_is_not_asked_for() {
    let (ours, theirs) = tokio::io::duplex(64);
    let address = Address::Socket(SocketAddr::from(([10, 0, 0, 1], 443)));
    let proxy = SocketAddr::from(([10, 0, 0, 9], 3128));
    let goal = Goal { hostname: "a HTTP/1.1\r\nx: y", address: &address, proxy: Some(proxy), tlvs: &[] };
    let result = open(&mut Stream::new(Io::Memory(ours)), &goal, proxy).await;
    assert_eq!(result.expect_err("no tunnel").kind, ConnectFailureKind::Remote);
    let mut heard = Vec::new();
    tokio::io::BufReader::new(theirs).read_to_end(&mut heard).await.expect("the end");
    assert!(heard.is_empty());
}
