//! Tests of the whole codec: server and client over in-memory pipes.

use std::future::poll_fn;
use std::io;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::{Settings, client, server};
use crate::transport::{Io, Stream};
use crate::wire::codec::{Downstream, ResetReason, StreamError, Upstream};
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Frame, Method, Protocol, RequestHead, ResponseHead};

fn pipe() -> (Stream, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    (Stream::new(Io::Memory(ours)), theirs)
}

fn response(status: u16, headers: &[(&str, &str)]) -> ResponseHead {
    ResponseHead {
        protocol: Protocol::Http11,
        status,
        reason: Bytes::new(),
        headers: list(headers),
        body: BodyLength::Unknown,
        wire_size: 0,
    }
}

fn list(headers: &[(&str, &str)]) -> Headers {
    let mut list = Headers::new();
    for (name, value) in headers {
        list.append(Name::new(name), value.as_bytes().to_vec());
    }
    list
}

fn request(method: Method, path: &'static str, headers: &[(&str, &str)]) -> RequestHead {
    RequestHead {
        protocol: Protocol::Http11,
        method,
        path: path.into(),
        about_server: false,
        authority: "example".into(),
        scheme: Bytes::new(),
        headers: list(headers),
        body: BodyLength::Unknown,
        upgrade: None,
        wire_size: 0,
    }
}

async fn flush(downstream: &mut impl Downstream) {
    poll_fn(|cx| downstream.poll_flush(cx)).await.unwrap();
}

async fn body(downstream: &mut impl Downstream) -> Result<(Vec<u8>, Option<Headers>), StreamError> {
    let mut all = Vec::new();
    loop {
        match poll_fn(|cx| downstream.poll_body(cx)).await? {
            Frame::Data(data) => all.extend_from_slice(&data),
            Frame::Trailers(trailers) => return Ok((all, Some(trailers))),
            Frame::End => return Ok((all, None)),
        }
    }
}

async fn upstream_body(upstream: &mut client::Connection) -> Result<(Vec<u8>, Option<Headers>), StreamError> {
    let mut all = Vec::new();
    loop {
        match poll_fn(|cx| upstream.poll_body(cx)).await? {
            Frame::Data(data) => all.extend_from_slice(&data),
            Frame::Trailers(trailers) => return Ok((all, Some(trailers))),
            Frame::End => return Ok((all, None)),
        }
    }
}

async fn seen(peer: &mut DuplexStream) -> String {
    let mut buffer = vec![0; 1 << 16];
    let count = peer.read(&mut buffer).await.unwrap();
    String::from_utf8_lossy(&buffer[..count]).into_owned()
}

mod parity;
mod tunnel;

mod serving {
    use super::*;

