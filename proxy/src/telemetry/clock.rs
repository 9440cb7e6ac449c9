//! Wall-clock time as text (UTC): ISO 8601 with milliseconds and strftime patterns. Used by access logs, the process log and admin.

use std::cell::Cell;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::calendar::{date_of, days_of};

/// A moment in the calendar of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    pub year: i64,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
    pub nanos: u32,
    /// 0 is Sunday.
    pub weekday: u32,
    /// 0 is the first of January.
    pub yearday: u32,
    /// Seconds since 1970.
    pub unix: i64,
    /// Seconds that it is ahead of UTC.
    pub offset: i32,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

impl Civil {
    /// Of a system time; times before 1970 have a meaning too.
    pub fn of(time: SystemTime) -> Civil {
        Civil::at(time, |_| 0)
    }

    /// The same in the local time zone.
    pub fn local(time: SystemTime) -> Civil {
        Civil::at(time, crate::sys::utc_offset)
    }

    fn at(time: SystemTime, offset: impl Fn(i64) -> i32) -> Civil {
        let (unix, nanos) = since_1970(time);
        let offset = offset(unix);
        let shown = unix + i64::from(offset);
        let days = shown.div_euclid(86_400);
        let seconds = shown.rem_euclid(86_400) as u32;
        let (year, month, day) = date_of(days);
        Civil {
            year,
            month: month as u32,
            day: day as u32,
            hour: seconds / 3600,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            nanos,
            weekday: (days + 4).rem_euclid(7) as u32,
            yearday: (days - days_of(year, 1, 1)) as u32,
            unix,
            offset,
        }
    }
}

/// Seconds since 1970, and nanoseconds since then.
fn since_1970(time: SystemTime) -> (i64, u32) {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => (after.as_secs() as i64, after.subsec_nanos()),
        Err(before) => {
            let before = before.duration();
            match before.subsec_nanos() {
                0 => (-(before.as_secs() as i64), 0),
                nanos => (-(before.as_secs() as i64) - 1, 1_000_000_000 - nanos),
            }
        }
    }
}

/// Octets of `2026-11-21T06:18:15.`.
const SECOND: usize = 20;

thread_local! {
    /// The second that was written last: requests come many in one.
    static LAST: Cell<(i64, [u8; SECOND])> = const { Cell::new((0, *b"1970-01-01T00:00:00.")) };
}

/// Appends `2026-11-21T06:18:15.767Z`.
pub fn write_iso(time: SystemTime, out: &mut Vec<u8>) {
    let (unix, nanos) = since_1970(time);
    let (known, mut text) = LAST.get();
    if known != unix {
        let mut second = Vec::with_capacity(SECOND);
        write_second(&Civil::of(time), &mut second);
        match second.try_into() {
            Ok(second) => text = second,
            // A year of more digits.
            Err(second) => {
                out.extend_from_slice(&second);
                digits(out, (nanos / 1_000_000).into(), 3);
                return out.push(b'Z');
            }
        }
        LAST.set((unix, text));
    }
    let digit = |of: u32| b'0' + (nanos / of % 10) as u8;
    out.extend_from_slice(&text);
    out.extend_from_slice(&[digit(100_000_000), digit(10_000_000), digit(1_000_000), b'Z']);
}

fn write_second(civil: &Civil, out: &mut Vec<u8>) {
    digits(out, civil.year as u64, 4);
    for (mark, value) in
        [(b'-', civil.month), (b'-', civil.day), (b'T', civil.hour), (b':', civil.minute), (b':', civil.second)]
    {
        out.push(mark);
        digits(out, value.into(), 2);
    }
    out.push(b'.');
}

/// As protobuf writes a moment of whole milliseconds in JSON: without a fraction where there is none.
pub fn milliseconds(time: SystemTime) -> String {
    let text = iso(time);
    match text.strip_suffix(".000Z") {
        Some(seconds) => format!("{seconds}Z"),
        None => text,
    }
}

