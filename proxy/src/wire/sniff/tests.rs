//! Tests of the preface check.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::transport::Io;

async fn sniffed(pieces: &[&[u8]]) -> (Protocol, Vec<u8>) {
    let (ours, mut theirs) = tokio::io::duplex(1024);
    for piece in pieces {
        theirs.write_all(piece).await.unwrap();
    }
    drop(theirs);
    let (protocol, mut stream) = sniff(Stream::new(Io::Memory(ours))).await.unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    (protocol, all)
}

#[tokio::test]
async fn keeps_every_byte() {
    assert_eq!(sniffed(&[b"GET / HTTP/1.1\r\n"]).await, (Protocol::Http11, b"GET / HTTP/1.1\r\n".to_vec()));
    let long = [&PREFACE[..], b"more"].concat();
    assert_eq!(sniffed(&[&PREFACE[..10], &PREFACE[10..], b"more"]).await, (Protocol::Http2, long));
    assert_eq!(sniffed(&[b"PRI * H"]).await, (Protocol::Http11, b"PRI * H".to_vec()));
    assert_eq!(sniffed(&[]).await, (Protocol::Http11, Vec::new()));
}

#[test]
fn decides_at_the_first_difference() {
    assert_eq!(verdict(b""), None);
    assert_eq!(verdict(b"PRI"), None);
    assert_eq!(verdict(b"PUT"), Some(Protocol::Http11));
    assert_eq!(verdict(PREFACE), Some(Protocol::Http2));
}
