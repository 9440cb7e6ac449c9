//! Tests of `kept`.

use super::*;
use crate::wire::headers::Name;

fn read(kept: &Kept, mut at: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(piece) = kept.after(at) {
        at += piece.len();
        all.extend_from_slice(&piece);
    }
    all
}

#[test]
fn every_cursor_reads_the_rest_whatever_the_pieces_were() {
    let mut random = fastrand::Rng::with_seed(1);
    let (mut kept, mut model) = (Kept::new(1 << 20), Vec::new());
    for _ in 0..60 {
        let length = if random.bool() { random.usize(..10) } else { random.usize(..20_000) };
        let piece: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
        model.extend_from_slice(&piece);
        assert!(kept.push(&Bytes::from(piece)));
        let at = random.usize(..=model.len());
        assert!(read(&kept, at) == model[at..], "from {at} of {}", model.len());
        assert_eq!(kept.octets(), model.len());
    }
    assert!(kept.after(model.len()).is_none());
}

/// A record and a buffer for each octet would be a hundred times the limit.
#[test]
fn a_body_in_single_octets_costs_what_it_weighs() {
    const LIMIT: usize = 1 << 20;
    let mut kept = Kept::new(LIMIT);
    for _ in 0..LIMIT {
        // As codecs give them: slices of the buffer that was read into.
        assert!(kept.push(&Bytes::from(vec![0; 16]).slice(..1)));
    }
    assert_eq!((kept.octets(), read(&kept, 0).len()), (LIMIT, LIMIT));
    let records = kept.pieces.capacity() * size_of::<(usize, Bytes)>();
    assert!(kept.pieces.len() <= LIMIT / JOINED && records < 16 * 1024 && kept.joined.capacity() <= 2 * JOINED);
}

#[test]
fn what_is_too_much_is_let_go() {
    let mut kept = Kept::new(10);
    assert!(kept.push(&Bytes::from_static(b"0123456789")));
    assert!(!kept.push(&Bytes::from_static(b"x")));
    assert!(kept.is_empty() && kept.after(0).is_none());
    assert!(!kept.push(&Bytes::new()), "for good");
    let mut trailers = Headers::new();
    trailers.append(Name::new("grpc-status"), "0");
    assert!(!Kept::new(10).trailers(&trailers), "trailers weigh, too");
    let mut kept = Kept::new(100);
    assert!(kept.trailers(&trailers) && !kept.is_empty());
    assert_eq!(kept.kept_trailers(), Some(&trailers));
}
