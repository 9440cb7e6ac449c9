//! Bodies that come in small frames and wait for their readers: they cost what their window says, and nobody else's stream.

use std::task::Poll;

use super::streams::{said, served};
use super::*;

/// `h2` would end a connection with this window after 130 frames of an octet.
const WINDOW: u32 = 65_535;

fn narrow() -> Settings {
    Settings { initial_stream_window: WINDOW, initial_connection_window: 2 * WINDOW, ..Settings::default() }
}

fn data(stream: u32, payload: &[u8]) -> Vec<u8> {
    frame(0, 0, stream, payload)
}

/// Two requests on one connection to an upstream, both answered with a head.
async fn two_answers() -> (client::Handle, [client::Stream; 2], DuplexStream) {
    let (ours, mut theirs) = tokio::io::duplex(1 << 20);
    let (handle, driver) = client::connect(Stream::new(Io::Memory(ours)), &narrow(), CodecStats::NONE);
    let mut streams = [handle.open(), handle.open()];
    for stream in &mut streams {
        stream.send_head(&request(Method::Get, "/", &[]), true).unwrap();
    }
    spawn_local(driver);
    let mut preface = vec![0; PREFACE.len()];
    theirs.read_exact(&mut preface).await.unwrap();
    while said(&mut theirs).await.2 != 3 {}
    theirs.write_all(&[frame(4, 0, 0, &[]), frame(1, 4, 1, b"\x88"), frame(1, 4, 3, b"\x88")].concat()).await.unwrap();
    for stream in &mut streams {
        poll_fn(|cx| stream.poll_head(cx)).await.unwrap();
    }
    (handle, streams, theirs)
}

/// Octets of window that were given back for a stream by now.
async fn given_back(peer: &mut DuplexStream, stream: u32) -> u32 {
    let mut octets = 0;
    while let Ok((kind, _, id, payload)) = tokio::time::timeout(Duration::from_secs(1), said(peer)).await {
        assert!(kind != 3 && kind != 7, "nobody is reset or sent away");
        if (kind, id) == (8, stream) {
            octets += u32::from_be_bytes(payload.try_into().unwrap());
        }
    }
    octets
}

