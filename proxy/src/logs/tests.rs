//! Tests of `logs`.

use std::io::Read;
use std::os::fd::AsRawFd;
use std::time::Duration;

use config::access_log::{Comparison, LogFilter, Part};
use config::matcher::{HeaderMatcher, HeaderRule, MetadataMatcher, StringMatcher, ValueMatcher};

use super::*;
use crate::failure::ResponseFlags;
use crate::telemetry::access_log::EntryKind;
use crate::telemetry::format::tests::{client_side, istios_format};

const PATIENCE: Duration = Duration::from_secs(20);

fn text(path: &str, text: &str) -> AccessLog {
    let format = Format { parts: vec![Part::Literal(text.into())], omit_empty: false };
    AccessLog { filter: None, sink: SinkConfig::File { path: path.into(), format: LogFormat::Text(format) } }
}

fn compiled(config: &[AccessLog], sinks: &Sinks) -> AccessLogs {
    AccessLogs::compile(config, sinks, &crate::stats::Stats::new(Default::default()))
}

fn sinks(workers: usize) -> Sinks {
    Sinks::new(SinkSettings { workers, ..SinkSettings::default() })
}

#[test]
fn lines_reach_the_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let sinks = sinks(1);
    let sink =
        SinkConfig::File { path: file.path().to_str().unwrap().into(), format: LogFormat::Text(istios_format()) };
    let logs = compiled(&[AccessLog { filter: None, sink }], &sinks);
    let (info, request, response) = client_side();
    let entry = LogEntry {
        info: &info,
        request: Some(&request),
        response: Some(&response),
        trailers: None,
        more: Default::default(),
    };
    logs.log(&WorkerLogs::new(0), &entry);
    logs.log(&WorkerLogs::new(0), &entry);
    sinks.flush(PATIENCE);
    let written = std::fs::read_to_string(file.path()).unwrap();
    assert_eq!(written.lines().count(), 2);
    assert!(written.starts_with("[2026-11-21T06:18:15.767Z] \"GET /details/0 HTTP/1.1\" 200 - "));
}

#[test]
fn logs_that_share_a_file_never_interleave() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let sinks = sinks(4);
    let long = |letter: &str| format!("{}\n", letter.repeat(300));
    std::thread::scope(|scope| {
        for (worker, letter) in ["a", "b", "c", "d"].into_iter().enumerate() {
            let logs = compiled(&[text(path, &long(letter))], &sinks);
            scope.spawn(move || {
                let (info, ..) = client_side();
                let entry =
                    LogEntry { info: &info, request: None, response: None, trailers: None, more: Default::default() };
                for _ in 0..2000 {
                    logs.log(&WorkerLogs::new(worker), &entry);
                }
            });
        }
    });
    sinks.flush(PATIENCE);
    let written = std::fs::read_to_string(path).unwrap();
    assert_eq!(written.lines().count(), 8000);
    assert!(written.lines().all(|line| line.len() == 300 && line.bytes().all(|byte| byte == line.as_bytes()[0])));
}

#[test]
fn a_full_buffer_goes_out_without_waiting() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let settings =
        SinkSettings { flush_interval: Duration::from_secs(3600), flush_size: 1024, ..SinkSettings::default() };
    let sinks = Sinks::new(settings);
    let logs = compiled(&[text(file.path().to_str().unwrap(), &format!("{}\n", "x".repeat(2000)))], &sinks);
    let (info, ..) = client_side();
    logs.log(
        &WorkerLogs::new(0),
        &LogEntry { info: &info, request: None, response: None, trailers: None, more: Default::default() },
    );
    // Nobody asks for a flush: the size alone does it.
    let mut written = 0;
    while written == 0 {
        written = std::fs::metadata(file.path()).unwrap().len();
        std::thread::yield_now();
    }
    assert_eq!(written, 2001);
}

