//! What the settings change: floods, what is said of ourselves, what is malformed, and when somebody is asked whether he lives.

use std::task::Poll;

use super::streams::said;
use super::*;
use crate::wire::h2::Floods;

/// What a server with these settings makes of frames whose answers nobody reads.
async fn deaf(settings: Settings, frames: &[Vec<u8>]) -> Option<ConnectionError> {
    let (ours, mut theirs) = tokio::io::duplex(64);
    let mut connection = server::Connection::new(Stream::new(Io::Memory(ours)), &settings, CodecStats::NONE);
    let frames = [PREFACE.to_vec(), frame(4, 0, 0, &[]), frames.concat()].concat();
    let writing = spawn_local(async move {
        let _ = theirs.write_all(&frames).await;
        std::future::pending::<()>().await;
    });
    let mut held = Vec::new();
    let end = loop {
        match tokio::time::timeout(Duration::from_secs(1), connection.next()).await {
            Ok(Some(Ok((_, mut stream)))) => {
                let _ = stream.send_head(&response(200, &[]), true);
                held.push(stream);
            }
            Ok(Some(Err(error))) => break Some(error),
            Ok(None) | Err(_) => break None,
        }
    };
    writing.abort();
    end
}

#[tokio::test(start_paused = true)]
async fn answers_that_nobody_reads_end_the_connection() {
    run(async {
        let ping = || frame(6, 0, 0, &[0; 8]);
        let settings = || frame(4, 0, 0, &[]);
        let reset = |id: u32| frame(1, 5, id, b"\x82");
        let floods: [Vec<Vec<u8>>; 3] = [
            (0..1_100).map(|_| ping()).collect(),
            (0..1_100).map(|_| settings()).collect(),
            (0..240).map(|id| reset(2 * id + 1)).collect(),
        ];
        for (number, flood) in floods.iter().enumerate() {
            let few = Floods { outbound_control_frames: 200, ..Floods::default() };
            let end = deaf(Settings { floods: few, ..Settings::default() }, flood).await;
            let flooded = matches!(end, Some(ConnectionError::Flood("http2.outbound_control_frames_flood")));
            assert!(flooded, "{number} {end:?}");
        }
        let default = deaf(Settings::default(), &floods[0]).await;
        assert!(matches!(default, Some(ConnectionError::Flood(_))), "{default:?}");
        assert!(deaf(Settings::default(), &floods[0][..900]).await.is_none());
        let requests: Vec<_> = (0..40).map(|id| frame(1, 5, 2 * id + 1, GET)).collect();
        let few = Floods { outbound_frames: 20, ..Floods::default() };
        let end = deaf(Settings { floods: few, ..Settings::default() }, &requests).await;
        assert!(matches!(end, Some(ConnectionError::Flood("http2.outbound_frames_flood"))), "{end:?}");
        assert!(deaf(Settings::default(), &requests).await.is_none());
    })
    .await;
}

/// Streams that are opened and reset in one write are seen, each, before the connection ends.
#[tokio::test(start_paused = true)]
async fn requests_that_were_reset_at_once_are_seen() {
    run(async {
        let frames: Vec<_> =
            (0..300).flat_map(|id| [frame(1, 5, 2 * id + 1, GET), frame(3, 0, 2 * id + 1, &[0, 0, 0, 8])]).collect();
        let (heads, end, _) = serve_bytes(&frames).await;
        assert!(heads.len() >= 250, "{}", heads.len());
        assert!(matches!(end, Some(ConnectionError::Flood(server::PREMATURE_RESETS))), "{end:?}");
    })
    .await;
}

/// Malformed requests that a client sends to be reset count like resets of its own.
#[tokio::test(start_paused = true)]
async fn streams_that_are_made_to_be_reset_are_limited() {
    run(async {
        let frames: Vec<_> = (0..300).map(|id| frame(1, 5, 2 * id + 1, b"\x82")).collect();
        let (heads, end, _) = serve_bytes(&frames).await;
        assert!(heads.is_empty());
        assert!(matches!(end, Some(ConnectionError::Flood(server::PREMATURE_RESETS))), "{end:?}");
        // A window that overflows.
        let frames: Vec<_> = (0..300)
            .flat_map(|id| [frame(1, 4, 2 * id + 1, GET), frame(8, 0, 2 * id + 1, &[0x7f, 0xff, 0xff, 0xff])])
            .collect();
        let (_, end, _) = serve_bytes(&frames).await;
        assert!(matches!(end, Some(ConnectionError::Flood(_))), "{end:?}");
    })
    .await;
}

