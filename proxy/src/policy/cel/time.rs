//! Times and durations of CEL: nanoseconds, and the texts and calendars of them. Called by this folder.

use std::time::{SystemTime, UNIX_EPOCH};

use config::cel::Function;

use crate::calendar::{date_of, days_of};

const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND;

/// Nanoseconds since the epoch.
pub(super) fn of(time: SystemTime) -> i128 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_nanos() as i128,
        Err(before) => -(before.duration().as_nanos() as i128),
    }
}

/// A part of a time's calendar in UTC.
pub(super) fn part_of_time(function: Function, time: i128) -> Option<i64> {
    let (days, within) = (time.div_euclid(DAY), time.rem_euclid(DAY));
    let days = i64::try_from(days).ok()?;
    let (year, month, day) = date_of(days);
    Some(match function {
        Function::FullYear => year,
        Function::Month => month - 1,
        Function::Date => day,
        Function::DayOfMonth => day - 1,
        Function::DayOfWeek => (days + 4).rem_euclid(7),
        Function::DayOfYear => days - days_of(year, 1, 1),
        Function::Hours => (within / (3600 * SECOND)) as i64,
        Function::Minutes => (within / (60 * SECOND) % 60) as i64,
        Function::Seconds => (within / SECOND % 60) as i64,
        Function::Milliseconds => (within / 1_000_000 % 1000) as i64,
        _ => return None,
    })
}

/// A duration in a unit; of milliseconds only those below a second.
pub(super) fn part_of_duration(function: Function, duration: i128) -> Option<i64> {
    i64::try_from(match function {
        Function::Hours => duration / (3600 * SECOND),
        Function::Minutes => duration / (60 * SECOND),
        Function::Seconds => duration / SECOND,
        Function::Milliseconds => duration / 1_000_000 % 1000,
        _ => return None,
    })
    .ok()
}

/// `2026-01-02T03:04:05.678Z`, or with an offset.
pub(super) fn parse_time(text: &[u8]) -> Option<i128> {
    let text = std::str::from_utf8(text).ok()?;
    let (date, rest) = text.split_once(['T', 't'])?;
    let numbers = |text: &str, mark: char, widths: [usize; 3]| -> Option<[i64; 3]> {
        let mut parts = text.split(mark);
        let mut numbers = [0; 3];
        for (number, width) in numbers.iter_mut().zip(widths) {
            let part = parts.next()?;
            (part.len() == width && part.bytes().all(|octet| octet.is_ascii_digit())).then_some(())?;
            *number = part.parse().ok()?;
        }
        parts.next().is_none().then_some(numbers)
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let end = rest.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = rest.split_at(end);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let offset = match zone.split_at(1) {
        ("Z" | "z", "") => 0,
        (sign, offset) => {
            let [hours, minutes, _] = numbers(&format!("{offset}:00"), ':', [2, 2, 2])?;
            (hours < 24 && minutes < 60).then_some((hours * 60 + minutes) * if sign == "-" { -60 } else { 60 })?
        }
    };
    let is_whole = (1..=12).contains(&month) && hour < 24 && minute < 60 && second < 60 && fraction.len() <= 9;
    let days = days_of(year, month, day);
    if !is_whole || date_of(days) != (year, month, day) || !fraction.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let nanos = format!("{fraction:0<9}").parse::<i128>().ok()?;
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset;
    Some(i128::from(seconds) * SECOND + nanos)
}

/// `1h2m3.5s` and the like.
pub(super) fn parse_duration(text: &[u8]) -> Option<i128> {
    let text = std::str::from_utf8(text).ok()?;
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, after) = rest.split_at(end);
        let unit_end = after.find(|letter: char| letter.is_ascii_digit() || letter == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let nanos: i128 = match unit {
            "ns" => 1,
            "us" => 1000,
            "ms" => 1_000_000,
            "s" => SECOND,
            "m" => 60 * SECOND,
            "h" => 3600 * SECOND,
            _ => return None,
        };
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && part.is_empty()) || number.len() > 24 || part.contains('.') {
            return None;
        }
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        total = total.checked_add(whole.checked_mul(nanos)?)?;
        let mut unit = nanos;
        for digit in part.bytes() {
            unit /= 10;
            total += i128::from(digit - b'0') * unit;
        }
        rest = after;
    }
    (!text.is_empty() && total <= i128::from(i64::MAX) * SECOND).then_some(if negative { -total } else { total })
}

/// A time as `timestamp` reads it.
pub(super) fn write_time(time: i128) -> Option<String> {
    let (seconds, nanos) = (time.div_euclid(SECOND), time.rem_euclid(SECOND));
    let days = i64::try_from(seconds.div_euclid(86_400)).ok()?;
    let (year, month, day) = date_of(days);
    let within = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (within / 3600, within / 60 % 60, within % 60);
    let fraction = fraction(nanos);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"))
}

/// A duration in seconds.
pub(super) fn write_duration(duration: i128) -> String {
    let sign = if duration < 0 { "-" } else { "" };
    let duration = duration.abs();
    format!("{sign}{}{}s", duration / SECOND, fraction(duration % SECOND))
}

/// A duration in hours, minutes and seconds, or in a smaller unit where it is shorter than a second.
pub(super) fn in_units(duration: i128) -> String {
    let sign = if duration < 0 { "-" } else { "" };
    let duration = duration.abs();
    if duration == 0 {
        return "0".to_owned();
    }
    let smaller = |unit: i128, name: &str| {
        let part = format!("{:09}", duration % unit * (SECOND / unit));
        let part = part.trim_end_matches('0');
        let dot = if part.is_empty() { "" } else { "." };
        format!("{sign}{}{dot}{part}{name}", duration / unit)
    };
    match duration {
        1..1_000 => return smaller(1, "ns"),
        1_000..1_000_000 => return smaller(1_000, "us"),
        1_000_000..SECOND => return smaller(1_000_000, "ms"),
        _ => {}
    }
    let (hours, minutes, rest) = (duration / (3600 * SECOND), duration / (60 * SECOND) % 60, duration % (60 * SECOND));
    let mut text = sign.to_owned();
    if hours > 0 {
        text += &format!("{hours}h");
    }
    if minutes > 0 {
        text += &format!("{minutes}m");
    }
    if rest > 0 {
        text += &format!("{}{}s", rest / SECOND, fraction(rest % SECOND));
    }
    text
}

/// A duration in seconds with none, three, six or nine places, as protobuf's JSON has it.
pub(super) fn in_seconds(duration: i128) -> String {
    let sign = if duration < 0 { "-" } else { "" };
    let (seconds, nanos) = (duration.abs() / SECOND, duration.abs() % SECOND);
    let digits = format!("{nanos:09}");
    let places = match nanos {
        0 => "",
        nanos if nanos % 1_000_000 == 0 => &digits[..3],
        nanos if nanos % 1_000 == 0 => &digits[..6],
        _ => &digits,
    };
    let dot = if places.is_empty() { "" } else { "." };
    format!("{sign}{seconds}{dot}{places}s")
}

fn fraction(nanos: i128) -> String {
    if nanos == 0 {
        return String::new();
    }
    let digits = format!("{nanos:09}");
    format!(".{}", digits.trim_end_matches('0'))
}