/// The pieces of a body that is complete.
async fn pieces(poll: impl FnMut(&mut std::task::Context<'_>) -> Poll<Result<Frame, StreamError>>) -> Vec<usize> {
    let (mut poll, mut pieces) = (poll, Vec::new());
    while let Frame::Data(data) = poll_fn(&mut poll).await.unwrap() {
        pieces.push(data.len());
    }
    pieces
}

#[tokio::test(start_paused = true)]
async fn a_response_that_waits_in_small_frames_leaves_its_neighbours_alone() {
    run(async {
        let (handle, [mut neighbour, mut slow], mut peer) = two_answers().await;
        for _ in 0..1_000 {
            peer.write_all(&data(3, &[b'x'; 60])).await.unwrap();
        }
        peer.write_all(&data(1, b"tick")).await.unwrap();
        let tick = poll_fn(|cx| neighbour.poll_body(cx)).await;
        assert!(matches!(&tick, Ok(Frame::Data(data)) if data == "tick"), "{tick:?}");
        assert_eq!(given_back(&mut peer, 3).await, 0, "it has not been read");
        assert!(handle.is_open() && poll_fn(|cx| Poll::Ready(slow.poll_lost(cx).is_pending())).await);

        peer.write_all(&frame(0, 1, 3, b"end")).await.unwrap();
        let pieces = pieces(|cx| slow.poll_body(cx)).await;
        assert_eq!(pieces.iter().sum::<usize>(), 60_003);
        assert!(pieces.len() < 80, "{} pieces", pieces.len());
        peer.write_all(&data(1, b"tock")).await.unwrap();
        assert!(matches!(poll_fn(|cx| neighbour.poll_body(cx)).await, Ok(Frame::Data(_))));
    })
    .await;
}

/// Window comes back when somebody reads, and the waiting octets of a stream that is dropped are the connection's.
#[tokio::test(start_paused = true)]
async fn the_window_comes_back_with_the_reading() {
    run(async {
        let (_handle, [mut read, dropped], mut peer) = two_answers().await;
        for stream in [1, 3] {
            for _ in 0..1_000 {
                peer.write_all(&data(stream, &[b'x'; 60])).await.unwrap();
            }
        }
        assert_eq!(given_back(&mut peer, 0).await, 0);
        let mut octets = 0;
        while octets < 60_000 {
            let Ok(Frame::Data(data)) = poll_fn(|cx| read.poll_body(cx)).await else { panic!("there is more") };
            octets += data.len();
        }
        assert!(poll_fn(|cx| Poll::Ready(read.poll_body(cx).is_pending())).await);
        assert!(given_back(&mut peer, 1).await >= WINDOW / 2, "`h2` says it when it is half of the window");
        drop(dropped);
        let mut back = 0;
        while let Ok((kind, _, id, payload)) = tokio::time::timeout(Duration::from_secs(1), said(&mut peer)).await {
            if (kind, id) == (8, 0) {
                back += u32::from_be_bytes(payload.try_into().unwrap());
            }
        }
        assert!(back >= 60_000, "{back}");
    })
    .await;
}

/// Whoever waits for the next piece hears of each, also when the connection's task takes them out.
#[tokio::test(start_paused = true)]
async fn a_reader_of_small_frames_misses_none() {
    run(async {
        let (_handle, [mut read, _neighbour], mut peer) = two_answers().await;
        let reading = spawn_local(async move { pieces(|cx| read.poll_body(cx)).await.iter().sum::<usize>() });
        for number in 0..2_000 {
            peer.write_all(&data(1, b"abc")).await.unwrap();
            if number % 7 == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        peer.write_all(&frame(0, 1, 1, b"")).await.unwrap();
        assert_eq!(reading.await.unwrap(), 6_000);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_waits_in_small_frames_keeps_its_connection() {
    run(async {
        let (mut stream, mut peer) = served(narrow(), &[frame(1, 4, 1, GET)]).await;
        for _ in 0..3_000 {
            peer.write_all(&data(1, b"x")).await.unwrap();
        }
        // An octet, and two hundred of padding.
        let padded = [&[200, b'x'][..], &[0; 200]].concat();
        for _ in 0..300 {
            peer.write_all(&frame(0, 8, 1, &padded)).await.unwrap();
        }
        peer.write_all(&[frame(6, 0, 0, &[1; 8]), frame(0, 1, 1, b"end")].concat()).await.unwrap();
        while said(&mut peer).await.0 != 6 {}
        let pieces = pieces(|cx| stream.poll_body(cx)).await;
        assert_eq!(pieces.iter().sum::<usize>(), 3_303);
        assert!(pieces.len() < 80, "{} pieces", pieces.len());
    })
    .await;
}

/// Frames without octets say nothing. Envoy minds them in a row; `h2` ends a connection after a hundred, in whatever time.
#[tokio::test(start_paused = true)]
async fn empty_frames_now_and_then_end_no_connection() {
    run(async {
        let (handle, [mut read, _neighbour], mut peer) = two_answers().await;
        let reading = spawn_local(async move { pieces(|cx| read.poll_body(cx)).await.iter().sum::<usize>() });
        let both = [data(1, b""), data(1, b"abc")].concat();
        for number in 0..300 {
            // Alone, beside others, and cut anywhere.
            let cut = both.len().min(number % 40);
            peer.write_all(&both[..cut]).await.unwrap();
            if number % 5 != 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            peer.write_all(&both[cut..]).await.unwrap();
        }
        peer.write_all(&frame(0, 1, 1, b"")).await.unwrap();
        assert_eq!(reading.await.unwrap(), 900);
        assert!(handle.is_open());
    })
    .await;
}

/// What comes for a request that waits to be taken, for the client has reset so many others, is held like any other body.
#[tokio::test(start_paused = true)]
async fn small_frames_of_streams_that_are_not_taken_up_are_joined() {
    run(async {
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        let settings = Settings { max_concurrent_streams: 1, ..Settings::default() };
        let mut connection = server::Connection::new(Stream::new(Io::Memory(ours)), &settings, CodecStats::NONE);
        let begun = [frame(4, 0, 0, &[]), frame(1, 4, 1, GET), frame(3, 0, 1, &[0, 0, 0, 8]), frame(1, 4, 3, GET)];
        theirs.write_all(&[&PREFACE[..], &begun.concat()].concat()).await.unwrap();
        let held = connection.next().await.unwrap().unwrap();
        for _ in 0..20_000 {
            theirs.write_all(&data(3, b"x")).await.unwrap();
        }
        theirs.write_all(&frame(0, 1, 3, b"end")).await.unwrap();
        let taken = tokio::time::timeout(Duration::from_secs(1), connection.next()).await;
        assert!(taken.is_err(), "one at a time");
        drop(held);
        let (_, mut stream) = connection.next().await.unwrap().unwrap();
        let pieces = pieces(|cx| stream.poll_body(cx)).await;
        assert_eq!(pieces.iter().sum::<usize>(), 20_003);
        assert!(pieces.len() < 10, "{} pieces", pieces.len());
    })
    .await;
}
