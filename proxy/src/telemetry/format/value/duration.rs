//! Moments and the time between them.

use std::time::{Instant, SystemTime};

use config::access_log::{Moment, Precision, TimePoint};

use super::{Written, number, upstream_tls};
use crate::telemetry::clock::{strftime, strftime_local, write_iso};
use crate::telemetry::stream_info::StreamInfo;
use crate::telemetry::wall;
use crate::tls::Described;
use crate::tls::info::TlsInfo;

/// A moment as a time, by a pattern or as ISO 8601.
pub fn time(of: Moment, local: bool, pattern: Option<&str>, info: &StreamInfo, out: &mut Vec<u8>) -> Written {
    let downstream = || info.connection.tls.as_deref().and_then(validity);
    let upstream = || upstream_tls(info).and_then(validity);
    let time = match of {
        Moment::Start => Some(info.start_time),
        Moment::Emit => Some(wall::at(Instant::now())),
        Moment::DownstreamCertificateStart => downstream().map(|(start, _)| start),
        Moment::DownstreamCertificateEnd => downstream().map(|(_, end)| end),
        Moment::UpstreamCertificateStart => upstream().map(|(start, _)| start),
        Moment::UpstreamCertificateEnd => upstream().map(|(_, end)| end),
    };
    let Some(time) = time else { return Written::Absent };
    match (pattern, local) {
        (None, false) => write_iso(time, out),
        (Some(pattern), false) => strftime(pattern, time, out),
        (pattern, true) => strftime_local(pattern.unwrap_or("%Y-%m-%dT%H:%M:%E3S%z"), time, out),
    }
    Written::Text
}

fn validity(tls: &TlsInfo) -> Option<(SystemTime, SystemTime)> {
    Some(Described::of(tls.peer.as_ref()?.chain.first()?)?.validity())
}

/// `COMMON_DURATION`. A point before the other is no time, as with Envoy.
pub fn between(from: TimePoint, to: TimePoint, precision: Precision, info: &StreamInfo, out: &mut Vec<u8>) -> Written {
    let (Some(from), Some(to)) = (point(from, info), point(to, info)) else { return Written::Absent };
    let Some(time) = to.checked_duration_since(from) else { return Written::Absent };
    let value = match precision {
        Precision::Milliseconds => time.as_millis(),
        Precision::Microseconds => time.as_micros(),
        Precision::Nanoseconds => time.as_nanos(),
    };
    number(u64::try_from(value).unwrap_or(u64::MAX), out)
}

fn point(point: TimePoint, info: &StreamInfo) -> Option<Instant> {
    let times = info.times.as_deref();
    let connection = info.upstream_connection.as_deref();
    match point {
        TimePoint::RequestBegins => Some(info.start),
        TimePoint::RequestEnds => info.request_complete,
        TimePoint::ConnectBegins => connection.map(|connection| connection.begun),
        TimePoint::ConnectEnds => connection.map(|connection| connection.connected),
        TimePoint::HandshakeEnds => connection.and_then(|connection| connection.secured),
        TimePoint::UploadBegins => times.and_then(|times| times.upload_begins),
        TimePoint::UploadEnds => times.and_then(|times| times.upload_ends),
        TimePoint::ResponseBegins => info.response_first_byte,
        TimePoint::ResponseBodyBegins => times.and_then(|times| times.body_begins),
        TimePoint::ResponseEnds => times.and_then(|times| times.response_ends),
        TimePoint::DownloadBegins => times.and_then(|times| times.download_begins),
        TimePoint::DownloadEnds => info.sent_at(),
        TimePoint::Never => None,
    }
}
