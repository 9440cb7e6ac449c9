//! A property of all body filters together: whatever they are stacked to and however a body is cut, the same octets arrive. Chains,
//! bodies and cuts are made up from fixed seeds; the clock is the test's.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use config::filters::HttpFilterConfig;
use config::filters::composite::{Composite, Execute, ExecuteFilter, NamedFilter};
use config::filters::ext_authz::BodySettings;
use config::filters::fault::{Fault, RateLimit, Share};
use config::filters::grpc_http1_bridge::GrpcHttp1Bridge;
use config::filters::grpc_stats::{GrpcStats, Methods};
use config::filters::match_delegate::{DelegateAction, MatchDelegate};
use config::filters::{buffer::Buffer, compressor, decompressor, grpc_web::GrpcWeb};
use config::match_tree::{Condition, Input, Matcher, OnMatch, Predicate, Rules};
use config::matcher::{Fraction, StringMatcher};
use config::runtime::Key;

use super::bench::Filtered;
use super::ext_authz;
use crate::http::fuzz::configs::{self, packer, unpacker};
use crate::http::testing::{Client, fake::Script, post, with};
use crate::wire::grpc::frames::Framed;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{Frame, Protocol};

type Chain = Vec<(&'static str, HttpFilterConfig)>;

const ENCODINGS: [&str; 3] = ["gzip", "br", "zstd"];

fn compress(encoding: &str, requests: bool) -> HttpFilterConfig {
    let direction = |enabled| compressor::Direction {
        enabled,
        min_content_length: 1,
        content_types: vec![StringMatcher::Prefix { value: "".into(), ignore_case: false }],
    };
    HttpFilterConfig::Compressor(Arc::new(compressor::Compressor {
        library: packer(encoding),
        choose_first: false,
        request: Some(direction(requests.into())),
        response: compressor::Response {
            common: direction((!requests).into()),
            own_statistics: true,
            disable_on_etag: false,
            weaken_etag: false,
            remove_accept_encoding: false,
            uncompressible_statuses: Vec::new(),
            status_header: false,
        },
    }))
}

fn decompress(encoding: &str, requests: bool) -> HttpFilterConfig {
    let direction = |enabled| decompressor::Direction { enabled, ignore_no_transform: false };
    HttpFilterConfig::Decompressor(Arc::new(decompressor::Decompressor {
        library: unpacker(encoding),
        request: direction(requests.into()),
        advertise: false,
        response: direction((!requests).into()),
    }))
}

fn slow() -> HttpFilterConfig {
    HttpFilterConfig::Fault(Arc::new(Fault {
        delay: None,
        abort: None,
        response_rate_limit: Some(RateLimit {
            kib_per_second: Some(1),
            share: Share { percentage: Fraction { numerator: 100, denominator: 100 }, of_runtime: Key::none() },
        }),
        upstream_cluster: None,
        headers: Vec::new(),
        downstream_nodes: Vec::new(),
        max_active_faults: None,
        most_of_runtime: Key::none(),
        disable_downstream_cluster_stats: true,
        metadata: None,
    }))
}

/// The same filter, perhaps behind a match tree: one that never skips it, early or late, or one that makes it of a composite filter.
fn behind(dice: &mut fastrand::Rng, filter: HttpFilterConfig) -> HttpFilterConfig {
    let skips = |input| {
        let never = Condition::Text(StringMatcher::Exact { value: "never".into(), ignore_case: false });
        vec![(Predicate::Single(input, never), OnMatch::Action(DelegateAction::Skip))]
    };
    let delegate = |rules, no_match, filter| {
        let matcher = Some(Matcher { rules: Rules::List(rules), no_match });
        let delegate = MatchDelegate { name: "inner".into(), filter, matcher, deprecated: false };
        HttpFilterConfig::MatchDelegate(Arc::new(delegate))
    };
    match dice.usize(..6) {
        0 => delegate(skips(Input::RequestHeader("x".into())), None, filter),
        1 => delegate(skips(Input::ResponseTrailer("x".into())), None, filter),
        2 => {
            let what = Execute::Chain(vec![NamedFilter { name: "n".into(), config: filter }]);
            let execute = DelegateAction::Execute(Arc::new(ExecuteFilter { what, sample: None }));
            let composite = HttpFilterConfig::Composite(Arc::new(Composite { chains: Vec::new(), matcher: None }));
            delegate(skips(Input::RequestHeader("x".into())), Some(OnMatch::Action(execute)), composite)
        }
        _ => filter,
    }
}

/// What is compressed on one side of the chain is decompressed on its other, each way; others stand anywhere.
fn chain(dice: &mut fastrand::Rng) -> Chain {
    let (mut outer, mut inner): (Chain, Chain) = (Vec::new(), Vec::new());
    for encoding in ENCODINGS {
        if dice.bool() {
            outer.push((encoding, compress(encoding, true)));
            inner.push((encoding, decompress(encoding, true)));
        }
        if dice.bool() {
            outer.push((encoding, decompress(encoding, false)));
            inner.push((encoding, compress(encoding, false)));
        }
    }
    let mut chain = outer;
    chain.append(&mut inner);
    let body = BodySettings { most: 1 << 20, partial: true, as_bytes: true };
    let authz = ext_authz::tests::config(|config| config.body = Some(body));
    for (name, config) in [
        ("authz", HttpFilterConfig::ExtAuthz(Arc::new(authz))),
        ("buffer", HttpFilterConfig::Buffer(Arc::new(Buffer { max_request_bytes: 1 << 20 }))),
        ("fault", slow()),
        ("buffer", HttpFilterConfig::Buffer(Arc::new(Buffer { max_request_bytes: 1 << 20 }))),
        ("json", configs::json()),
        ("trailers", configs::trailers()),
        ("istio", configs::istio_stats()),
    ] {
        if dice.bool() {
            chain.insert(dice.usize(..=chain.len()), (name, config));
        }
    }
    chain.into_iter().map(|(name, config)| (name, behind(dice, config))).collect()
}

/// A chain, and the service that allows everything once it has read it.
fn stacked(chain: Chain) -> Filtered {
    let mut bench = Filtered::new(chain);
    let service = bench.cluster(crate::call::tests::CLUSTER);
    service.protocol.set(Protocol::Http2);
    service.otherwise.set(Some(|| {
        let mut script = Script::answers(200, &[("content-type", "application/grpc")], &["a message of nothing"]);
        script.body = [Ok(Frame::Data(Framed::of(b"").into_bytes())), Ok(Frame::Trailers(status()))].into();
        script.after_request = true;
        script
    }));
    bench
}

/// gRPC has gone well.
fn status() -> Headers {
    let mut trailers = Headers::new();
    trailers.append(Name::GRPC_STATUS, "0");
    trailers
}

fn body(dice: &mut fastrand::Rng) -> Vec<u8> {
    let length = [0, 1, 100, 3000][dice.usize(..4)];
    let random = dice.bool();
    // Compressible, and by less than what a decompressor takes for a bomb.
    (0..length).map(|_| if random { dice.u8(..) } else { dice.u8(b'a'..b'e') }).collect()
}

fn cut(
    dice: &mut fastrand::Rng,
    body: &[u8],
) -> std::collections::VecDeque<Result<Frame, crate::wire::codec::StreamError>> {
    let most = [1, 7, 1000, 5000][dice.usize(..4)];
    let mut pieces = std::collections::VecDeque::new();
    let mut rest = body;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(dice.usize(1..=most).min(rest.len()));
        pieces.push_back(Ok(Frame::Data(Bytes::copy_from_slice(piece))));
        rest = after;
    }
    pieces.push_back(Ok(Frame::End));
    pieces
}

