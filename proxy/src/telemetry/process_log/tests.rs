//! Tests of `process_log`.

use std::io::Read;

use super::*;

/// What Istio's bootstrap asks for when it wants JSON.
const JSON_PATTERN: &str = "{\"time\":\"%Y-%m-%dT%T.%fZ\",\"level\":\"%l\",\"scope\":\"envoy %n\",\"msg\":\"%j\",\
\"caller\":\"%g:%#\",\"thread\":\"%t\"}";

/// A log that is nobody's subscriber, for tests of what reads and changes levels.
pub(crate) fn detached(settings: &Settings<'_>) -> io::Result<ProcessLog> {
    ProcessLog::new(settings, File::options().append(true).open(settings.path.unwrap_or(Path::new("/dev/null")))?)
}

impl ProcessLog {
    /// This log as a subscriber, for those who do not want the global one.
    fn subscriber(&self) -> LogSubscriber {
        LogSubscriber(Arc::clone(&self.shared))
    }
}

fn log(pattern: &str, component_levels: &str) -> (ProcessLog, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let settings =
        Settings { level: LogLevel::Info, component_levels, pattern, escaped: false, path: Some(file.path()) };
    (ProcessLog::new(&settings, file.reopen().unwrap()).unwrap(), file)
}

fn written(log: &ProcessLog, file: &tempfile::NamedTempFile) -> String {
    log.shared.output.flush(Duration::from_secs(10));
    let mut text = String::new();
    file.reopen().unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn istios_line() {
    let (log, file) = log("%Y-%m-%dT%T.%fZ\t%l\tenvoy %n %g:%#\t%v\tthread=%t", "");
    tracing::subscriber::with_default(log.subscriber(), || {
        tracing::warn!(target: "config", listener = "a", count = 2, "gRPC config: rejected");
    });
    let text = written(&log, &file);
    let fields: Vec<&str> = text.trim_end().split('\t').collect();
    assert_eq!(fields.len(), 5, "{text}");
    let time = regex::Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$").unwrap();
    assert!(time.is_match(fields[0]), "{text}");
    assert_eq!(fields[1], "warning");
    assert!(regex::Regex::new(r"^envoy config .*process_log/tests\.rs:\d+$").unwrap().is_match(fields[2]), "{text}");
    assert_eq!(fields[3], "gRPC config: rejected listener=\"a\" count=2".replace('"', ""));
    assert!(fields[4].starts_with("thread="), "{text}");
}

#[test]
fn json_lines_parse() {
    let (log, file) = log(JSON_PATTERN, "");
    tracing::subscriber::with_default(log.subscriber(), || tracing::error!("it said \"no\"\nand left"));
    let line: serde_json::Value = serde_json::from_str(&written(&log, &file)).unwrap();
    assert_eq!(line["msg"], "it said \"no\"\nand left");
    assert_eq!(line["level"], "error");
    assert_eq!(line["scope"], "envoy misc");
}

#[test]
fn levels_of_components() {
    let (log, file) = log("%l %n %v", "upstream:debug,config:off");
    tracing::subscriber::with_default(log.subscriber(), || {
        tracing::debug!(target: "upstream", "1");
        tracing::debug!(target: "http", "2");
        tracing::error!(target: "config", "3");
        log.set(&parse_levels("http:trace").unwrap());
        tracing::trace!(target: "http", "4");
        log.set_all(LogLevel::Critical);
        tracing::error!(target: "main", critical = true, "5");
    });
    assert_eq!(written(&log, &file), "debug upstream 1\ntrace http 4\ncritical main 5\n");
}

#[test]
fn modules_belong_to_loggers() {
    for (target, want) in [
        ("proxy::cluster::pool::h2", "pool"),
        ("proxy::cluster", "upstream"),
        ("proxy::wire::h2::server", "http2"),
        ("proxy::http::exchange", "http"),
        ("proxy::admin::stats", "admin"),
        ("proxy::xds", "config"),
        ("proxyish", "misc"),
        ("outrigger_xds_client::sds", "secret"),
        ("hickory_resolver::x", "dns"),
        ("router", "router"),
        ("some_crate", "misc"),
    ] {
        assert_eq!(LOGGERS[levels::logger_of(target)], want, "{target}");
    }
}

#[test]
fn a_reader_that_does_not_read_stops_nobody() {
    let (reader, writer) = std::io::pipe().unwrap();
    let output = Output::start(File::from(std::os::fd::OwnedFd::from(writer))).unwrap();
    let line = [b'x'; 1000];
    for _ in 0..3000 {
        output.push(&line);
    }
    output.flush(Duration::ZERO);
    // Now somebody reads: the lines that fitted come, then the count of those that did not.
    let mut reader = std::io::BufReader::new(reader);
    let mut text = String::new();
    while !text.contains("log lines were dropped") {
        text.clear();
        assert!(std::io::BufRead::read_line(&mut reader, &mut text).unwrap() > 0);
        if let Some(end) = text.rfind('x') {
            text.drain(..=end);
        }
    }
}

#[test]
fn a_file_that_was_moved_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("log"), folder.path().join("moved"));
    let settings =
        Settings { level: LogLevel::Info, component_levels: "", pattern: "%v", escaped: false, path: Some(&path) };
    let log = ProcessLog::new(&settings, open_log(&path).unwrap()).unwrap();
    let say = |what: &str| {
        tracing::subscriber::with_default(log.subscriber(), || tracing::info!(target: "main", "{what}"));
        log.shared.output.flush(std::time::Duration::from_secs(10));
    };
    say("before");
    std::fs::rename(&path, &moved).unwrap();
    say("moved");
    log.reopen();
    say("after");
    let text = |path: &Path| std::fs::read_to_string(path).unwrap();
    assert_eq!((text(&moved).as_str(), text(&path).as_str()), ("before\nmoved\n", "after\n"));
}
