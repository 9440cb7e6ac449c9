//! What a stream holds, when it is delivered, and what its loss gives back: against peers of which every frame is written by hand.

use std::task::Poll;

use super::*;

/// The next frame that the other side says: kind, flags, stream, payload.
pub(super) async fn said(peer: &mut DuplexStream) -> (u8, u8, u32, Vec<u8>) {
    let mut head = [0; 9];
    peer.read_exact(&mut head).await.unwrap();
    let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    peer.read_exact(&mut payload).await.unwrap();
    (head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload)
}

/// A connection with one request on stream 1, and its client. The connection is driven by a task that keeps further streams.
pub(super) async fn served(settings: Settings, frames: &[Vec<u8>]) -> (server::Stream, DuplexStream) {
    // More than all windows: what stops a sender is never the pipe.
    let (ours, mut theirs) = tokio::io::duplex(1 << 20);
    let mut connection = server::Connection::new(Stream::new(Io::Memory(ours)), &settings, CodecStats::NONE);
    theirs.write_all(&[&PREFACE[..], &frame(4, 0, 0, &[]), &frames.concat()].concat()).await.unwrap();
    let (_, stream) = connection.next().await.unwrap().unwrap();
    spawn_local(async move {
        let mut others = Vec::new();
        while let Some(Ok(next)) = connection.next().await {
            others.push(next);
        }
    });
    (stream, theirs)
}

fn window(stream: u32, octets: u32) -> Vec<u8> {
    frame(8, 0, stream, &octets.to_be_bytes())
}

/// Sends single octets until it is told to wait, as an upstream does that chunks its answer so.
async fn fill(stream: &mut server::Stream) -> usize {
    let mut sent = 0;
    poll_fn(|cx| {
        while stream.poll_ready(cx).is_ready() {
            stream.send_data(Bytes::from_static(b"x"), false).unwrap();
            let _ = stream.poll_flush(cx);
            sent += 1;
            assert!(sent < 1 << 20, "there is an end to what may wait");
        }
        Poll::Ready(())
    })
    .await;
    sent
}

#[tokio::test(start_paused = true)]
async fn octets_that_wait_are_few_pieces() {
    run(async {
        let (mut stream, mut peer) = served(Settings::default(), &[frame(1, 5, 1, GET)]).await;
        stream.send_head(&response(200, &[]), false).unwrap();
        // The socket takes nothing meanwhile, for the connection's task does not run.
        let sent = fill(&mut stream).await;
        stream.send_data(Bytes::new(), true).unwrap();
        peer.write_all(&[window(0, 1 << 20), window(1, 1 << 20)].concat()).await.unwrap();
        let (mut pieces, mut octets) = (0, 0);
        loop {
            let (kind, flags, _, payload) = said(&mut peer).await;
            pieces += usize::from(kind == 0);
            octets += if kind == 0 { payload.len() } else { 0 };
            if kind == 0 && flags == 1 {
                break;
            }
        }
        assert_eq!(octets, sent);
        assert!(pieces < 10, "{pieces} pieces of {octets} octets");
    })
    .await;
}

