//! Tests of `set_filter_state`. What logs print of each kind of object is Envoy 1.40's word.

use std::sync::Arc;

use config::access_log::{Format, LogFormat, format};
use config::filters::set_filter_state::{FilterStateValue, Object, SetFilterState, SharedWithUpstream};
use config::filters::{HttpFilterConfig, ScopedConfig};

use crate::http::filters::bench::{Filtered, Level};
use crate::http::testing::fake::Script;
use crate::http::testing::{Outcome, get, with};
use crate::telemetry::access_log::LogEntry;

fn value(key: &str, object: Object, text: &str) -> FilterStateValue {
    FilterStateValue {
        key: key.into(),
        object,
        value: LogFormat::Text(format::parse(text).unwrap()),
        read_only: false,
        shared: SharedWithUpstream::No,
        skip_if_empty: false,
    }
}

fn config(on_request_headers: Vec<FilterStateValue>) -> SetFilterState {
    SetFilterState { on_request_headers, clear_route_cache: false }
}

fn filtered(config: SetFilterState) -> Filtered {
    let mut bench = Filtered::new([("state", HttpFilterConfig::SetFilterState(Arc::new(config)))]);
    bench.app(Script::answers(200, &[], &[]));
    bench
}

/// What a log prints.
#[track_caller]
fn prints(outcome: &Outcome, format: &str, expected: &str) {
    let format: Format = format::parse(format).unwrap();
    let entry =
        LogEntry { info: &outcome.info, request: None, response: None, trailers: None, more: Default::default() };
    let mut out = Vec::new();
    crate::telemetry::format::write(&format, &entry, &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), expected, "{format:?}");
}

#[tokio::test(start_paused = true)]
async fn objects_are_made_of_the_request_and_of_each_other() {
    let omitted = |text: &str| LogFormat::Text(Format { omit_empty: true, ..format::parse(text).unwrap() });
    let bench = filtered(config(vec![
        value("a", Object::Text, "F-%REQ(x-a)%"),
        value("b", Object::HashableText, "[%FILTER_STATE(a:PLAIN)%]"),
        value("a.2", Object::Text, "one"),
        FilterStateValue { read_only: true, ..value("a.2", Object::Text, "two") },
        value("a.2", Object::Text, "three"),
        value("dash", Object::Text, "%REQ(x-none)%"),
        FilterStateValue { value: omitted("%REQ(x-none)%"), ..value("empty", Object::Text, "") },
        FilterStateValue { value: omitted("%REQ(x-none)%"), skip_if_empty: true, ..value("skipped", Object::Text, "") },
        FilterStateValue {
            value: LogFormat::Json(vec![("k".into(), config::access_log::JsonFormat::Constant(1.into()))]),
            ..value("json", Object::Text, "")
        },
        value("sni", Object::UpstreamServerName, "s.example"),
        value("alpn", Object::ApplicationProtocols, "h2"),
    ]));
    let outcome = bench.send(with(get("/"), &[("x-a", "\"q\"")])).await;
    for (format, expected) in [
        ("%FILTER_STATE(a:PLAIN)%", "F-\"q\""),
        ("%FILTER_STATE(a)%", "\"F-\\\"q\\\"\""),
        ("%FILTER_STATE(a:TYPED)%", "\"F-\\\"q\\\"\""),
        ("%FILTER_STATE(a:FIELD:x)%", "-"),
        ("%FILTER_STATE(a:PLAIN):3%", "F-\""),
        ("%FILTER_STATE(b:PLAIN)%", "[F-\"q\"]"),
        ("%FILTER_STATE(a.2:PLAIN)%", "three"),
        ("%FILTER_STATE(dash:PLAIN)%", "-"),
        ("%FILTER_STATE(empty)%", "\"\""),
        ("%FILTER_STATE(skipped)%", "-"),
        ("%FILTER_STATE(json:PLAIN)%", "{\"k\":1}\n"),
        ("%FILTER_STATE(sni:PLAIN)% %FILTER_STATE(sni)%", "s.example -"),
        ("%FILTER_STATE(alpn:PLAIN)% %FILTER_STATE(alpn)%", "- -"),
        ("%FILTER_STATE(none)%", "-"),
    ] {
        prints(&outcome, format, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn the_router_reads_names_for_the_upstream() {
    let mut bench = filtered(config(vec![
        value("envoy.network.upstream_server_name", Object::UpstreamServerName, "%REQ(x-name)%"),
        value("envoy.network.application_protocols", Object::ApplicationProtocols, "a, b"),
    ]));
    bench.send(with(get("/"), &[("x-name", "n.example")])).await;
    let seen = bench.app_saw();
    assert_eq!(seen.sni.as_deref(), Some("n.example"));
    assert_eq!(seen.alpn, Some(vec!["a".to_owned(), "b".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn levels_come_after_the_filter_the_least_specific_first() {
    let mut bench = filtered(config(vec![value("l", Object::Text, "filter")]));
    for (level, name) in
        [(Level::Table, "table"), (Level::Host, "host"), (Level::Route, "route"), (Level::Weighted, "weighted")]
    {
        let text = format!("%FILTER_STATE(l:PLAIN)% {name}");
        let told = ScopedConfig::SetFilterState(Arc::new(config(vec![value("l", Object::Text, &text)])));
        bench = bench.tell(level, "state", told);
    }
    let outcome = bench.send(get("/")).await;
    prints(&outcome, "%FILTER_STATE(l:PLAIN)%", "filter table host route weighted");
}

#[test]
fn what_nothing_reads_is_refused() {
    use crate::http::filters::filter::{FilterDeps, HttpFilter as _};
    let stats = crate::stats::Stats::new(crate::stats::StatsSettings::default());
    let refused = |value| {
        let deps = FilterDeps { stats: &stats, scope: "", discoveries: None, secrets: None, behind: false };
        super::SetFilterState::compile(&config(vec![value]), &deps).map(drop).map_err(|rejection| rejection.path)
    };
    let shared = |object, shared| FilterStateValue { shared, ..value("k", object, "v") };
    let names = value("k", Object::UpstreamSubjectAltNames, "v");
    assert_eq!(refused(names), Err("on_request_headers[0].object_key".to_owned()));
    let once = SharedWithUpstream::Once;
    let path = "on_request_headers[0].shared_with_upstream".to_owned();
    assert_eq!(refused(shared(Object::HashableText, once)), Err(path));
    assert_eq!(refused(shared(Object::HashableText, SharedWithUpstream::No)), Ok(()));
    assert_eq!(refused(shared(Object::Text, once)), Ok(()));
}
