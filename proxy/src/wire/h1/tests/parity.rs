//! The codec alone against the recorded answers of Envoy: what is refused, with which status and detail, and what is forwarded.

use std::time::Duration;

use super::*;
use crate::wire::h1::server::RequestError;
use crate::wire::parity_table::{self as table, Case};

const REQUESTS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../integration/parity/h1_requests.txt"));
const RESPONSES: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../integration/parity/h1_responses.txt"));

/// What an exchange would send on: without hop-by-hop headers, with the scheme.
async fn forwarded(mut head: RequestHead, data: Vec<u8>) -> Vec<u8> {
    let websocket = head.upgrade.as_deref() == Some(b"websocket");
    for name in [Name::CONNECTION, Name::UPGRADE] {
        if !websocket {
            head.headers.remove(&name);
        }
    }
    head.headers.remove(&Name::KEEP_ALIVE);
    head.headers.remove(&Name::PROXY_CONNECTION);
    if head.headers.get(&Name::TE).is_some_and(|value| value.starts_with(b"trailers")) {
        head.headers.set(Name::TE, "trailers");
    }
    head.headers.append(Name::X_FORWARDED_PROTO, "http");
    let end = head.body == BodyLength::Empty;
    let (stream, mut peer) = pipe();
    let mut connection = client::Connection::new(stream, &Settings::default());
    connection.begin();
    connection.send_head(&head, end).unwrap();
    if !end {
        connection.send_data(data.into(), true).unwrap();
    }
    poll_fn(|cx| connection.poll_flush(cx)).await.unwrap();
    drop(connection);
    let mut all = Vec::new();
    peer.read_to_end(&mut all).await.unwrap();
    all
}

#[derive(Default)]
struct Outcome {
    said: Vec<String>,
    forwards: Vec<Vec<u8>>,
}

async fn outcome(case: &Case) -> Outcome {
    let (stream, mut peer) = pipe();
    peer.write_all(&case.bytes("send").unwrap()).await.unwrap();
    if case.ends("send") {
        peer.shutdown().await.unwrap();
    }
    let mut connection = server::Connection::new(stream, &Settings::default());
    let mut outcome = Outcome::default();
    // Time is paused: this passes when there is nothing left to do, and then the client gives up.
    let served = tokio::time::timeout(Duration::from_secs(1), serve(&mut connection, &mut outcome)).await;
    if served.is_err() && (connection.head_started() || !connection.request_is_complete()) {
        outcome.said.push("0 downstream_remote_disconnect".to_owned());
    }
    outcome
}

