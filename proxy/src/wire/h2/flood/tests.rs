//! Tests of the flood limits.

use super::*;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

fn feed(watch: &mut Watch, frames: impl IntoIterator<Item = Vec<u8>>) -> Result<(), &'static str> {
    frames.into_iter().try_for_each(|frame| watch.read(&frame, &mut nobody()))
}

fn nobody() -> Progress {
    Progress::new(CodecStats::NONE)
}

/// After the preface.
fn watch() -> Watch {
    let mut watch = Watch::new(true, CodecStats::NONE);
    watch.inbound = FrameHeaders::default();
    watch
}

#[test]
fn finds_headers_in_any_cutting() {
    let mut bytes = crate::wire::sniff::PREFACE.to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    bytes.extend(frame(HEADERS, 4, 1, b"block"));
    bytes.extend(frame(RST_STREAM, 0, 1, &[0; 4]));
    bytes.extend(frame(HEADERS, 4, 3, b"block"));
    let mut whole = Watch::new(true, CodecStats::NONE);
    whole.read(&bytes, &mut nobody()).unwrap();
    let mut pieces = Watch::new(true, CodecStats::NONE);
    bytes.chunks(1).for_each(|piece| pieces.read(piece, &mut nobody()).unwrap());
    assert_eq!(whole.counters(), pieces.counters());
    assert_eq!((whole.counters().opened_streams, whole.counters().rx_reset), (2, 1));
}

#[test]
fn one_empty_frame_is_allowed_and_two_in_a_row_are_not() {
    let mut watch = watch();
    let data = |payload| frame(DATA, 0, 1, payload);
    feed(&mut watch, [data(b""), data(b"x"), data(b""), frame(DATA, END_STREAM, 1, b"")]).unwrap();
    feed(&mut watch, [data(b"")]).unwrap();
    assert_eq!(feed(&mut watch, [data(b"")]), Err("http2.inbound_empty_frames_flood"));
}

#[test]
fn priorities_are_counted_against_streams() {
    let mut watch = watch();
    feed(&mut watch, [frame(HEADERS, 4, 1, b"x")]).unwrap();
    let priority = || frame(PRIORITY, 0, 1, &[0; 5]);
    feed(&mut watch, (0..200).map(|_| priority())).unwrap();
    assert_eq!(feed(&mut watch, [priority()]), Err("http2.inbound_priority_frames_flood"));
}

#[test]
fn window_updates_are_counted_against_data_sent() {
    let mut watch = watch();
    feed(&mut watch, [frame(HEADERS, 4, 1, b"x")]).unwrap();
    watch.written(&frame(DATA, 0, 1, b"xx"), 0, &mut nobody());
    let update = || frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]);
    feed(&mut watch, (0..5 + 2 * 11).map(|_| update())).unwrap();
    assert_eq!(feed(&mut watch, [update()]), Err("http2.inbound_window_update_frames_flood"));
}

/// The last octet of a stream is that of its last frame, wherever the bytes are cut.
#[test]
fn ends_of_streams_are_seen_with_their_last_octet() {
    let body = [frame(DATA, 0, 1, b"xx"), frame(DATA, END_STREAM, 1, b"yy")].concat();
    let trailers = [frame(HEADERS, END_STREAM, 1, b"a"), frame(CONTINUATION, END_HEADERS, 1, b"b")].concat();
    let empty = frame(DATA, END_STREAM, 1, b"");
    for bytes in [body, trailers, empty] {
        let (mut seen, mut progress) = (watch(), nobody());
        progress.register(1);
        for (at, octet) in bytes.chunks(1).enumerate() {
            assert!(!progress.has_remote_ended(1), "after {at} of {}", bytes.len());
            seen.read(octet, &mut progress).unwrap();
        }
        assert!(progress.has_remote_ended(1));

        let (mut said, mut progress) = (watch(), nobody());
        progress.register(1);
        said.written(&bytes, 100, &mut progress);
        progress.written(99 + bytes.len() as u64);
        assert!(!progress.is_delivered(1));
        progress.written(100 + bytes.len() as u64);
        assert!(progress.is_delivered(1));
    }
}