/// A request for a tunnel that leads nowhere ends as the loss of one does (RFC 9113 section 8.5); others are only not heard to their end.
#[tokio::test(start_paused = true)]
async fn a_tunnel_that_leads_nowhere_ends_in_a_connect_error() {
    run(async {
        let connect = &b"\x42\x07CONNECT\x41\x07example"[..];
        for (head, nowhere, code) in [(connect, true, 10), (connect, false, 0), (GET, false, 0)] {
            let (ours, mut theirs) = pipe();
            let mut connection = server::Connection::new(ours, &Settings::default(), CodecStats::NONE);
            theirs.write_all(&[&PREFACE[..], &frame(4, 0, 0, &[]), &frame(1, 4, 1, head)].concat()).await.unwrap();
            let (_, mut stream) = connection.next().await.unwrap().unwrap();
            stream.send_head(&response(503, &[]), true).unwrap();
            let _ = tokio::time::timeout(Duration::from_secs(1), connection.next()).await;
            if nowhere {
                stream.leads_nowhere();
            }
            drop(stream);
            let _ = tokio::time::timeout(Duration::from_secs(1), connection.next()).await;
            drop(connection);
            let mut answer = Vec::new();
            theirs.read_to_end(&mut answer).await.unwrap();
            let reset = frame(3, 0, 1, &[0, 0, 0, code]);
            assert!(answer.windows(reset.len()).any(|window| window == reset), "{answer:?}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_resets_has_its_limit() {
    run(async {
        let (ours, mut theirs) = pipe();
        let floods = Floods { reset_burst: 3, reset_rate: 1, ..Floods::default() };
        let settings = Settings { floods, ..Settings::default() };
        let mut connection = server::Connection::new(ours, &settings, CodecStats::NONE);
        let frames: Vec<_> =
            (0..4).flat_map(|id| [frame(1, 5, 2 * id + 1, GET), frame(3, 0, 2 * id + 1, &[0, 0, 0, 8])]).collect();
        theirs.write_all(&[&PREFACE[..], &frame(4, 0, 0, &[]), &frames.concat()].concat()).await.unwrap();
        let end = loop {
            match connection.next().await {
                Some(Ok(_)) => {}
                end => break end.map(|end| end.map(|_| ())),
            }
        };
        assert!(matches!(end, Some(Err(ConnectionError::Protocol(_)))), "{end:?}");
        drop(connection);
        let mut answer = Vec::new();
        theirs.read_to_end(&mut answer).await.unwrap();
        let goaway = frame(7, 0, 0, &[0, 0, 0, 7, 0, 0, 0, 2]);
        assert!(answer.windows(goaway.len()).any(|window| window == goaway), "INTERNAL_ERROR");
    })
    .await;
}

/// The settings that a side says of itself, and how much it opens the connection's window.
async fn introduced(settings: Settings) -> (Vec<(u16, u32)>, Option<u32>) {
    let (ours, mut theirs) = pipe();
    let mut connection = server::Connection::new(ours, &settings, CodecStats::NONE);
    theirs.write_all(&[&PREFACE[..], &frame(4, 0, 0, &[])].concat()).await.unwrap();
    let _ = tokio::time::timeout(Duration::from_secs(1), connection.next()).await;
    let (kind, _, _, payload) = said(&mut theirs).await;
    assert_eq!(kind, 4);
    let number = |octets: &[u8]| octets.iter().fold(0, |number, octet| number << 8 | u32::from(*octet));
    let pairs = payload.chunks(6).map(|pair| (number(&pair[..2]) as u16, number(&pair[2..])));
    let (kind, _, _, window) = said(&mut theirs).await;
    (pairs.collect(), (kind == 8).then(|| number(&window)))
}

#[tokio::test(start_paused = true)]
async fn the_peer_is_told_of_the_settings() {
    run(async {
        let (usual, window) = introduced(Settings::default()).await;
        assert_eq!(usual, [(3, 1024), (4, 16 << 20), (6, 60 * 1024 + 3_200)]);
        assert_eq!(window, Some((24 << 20) - 65_535));
        let own = Settings {
            hpack_table_size: 0,
            allow_connect: true,
            custom: [(0xf00d, 7)].into(),
            initial_connection_window: 65_535,
            ..Settings::default()
        };
        let (own, window) = introduced(own).await;
        assert_eq!(own, [(0xf00d, 7), (1, 0), (8, 1), (3, 1024), (4, 16 << 20), (6, 60 * 1024 + 3_200)]);
        assert_eq!(window, None);
    })
    .await;
}

/// `override_stream_error_on_invalid_http_message`, said to be false; limits end the stream alone all the same.
#[tokio::test(start_paused = true)]
async fn a_malformed_message_may_end_the_connection() {
    run(async {
        let settings = Settings { violations_end_connection: true, disallow_obs_text: true, ..Settings::default() };
        let obsolete = frame(1, 5, 1, &[GET, b"\x00\x01x\x01\xe4"].concat());
        for bad in [frame(1, 5, 1, b"\x82"), obsolete.clone()] {
            let (heads, end, _) = serve_with(&settings, &[bad]).await;
            assert!(heads.is_empty() && matches!(end, Some(ConnectionError::Protocol(_))), "{end:?}");
        }
        let lines: Vec<u8> = (0..101).flat_map(|_| *b"\x00\x01x\x01y").collect();
        let (_, end, _) = serve_with(&settings, &[frame(1, 5, 1, &[GET, &lines].concat())]).await;
        assert!(end.is_none(), "{end:?}");
        let (heads, _, _) = serve_bytes(&[obsolete]).await;
        assert_eq!(heads.len(), 1, "usually it may stand there");
    })
    .await;
}

/// Paths as Envoy takes them: a fragment is for others to judge, octets above 0x7f are escaped.
#[tokio::test(start_paused = true)]
async fn paths_come_as_they_are() {
    run(async {
        for (path, seen) in [
            (&b"/a#b"[..], &b"/a#b"[..]),
            (b"/<>`\"{}|\\^", b"/<>`\"{}|\\^"),
            (b"/\xc3\xa4", b"/%C3%A4"),
            (b"/%zz", b"/%zz"),
        ] {
            let block = [&b"\x82\x86\x41\x09ex%41mple\x04"[..], &[path.len() as u8], path].concat();
            let (heads, end, _) = serve_bytes(&[frame(1, 5, 1, &block)]).await;
            assert_eq!(heads.len(), 1, "{end:?}");
            assert_eq!((&heads[0].path[..], &heads[0].authority[..]), (seen, &b"ex%41mple"[..]));
        }
    })
    .await;
}

/// Frames that come say that the peer lives; only when there are none for so long is it dead.
#[tokio::test(start_paused = true)]
async fn a_peer_that_says_something_lives() {
    run(async {
        let settings = Settings {
            keepalive_interval: Some(Duration::from_secs(30)),
            keepalive_jitter: 0.0,
            keepalive_timeout: Duration::from_secs(5),
            ..Settings::default()
        };
        let (ours, mut theirs) = pipe();
        let (_handle, driver) = client::connect(ours, &settings, CodecStats::NONE);
        let started = tokio::time::Instant::now();
        let driver = spawn_local(driver);
        theirs.write_all(&frame(4, 0, 0, &[])).await.unwrap();
        tokio::time::sleep(Duration::from_secs(33)).await;
        theirs.write_all(&frame(8, 0, 0, &[0, 0, 0, 1])).await.unwrap();
        assert!(matches!(driver.await.unwrap(), Err(ConnectionError::PingTimeout)));
        assert_eq!(started.elapsed().as_secs(), 38);
    })
    .await;
}

/// Chance adds to the interval, within its share.
#[tokio::test(start_paused = true)]
async fn pings_are_spread() {
    run(async {
        let mut seen = Vec::new();
        for _ in 0..20 {
            let settings = Settings {
                keepalive_interval: Some(Duration::from_secs(100)),
                keepalive_jitter: 50.0,
                ..Settings::default()
            };
            let (ours, mut theirs) = pipe();
            let (_handle, driver) = client::connect(ours, &settings, CodecStats::NONE);
            let started = tokio::time::Instant::now();
            let driver = spawn_local(driver);
            let mut preface = [0; 24];
            theirs.read_exact(&mut preface).await.unwrap();
            while said(&mut theirs).await.0 != 6 {}
            seen.push(started.elapsed().as_millis());
            driver.abort();
        }
        assert!(seen.iter().all(|millis| (100_000..=150_001).contains(millis)), "{seen:?}");
        assert!(seen.iter().any(|millis| *millis != seen[0]), "{seen:?}");
    })
    .await;
}

/// A connection that was silent for long is looked at before it gets a request.
#[tokio::test(start_paused = true)]
async fn a_ping_goes_ahead_of_a_request_after_a_silence() {
    run(async {
        let settings = Settings {
            idle_interval: Some(Duration::from_secs(10)),
            keepalive_timeout: Duration::from_secs(5),
            ..Settings::default()
        };
        let (ours, mut theirs) = pipe();
        let (handle, driver) = client::connect(ours, &settings, CodecStats::NONE);
        let driver = spawn_local(driver);
        theirs.write_all(&frame(4, 0, 0, &[])).await.unwrap();
        let mut preface = [0; 24];
        theirs.read_exact(&mut preface).await.unwrap();
        let ask = || {
            let mut stream = handle.open();
            stream.send_head(&request(Method::Get, "/", &[]), true).unwrap();
            stream
        };
        let _first = ask();
        let mut kinds = Vec::new();
        while kinds.last() != Some(&1) {
            kinds.push(said(&mut theirs).await.0);
        }
        assert!(!kinds.contains(&6), "{kinds:?}");
        tokio::time::sleep(Duration::from_secs(11)).await;
        let mut second = ask();
        assert_eq!((said(&mut theirs).await.0, said(&mut theirs).await.0), (6, 1));
        let begun = tokio::time::Instant::now();
        assert!(matches!(driver.await.unwrap(), Err(ConnectionError::PingTimeout)));
        assert_eq!(begun.elapsed().as_secs(), 5);
        assert!(poll_fn(|cx| second.poll_head(cx)).await.is_err());
    })
    .await;
}

/// A head that no frame can hold goes on in further ones, in both directions, between other streams.
#[tokio::test]
async fn heads_larger_than_a_frame_cross() {
    run(async {
        let (handle, server) = pair(&Settings::default()).await;
        serve(server, |head, mut stream| async move {
            let mut answer = response(200, &[]);
            answer.headers = head.headers;
            stream.send_head(&answer, false).unwrap();
            let trailers = answer.headers;
            stream.send_trailers(&trailers).unwrap();
        });
        let large = "v".repeat(18_000);
        let lines: Vec<_> = ["x-one", "x-two", "x-three"].into_iter().map(|name| (name, &large[..])).collect();
        let mut streams = Vec::new();
        for _ in 0..5 {
            let mut stream = handle.open();
            stream.send_head(&request(Method::Get, "/", &lines), true).unwrap();
            streams.push(stream);
        }
        for mut stream in streams {
            let head = poll_fn(|cx| stream.poll_head(cx)).await.unwrap();
            assert_eq!(head.headers, list(&lines));
            assert_eq!(read_all(|cx| stream.poll_body(cx)).await.unwrap().1, Some(list(&lines)));
        }
    })
    .await;
}

/// An idle stream costs some hundred octets, and an idle connection little more.
#[test]
fn streams_and_connections_are_small() {
    assert!(size_of::<crate::wire::h2::stream::Stream>() <= 640, "{}", size_of::<crate::wire::h2::stream::Stream>());
    let connection = size_of::<crate::wire::h2::connection::Connection>();
    assert!(connection <= 2_048, "{connection}");
    assert!(size_of::<server::Stream>() <= 64 && size_of::<client::Stream>() <= 72);
}

/// What the codec says of a message on the wire: all frames with their headers, those of heads apart.
#[tokio::test(start_paused = true)]
async fn octets_on_the_wire_are_counted() {
    run(async {
        let post = [&b"\x83"[..], &GET[1..]].concat();
        let frames = [frame(1, 4, 1, &post), frame(0, 1, 1, b"hello")];
        let received = frames.concat().len() as u64;
        let (mut stream, mut peer) = super::streams::served(Settings::default(), &frames).await;
        assert_eq!(read_all(|cx| stream.poll_body(cx)).await.unwrap().0, b"hello");
        stream.send_head(&response(200, &[]), false).unwrap();
        stream.send_data(vec![b'x'; 40_000].into(), true).unwrap();
        poll_fn(|cx| stream.poll_flush(cx)).await.unwrap();
        let (mut sent, mut heads) = (0, 0);
        loop {
            let (kind, flags, id, payload) = said(&mut peer).await;
            sent += if id == 1 { 9 + payload.len() as u64 } else { 0 };
            heads += if kind == 1 { 9 + payload.len() as u64 } else { 0 };
            if kind == 0 && flags == 1 {
                break;
            }
        }
        let wire = stream.on_wire().unwrap();
        assert_eq!((wire.received, wire.received_heads), (received, 9 + post.len() as u64));
        assert_eq!((wire.sent, wire.sent_heads), (sent, heads));
        assert!(poll_fn(|cx| Poll::Ready(stream.poll_gone(cx).is_pending())).await);
    })
    .await;
}