#[test]
fn a_pipe_that_nobody_reads_stalls_no_worker() {
    let (mut reader, pipe) = std::io::pipe().unwrap();
    let sinks = sinks(1);
    let path = format!("/proc/self/fd/{}", pipe.as_raw_fd());
    let line = format!("{}\n", "y".repeat(1023));
    let logs = compiled(&[text(&path, &line)], &sinks);
    let (info, ..) = client_side();
    let entry = LogEntry { info: &info, request: None, response: None, trailers: None, more: Default::default() };
    // 8 MiB against a limit of one (and what the pipe holds): none of these calls waits.
    for _ in 0..8192 {
        logs.log(&WorkerLogs::new(0), &entry);
    }
    // What was kept arrives whole once somebody reads.
    let end = compiled(&[text(&path, "END\n")], &sinks);
    let reading = std::thread::spawn(move || {
        let mut all = Vec::new();
        let mut chunk = vec![0; 1 << 16];
        while !all.ends_with(b"END\n") {
            let count = reader.read(&mut chunk).unwrap();
            all.extend_from_slice(&chunk[..count]);
        }
        all
    });
    sinks.flush(PATIENCE);
    end.log(&WorkerLogs::new(0), &entry);
    sinks.flush(PATIENCE);
    let all = String::from_utf8(reading.join().unwrap()).unwrap();
    let kept = all.lines().filter(|kept| kept.len() == 1023).count();
    assert_eq!(all.lines().count(), kept + 1);
    assert!((1024..4096).contains(&kept), "{kept}");
}

#[test]
fn reopening_follows_a_rotated_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let sinks = sinks(1);
    let logs = compiled(&[text(path.to_str().unwrap(), "line\n")], &sinks);
    let (info, ..) = client_side();
    let entry = LogEntry { info: &info, request: None, response: None, trailers: None, more: Default::default() };
    logs.log(&WorkerLogs::new(0), &entry);
    sinks.flush(PATIENCE);
    std::fs::rename(&path, folder.path().join("old")).unwrap();
    sinks.reopen();
    logs.log(&WorkerLogs::new(0), &entry);
    sinks.flush(PATIENCE);
    assert_eq!(std::fs::read_to_string(folder.path().join("old")).unwrap(), "line\n");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "line\n");
}

#[test]
fn a_file_that_cannot_be_opened_hurts_nobody() {
    let sinks = sinks(1);
    let logs = compiled(&[text("/no/such/folder/access.log", "x\n"), text("/dev/null", "x\n")], &sinks);
    assert_eq!(logs.logs.len(), 1);
    let (info, ..) = client_side();
    logs.log(
        &WorkerLogs::new(5),
        &LogEntry { info: &info, request: None, response: None, trailers: None, more: Default::default() },
    );
    sinks.flush(PATIENCE);
}