/// [`write_iso`] as a string.
pub fn iso(time: SystemTime) -> String {
    let mut out = Vec::with_capacity(24);
    write_iso(time, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Appends the time in a strftime pattern with Envoy's additions: `%f` is nine digits of the second's fraction, `%3f` (1 to 9) so many.
/// A specifier that is not known is written as it stands.
pub fn strftime(pattern: &str, time: SystemTime, out: &mut Vec<u8>) {
    write_pattern(pattern.as_bytes(), &Civil::of(time), out);
}

/// The same in the local time zone.
pub fn strftime_local(pattern: &str, time: SystemTime, out: &mut Vec<u8>) {
    write_pattern(pattern.as_bytes(), &Civil::local(time), out);
}

/// `+0130`, with a mark between hours and minutes.
fn zone(offset: i32, mark: &[u8], out: &mut Vec<u8>) {
    let minutes = u64::from(offset.unsigned_abs()) / 60;
    out.push(if offset < 0 { b'-' } else { b'+' });
    digits(out, minutes / 60, 2);
    out.extend_from_slice(mark);
    digits(out, minutes % 60, 2);
}

fn write_pattern(pattern: &[u8], civil: &Civil, out: &mut Vec<u8>) {
    let mut rest = pattern;
    while let Some(percent) = memchr::memchr(b'%', rest) {
        out.extend_from_slice(&rest[..percent]);
        rest = &rest[percent..];
        rest = &rest[specifier(rest, civil, out)..];
    }
    out.extend_from_slice(rest);
}

/// Writes the specifier that `rest` begins with; gives its length.
fn specifier(rest: &[u8], civil: &Civil, out: &mut Vec<u8>) -> usize {
    match *rest {
        [_, count @ b'1'..=b'9', b'f', ..] => {
            fraction(out, civil.nanos, usize::from(count - b'0'));
            3
        }
        [_, b'E', count @ b'1'..=b'9', letter @ (b'S' | b'f'), ..] => {
            if letter == b'S' {
                digits(out, civil.second.into(), 2);
                out.push(b'.');
            }
            fraction(out, civil.nanos, usize::from(count - b'0'));
            4
        }
        [_, b'E', b'z', ..] => {
            zone(civil.offset, b":", out);
            3
        }
        [_, letter, ..] => {
            if !conversion(letter, civil, out) {
                out.extend_from_slice(&rest[..2]);
            }
            2
        }
        _ => {
            out.push(b'%');
            1
        }
    }
}

fn conversion(letter: u8, civil: &Civil, out: &mut Vec<u8>) -> bool {
    let hour12 = (civil.hour + 11) % 12 + 1;
    match letter {
        b'%' => out.push(b'%'),
        b'n' => out.push(b'\n'),
        b't' => out.push(b'\t'),
        b'Y' | b'G' => digits(out, civil.year as u64, 4),
        b'C' => digits(out, (civil.year / 100) as u64, 2),
        b'y' => digits(out, civil.year.rem_euclid(100) as u64, 2),
        b'm' => digits(out, civil.month.into(), 2),
        b'd' => digits(out, civil.day.into(), 2),
        b'e' => padded(out, civil.day),
        b'H' => digits(out, civil.hour.into(), 2),
        b'I' => digits(out, hour12.into(), 2),
        b'M' => digits(out, civil.minute.into(), 2),
        b'S' => digits(out, civil.second.into(), 2),
        b'j' => digits(out, (civil.yearday + 1).into(), 3),
        b'f' => fraction(out, civil.nanos, 9),
        b'u' => digits(out, ((civil.weekday + 6) % 7 + 1).into(), 1),
        b'w' => digits(out, civil.weekday.into(), 1),
        b'U' => digits(out, ((civil.yearday + 7 - civil.weekday) / 7).into(), 2),
        b'W' => digits(out, ((civil.yearday + 7 - (civil.weekday + 6) % 7) / 7).into(), 2),
        b'a' => out.extend_from_slice(&WEEKDAYS[civil.weekday as usize].as_bytes()[..3]),
        b'A' => out.extend_from_slice(WEEKDAYS[civil.weekday as usize].as_bytes()),
        b'b' | b'h' => out.extend_from_slice(&MONTHS[civil.month as usize - 1].as_bytes()[..3]),
        b'B' => out.extend_from_slice(MONTHS[civil.month as usize - 1].as_bytes()),
        b'p' => out.extend_from_slice(if civil.hour < 12 { b"AM" } else { b"PM" }),
        b'z' => zone(civil.offset, b"", out),
        b'Z' if civil.offset == 0 => out.extend_from_slice(b"UTC"),
        b'Z' => zone(civil.offset, b"", out),
        b's' => {
            // A vector takes all that is written to it.
            let _ = write!(out, "{}", civil.unix);
        }
        b'F' => write_pattern(b"%Y-%m-%d", civil, out),
        b'T' | b'X' => write_pattern(b"%H:%M:%S", civil, out),
        b'D' | b'x' => write_pattern(b"%m/%d/%y", civil, out),
        b'R' => write_pattern(b"%H:%M", civil, out),
        b'r' => write_pattern(b"%I:%M:%S %p", civil, out),
        b'c' => write_pattern(b"%a %b %e %T %Y", civil, out),
        _ => return false,
    }
    true
}

/// The first `count` digits of a second's fraction.
pub fn fraction(out: &mut Vec<u8>, nanos: u32, count: usize) {
    let start = out.len();
    digits(out, nanos.into(), 9);
    out.truncate(start + count);
}

/// A number with at least `width` digits.
pub fn digits(out: &mut Vec<u8>, value: u64, width: usize) {
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(value);
    out.extend(std::iter::repeat_n(b'0', width.saturating_sub(text.len())));
    out.extend_from_slice(text.as_bytes());
}

fn padded(out: &mut Vec<u8>, value: u32) {
    if value < 10 {
        out.push(b' ');
    }
    digits(out, value.into(), 1);
}

#[cfg(test)]
mod tests;
