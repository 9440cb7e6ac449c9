//! Tests of `grpc_stats`. What is expected is what Envoy 1.40 counts of the same requests.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use config::filters::HttpFilterConfig;
use config::filters::grpc_stats::{GrpcStats, Methods, Service};

use crate::http::filters::bench::Filtered;
use crate::http::testing::{Client, Outcome, fake::Script, get, post, with};
use crate::wire::codec::StreamError;
use crate::wire::grpc::frames::Framed;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::Frame;

const GRPC: &str = "application/grpc+proto";

fn counting(change: impl FnOnce(&mut GrpcStats)) -> Filtered {
    let mut config =
        GrpcStats { emit_filter_state: true, methods: Methods::None, upstream_stats: false, replace_dots: false };
    change(&mut config);
    Filtered::new([("grpc_stats", HttpFilterConfig::GrpcStats(Arc::new(config)))])
}

fn all(bench: &mut GrpcStats) {
    bench.methods = Methods::All;
}

type Pieces = std::collections::VecDeque<Result<Frame, StreamError>>;

/// A body of these messages, cut into pieces of so many octets.
fn body(messages: &[&[u8]], size: usize, last: Frame) -> Pieces {
    let all: Vec<u8> = messages.iter().flat_map(|message| Framed::of(message).into_bytes()).collect();
    let pieces = all.chunks(size).map(|piece| Ok(Frame::Data(Bytes::copy_from_slice(piece))));
    pieces.chain([Ok(last)]).collect()
}

fn trailers(status: &'static str) -> Frame {
    let mut trailers = Headers::new();
    trailers.append(Name::GRPC_STATUS, status);
    Frame::Trailers(trailers)
}

/// An application that answers with two messages and a status.
fn answers(size: usize, last: Frame) -> Script {
    let mut script = Script::answers(200, &[("content-type", "application/grpc")], &["x"]);
    script.body = body(&[b"one", b"two!"], size, last);
    script.after_request = true;
    script
}

async fn call(bench: &Filtered, path: &str, kind: &'static str, messages: &[&[u8]], size: usize) -> Outcome {
    let client = Client { pieces: body(messages, size, Frame::End), ..Client::default() };
    bench.send_from(client, with(post(path), &[("content-type", kind)])).await
}

/// Those of `app` below `grpc.` that are not zero.
fn counted(bench: &Filtered, prefix: &str, names: &[&str]) -> Vec<Option<u64>> {
    let value = |name: &&str| {
        let name = format!("cluster.app.grpc.{prefix}{name}");
        bench.has_stat(&name).then(|| bench.stat(&name))
    };
    names.iter().map(value).collect()
}

fn state(outcome: &Outcome) -> Option<&[u8]> {
    outcome.info.filter_state.get("envoy.filters.http.grpc_stats").map(|object| &object.value[..])
}

const NAMES: [&str; 7] = ["0", "5", "success", "failure", "total", "request_message_count", "response_message_count"];

#[tokio::test]
async fn requests_and_messages_are_counted_however_bodies_are_cut() {
    for size in [1, 3, 100] {
        let mut bench = counting(|_| ());
        bench.app(answers(size, trailers("0"))).app(answers(size, trailers("5")));
        let outcome = call(&bench, "/pkg.Svc/Call", GRPC, &[b"a", b"", b"ccc"], size).await;
        assert_eq!(state(&outcome), Some(&b"3,2"[..]));
        call(&bench, "/pkg.Svc/Call", "application/grpc", &[b"a"], size).await;
        assert_eq!(counted(&bench, "", &NAMES), [1, 1, 1, 1, 2, 4, 4].map(Some), "in pieces of {size}");
        assert_eq!(counted(&bench, "pkg.Svc.Call.", &["total"]), [None]);
    }
}

#[tokio::test]
async fn methods_have_names_of_their_own_where_that_is_asked() {
    let listed = |config: &mut GrpcStats| {
        config.methods = Methods::Listed(vec![Service { name: "pkg.Svc".into(), methods: vec!["Call".into()] }]);
    };
    let dots = |config: &mut GrpcStats| {
        all(config);
        config.replace_dots = true;
    };
    for (change, named, other) in [
        (&all as &dyn Fn(&mut GrpcStats), "pkg.Svc.Call.", "pkg.Svc.Other."),
        (&dots, "pkg_Svc.Call.", "pkg_Svc.Other."),
        (&listed, "pkg.Svc.Call.", ""),
    ] {
        let mut bench = counting(change);
        bench.app(answers(9, trailers("0"))).app(answers(9, trailers("5")));
        call(&bench, "/pkg.Svc/Call?x=y", GRPC, &[b"a"], 9).await;
        call(&bench, "/pkg.Svc/Other", GRPC, &[b"a"], 9).await;
        assert_eq!(counted(&bench, named, &NAMES[..4]), [Some(1), None, Some(1), None], "{named}");
        assert_eq!(counted(&bench, other, &NAMES[..4]), [None, Some(1), None, Some(1)], "{other}");
    }
}

