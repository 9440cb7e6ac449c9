//! The exchange over pipes: whatever way the octets are cut, the reader sees the application's, all of them and no others.

use config::workload::{Workload, frame_of};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;
use crate::stats::StatsSettings;
use crate::transport::Io;

fn workload(name: &str) -> Workload {
    Workload { name: name.into(), namespace: "bookinfo".into(), ..Workload::default() }
}

fn config() -> Arc<Config> {
    Arc::new(Config {
        protocol: "istio-peer-exchange".into(),
        labels: Arc::from([]),
        frame: frame_of(&workload("own"), "id").into(),
        discovers: false,
    })
}

struct Pair {
    stats: Arc<Stats>,
    stream: Stream,
    exchanged: Rc<Peer>,
    far: DuplexStream,
}

async fn begin_with(alpn: Option<&[u8]>) -> Pair {
    let stats = Stats::new(StatsSettings::default());
    let (near, far) = tokio::io::duplex(256 * 1024);
    let exchange = MetadataExchange::compile(&config(), &stats);
    let (stream, exchanged) = exchange.begin(Stream::new(Io::Memory(near)), alpn, None).await.unwrap();
    Pair { stats, stream, exchanged, far }
}

async fn begin() -> Pair {
    begin_with(Some(b"istio-peer-exchange")).await
}

impl Pair {
    /// What the reader gets when these pieces come, one after the other, and then the end.
    async fn reads(&mut self, pieces: &[&[u8]]) -> Vec<u8> {
        let (far, stream) = (&mut self.far, &mut self.stream);
        let write = async {
            for piece in pieces {
                far.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            far.shutdown().await.unwrap();
        };
        let mut all = Vec::new();
        let (read, ()) = tokio::join!(stream.read_to_end(&mut all), write);
        read.unwrap();
        all
    }

    fn count(&self, name: &str) -> u64 {
        self.stats.value(&format!("metadata_exchange.{name}")).unwrap()
    }

    fn name(&self) -> Option<String> {
        self.exchanged.is_known().then(|| self.exchanged.workload().name.to_string())
    }
}

#[tokio::test]
async fn both_ends_say_who_they_are_before_anything_else() {
    let mut pair = begin().await;
    let mut frame = vec![0; config().frame.len()];
    pair.far.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame, &*config().frame);
    assert!(!pair.exchanged.is_settled());
    let theirs = frame_of(&workload("theirs"), "other");
    assert_eq!(pair.reads(&[&theirs, b"hello"]).await, b"hello");
    assert_eq!(pair.name().as_deref(), Some("theirs"));
    assert_eq!((pair.count("alpn_protocol_found"), pair.count("metadata_added")), (1, 1));
}

#[tokio::test]
async fn without_the_protocol_nothing_is_said_or_taken() {
    for alpn in [None, Some(&b"h2"[..])] {
        let mut pair = begin_with(alpn).await;
        assert!(pair.exchanged.is_settled() && pair.name().is_none());
        let theirs = frame_of(&workload("theirs"), "other");
        assert_eq!(pair.reads(&[&theirs]).await, theirs);
        pair.stream.shutdown().await.unwrap();
        let mut said = Vec::new();
        pair.far.read_to_end(&mut said).await.unwrap();
        assert!(said.is_empty());
        assert_eq!(pair.count("alpn_protocol_not_found"), 1);
    }
}

#[tokio::test]
async fn a_frame_may_be_cut_anywhere() {
    let mut all = frame_of(&workload("theirs"), "other");
    let frame = all.len();
    all.extend_from_slice(b"application");
    for cut in 0..=all.len() {
        let mut pair = begin().await;
        assert_eq!(pair.reads(&[&all[..cut], &all[cut..]]).await, b"application", "{cut}");
        assert_eq!(pair.name().as_deref(), Some("theirs"), "{cut}");
    }
    let mut pair = begin().await;
    let pieces: Vec<&[u8]> = all.chunks(1).collect();
    assert_eq!(pair.reads(&pieces).await, b"application");
    // And the application may say nothing at all.
    let mut pair = begin().await;
    assert_eq!(pair.reads(&[&all[..frame]]).await, b"");
    assert_eq!(pair.name().as_deref(), Some("theirs"));
}