/// One octet that comes alone is not held back for others.
#[tokio::test(start_paused = true)]
async fn an_octet_alone_leaves_at_once() {
    run(async {
        let (mut stream, mut peer) = served(Settings::default(), &[frame(1, 5, 1, GET)]).await;
        stream.send_head(&response(200, &[]), false).unwrap();
        for octet in [&b"a"[..], b"b"] {
            stream.send_data(Bytes::from_static(octet), false).unwrap();
            poll_fn(|cx| stream.poll_flush(cx)).await.unwrap();
            while said(&mut peer).await.3 != octet {}
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_response_is_delivered_when_it_is_written() {
    run(async {
        let (mut stream, mut peer) = served(Settings::default(), &[frame(1, 5, 1, GET)]).await;
        stream.send_head(&response(200, &[]), false).unwrap();
        // One octet more than the window.
        stream.send_data(vec![b'x'; 65_536].into(), true).unwrap();
        let early = tokio::time::timeout(Duration::from_secs(60), poll_fn(|cx| stream.poll_flush(cx))).await;
        assert!(early.is_err(), "an octet is missing");
        peer.write_all(&window(1, 1)).await.unwrap();
        peer.write_all(&window(0, 1)).await.unwrap();
        let reading = spawn_local(async move { while said(&mut peer).await.1 != 1 {} });
        poll_fn(|cx| stream.poll_flush(cx)).await.unwrap();
        reading.await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_no_end_is_given_up() {
    run(async {
        let settings = Settings { flush_timeout: Some(Duration::from_secs(7)), ..Settings::default() };
        let (mut stream, mut peer) = served(settings, &[frame(1, 5, 1, GET)]).await;
        stream.send_head(&response(200, &[]), false).unwrap();
        stream.send_data(vec![b'x'; 65_536].into(), true).unwrap();
        let begun = tokio::time::Instant::now();
        assert!(poll_fn(|cx| stream.poll_flush(cx)).await.is_ok(), "nothing that the request did is wrong");
        assert_eq!(begun.elapsed().as_secs(), 7);
        drop(stream);
        let reset = loop {
            let (kind, _, id, payload) = said(&mut peer).await;
            if kind == 3 {
                break (id, payload);
            }
        };
        assert_eq!(reset, (1, vec![0, 0, 0, 2]), "INTERNAL_ERROR, as Envoy has it");
    })
    .await;
}

/// Neither `h2` nor the window would tell: the stream is closed, as far as frames were queued.
#[tokio::test(start_paused = true)]
async fn a_reset_behind_the_queued_end_is_seen() {
    run(async {
        let (mut stream, mut peer) = served(Settings::default(), &[frame(1, 5, 1, GET)]).await;
        stream.send_head(&response(200, &[]), false).unwrap();
        stream.send_data(vec![b'x'; 65_536].into(), true).unwrap();
        while said(&mut peer).await.0 != 0 {}
        peer.write_all(&frame(3, 0, 1, &[0, 0, 0, 8])).await.unwrap();
        let lost = poll_fn(|cx| stream.poll_flush(cx)).await;
        assert!(matches!(lost, Err(StreamError::Reset(8))), "{lost:?}");

        let (mut stream, peer) = served(Settings::default(), &[frame(1, 5, 1, GET)]).await;
        stream.send_head(&response(200, &[]), false).unwrap();
        stream.send_data(vec![b'x'; 65_536].into(), true).unwrap();
        drop(peer);
        let lost = poll_fn(|cx| stream.poll_flush(cx)).await;
        assert!(matches!(lost, Err(StreamError::Closed(_))), "{lost:?}");
    })
    .await;
}

/// While a sender waits for the client's window it hears of a reset as such.
#[tokio::test(start_paused = true)]
async fn a_reset_while_the_window_is_awaited_is_a_reset() {
    run(async {
        let (mut stream, mut peer) = served(Settings::default(), &[frame(1, 5, 1, GET)]).await;
        stream.send_head(&response(200, &[]), false).unwrap();
        stream.send_data(vec![b'x'; 200_000].into(), false).unwrap();
        while said(&mut peer).await.0 != 0 {}
        peer.write_all(&frame(3, 0, 1, &[0, 0, 0, 8])).await.unwrap();
        let lost = poll_fn(|cx| stream.poll_ready(cx)).await;
        assert!(matches!(lost, Err(StreamError::Reset(8))), "{lost:?}");
    })
    .await;
}

/// Whoever sends without having looked is told the same.
#[tokio::test(start_paused = true)]
async fn sending_after_a_reset_tells_of_the_reset() {
    run(async {
        let reset = frame(3, 0, 1, &[0, 0, 0, 8]);
        let (mut stream, mut peer) = served(Settings::default(), &[frame(1, 5, 1, GET)]).await;
        peer.write_all(&reset).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let lost = stream.send_head(&response(200, &[]), false);
        assert!(matches!(lost, Err(StreamError::Reset(8))), "{lost:?}");

        let (mut stream, mut peer) = served(Settings::default(), &[frame(1, 5, 1, GET)]).await;
        stream.send_head(&response(200, &[]), false).unwrap();
        peer.write_all(&reset).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let lost = [stream.send_data(vec![b'x'; 5_000].into(), false), stream.send_trailers(&list(&[("t", "1")]))];
        assert!(lost.iter().all(|lost| matches!(lost, Err(StreamError::Reset(8)))), "{lost:?}");
    })
    .await;
}

/// Two uploads that nobody read and that are over, but not dropped yet: their octets are the connection's again.
#[tokio::test(start_paused = true)]
async fn the_window_of_an_abandoned_upload_comes_back() {
    run(async {
        const WINDOW: u32 = 65_535;
        let settings =
            Settings { initial_stream_window: WINDOW, initial_connection_window: WINDOW, ..Settings::default() };
        let data =
            |stream: u32| (0..4).map(move |part| frame(0, 0, stream, &vec![0; if part < 3 { 16_384 } else { 16_383 }]));
        let upload: Vec<_> = [frame(1, 4, 1, GET)].into_iter().chain(data(1)).collect();
        let (mut stream, mut peer) = served(settings, &upload).await;
        let begun = poll_fn(|cx| Poll::Ready(stream.poll_gone(cx).is_pending())).await;
        assert!(begun, "its client is there, with unread octets or without");
        peer.write_all(&frame(3, 0, 1, &[0, 0, 0, 8])).await.unwrap();
        let gone = poll_fn(|cx| stream.poll_gone(cx)).await;
        assert!(matches!(gone, StreamError::Reset(8)), "{gone:?}");
        // The stream is still held; what it was sent is given back all the same.
        let mut back = 0;
        while back < WINDOW {
            let (kind, _, id, payload) = said(&mut peer).await;
            if (kind, id) == (8, 0) {
                back += u32::from_be_bytes(payload.try_into().unwrap());
            }
        }
        drop(stream);
    })
    .await;
}

/// Streams that were reset while somebody holds them (until a first route table, say) count at once, and there is an end to them.
#[tokio::test(start_paused = true)]
async fn streams_that_are_held_are_limited_and_their_resets_counted() {
    run(async {
        let (ours, mut theirs) = pipe();
        let settings = Settings { max_concurrent_streams: 100, ..Settings::default() };
        let mut connection = server::Connection::new(ours, &settings, CodecStats::NONE);
        theirs.write_all(&[&PREFACE[..], &frame(4, 0, 0, &[])].concat()).await.unwrap();
        let mut held = Vec::new();
        let mut end = None;
        for number in 0..2_000 {
            let id = 1 + 2 * number;
            let told = theirs.write_all(&[frame(1, 5, id, GET), frame(3, 0, id, &[0, 0, 0, 8])].concat()).await;
            match tokio::time::timeout(Duration::from_millis(1), connection.next()).await {
                Ok(Some(Ok(next))) => held.push(next),
                Ok(over) => {
                    end = Some(over);
                    break;
                }
                Err(_) => {}
            }
            let mut drained = [0; 4096];
            let _ = tokio::time::timeout(Duration::from_millis(1), theirs.read(&mut drained)).await;
            told.unwrap();
        }
        assert!(held.len() <= 100, "{}", held.len());
        assert!(matches!(end, Some(Some(Err(_)))), "a client that only resets is sent away");
    })
    .await;
}

/// The answer of an upstream that says these frames and closes, while the request is still open.
async fn closed_behind(
    frames: &[Vec<u8>],
) -> (Result<ResponseHead, StreamError>, Result<(Vec<u8>, Option<Headers>), StreamError>) {
    let (ours, mut theirs) = pipe();
    let (handle, driver) = client::connect(ours, &Settings::default(), CodecStats::NONE);
    let mut stream = handle.open();
    stream.send_head(&request(Method::Post, "/", &[]), false).unwrap();
    let driver = spawn_local(driver);
    let mut preface = vec![0; PREFACE.len()];
    theirs.read_exact(&mut preface).await.unwrap();
    while said(&mut theirs).await.0 != 1 {}
    // All of it, and the end, in one read.
    theirs.write_all(&[frame(4, 0, 0, &[]), frames.concat()].concat()).await.unwrap();
    drop(theirs);
    let _ = driver.await;
    let head = poll_fn(|cx| stream.poll_head(cx)).await;
    let body = match head {
        Ok(_) => read_all(|cx| stream.poll_body(cx)).await,
        Err(_) => Ok((Vec::new(), None)),
    };
    (head, body)
}

#[tokio::test(start_paused = true)]
async fn a_complete_response_survives_the_end_of_its_connection() {
    run(async {
        let head = |flags: u8| frame(1, flags, 1, b"\x88");
        let (answer, body) = closed_behind(&[head(4), frame(0, 0, 1, b"he"), frame(0, 1, 1, b"llo")]).await;
        assert_eq!((answer.unwrap().status, body.unwrap().0), (200, b"hello".to_vec()));
        // A gRPC status in the head alone: it must not become a head and a body.
        let (answer, body) = closed_behind(&[head(5)]).await;
        assert_eq!((answer.unwrap().body, body.unwrap()), (BodyLength::Empty, (Vec::new(), None)));
        let trailers = frame(1, 5, 1, b"\x00\x0bgrpc-status\x010");
        let (answer, body) = closed_behind(&[head(4), frame(0, 0, 1, b"hello"), trailers.clone()]).await;
        assert_eq!(answer.unwrap().status, 200);
        assert_eq!(body.unwrap(), (b"hello".to_vec(), Some(list(&[("grpc-status", "0")]))));
        // What is not complete is not taken for it.
        for cut in [
            vec![head(4), frame(0, 0, 1, b"hello")],
            vec![head(4), frame(0, 1, 1, b"hello")[..12].to_vec()],
            vec![head(4), trailers[..15].to_vec()],
        ] {
            let (answer, body) = closed_behind(&cut).await;
            assert_eq!(answer.unwrap().status, 200);
            assert!(matches!(body, Err(StreamError::Closed(_))), "{body:?}");
        }
    })
    .await;
}

/// RFC 9110 section 6.4.1: what comes behind such a head is no body, and whoever relays it gives the client a second answer.
#[tokio::test(start_paused = true)]
async fn responses_without_a_body_have_none() {
    run(async {
        for status in [&b"\x89"[..], b"\x8b"] {
            let answer = |data: &[u8]| [frame(1, 4, 1, status), frame(0, 1, 1, data)];
            assert!(closed_behind(&answer(b"")).await.1.is_ok());
            let (head, body) = closed_behind(&answer(b"more")).await;
            assert!(head.is_ok());
            assert!(matches!(body, Err(StreamError::Protocol { .. })), "{body:?}");
        }
    })
    .await;
}