#[tokio::test(start_paused = true)]
async fn the_same_octets_arrive() {
    for seed in 0..200 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let chain = chain(&mut dice);
        let names: Vec<&str> = chain.iter().map(|(name, _)| *name).collect();
        let (up, down) = (body(&mut dice), body(&mut dice));
        let mut bench = stacked(chain);
        let mut script = Script::answers(200, &[], &["some"]);
        script.body = cut(&mut dice, &down);
        script.after_request = true;
        bench.app(script);
        let client = Client { pieces: cut(&mut dice, &up), ..Client::default() };
        let outcome = bench.send_from(client, with(post("/"), &[("accept-encoding", "gzip, br, zstd")])).await;
        assert_eq!(outcome.status(), 200, "seed {seed}: {names:?} {}", outcome.details());
        assert!(outcome.client.ended, "seed {seed}: {names:?}");
        assert!(outcome.client.body.concat() == down, "seed {seed}: {names:?}, the response");
        assert!(bench.app_saw().body == up, "seed {seed}: {names:?}, the request");
    }
}

/// gRPC-Web's text, made and read behind all of them, and counted behind that.
#[tokio::test(start_paused = true)]
async fn messages_arrive_as_text() {
    for seed in 0..100 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut chain = chain(&mut dice);
        let counts =
            GrpcStats { emit_filter_state: false, methods: Methods::None, upstream_stats: false, replace_dots: false };
        chain.push(("web", HttpFilterConfig::GrpcWeb(Arc::new(GrpcWeb {}))));
        chain.push(("stats", HttpFilterConfig::GrpcStats(Arc::new(counts))));
        let names: Vec<&str> = chain.iter().map(|(name, _)| *name).collect();
        let framed = |body: &[u8]| Framed::of(body).into_bytes();
        let (up, down) = (framed(&body(&mut dice)), [body(&mut dice), body(&mut dice)].map(|message| framed(&message)));
        let mut script = Script::answers(200, &[("content-type", "application/grpc")], &["some"]);
        script.body = cut(&mut dice, &down.concat());
        script.body.pop_back();
        script.body.push_back(Ok(Frame::Trailers(status())));
        script.after_request = true;
        let mut bench = stacked(chain);
        bench.app(script);
        let text = "application/grpc-web-text";
        let request =
            with(post("/a.B/C"), &[("content-type", text), ("accept", text), ("accept-encoding", "gzip, br, zstd")]);
        let client = Client { pieces: cut(&mut dice, STANDARD.encode(&up).as_bytes()), ..Client::default() };
        let outcome = bench.send_from(client, request).await;
        assert_eq!(outcome.status(), 200, "seed {seed}: {names:?} {}", outcome.details());
        let end = framed(b"grpc-status:0\r\n");
        let end = [&[0x80], &end[1..]].concat();
        let expected = [STANDARD.encode(&down[0]), STANDARD.encode(&down[1]), STANDARD.encode(end)].concat();
        assert!(outcome.client.body.concat() == expected.as_bytes(), "seed {seed}: {names:?}, the response");
        assert!(bench.app_saw().body == up, "seed {seed}: {names:?}, the request");
        let stat = |name: &str| bench.stat(&format!("cluster.app.grpc.{name}"));
        assert_eq!((stat("request_message_count"), stat("response_message_count"), stat("success")), (1, 2, 1));
    }
}

