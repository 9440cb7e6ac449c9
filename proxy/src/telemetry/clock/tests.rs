//! Tests of `clock`.

use std::time::Duration;

use super::*;

fn at(unix: u64, nanos: u32) -> SystemTime {
    UNIX_EPOCH + Duration::new(unix, nanos)
}

fn format(pattern: &str, time: SystemTime) -> String {
    let mut out = Vec::new();
    strftime(pattern, time, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn iso_dates() {
    assert_eq!(iso(at(0, 0)), "1970-01-01T00:00:00.000Z");
    assert_eq!(iso(at(951_782_400, 999_999_999)), "2000-02-29T00:00:00.999Z");
    assert_eq!(iso(at(1_795_254_660, 524_386_000)), "2026-11-21T09:51:00.524Z");
    assert_eq!(iso(at(4_107_542_399, 0)), "2100-02-28T23:59:59.000Z");
    assert_eq!(iso(UNIX_EPOCH - Duration::from_millis(1)), "1969-12-31T23:59:59.999Z");
    assert_eq!(iso(at(253_402_300_800, 7_000_000)), "10000-01-01T00:00:00.007Z", "a year of five digits");
    // A second that was written a moment ago is written again, with its own fraction.
    assert_eq!(iso(at(951_782_400, 0)), "2000-02-29T00:00:00.000Z");
    assert_eq!(iso(at(951_782_400, 120_000_000)), "2000-02-29T00:00:00.120Z");
    assert_eq!(iso(at(951_782_401, 120_000_000)), "2000-02-29T00:00:01.120Z");
}

#[test]
fn patterns_as_envoy_prints_them() {
    // The right side is what Envoy 1.40 wrote for this moment.
    let time = at(1_795_254_660, 524_386_000);
    assert_eq!(
        format("%Y/%m/%dT%H:%M:%S %s %f %3f %6f %9f %% %e %j %a %b %z %Z", time),
        "2026/11/21T09:51:00 1795254660 524386000 524 524386 524386000 % 21 325 Sat Nov +0000 UTC"
    );
    assert_eq!(format("%s.%3f", time), "1795254660.524");
    assert_eq!(format("%F %T", time), "2026-11-21 09:51:00");
    assert_eq!(format("%E3S %Ez", time), "00.524 +00:00");
}

#[test]
fn other_conversions() {
    let time = at(1_772_323_509, 0); // Sunday, 1 March 2026, 00:05:09.
    assert_eq!(format("%A %B %e|%I %p|%u %w|%y %C|%j|%U %W|%D %R|%r", time), {
        "Sunday March  1|12 AM|7 0|26 20|060|09 08|03/01/26 00:05|12:05:09 AM"
    });
    assert_eq!(format("%c", time), "Sun Mar  1 00:05:09 2026");
}

#[test]
fn what_is_not_known_stays() {
    assert_eq!(format("100%", at(0, 0)), "100%");
    assert_eq!(format("%Q %E", at(0, 0)), "%Q %E");
    assert_eq!(format("", at(0, 0)), "");
}
