//! A response that nobody reads for now: that its stream is lost is told all the same, and nothing else is taken for a loss.

use std::task::Poll;

use super::streams::said;
use super::*;

const HEAD: &[u8] = b"\x88";

/// An upstream that says these frames on the stream of a request, whose head is taken. `end`: the request was complete.
async fn answered(frames: &[Vec<u8>], end: bool) -> (client::Stream, DuplexStream) {
    let (ours, mut theirs) = pipe();
    let (handle, driver) = client::connect(ours, &Settings::default(), CodecStats::NONE);
    let mut stream = handle.open();
    stream.send_head(&request(Method::Post, "/", &[]), end).unwrap();
    spawn_local(driver);
    let mut preface = vec![0; PREFACE.len()];
    theirs.read_exact(&mut preface).await.unwrap();
    while said(&mut theirs).await.0 != 1 {}
    theirs.write_all(&[frame(4, 0, 0, &[]), frames.concat()].concat()).await.unwrap();
    poll_fn(|cx| stream.poll_head(cx)).await.unwrap();
    (stream, theirs)
}

async fn lost(stream: &mut client::Stream) -> Option<StreamError> {
    let waited = tokio::time::timeout(Duration::from_secs(60), poll_fn(|cx| stream.poll_lost(cx))).await;
    waited.ok()
}

#[tokio::test(start_paused = true)]
async fn a_loss_is_told_without_reading() {
    run(async {
        let begun = [frame(1, 4, 1, HEAD), frame(0, 0, 1, b"unread")];
        for end in [false, true] {
            let (mut stream, mut peer) = answered(&begun, end).await;
            assert!(poll_fn(|cx| Poll::Ready(stream.poll_lost(cx).is_pending())).await);
            peer.write_all(&frame(3, 0, 1, &[0, 0, 0, 2])).await.unwrap();
            let told = lost(&mut stream).await;
            assert!(matches!(told, Some(StreamError::Reset(2))), "{told:?}");
            assert!(matches!(poll_fn(|cx| stream.poll_body(cx)).await, Ok(Frame::Data(_))), "it is still there");

            let (mut stream, peer) = answered(&begun, end).await;
            drop(peer);
            let told = lost(&mut stream).await;
            assert!(matches!(told, Some(StreamError::Closed(_))), "{told:?}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_breach_of_the_protocol_is_told_as_such() {
    run(async {
        for breach in [frame(3, 0, 1, &[0, 0, 0, 1]), frame(0, 0, 1, &[0; 1 << 15])] {
            let (mut stream, mut peer) = answered(&[frame(1, 4, 1, HEAD)], true).await;
            peer.write_all(&breach).await.unwrap();
            let told = lost(&mut stream).await;
            assert!(matches!(told, Some(StreamError::Protocol { .. })), "{told:?}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_behind_the_end_is_no_loss() {
    run(async {
        let whole = [frame(1, 4, 1, HEAD), frame(0, 1, 1, b"all"), frame(3, 0, 1, &[0, 0, 0, 0])];
        for end in [false, true] {
            let (mut stream, peer) = answered(&whole, end).await;
            assert!(lost(&mut stream).await.is_none());
            drop(peer);
            assert!(lost(&mut stream).await.is_none());
        }
    })
    .await;
}
