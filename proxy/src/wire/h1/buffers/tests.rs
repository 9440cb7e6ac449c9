//! Tests of the buffers: nothing is lost or reordered, and memory is lent, not kept.

use std::future::poll_fn;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::transport::Io;

#[tokio::test]
async fn pieces_leave_in_order_through_a_narrow_pipe() {
    let (ours, mut theirs) = tokio::io::duplex(97);
    let mut stream = Stream::new(Io::Memory(ours));
    let mut buffer = WriteBuffer::default();
    let mut expected = Vec::new();
    for index in 0..60u8 {
        let small = vec![index; usize::from(index)];
        buffer.text().extend_from_slice(&small);
        let large = vec![index; if index % 3 == 0 { COPY_LIMIT + 1 } else { 100 }];
        buffer.push(large.clone().into());
        expected.extend(small);
        expected.extend(large);
    }
    assert_eq!(buffer.len(), expected.len());
    let reader = async {
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).await.map(|_| all)
    };
    let writer = async {
        poll_fn(|cx| buffer.poll_drain(&mut stream, cx)).await.unwrap();
        assert_eq!(buffer.len(), 0);
        drop(stream);
    };
    assert_eq!(tokio::join!(reader, writer).0.unwrap(), expected);
}

#[tokio::test]
async fn an_idle_connection_holds_no_memory_and_the_next_gets_the_same() {
    let (ours, mut theirs) = tokio::io::duplex(4096);
    let mut stream = Stream::new(Io::Memory(ours));
    let mut buffer = ReadBuffer::default();
    let mut places = Vec::new();
    for _ in 0..3 {
        theirs.write_all(b"GET / HTTP/1.1").await.unwrap();
        poll_fn(|cx| buffer.poll_fill(&mut stream, cx)).await.unwrap();
        let head = buffer.bytes().split_to(14).freeze();
        places.push(head.as_ptr());
        drop(head);
        // Nothing to read: the connection is idle.
        assert!(poll_fn(|cx| Poll::Ready(buffer.poll_fill(&mut stream, cx).is_pending())).await);
        assert_eq!(buffer.bytes().capacity(), 0);
    }
    assert!(places.iter().all(|place| *place == places[0]));
}

#[tokio::test]
async fn memory_that_is_still_referred_to_is_not_lent_again() {
    let (ours, mut theirs) = tokio::io::duplex(4096);
    let mut stream = Stream::new(Io::Memory(ours));
    let mut buffer = ReadBuffer::default();
    theirs.write_all(b"first").await.unwrap();
    poll_fn(|cx| buffer.poll_fill(&mut stream, cx)).await.unwrap();
    let first = buffer.bytes().split().freeze();
    assert!(poll_fn(|cx| Poll::Ready(buffer.poll_fill(&mut stream, cx).is_pending())).await);
    theirs.write_all(b"other").await.unwrap();
    poll_fn(|cx| buffer.poll_fill(&mut stream, cx)).await.unwrap();
    assert_eq!((&first[..], &buffer.bytes()[..]), (&b"first"[..], &b"other"[..]));
}

/// A request waits for as long as a filter does, with what came of its body.
#[tokio::test]
async fn who_waits_with_a_little_holds_no_buffer_and_loses_nothing() {
    let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
    let mut stream = Stream::new(Io::Memory(ours));
    let mut buffer = ReadBuffer::default();
    for (length, held) in [(LITTLE, 2 * LITTLE), (1, 2 * LITTLE), (4 * LITTLE, usize::MAX)] {
        let text: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
        theirs.write_all(&text).await.unwrap();
        poll_fn(|cx| buffer.poll_fill(&mut stream, cx)).await.unwrap();
        assert!(poll_fn(|cx| Poll::Ready(buffer.poll_fill(&mut stream, cx).is_pending())).await);
        assert!(buffer.bytes().capacity() <= held, "{} octets for {length}", buffer.bytes().capacity());
        theirs.write_all(b"more").await.unwrap();
        poll_fn(|cx| buffer.poll_fill(&mut stream, cx)).await.unwrap();
        assert_eq!(buffer.bytes().split(), [&text[..], b"more"].concat());
    }
}

#[test]
fn connections_are_small() {
    assert!(size_of::<crate::wire::h1::server::Connection>() <= 512);
    assert!(size_of::<crate::wire::h1::client::Connection>() <= 512);
}