    #[tokio::test]
    async fn an_asterisk_on_the_wire_is_the_root_to_who_reads_it() {
        for (target, path, is_about_server) in [
            ("OPTIONS *", "/", true),
            ("OPTIONS http://x", "/", true),
            ("OPTIONS http://x/", "/", false),
            ("OPTIONS /", "/", false),
            ("OPTIONS *?q", "*?q", false),
            ("GET http://x", "/", false),
        ] {
            let (stream, mut peer) = pipe();
            let mut connection = server::Connection::new(stream, &Settings::default());
            peer.write_all(format!("{target} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
            let head = connection.next().await.unwrap().unwrap();
            assert_eq!((&head.path[..], head.is_about_server()), (path.as_bytes(), is_about_server), "{target}");
        }
    }

    #[tokio::test]
    async fn keeps_the_connection_over_pipelined_requests() {
        let (stream, mut peer) = pipe();
        let mut connection = server::Connection::new(stream, &Settings::default());
        peer.write_all(
            b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET /b HTTP/1.1\r\nHost: y\r\n\r\n",
        )
        .await
        .unwrap();
        let head = connection.next().await.unwrap().unwrap();
        assert_eq!((head.method, &head.path[..], &head.authority[..]), (Method::Post, &b"/a"[..], &b"x"[..]));
        assert_eq!(head.body, BodyLength::Exact(5));
        assert_eq!(body(&mut connection).await.unwrap().0, b"hello");
        connection.send_head(&response(200, &[("content-length", "2")]), false).unwrap();
        connection.send_data("ok".into(), true).unwrap();
        flush(&mut connection).await;
        assert!(connection.finish());
        assert_eq!(seen(&mut peer).await, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");

        let head = connection.next().await.unwrap().unwrap();
        assert_eq!((&head.path[..], head.body), (&b"/b"[..], BodyLength::Empty));
        connection.send_head(&response(204, &[]), true).unwrap();
        flush(&mut connection).await;
        assert!(connection.finish());
        assert_eq!(seen(&mut peer).await, "HTTP/1.1 204 No Content\r\n\r\n");
        drop(peer);
        assert!(connection.next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn chunks_a_response_of_unknown_length() {
        let (stream, mut peer) = pipe();
        let mut connection = server::Connection::new(stream, &Settings::default());
        peer.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        connection.next().await.unwrap().unwrap();
        connection.send_head(&response(200, &[]), false).unwrap();
        connection.send_data("hello world, hello".into(), false).unwrap();
        connection.send_trailers(&list(&[("x", "dropped")])).unwrap();
        flush(&mut connection).await;
        let expected = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n12\r\nhello world, hello\r\n0\r\n\r\n";
        assert_eq!(seen(&mut peer).await, expected);
        assert!(connection.finish());
    }

    #[tokio::test]
    async fn trailers_say_nothing_of_lengths() {
        let (stream, mut peer) = pipe();
        let mut settings = Settings::default();
        settings.http1.trailers = true;
        let mut connection = server::Connection::new(stream, &settings);
        let trailers = "Content-Length: 5\r\nx: 1\r\nTransfer-Encoding: chunked\r\nHost: b\r\nConnection: x\r\n";
        let text = format!("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{trailers}\r\n");
        peer.write_all(text.as_bytes()).await.unwrap();
        connection.next().await.unwrap().unwrap();
        assert_eq!(body(&mut connection).await.unwrap(), (Vec::new(), Some(list(&[("x", "1")]))));
    }

    #[tokio::test]
    async fn answers_a_broken_request_and_then_closes() {
        let (stream, mut peer) = pipe();
        let mut connection = server::Connection::new(stream, &Settings::default());
        peer.write_all(b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let Err(server::RequestError::Protocol(error)) = connection.next().await else { panic!("refused") };
        assert_eq!((error.status, error.detail), (400, "http1.codec_error"));
        connection.send_head(&response(400, &[("content-length", "0")]), true).unwrap();
        flush(&mut connection).await;
        assert!(!connection.finish());
        assert_eq!(seen(&mut peer).await, "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    }

    #[tokio::test]
    async fn sees_the_client_leave_while_the_upstream_is_awaited() {
        let (stream, mut peer) = pipe();
        let mut connection = server::Connection::new(stream, &Settings::default());
        peer.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        connection.next().await.unwrap().unwrap();
        drop(peer);
        assert!(matches!(poll_fn(|cx| connection.poll_gone(cx)).await, StreamError::Closed(_)));
        assert!(!connection.finish());
    }

    /// Also behind a body that nobody reads, of which the system holds a part.
    #[tokio::test(start_paused = true)]
    async fn sees_the_client_leave_behind_an_unread_body() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut connection = server::Connection::new(listener.accept().await.unwrap().0.into(), &Settings::default());
        client.writable().await.unwrap();
        let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n";
        client.try_write(&[head.as_bytes(), &[b'x'; 100_000]].concat()).unwrap();
        connection.next().await.unwrap().unwrap();
        let stays =
            tokio::time::timeout(std::time::Duration::from_secs(60), poll_fn(|cx| connection.poll_gone(cx))).await;
        assert!(stays.is_err(), "{stays:?}");
        drop(client);
        assert!(matches!(poll_fn(|cx| connection.poll_gone(cx)).await, StreamError::Closed(_)));
        // What it said is still there.
        assert!(matches!(poll_fn(|cx| connection.poll_body(cx)).await, Ok(Frame::Data(data)) if !data.is_empty()));
    }

    #[tokio::test]
    async fn an_answer_before_the_end_of_the_request_ends_the_connection() {
        let (stream, mut peer) = pipe();
        let mut connection = server::Connection::new(stream, &Settings::default());
        peer.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf").await.unwrap();
        connection.next().await.unwrap().unwrap();
        connection.send_head(&response(413, &[]), true).unwrap();
        flush(&mut connection).await;
        assert_eq!(
            seen(&mut peer).await,
            "HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        );
        assert!(!connection.finish());
    }

    #[tokio::test]
    async fn becomes_a_tunnel_after_101() {
        let (stream, mut peer) = pipe();
        let mut connection = server::Connection::new(stream, &Settings::default());
        peer.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\nearly")
            .await
            .unwrap();
        let head = connection.next().await.unwrap().unwrap();
        assert_eq!(head.upgrade.as_deref(), Some(&b"websocket"[..]));
        connection.send_head(&response(101, &[("upgrade", "websocket"), ("connection", "upgrade")]), false).unwrap();
        let Frame::Data(data) = poll_fn(|cx| connection.poll_body(cx)).await.unwrap() else { panic!("data") };
        assert_eq!(&data[..], b"early");
        connection.send_data("pong".into(), false).unwrap();
        flush(&mut connection).await;
        assert_eq!(
            seen(&mut peer).await,
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\npong"
        );
        assert!(connection.is_tunnel());
        peer.write_all(b"more").await.unwrap();
        let mut stream = connection.into_upgraded().await.unwrap();
        let mut more = [0; 4];
        stream.read_exact(&mut more).await.unwrap();
        assert_eq!(&more, b"more");
    }

    #[tokio::test]
    async fn speaks_http10_when_allowed() {
        let (stream, mut peer) = pipe();
        let mut settings = Settings::default();
        settings.http1.accept_http10 = true;
        let mut connection = server::Connection::new(stream, &settings);
        peer.write_all(b"GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        connection.next().await.unwrap().unwrap();
        connection.send_informational(&response(103, &[])).unwrap();
        connection.send_head(&response(200, &[("content-length", "0")]), true).unwrap();
        flush(&mut connection).await;
        assert!(connection.finish());
        assert_eq!(seen(&mut peer).await, "HTTP/1.0 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n");
        connection.next().await.unwrap().unwrap();
        connection.send_head(&response(200, &[]), false).unwrap();
        connection.send_data("all of it".into(), true).unwrap();
        flush(&mut connection).await;
        assert!(!connection.finish());
        assert_eq!(seen(&mut peer).await, "HTTP/1.0 200 OK\r\nconnection: close\r\n\r\nall of it");
    }

    #[tokio::test]
    async fn large_bodies_are_held_back_and_arrive_whole() -> io::Result<()> {
        let (ours, mut peer) = tokio::io::duplex(1024);
        let mut connection = server::Connection::new(Stream::new(Io::Memory(ours)), &Settings::default());
        peer.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await?;
        connection.next().await.unwrap().unwrap();
        let piece = Bytes::from(vec![b'x'; 10_000]);
        let reader = async move {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).await.map(|_| all)
        };
        let writer = async move {
            connection.send_head(&response(200, &[("content-length", "1000000")]), false).unwrap();
            for _ in 0..100 {
                poll_fn(|cx| connection.poll_ready(cx)).await.unwrap();
                connection.send_data(piece.clone(), false).unwrap();
            }
            connection.send_data(Bytes::new(), true).unwrap();
            assert!(connection.finish());
            connection.close(None).await;
        };
        let (all, ()) = tokio::join!(reader, writer);
        let all = all?;
        assert_eq!(all.len(), "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n".len() + 1_000_000);
        Ok(())
    }
}

mod asking {
    use super::*;

    async fn ask(head: &RequestHead, answer: &[u8]) -> (client::Connection, DuplexStream, String) {
        let (stream, mut peer) = pipe();
        let mut connection = client::Connection::new(stream, &Settings::default());
        connection.begin();
        connection.send_head(head, true).unwrap();
        poll_fn(|cx| connection.poll_flush(cx)).await.unwrap();
        let sent = seen(&mut peer).await;
        peer.write_all(answer).await.unwrap();
        (connection, peer, sent)
    }

    #[tokio::test]
    async fn one_request_after_the_other() {
        let head = request(Method::Get, "/p?q", &[("b", "1"), ("a", "2"), ("transfer-encoding", "chunked")]);
        let (mut connection, mut peer, sent) = ask(&head, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        assert_eq!(sent, "GET /p?q HTTP/1.1\r\nhost: example\r\nb: 1\r\na: 2\r\n\r\n");
        let answer = poll_fn(|cx| connection.poll_head(cx)).await.unwrap();
        assert_eq!((answer.status, answer.body), (200, BodyLength::Exact(2)));
        assert!(!connection.is_reusable());
        assert_eq!(upstream_body(&mut connection).await.unwrap().0, b"ok");
        assert!(connection.is_reusable() && connection.is_alive());

        connection.begin();
        connection.send_head(&request(Method::Post, "/", &[]), false).unwrap();
        connection.send_data("abc".into(), true).unwrap();
        poll_fn(|cx| connection.poll_flush(cx)).await.unwrap();
        let expected = "POST / HTTP/1.1\r\nhost: example\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        assert_eq!(seen(&mut peer).await, expected);
        peer.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await.unwrap();
        assert_eq!(poll_fn(|cx| connection.poll_head(cx)).await.unwrap().status, 204);
        assert!(!connection.is_reusable());
    }

    #[tokio::test]
    async fn informational_heads_come_first() {
        let answer = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
        let (mut connection, _peer, _) = ask(&request(Method::Get, "/", &[]), answer).await;
        for expected in [103, 100, 200] {
            assert_eq!(poll_fn(|cx| connection.poll_head(cx)).await.unwrap().status, expected);
        }
        assert_eq!(upstream_body(&mut connection).await.unwrap().0, b"hi");
        assert!(connection.is_reusable());
    }

    #[tokio::test]
    async fn a_body_until_close_ends_in_good_order_and_a_cut_one_does_not() {
        let (mut connection, peer, _) = ask(&request(Method::Get, "/", &[]), b"HTTP/1.1 200 OK\r\n\r\nall").await;
        poll_fn(|cx| connection.poll_head(cx)).await.unwrap();
        drop(peer);
        assert_eq!(upstream_body(&mut connection).await.unwrap().0, b"all");
        assert!(!connection.is_reusable());

        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nall";
        let (mut connection, peer, _) = ask(&request(Method::Get, "/", &[]), answer).await;
        poll_fn(|cx| connection.poll_head(cx)).await.unwrap();
        drop(peer);
        assert!(matches!(upstream_body(&mut connection).await, Err(StreamError::Protocol { .. })));
    }

    #[tokio::test]
    async fn a_closed_connection_tells_whether_an_answer_had_begun() {
        let (mut connection, peer, _) = ask(&request(Method::Get, "/", &[]), b"").await;
        drop(peer);
        assert!(matches!(poll_fn(|cx| connection.poll_head(cx)).await, Err(StreamError::Closed(_))));
        assert!(!connection.response_started());
        let (mut connection, peer, _) = ask(&request(Method::Get, "/", &[]), b"HTTP/1.1 2").await;
        drop(peer);
        assert!(matches!(poll_fn(|cx| connection.poll_head(cx)).await, Err(StreamError::Protocol { .. })));
        assert!(connection.response_started());
    }

    #[tokio::test]
    async fn head_answers_have_no_body() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
        let (mut connection, _peer, _) = ask(&request(Method::Head, "/", &[]), answer).await;
        let head = poll_fn(|cx| connection.poll_head(cx)).await.unwrap();
        assert_eq!(head.body, BodyLength::Empty);
        assert_eq!(head.headers.get(&Name::CONTENT_LENGTH).map(|value| &value[..]), Some(&b"10"[..]));
        assert!(connection.is_reusable());
    }

    #[tokio::test]
    async fn words_out_of_turn_end_an_idle_connection() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        let (mut connection, mut peer, _) = ask(&request(Method::Get, "/", &[]), answer).await;
        poll_fn(|cx| connection.poll_head(cx)).await.unwrap();
        assert!(connection.is_alive());
        peer.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").await.unwrap();
        assert!(!connection.is_alive());
    }
}

/// While its answer is awaited (a filter asks a service, say), a request holds what its head says, and no buffer of the connection.
#[tokio::test]
async fn a_request_that_waits_holds_no_buffer() {
    for head in ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"] {
        let (stream, mut peer) = pipe();
        let mut connection = server::Connection::new(stream, &Settings::default());
        peer.write_all(head.as_bytes()).await.unwrap();
        let request = connection.next().await.unwrap().unwrap();
        let gone = poll_fn(|cx| std::task::Poll::Ready(connection.poll_gone(cx).is_ready())).await;
        assert_eq!((gone, connection.read.bytes().capacity(), connection.write.len()), (false, 0, 0), "{head}");
        assert_eq!(request.path, "/");
    }
}

#[tokio::test]
async fn octets_are_counted_for_each_request() {
    let (ours, mut theirs) = pipe();
    let mut server = server::Connection::new(ours, &Settings::default());
    let first = "POST /a HTTP/1.1\r\nhost: svc\r\ncontent-length: 2\r\n\r\nhi";
    let second = "GET /b HTTP/1.1\r\nhost: svc\r\n\r\n";
    theirs.write_all([first, second].concat().as_bytes()).await.unwrap();
    for (text, heads, has_body) in [(first, 10 + 18, true), (second, 10, false)] {
        server.next().await.unwrap().unwrap();
        if has_body {
            body(&mut server).await.unwrap();
        }
        server.send_head(&response(200, &[("content-length", "2")]), false).unwrap();
        server.send_data(Bytes::from_static(b"ok"), true).unwrap();
        flush(&mut server).await;
        let wire = server.on_wire().unwrap();
        assert_eq!((wire.received, wire.received_heads), (text.len() as u64, heads));
        let sent = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".len() as u64;
        assert_eq!((wire.sent, wire.sent_heads), (sent, "content-length: 2\r\n".len() as u64));
        assert!(server.finish());
    }
}
