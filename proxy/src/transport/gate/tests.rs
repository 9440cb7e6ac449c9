//! Tests of gates.

use std::future::{Future, poll_fn};
use std::io::ErrorKind;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

fn behind(gate: &Gate) -> (tokio::io::DuplexStream, Stream) {
    let (near, far) = tokio::io::duplex(64);
    (near, Stream::with_prefix(Bytes::from_static(b"first "), Io::Memory(far)).at_gate(gate.clone()))
}

async fn read(stream: &mut Stream, most: usize) -> io::Result<Vec<u8>> {
    let mut octets = vec![0; most];
    let count = stream.read(&mut octets).await?;
    octets.truncate(count);
    Ok(octets)
}

#[tokio::test]
async fn what_is_read_waits_until_it_may_pass() {
    let gate = Gate::new(true);
    let (mut near, mut stream) = behind(&gate);
    near.write_all(b"open").await.unwrap();
    assert_eq!(read(&mut stream, 9).await.unwrap(), b"first ");
    assert_eq!(read(&mut stream, 9).await.unwrap(), b"open", "nothing waits yet");
    gate.shut();
    stream.write_all(b"back").await.unwrap();
    assert_eq!(near.read(&mut [0; 9]).await.unwrap(), 4);
    near.write_all(b"shut").await.unwrap();
    {
        let mut waiting = std::pin::pin!(read(&mut stream, 9));
        assert!(poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_pending())).await, "it waits");
    }
    poll_fn(|cx| gate.poll_waiting(cx)).await;
    gate.decide(Ok(()));
    assert_eq!(read(&mut stream, 2).await.unwrap(), b"sh");
    assert_eq!(read(&mut stream, 9).await.unwrap(), b"ut", "it was let pass as a whole");
    near.shutdown().await.unwrap();
    let keeper = async {
        poll_fn(|cx| gate.poll_waiting(cx)).await;
        gate.decide(Ok(()));
    };
    let (octets, ()) = tokio::join!(read(&mut stream, 9), keeper);
    assert_eq!(octets.unwrap(), b"");
    assert_eq!(read(&mut stream, 9).await.unwrap(), b"", "an end is judged once");
}

#[tokio::test]
async fn what_is_refused_is_never_seen() {
    let gate = Gate::new(false);
    let (mut near, mut stream) = behind(&gate);
    gate.shut();
    assert_eq!(read(&mut stream, 9).await.unwrap(), b"first ", "it was read before");
    near.write_all(b"bad").await.unwrap();
    let keeper = async {
        poll_fn(|cx| gate.poll_waiting(cx)).await;
        gate.decide(Err(ErrorKind::ConnectionAborted.into()));
    };
    let (octets, ()) = tokio::join!(read(&mut stream, 9), keeper);
    assert_eq!(octets.unwrap_err().kind(), ErrorKind::ConnectionAborted);
    near.write_all(b"more").await.unwrap();
    assert_eq!(read(&mut stream, 9).await.unwrap(), b"");
    // An end alone passes here.
    let gate = Gate::new(false);
    let (near, mut stream) = behind(&gate);
    gate.shut();
    drop(near);
    assert_eq!(read(&mut stream, 9).await.unwrap(), b"first ");
    assert_eq!(read(&mut stream, 9).await.unwrap(), b"");
}
