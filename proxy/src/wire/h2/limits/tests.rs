//! Tests of the limits.

use super::*;

fn limits() -> Limits {
    Limits::new(Floods::default(), CodecStats::NONE)
}

fn many(count: u64, mut one: impl FnMut() -> Result<(), &'static str>) -> Result<(), &'static str> {
    (0..count).try_for_each(|_| one())
}

#[test]
fn one_empty_frame_is_allowed_and_two_in_a_row_are_not() {
    let mut limits = limits();
    for (octets, ends) in [(0, false), (1, false), (0, false), (0, true), (0, false)] {
        limits.payload(octets, ends).unwrap();
    }
    assert_eq!(limits.payload(0, false), Err("http2.inbound_empty_frames_flood"));
}

#[test]
fn priorities_are_counted_against_streams() {
    let mut limits = limits();
    limits.opened = 1;
    many(200, || limits.control(frame::PRIORITY)).unwrap();
    assert_eq!(limits.control(frame::PRIORITY), Err("http2.inbound_priority_frames_flood"));
}

#[test]
fn window_updates_are_counted_against_data_sent() {
    let mut limits = limits();
    (limits.opened, limits.data_sent) = (1, 1);
    many(5 + 2 * 11, || limits.control(frame::WINDOW_UPDATE)).unwrap();
    assert_eq!(limits.control(frame::WINDOW_UPDATE), Err("http2.inbound_window_update_frames_flood"));
}

#[test]
fn resets_come_back_with_time() {
    let mut limits = Limits::new(Floods { reset_burst: 3, reset_rate: 2, ..Floods::default() }, CodecStats::NONE);
    let begin = Instant::now();
    assert!((0..3).all(|_| limits.reset(begin)));
    assert!(!limits.reset(begin));
    assert!(!limits.reset(begin + Duration::from_millis(900)));
    let later = begin + Duration::from_secs(1);
    assert!((0..2).all(|_| limits.reset(later)));
    assert!(!limits.reset(later));
    let much_later = begin + Duration::from_secs(1_000);
    assert!((0..3).all(|_| limits.reset(much_later)));
    assert!(!limits.reset(much_later), "there are never more than the burst");
}

/// What waits counts, and what has left does not.
#[test]
fn frames_that_wait_are_counted_until_they_leave() {
    let floods = Floods { outbound_frames: 10, outbound_control_frames: 5, ..Floods::default() };
    let limits = Limits::new(floods, CodecStats::NONE);
    let mut outbox = Outbox::default();
    (0..10).for_each(|_| outbox.frame(frame::WINDOW_UPDATE, 0, 0, &[0; 4]));
    limits.outbound(&outbox).unwrap();
    outbox.frame(frame::WINDOW_UPDATE, 0, 0, &[0; 4]);
    assert_eq!(limits.outbound(&outbox), Err("http2.outbound_frames_flood"));
    outbox.advance(13 * 11);
    (0..5).for_each(|_| outbox.answer(frame::PING, frame::ACK, 0, &[0; 8]));
    limits.outbound(&outbox).unwrap();
    outbox.answer(frame::PING, frame::ACK, 0, &[0; 8]);
    assert_eq!(limits.outbound(&outbox), Err("http2.outbound_control_frames_flood"));
    // Two of them leave, the second not wholly.
    outbox.advance(17 * 2 - 1);
    limits.outbound(&outbox).unwrap();
    assert_eq!(outbox.answers(), 5);
}