#[tokio::test]
async fn what_is_no_frame_is_the_applications() {
    for said in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"x",
        b"\x3d",
        b"\x3d\x23\x04",
        b"\x3d\x23\x04\x66rest",
        b"\x3d\x23\x04\x67\0\0\0",
        b"",
    ] {
        for cut in 0..=said.len() {
            let mut pair = begin().await;
            assert_eq!(pair.reads(&[&said[..cut], &said[cut..]]).await, said, "{said:?} {cut}");
            assert!(pair.exchanged.is_settled() && pair.name().is_none(), "{said:?} {cut}");
            assert_eq!(pair.count("initial_header_not_found"), 1);
        }
    }
}

#[tokio::test]
async fn one_wrong_octet_is_enough_to_go_on() {
    let mut pair = begin().await;
    pair.far.write_all(b"a").await.unwrap();
    let mut octet = [0];
    pair.stream.read_exact(&mut octet).await.unwrap();
    assert_eq!(octet, *b"a");
}

#[tokio::test]
async fn a_frame_with_another_message_is_passed_by() {
    for message in [&b"no message"[..], b"", &[0xff; 64]] {
        let mut all = b"\x3d\x23\x04\x67".to_vec();
        all.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
        all.extend_from_slice(message);
        all.extend_from_slice(b"application");
        let mut pair = begin().await;
        assert_eq!(pair.reads(&[&all]).await, b"application");
        assert!(pair.exchanged.is_settled() && pair.name().is_none());
        assert_eq!(pair.count("header_not_found"), 1);
    }
}

#[tokio::test]
async fn a_huge_frame_is_passed_by_and_not_kept() {
    let length = 3_000_000_usize;
    let mut pair = begin().await;
    let mut all = b"\x3d\x23\x04\x67".to_vec();
    all.extend_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
    all.resize(8 + length, 0);
    all.extend_from_slice(b"application");
    let pieces: Vec<&[u8]> = all.chunks(60_000).collect();
    assert_eq!(pair.reads(&pieces).await, b"application");
    assert!(pair.exchanged.is_settled() && pair.name().is_none());
}

#[tokio::test]
async fn a_frame_that_ends_early_is_nobodys() {
    let all = frame_of(&workload("theirs"), "other");
    for cut in 8..all.len() {
        let mut pair = begin().await;
        assert_eq!(pair.reads(&[&all[..cut]]).await, b"", "{cut}");
        assert!(pair.exchanged.is_settled() && pair.name().is_none(), "{cut}");
    }
}

#[tokio::test]
async fn a_peer_that_says_nothing_holds_up_only_who_waits_for_it() {
    let mut pair = begin().await;
    pair.stream.write_all(b"from the application").await.unwrap();
    let mut said = vec![0; config().frame.len()];
    pair.far.read_exact(&mut said).await.unwrap();
    let mut said = [0; 20];
    pair.far.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"from the application");
    assert!(!pair.exchanged.is_settled());
}

/// Octets of any kind, cut in any way: a frame is taken off, and everything else arrives.
#[tokio::test]
async fn damaged_frames_cost_no_octet_of_the_application() {
    let whole = frame_of(&workload("theirs"), "other");
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..500 {
        let mut frame = whole.clone();
        let damaged = random.usize(8..frame.len());
        frame[damaged] = random.u8(..);
        let application: Vec<u8> = (0..random.usize(0..40)).map(|_| random.u8(..)).collect();
        frame.extend_from_slice(&application);
        let mut pieces = Vec::new();
        let mut rest = &frame[..];
        while !rest.is_empty() {
            let (piece, more) = rest.split_at(random.usize(1..=rest.len()));
            pieces.push(piece);
            rest = more;
        }
        assert_eq!(begin().await.reads(&pieces).await, application);
    }
}
