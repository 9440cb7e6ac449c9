//! Tests of `buffers`: which limit wins. What becomes of bodies beyond it is in the scenarios `buffer_limits*` of the parity tests.

use crate::http::filters::filter::Way;
use crate::http::stream::Stream;
use crate::http::testing::{Bench, get, to_app};
use crate::wire::message::{Protocol, RequestHead};

const MIB: usize = 1 << 20;

/// What may be held of the request and of the response, and what may be kept of the request.
fn limits(bench: &Bench, request: RequestHead, wanted: u32) -> [usize; 3] {
    let context = bench.context();
    let (pinned, table) = (crate::http::filters::behind::Pinned::default(), context.table());
    let mut stream = Stream::begin(&context, &pinned, request);
    crate::http::router::choose(&mut stream, table.as_deref().map(|table| &**table));
    stream.wants_to_hold(wanted);
    [stream.may_hold(Way::Request), stream.may_hold(Way::Response), stream.may_keep()]
}

fn http2(request: RequestHead) -> RequestHead {
    RequestHead { protocol: Protocol::Http2, ..request }
}

#[test]
fn the_connection_limits_where_the_route_says_nothing() {
    let mut bench = Bench::new(to_app(|_| ()));
    assert_eq!(limits(&bench, get("/"), 0), [MIB; 3]);
    assert_eq!(limits(&bench, http2(get("/")), 0), [16 * MIB; 3], "the window of a stream");
    bench.config.http2.initial_stream_window = Some(65_535);
    assert_eq!(limits(&bench, http2(get("/")), 0), [65_535; 3]);
    bench.buffer_limit = 1000;
    assert_eq!(limits(&bench, get("/"), 0), [1000; 3]);
    bench.buffer_limit = 0;
    assert_eq!(limits(&bench, get("/"), 0), [usize::MAX; 3], "0 is no limit");
}

#[test]
fn a_route_gives_filters_more_and_never_less_and_attempts_what_it_says() {
    let mut bench = Bench::new(to_app(|_| ()));
    bench.buffer_limit = 1000;
    bench.limit(5000);
    assert_eq!(limits(&bench, get("/"), 0), [5000; 3]);
    bench.limit(10);
    assert_eq!(limits(&bench, get("/"), 0), [1000, 1000, 10]);
    bench.limit(0);
    assert_eq!(limits(&bench, get("/"), 0), [1000, 1000, 0]);
}

#[test]
fn what_one_filter_holds_others_may_hold_too() {
    let mut bench = Bench::new(to_app(|_| ()));
    bench.buffer_limit = 1000;
    assert_eq!(limits(&bench, get("/"), 4000), [4000, 1000, 4000]);
    assert_eq!(limits(&bench, get("/"), 10), [1000; 3]);
    bench.limit(2000);
    assert_eq!(limits(&bench, get("/"), 4000), [4000, 2000, 2000]);
}