#[tokio::test]
async fn what_is_no_grpc_is_not_counted() {
    for kind in ["application/grpc-web", "application/grpcx", "application/json", "application/connec"] {
        let mut bench = counting(all);
        bench.app(answers(9, trailers("0")));
        let outcome = call(&bench, "/pkg.Svc/Call", kind, &[b"a"], 9).await;
        assert_eq!((outcome.status(), state(&outcome)), (200, None));
        assert_eq!(counted(&bench, "pkg.Svc.Call.", &["total", "request_message_count"]), [None, None], "{kind}");
    }
}

#[tokio::test]
async fn a_path_that_is_no_method_is_followed_and_not_counted() {
    let mut bench = counting(|_| ());
    bench.app(answers(9, trailers("0")));
    let outcome = call(&bench, "/pkg/Svc/Call", GRPC, &[b"a"], 9).await;
    assert_eq!((state(&outcome), counted(&bench, "", &["total"])), (Some(&b"1,2"[..]), vec![None]));
}

#[tokio::test]
async fn a_status_in_the_head_counts_and_so_does_our_own() {
    let mut bench = counting(|_| ());
    bench.app(Script::answers(200, &[("content-type", "application/grpc"), ("grpc-status", "7")], &[]));
    bench.app(Script { no_host: Some(crate::cluster::PickFailure::NoHealthyEndpoint), ..Script::default() });
    let outcome = bench.send(with(get("/pkg.Svc/Call"), &[("content-type", GRPC)])).await;
    assert_eq!((state(&outcome), counted(&bench, "", &["7", "failure"])), (None, vec![Some(1), Some(1)]));
    bench.send(with(get("/pkg.Svc/Call"), &[("content-type", GRPC)])).await;
    assert_eq!(counted(&bench, "", &["14", "failure", "total"]), [1, 2, 2].map(Some));
}

#[tokio::test]
async fn an_answer_that_is_no_grpc_has_no_messages() {
    let mut bench = counting(|_| ());
    bench.app(Script::answers(404, &[("content-type", "text/html")], &["\0\0\0\0\0"]));
    bench.app(Script::answers(200, &[("content-type", "text/html")], &["\0\0\0\0\0"]));
    for _ in 0..2 {
        let outcome = call(&bench, "/pkg.Svc/Call", GRPC, &[b"a"], 9).await;
        assert_eq!(state(&outcome), Some(&b"1,0"[..]));
    }
    assert_eq!(counted(&bench, "", &["total", "response_message_count"]), [None, None]);
}

#[tokio::test]
async fn the_state_is_left_out_where_nobody_asks_for_it() {
    let mut bench = counting(|config| config.emit_filter_state = false);
    bench.app(answers(9, trailers("0")));
    assert_eq!(state(&call(&bench, "/pkg.Svc/Call", GRPC, &[b"a"], 9).await), None);
}

#[tokio::test(start_paused = true)]
async fn the_upstreams_share_is_timed_where_that_is_asked() {
    for timed in [true, false] {
        let mut bench = counting(|config| config.upstream_stats = timed);
        bench.app(Script { ends_in: Duration::from_millis(70), ..answers(100, trailers("0")) });
        call(&bench, "/pkg.Svc/Call", GRPC, &[b"a"], 9).await;
        let expected = if timed { (1, 70) } else { (0, 0) };
        assert_eq!(bench.histogram("cluster.app.grpc.upstream_rq_time"), expected);
    }
}

#[tokio::test]
async fn connect_is_counted_too() {
    let unary = |status, body: &'static str| {
        let mut script = Script::answers(status, &[("content-type", "application/json")], &[body]);
        script.after_request = true;
        script
    };
    let mut bench = counting(|_| ());
    bench.app(unary(200, "{}")).app(unary(404, "{}"));
    for _ in 0..2 {
        let request =
            with(post("/pkg.Svc/Call"), &[("content-type", "application/json"), ("connect-protocol-version", "1")]);
        let outcome = bench.send_pieces(request, &["{", "}"]).await;
        assert_eq!(state(&outcome), Some(&b"1,1"[..]));
    }
    assert_eq!(counted(&bench, "", &NAMES[2..]), [1, 1, 2, 2, 2].map(Some));

    for (last, success) in [
        (Some(&b"\x02\0\0\0\x02{}"[..]), true),
        (Some(b"\x02\0\0\0\x1c{\"error\":{\"code\":\"internal\"}}"), false),
        (Some(b"\x02\0\0\0\x02[]"), false),
        (Some(b"\x02\0\0\0\x09{}"), false),
        (None, false),
    ] {
        for size in [1, 4, 1000] {
            let mut bench = counting(|_| ());
            let mut script = Script::answers(200, &[("content-type", "application/connect+json")], &["x"]);
            let octets = [&b"\0\0\0\0\x02{}\x01\0\0\0\x01x"[..], last.unwrap_or_default()].concat();
            script.body = octets.chunks(size).map(|piece| Ok(Frame::Data(Bytes::copy_from_slice(piece)))).collect();
            script.body.push_back(Ok(Frame::End));
            bench.app(script);
            let outcome = call(&bench, "/pkg.Svc/Call", "application/connect+json", &[b"{}"], size).await;
            assert_eq!(state(&outcome), Some(&b"1,2"[..]), "{last:?} in pieces of {size}");
            let expected = if success { [Some(1), None, Some(1)] } else { [None, Some(1), Some(1)] };
            assert_eq!(counted(&bench, "", &NAMES[2..5]), expected, "{last:?} in pieces of {size}");
        }
    }
}
