//! Tests of `transport`.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::stats::{Stats, StatsSettings};

#[tokio::test]
async fn octets_are_counted_once_wherever_they_come_from() {
    let stats = Stats::new(StatsSettings::default());
    let counts = ByteCounts { read: stats.counter("rx"), written: stats.counter("tx") };
    let (mut peer, far) = tokio::io::duplex(64);
    let tally = Arc::new(Tally::default());
    let mut stream = Stream::with_prefix(Bytes::from_static(b"put back"), Io::Memory(far)).tallied(Some(tally.clone()));
    let mut looked_at = [0; 8];
    stream.read_exact(&mut looked_at).await.unwrap();
    assert_eq!(tally.so_far(), (8, 0));
    let stream = stream.unread(Bytes::from_static(b"ahead ")).counted(counts);
    peer.write_all(b"and after").await.unwrap();
    let mut stream = stream.unread(Bytes::from_static(b"put back, "));
    let mut read = [0; 25];
    stream.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"put back, ahead and after");
    stream.write_all(b"one").await.unwrap();
    let slices = [io::IoSlice::new(b"two"), io::IoSlice::new(b" and three")];
    let written = stream.write_vectored(&slices).await.unwrap() as u64;
    assert_eq!((stats.value("rx"), stats.value("tx")), (Some(25), Some(3 + written)));
    assert_eq!(tally.so_far(), (25, 3 + written));
}
