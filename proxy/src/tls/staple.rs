//! OCSP responses that a server shows with its certificate: read when they come, and for each handshake whether one is shown. Called by the
//! certificates' code and the server's side. As in Envoy, a response is judged by its serial number and its times; who signed it is the
//! client's to check.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use config::tls::StaplePolicy;

use self::der::Der;
use crate::calendar::days_of;

mod der;
pub(super) mod hello;

/// A response, and until when it is any good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Response {
    /// As it is shown.
    pub der: Vec<u8>,
    /// When that was so.
    pub since: SystemTime,
    /// `None`: it does not say, and so is none.
    pub good_until: Option<SystemTime>,
}

/// What a handshake did about a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stapling {
    /// The client did not ask.
    NotAsked,
    /// It was shown.
    Shown,
    /// There is none, or none that is good any more.
    Omitted,
    /// There is none, and without one the certificate may not be shown.
    Failed,
}

impl Stapling {
    /// For a certificate with, or without, a response.
    pub(super) fn of(response: Option<&Response>, policy: StaplePolicy, asked: bool, now: SystemTime) -> Stapling {
        let is_good = response.is_some_and(|response| response.good_until.is_some_and(|until| until >= now));
        match (asked, is_good, policy) {
            (false, ..) => Stapling::NotAsked,
            (true, true, _) => Stapling::Shown,
            (true, false, StaplePolicy::Lenient) => Stapling::Omitted,
            (true, false, StaplePolicy::Strict) if response.is_none() => Stapling::Omitted,
            (true, false, StaplePolicy::Strict | StaplePolicy::Must) => Stapling::Failed,
        }
    }
}

impl Response {
    /// Reads a response for the certificate of this serial number (hexadecimal).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(octets: &[u8], serial: &str) -> Result<Response, String> {
        let mut whole = Der(octets);
        let response = whole.take(SEQUENCE).ok_or("is no OCSP response in DER")?;
        if !whole.0.is_empty() {
            return Err("holds more than one OCSP response; give one".into());
        }
        let single = single(response)?;
        let (number, since, next_update) = times(single).ok_or("is no OCSP response as RFC 6960 has them")?;
        if !same_number(number, serial) {
            return Err("is the OCSP response for another certificate; ask the authority for that of this one".into());
        }
        Ok(Response { der: octets.to_vec(), since, good_until: next_update })
    }
}

const BOOLEAN_OR_CHOICE: [u8; 3] = [0x80, 0xa1, 0x82];
const INTEGER: u8 = 0x02;
const BIT_OR_OCTETS: u8 = 0x04;
const IDENTIFIER: u8 = 0x06;
const ENUMERATED: u8 = 0x0a;
const TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const EXPLICIT: [u8; 4] = [0xa0, 0xa1, 0xa2, 0xa3];
/// id-pkix-ocsp-basic.
const BASIC: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1];

/// What it says of its one certificate.
fn single<'d>(mut response: Der<'d>) -> Result<Der<'d>, String> {
    let broken = || "is no OCSP response as RFC 6960 has them".to_owned();
    if response.take(ENUMERATED).ok_or_else(broken)?.0 != [0] {
        return Err("says that the authority did not answer; ask it again".into());
    }
    let mut found = || -> Option<(Der<'d>, bool)> {
        let mut body = response.take(EXPLICIT[0])?.take(SEQUENCE)?;
        if body.take(IDENTIFIER)?.0 != BASIC {
            return None;
        }
        let mut data = body.take(BIT_OR_OCTETS)?.take(SEQUENCE)?.take(SEQUENCE)?;
        // The version; then who answers, and when.
        data.maybe(EXPLICIT[0]);
        data.maybe(EXPLICIT[1]).or_else(|| data.maybe(EXPLICIT[2]))?;
        data.take(TIME)?;
        let mut all = data.take(SEQUENCE)?;
        let one = all.take(SEQUENCE)?;
        Some((one, all.0.is_empty()))
    };
    match found().ok_or_else(broken)? {
        (one, true) => Ok(one),
        (_, false) => Err("is for several certificates; give one that is for this one alone".into()),
    }
}

/// The serial number, since when that is so, and when there is news at the latest.
fn times(mut single: Der<'_>) -> Option<(&[u8], SystemTime, Option<SystemTime>)> {
    let mut id = single.take(SEQUENCE)?;
    id.take(SEQUENCE)?;
    id.take(BIT_OR_OCTETS)?;
    id.take(BIT_OR_OCTETS)?;
    let number = id.take(INTEGER)?.0;
    // Good, revoked or unknown: the client's to judge.
    BOOLEAN_OR_CHOICE.iter().find_map(|tag| single.maybe(*tag))?;
    let since = moment(single.take(TIME)?.0)?;
    let next = match single.maybe(EXPLICIT[0]) {
        Some(mut next) => Some(moment(next.take(TIME)?.0)?),
        None => None,
    };
    Some((number, since, next))
}

fn same_number(octets: &[u8], hexadecimal: &str) -> bool {
    let written = super::certificate::hex(octets);
    written.trim_start_matches('0') == hexadecimal.to_ascii_lowercase().trim_start_matches('0')
}

/// `YYYYMMDDHHMMSSZ`.
fn moment(text: &[u8]) -> Option<SystemTime> {
    let digits =
        text.strip_suffix(b"Z").filter(|digits| digits.len() == 14 && digits.iter().all(u8::is_ascii_digit))?;
    let number =
        |from: usize, to: usize| digits[from..to].iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
    let (year, month, day) = (number(0, 4), number(4, 6), number(6, 8));
    let (hour, minute, second) = (number(8, 10), number(10, 12), number(12, 14));
    let is_one = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !is_one {
        return None;
    }
    let seconds = days_of(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))
}

/// Whether a certificate demands that a response is shown with it: `status_request` in its TLS features (RFC 7633).
pub(super) fn is_demanded_by(certificate: &[u8]) -> bool {
    const FEATURES: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 0x18];
    const STATUS_REQUEST: &[u8] = &[0x30, 3, 2, 1, 5];
    let extensions = || {
        let mut body = Der(certificate).take(SEQUENCE)?.take(SEQUENCE)?;
        while !body.0.is_empty() {
            let (tag, mut content) = body.next()?;
            if tag == EXPLICIT[3] {
                return content.take(SEQUENCE);
            }
        }
        None
    };
    let Some(mut all) = extensions() else { return false };
    while let Some(mut extension) = all.take(SEQUENCE) {
        if extension.take(IDENTIFIER).is_some_and(|id| id.0 == FEATURES) {
            extension.maybe(1);
            return extension.take(BIT_OR_OCTETS).is_some_and(|value| value.0 == STATUS_REQUEST);
        }
    }
    false
}

#[cfg(test)]
mod tests;