#[test]
fn filters() {
    let (mut info, mut request, _) = client_side();
    request.headers.append(crate::wire::headers::Name::new("x-a"), "1");
    request.headers.append(crate::wire::headers::Name::new("x-a"), "2");
    info.flags = ResponseFlags::NO_ROUTE_FOUND;
    info.response_code = 404;
    let entry =
        LogEntry { info: &info, request: Some(&request), response: None, trailers: None, more: Default::default() };
    let takes = |config: LogFilter| Filter::compile(&config).takes(&entry);
    let header = |name: &str, value: &str| {
        let rule = HeaderRule::String(StringMatcher::Exact { value: value.into(), ignore_case: false });
        LogFilter::Header(HeaderMatcher { name: name.into(), rule, invert: false, missing_is_empty: false })
    };
    assert!(takes(LogFilter::ResponseFlags(vec!["UH".into(), "NR".into()])));
    assert!(!takes(LogFilter::ResponseFlags(vec!["UH".into()])));
    assert!(takes(LogFilter::ResponseFlags(vec![])));
    assert!(takes(LogFilter::StatusCode(Comparison::AtLeast, 400_u32.into())));
    assert!(!takes(LogFilter::StatusCode(Comparison::Equal, 400_u32.into())));
    assert!(takes(LogFilter::Duration(Comparison::AtMost, 5_u32.into())));
    assert!(!takes(LogFilter::Duration(Comparison::NotEqual, 5_u32.into())));
    assert!(takes(header("x-a", "2")));
    assert!(!takes(header("x-a", "1,2")));
    assert!(takes(header(":method", "GET")));
    assert!(!takes(header("x-b", "")));
    let without_head = |rule, invert, missing_is_empty| {
        let config = LogFilter::Header(HeaderMatcher { name: "x-a".into(), rule, invert, missing_is_empty });
        Filter::compile(&config).takes(&LogEntry::of(&info))
    };
    let two = || HeaderRule::String(StringMatcher::Exact { value: "2".into(), ignore_case: false });
    let none = || HeaderRule::String(StringMatcher::Exact { value: "".into(), ignore_case: false });
    assert!(without_head(HeaderRule::Present(false), false, false));
    assert!(without_head(HeaderRule::Present(true), true, false));
    assert!(!without_head(HeaderRule::Present(true), false, false));
    assert!(!without_head(two(), false, false));
    assert!(without_head(two(), true, true));
    assert!(without_head(none(), false, true));
    assert!(takes(LogFilter::And(vec![LogFilter::NotHealthCheck, LogFilter::LogAll("x".into())])));
    assert!(!takes(LogFilter::And(vec![LogFilter::NotHealthCheck, header("x-b", "")])));
    assert!(takes(LogFilter::Or(vec![header("x-b", ""), header("x-a", "1")])));
}

#[test]
fn filters_of_what_kind_and_share_and_status_an_entry_is() {
    let (mut info, mut request, mut response) = client_side();
    info.metadata.add("ns", "key", serde_json::json!("value"));
    request.headers.set(crate::wire::headers::Name::X_REQUEST_ID, "0000003c-5e8c-4a5e-9a3b-4b5b9a4b7a6c");
    response.headers.append(crate::wire::headers::Name::GRPC_STATUS, "5");
    let mut entry = LogEntry {
        info: &info,
        request: Some(&request),
        response: Some(&response),
        trailers: None,
        more: Default::default(),
    };
    entry.more.kind = EntryKind::DownstreamStart;
    entry.more.forced = true;
    let takes = |config: LogFilter| Filter::compile(&config).takes(&entry);
    let kinds = |exclude| LogFilter::Kinds { kinds: vec![EntryKind::DownstreamStart], exclude };
    assert_eq!((takes(kinds(false)), takes(kinds(true))), (true, false));
    let statuses = |status, exclude| LogFilter::GrpcStatus { statuses: vec![status], exclude };
    assert_eq!((takes(statuses(5, false)), takes(statuses(5, true)), takes(statuses(0, false))), (true, false, false));
    assert!(takes(LogFilter::Traceable));
    let sampled = LogEntry { more: Default::default(), ..entry };
    assert!(!Filter::compile(&LogFilter::Traceable).takes(&sampled), "sampled by chance alone");
    // The id says 60 of 100.
    let share = |numerator| LogFilter::Share { numerator: u64::into(numerator), denominator: 100, independent: false };
    assert_eq!((takes(share(60)), takes(share(61))), (false, true));
    let chance = |numerator| LogFilter::Share { numerator: u64::into(numerator), denominator: 100, independent: true };
    assert_eq!((takes(chance(0)), takes(chance(100))), (false, true));
    let metadata = |key: &str, or_else, invert| LogFilter::Metadata {
        matcher: Some(MetadataMatcher {
            filter: "ns".into(),
            path: vec![key.into()],
            value: ValueMatcher::String(StringMatcher::Exact { value: "value".into(), ignore_case: false }),
            invert,
        }),
        or_else,
    };
    assert_eq!((takes(metadata("key", false, false)), takes(metadata("key", false, true))), (true, true));
    assert_eq!((takes(metadata("none", false, false)), takes(metadata("none", true, false))), (false, true));
}
