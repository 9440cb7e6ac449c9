//! Tests of `socket`.

use std::future::poll_fn;
use std::task::Waker;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (near, listener.accept().await.unwrap().0)
}

async fn receive(socket: &TcpStream, room: usize) -> io::Result<Vec<u8>> {
    let mut memory = vec![0; room];
    let mut out = ReadBuf::new(&mut memory);
    poll_fn(|cx| poll_receive(socket, cx, &mut out)).await?;
    Ok(out.filled().to_vec())
}

#[tokio::test]
async fn octets_come_in_order_and_then_the_end() {
    let (near, mut far) = pair().await;
    far.write_all(b"hello").await.unwrap();
    assert_eq!(receive(&near, 2).await.unwrap(), b"he");
    assert_eq!(receive(&near, 100).await.unwrap(), b"llo");
    // After a short transfer it waits for news.
    let mut memory = [0; 8];
    let nothing = poll_receive(&near, &mut Context::from_waker(Waker::noop()), &mut ReadBuf::new(&mut memory));
    assert!(nothing.is_pending());
    far.write_all(b"again").await.unwrap();
    assert_eq!(receive(&near, 100).await.unwrap(), b"again");
    drop(far);
    assert_eq!(receive(&near, 100).await.unwrap(), b"");
}

#[tokio::test]
async fn the_end_is_told_though_it_came_with_the_last_octets() {
    let (near, mut far) = pair().await;
    far.write_all(b"bye").await.unwrap();
    drop(far);
    assert_eq!(receive(&near, 100).await.unwrap(), b"bye");
    assert_eq!(receive(&near, 100).await.unwrap(), b"");
}

#[tokio::test]
async fn what_the_system_does_not_take_is_sent_when_there_is_room() {
    let (near, mut far) = pair().await;
    let data = vec![b'x'; 1 << 20];
    let mut sent = 0;
    let full = loop {
        match poll_send(&near, &mut Context::from_waker(Waker::noop()), &data) {
            Poll::Ready(count) => sent += count.unwrap(),
            Poll::Pending => break sent,
        }
    };
    let mut received = vec![0; full];
    far.read_exact(&mut received).await.unwrap();
    assert!(poll_fn(|cx| poll_send(&near, cx, &data)).await.unwrap() > 0);
}

#[tokio::test]
async fn a_peer_that_is_gone_is_an_error() {
    let (near, far) = pair().await;
    far.set_zero_linger().unwrap();
    drop(far);
    assert!(receive(&near, 100).await.is_err());
    assert!(poll_fn(|cx| poll_send(&near, cx, b"x")).await.is_err());
}