async fn serve(connection: &mut server::Connection, outcome: &mut Outcome) {
    let gone = || "0 downstream_remote_disconnect".to_owned();
    loop {
        let head = match connection.next().await {
            Ok(Some(head)) => head,
            Ok(None) => return,
            Err(RequestError::Protocol(error)) => {
                return outcome.said.push(format!("{} {}", error.status, error.detail));
            }
            Err(RequestError::Disconnected) => return outcome.said.push(gone()),
        };
        let data = match body(connection).await {
            Ok((data, _)) => data,
            Err(StreamError::Protocol { detail, status }) => return outcome.said.push(format!("{status} {detail}")),
            Err(_) => return outcome.said.push(gone()),
        };
        if poll_fn(|cx| std::task::Poll::Ready(connection.poll_gone(cx).is_ready())).await {
            return outcome.said.push(gone());
        }
        outcome.said.push("200 via_upstream".to_owned());
        outcome.forwards.push(forwarded(head, data).await);
        connection.send_head(&response(200, &[]), true).unwrap();
        flush(connection).await;
        if !connection.finish() {
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn requests_are_answered_as_by_envoy() {
    let cases = table::read(REQUESTS);
    assert!(cases.len() > 200);
    let mut wrong = Vec::new();
    for case in &cases {
        let Outcome { said, forwards } = outcome(case).await;
        if case.has("above") {
            // The codec lets it through, and it was answered further up.
            if said.iter().any(|said| !said.starts_with("200") && !said.starts_with('0')) {
                wrong.push(format!("{}: refused with {said:?}", case.name));
            }
            continue;
        }
        let expected: Vec<_> = case
            .expected()
            .iter()
            .map(|line| line.replace("websocket_handshake_unsuccessful", "via_upstream"))
            .collect();
        if said != expected {
            wrong.push(format!("{}: {said:?}, not {expected:?}", case.name));
        } else if !case.has("ours") {
            for (index, (ours, envoys)) in forwards.iter().zip(case.all("forwards")).enumerate() {
                if envoys != "yes" && table::unescape(envoys) != *ours {
                    wrong.push(format!("{}: forwards[{index}] {}", case.name, ours.escape_ascii()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The answer of an upstream, passed on as an exchange would: what Envoy logs, and what the client gets.
async fn passed_on(case: &Case) -> (String, Vec<u8>) {
    let asked = case.bytes("request").unwrap_or_else(|| b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec());
    let (stream, mut client) = pipe();
    client.write_all(&asked).await.unwrap();
    let mut downstream = server::Connection::new(stream, &Settings::default());
    let head = downstream.next().await.unwrap().unwrap();

    let (stream, mut server) = pipe();
    let mut upstream = client::Connection::new(stream, &Settings::upstream(&Default::default(), 0));
    upstream.begin();
    upstream.send_head(&head, true).unwrap();
    server.write_all(&case.bytes("send").unwrap()).await.unwrap();
    if case.ends("send") {
        server.shutdown().await.unwrap();
    }
    let log = relay(&mut upstream, &mut downstream).await;
    downstream.close(None).await;
    let mut seen = Vec::new();
    client.read_to_end(&mut seen).await.unwrap();
    (log, seen)
}

async fn relay(upstream: &mut client::Connection, downstream: &mut server::Connection) -> String {
    let mut head = loop {
        match poll_fn(|cx| upstream.poll_head(cx)).await {
            Ok(head) if (100..200).contains(&head.status) && head.status != 101 => {
                downstream.send_informational(&head).unwrap();
            }
            Ok(head) => break head,
            Err(StreamError::Protocol { .. }) => {
                return "502 upstream_reset_before_response_started{protocol_error} UPE".to_owned();
            }
            Err(_) => return "503 upstream_reset_before_response_started{connection_termination} UC".to_owned(),
        }
    };
    let end = head.body == BodyLength::Empty;
    if head.status != 101 {
        head.headers.remove(&Name::CONNECTION);
    }
    head.headers.remove(&Name::KEEP_ALIVE);
    downstream.send_head(&head, end).unwrap();
    let status = head.status;
    let gone = match tokio::time::timeout(Duration::from_secs(1), body_to(upstream, downstream)).await {
        // A tunnel stays open until the client leaves it.
        Err(_) => return format!("{status} downstream_remote_disconnect DC"),
        Ok(result) => result.is_err(),
    };
    match gone {
        true => format!("{status} upstream_reset_after_response_started{{protocol_error}} UPE"),
        false => format!("{status} via_upstream -"),
    }
}

async fn body_to(upstream: &mut client::Connection, downstream: &mut server::Connection) -> Result<(), StreamError> {
    loop {
        match poll_fn(|cx| upstream.poll_body(cx)).await.inspect_err(|_| downstream.reset(ResetReason::Cancel))? {
            Frame::Data(data) => downstream.send_data(data, false)?,
            Frame::Trailers(trailers) => return downstream.send_trailers(&trailers),
            // The head may have ended it already.
            Frame::End => return downstream.send_data(Bytes::new(), true).or(Ok(())),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn responses_are_passed_on_as_by_envoy() {
    let cases: Vec<_> = table::read(RESPONSES).into_iter().filter(|case| !case.has("above")).collect();
    assert!(cases.len() > 80);
    let mut wrong = Vec::new();
    for case in &cases {
        let (log, seen) = passed_on(case).await;
        if case.expected() != [&log[..]] {
            wrong.push(format!("{}: {log}, not {:?}", case.name, case.expected()));
        } else if let Some(gives) = case.all("gives").first()
            && *gives != "yes"
            && !case.has("ours")
            && table::unescape(gives) != seen
        {
            wrong.push(format!("{}: gives {}", case.name, seen.escape_ascii()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// However the bytes arrive, the outcome is the same.
#[tokio::test(start_paused = true)]
async fn octet_by_octet_is_the_same_as_at_once() {
    use crate::wire::h1::decode::RequestDecoder;
    use bytes::BytesMut;
    fn events(pieces: &mut dyn Iterator<Item = &[u8]>) -> Vec<String> {
        let mut decoder = RequestDecoder::new(Settings::default());
        let mut buffer = BytesMut::new();
        let mut events: Vec<String> = Vec::new();
        let mut in_body = false;
        for piece in pieces {
            buffer.extend_from_slice(piece);
            loop {
                if in_body {
                    match decoder.body(&mut buffer) {
                        Ok(Some(Frame::Data(data))) => match events.last_mut() {
                            Some(last) if last.starts_with("data ") => last.push_str(&data.escape_ascii().to_string()),
                            _ => events.push(format!("data {}", data.escape_ascii())),
                        },
                        Ok(Some(_)) => {
                            events.push("end".to_owned());
                            in_body = false;
                        }
                        Ok(None) => break,
                        Err(error) => {
                            events.push(format!("{error:?}"));
                            return events;
                        }
                    }
                } else {
                    match decoder.head(&mut buffer) {
                        Ok(Some((head, keep))) => {
                            events.push(format!("{head:?} {keep}"));
                            in_body = true;
                        }
                        Ok(None) => break,
                        Err(error) => {
                            events.push(format!("{error:?}"));
                            return events;
                        }
                    }
                }
            }
        }
        events
    }
    for case in table::read(REQUESTS) {
        let bytes = case.bytes("send").unwrap();
        let whole = events(&mut [&bytes[..]].into_iter());
        let octets = events(&mut bytes.chunks(1));
        // Which limit is hit first may depend on how much came at once.
        let limits = |events: &[String]| events.last().is_some_and(|last| last.contains("431"));
        assert!(whole == octets || (limits(&whole) && limits(&octets)), "{}:\n{whole:#?}\n{octets:#?}", case.name);
    }
}
