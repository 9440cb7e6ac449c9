//! What must hold for whatever a peer tells of itself. Called by the fuzz targets in `proxy/fuzz` and, with mutated seeds, by `tests` here;
//! not part of the binary.

use std::cell::OnceCell;

use config::workload::Workload;

use super::*;
use crate::stats::StatsSettings;

#[cfg(test)]
mod tests;

/// Octets that a text of a peer may keep.
const LONGEST: usize = 2048;

thread_local! {
    static COUNTERS: OnceCell<Counters> = const { OnceCell::new() };
}

/// A connection's first octets: however they are cut, what is no frame is the reader's, octet for octet, and the same peer is heard. The
/// first octet of the input says how they are cut.
pub fn peer_frame(input: &[u8]) {
    let Some((size, input)) = input.split_first() else { return };
    let rest = match workload::frame_head(input) {
        Frame::More | Frame::None => input,
        Frame::Message(length) => input[workload::FRAME_HEAD..].get(length..).unwrap_or_default(),
    };
    let (whole, named) = read([input]);
    assert_eq!(whole, rest);
    check(&named);
    for size in [1, 2 + usize::from(*size)] {
        assert!(read(input.chunks(size)) == (whole.clone(), named.clone()), "in pieces of {size}");
    }
}

/// The value of a header, and that of `baggage`, behind an octet that says nothing.
pub fn peer_header(input: &[u8]) {
    let Some((_, input)) = input.split_first() else { return };
    if let Ok(told) = workload::of_header(input, &labels()) {
        check(&told.workload);
    }
    if let Ok(text) = std::str::from_utf8(input) {
        check(&Workload::of_baggage(text));
    }
}

fn labels() -> Arc<[Arc<str>]> {
    Arc::from([Arc::from("app"), Arc::from("team")])
}

/// What the reader gets, and who was heard.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Workload) {
    let make = || Counters::new(&Stats::new(StatsSettings::default()), "metadata_exchange.");
    let counters = COUNTERS.with(|counters| *counters.get_or_init(make));
    let (peer, heard) = Peer::begin();
    let mut theirs = Theirs { address: None, heard, labels: labels(), counters, state: State::Head };
    let mut octets = BytesMut::new();
    let mut done = false;
    for piece in pieces {
        octets.extend_from_slice(piece);
        done = done || theirs.take(&mut octets, false);
    }
    if !done {
        theirs.take(&mut octets, true);
    }
    (octets.to_vec(), peer.workload().clone())
}

fn check(workload: &Workload) {
    assert!(workload.facts().all(|(_, text)| text.len() <= LONGEST), "{workload:?}");
    assert!(workload.labels.len() <= 2, "{workload:?}");
}
