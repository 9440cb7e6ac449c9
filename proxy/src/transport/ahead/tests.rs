//! The buffer that is lent: what is left of it, and whose it is.

use tokio::io::{AsyncReadExt as _, duplex};

use super::*;
use crate::transport::{Io, Stream};

fn filled(text: &[u8]) -> Scratch {
    let mut scratch = Scratch::take();
    let filled = scratch.fill(|buffer| {
        buffer.put_slice(text);
        Poll::Ready(Ok(()))
    });
    assert!(matches!(filled, Poll::Ready(Ok(()))));
    scratch
}

#[test]
fn what_is_left_is_read_where_it_lies_and_nothing_twice() {
    let mut scratch = filled(b"abcdef");
    let mut room = [0; 4];
    let mut out = ReadBuf::new(&mut room);
    scratch.spend(&mut out);
    assert_eq!(out.filled(), b"abcd");
    assert_eq!(scratch.as_ref(), b"ef");
    let mut out = ReadBuf::new(&mut room);
    scratch.spend(&mut out);
    assert_eq!(out.filled(), b"ef");
    assert!(scratch.is_empty());
}

#[test]
fn a_buffer_that_is_lent_is_nobody_elses() {
    let first = filled(b"first");
    let second = filled(b"second");
    assert_eq!(first.as_ref(), b"first");
    let place = second.as_ref().as_ptr();
    drop(second);
    let third = filled(b"3");
    assert_eq!(third.as_ref().as_ptr(), place, "what was given back is lent again");
    assert_eq!(first.as_ref(), b"first");
}

#[test]
fn nothing_of_what_was_there_is_read_again() {
    drop(filled(b"secret of another connection"));
    let mut scratch = filled(b"a");
    assert_eq!(scratch.as_ref(), b"a");
    assert!(scratch.fill(|_| Poll::Pending).is_pending());
}

#[tokio::test]
async fn what_a_stream_has_read_to_its_end_goes_back_though_the_stream_goes_on() {
    let text = vec![7; LITTLE + 1];
    let scratch = filled(&text);
    let place = scratch.as_ref().as_ptr();
    let (near, _far) = duplex(16);
    let mut stream = Stream::with_prefix(scratch.left(), Io::Memory(near));
    let mut read = vec![0; text.len()];
    stream.read_exact(&mut read).await.unwrap();
    assert_eq!(read, text);
    assert_eq!(filled(b"next").as_ref().as_ptr(), place);
}

#[test]
fn for_a_little_no_buffer_is_lent() {
    let scratch = filled(b"little");
    let place = scratch.as_ref().as_ptr();
    let left = scratch.left();
    assert_eq!(filled(b"next").as_ref().as_ptr(), place);
    assert_eq!(&left[..], b"little");
}