/// An HTTP/1 client's gRPC: the answer is one message with its status in the head, whatever stands around the bridge.
#[tokio::test(start_paused = true)]
async fn messages_arrive_over_http1() {
    for seed in 0..100 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut chain = chain(&mut dice);
        let bridge = GrpcHttp1Bridge { upgrade_protobuf: false, ignore_query: false };
        chain.push(("bridge", HttpFilterConfig::GrpcHttp1Bridge(Arc::new(bridge))));
        let names: Vec<&str> = chain.iter().map(|(name, _)| *name).collect();
        let framed = |body: &[u8]| Framed::of(body).into_bytes();
        let (up, down) = (framed(&body(&mut dice)), framed(&body(&mut dice)));
        let mut script = Script::answers(200, &[("content-type", "application/grpc")], &["some"]);
        script.body = cut(&mut dice, &down);
        script.body.pop_back();
        script.body.push_back(Ok(Frame::Trailers(status())));
        script.after_request = true;
        let mut bench = stacked(chain);
        bench.app(script);
        let request =
            with(post("/a.B/C"), &[("content-type", "application/grpc"), ("accept-encoding", "gzip, br, zstd")]);
        let client = Client { pieces: cut(&mut dice, &up), ..Client::default() };
        let outcome = bench.send_from(client, request).await;
        assert_eq!((outcome.status(), outcome.header("grpc-status").as_deref()), (200, Some("0")), "{seed}: {names:?}");
        assert!(outcome.client.body.concat() == down, "seed {seed}: {names:?}, the response");
        assert!(bench.app_saw().body == up, "seed {seed}: {names:?}, the request");
    }
}
