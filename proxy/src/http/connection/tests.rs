//! Tests of `connection`.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::LocalSet;
use tokio::time::Instant;

use super::*;
use crate::failure::ResponseFlags;
use crate::http::testing::fake::Script;
use crate::http::testing::*;
use crate::transport::{Io, Stream};

mod ends;

/// A connection that is being served, and the client's end of it.
async fn connect(bench: &Bench) -> (Rc<Context>, DuplexStream) {
    let context = Rc::new(bench.context());
    let (client, server) = tokio::io::duplex(64 * 1024);
    tokio::task::spawn_local(run(context.clone(), Stream::new(Io::Memory(server))));
    (context, client)
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0, 0, payload.len() as u8, kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Sends, and reads to the end of the connection.
async fn exchange_all(bench: &Bench, request: &str) -> (Rc<Context>, String) {
    let (context, mut client) = connect(bench).await;
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    (context, answer)
}

fn answers(bench: &mut Bench, count: usize) {
    for _ in 0..count {
        bench.upstream(Script::answers(200, &[("content-length", "2")], &["ok"]));
    }
}

#[tokio::test(start_paused = true)]
async fn requests_follow_each_other_until_the_client_closes() {
    let mut bench = Bench::new(to_app(|_| {}));
    answers(&mut bench, 2);
    let request = "GET /a HTTP/1.1\r\nhost: svc\r\n\r\nGET /b HTTP/1.1\r\nhost: svc\r\nconnection: close\r\n\r\n";
    let (_context, answer) = LocalSet::new().run_until(exchange_all(&bench, request)).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK\r\n").count(), 2, "{answer}");
    assert_eq!(answer.matches("connection: close\r\n").count(), 1, "{answer}");
    assert_eq!(kept::all().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_request_is_answered_and_logged() {
    let bench = Bench::new(to_app(|_| {}));
    for (request, status, details) in [
        ("GET / HTTP/1.0\r\nhost: svc\r\n\r\n", "HTTP/1.1 426 Upgrade Required", "low_version"),
        ("GARBAGE\r\n\r\n", "HTTP/1.1 400 Bad Request", "http1.codec_error"),
    ] {
        let (_context, answer) = LocalSet::new().run_until(exchange_all(&bench, request)).await;
        assert!(answer.starts_with(status), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        let done = kept::all();
        assert_eq!(done[0].response_code_details.as_deref(), Some(details));
        assert!(done[0].flags.has(crate::failure::ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR));
    }
}

/// However little is known of a request, its answer has the filters and headers of every answer.
#[tokio::test(start_paused = true)]
async fn what_is_no_request_is_answered_through_the_filters() {
    use config::filters::HttpFilterConfig;
    use config::filters::header_mutation::{HeaderMutation, Mutations};
    use config::hcm::{HttpFilter, ServerHeader};
    use config::route::AppendAction;
    let mut bench = Bench::new(to_app(|_| {}));
    let told = config::header_mutation::HeaderMutation::Append(add("x-hm", "1", AppendAction::AppendOrAdd));
    let mutations = Mutations { response: vec![told], ..Default::default() };
    let filter = HttpFilterConfig::HeaderMutation(Arc::new(HeaderMutation { mutations, most_specific_wins: false }));
    bench.config.filters = vec![HttpFilter { name: "hm".into(), disabled: false, config: filter }];
    bench.config.server_header = ServerHeader::PassThrough;
    bench.config.via = Some("v".into());
    bench.config.request_headers_timeout = Some(Duration::from_secs(2));
    let large = format!("GET / HTTP/1.1\r\nhost: svc\r\nx: {}\r\n\r\n", "y".repeat(200 * 1024));
    for (request, status) in [
        ("GARBAGE\r\n\r\n", "400 Bad Request"),
        ("GET / HTTP/1.1\r\nbad header\r\nhost: svc\r\n\r\n", "400 Bad Request"),
        ("GET / HTTP/1.0\r\nhost: svc\r\n\r\n", "426 Upgrade Required"),
        (large.as_str(), "431 Request Header Fields Too Large"),
        ("GET /", "408 Request Timeout"),
    ] {
        let (context, answer) = LocalSet::new().run_until(exchange_all(&bench, request)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
        for line in ["x-hm: 1", "via: v", "connection: close", "content-type: text/plain"] {
            assert!(answer.contains(&format!("\r\n{line}\r\n")), "{line}: {answer}");
        }
        assert!(!answer.contains("\r\nserver: "), "{answer}");
        let count = |name: &str| context.manager.registry.value(&format!("http.test.downstream_rq_{name}"));
        for name in ["total", "http1_total", "4xx", "completed", "rx_reset", "response_before_rq_complete"] {
            assert_eq!(count(name), Some(1), "{name}");
        }
        assert_eq!((count("active"), count("tx_reset")), (Some(0), Some(0)));
        assert_eq!(kept::all().len(), 1);
    }
}

/// Who leaves within a head is not answered, but counted and logged.
#[tokio::test(start_paused = true)]
async fn half_a_head_is_logged() {
    let bench = Bench::new(to_app(|_| {}));
    let local = LocalSet::new();
    let (context, mut client) = local.run_until(connect(&bench)).await;
    local.run_until(client.write_all(b"GET / HTTP/1.1\r\nho")).await.unwrap();
    drop(client);
    local.await;
    let count = |name: &str| context.manager.registry.value(&format!("http.test.downstream_rq_{name}"));
    assert_eq!((count("total"), count("rx_reset"), count("active")), (Some(1), Some(1), Some(0)));
    assert_eq!(count("completed"), Some(0));
    let done = kept::all();
    assert_eq!(done[0].response_code_details.as_deref(), Some("downstream_remote_disconnect"));
    assert!(done[0].flags.has(ResponseFlags::DOWNSTREAM_CONNECTION_TERMINATION));
}

#[tokio::test(start_paused = true)]
async fn limits_end_a_connection() {
    let mut bench = Bench::new(to_app(|_| {}));
    bench.config.idle_timeout = Some(Duration::from_secs(10));
    let (_, answer) = LocalSet::new().run_until(exchange_all(&bench, "")).await;
    assert_eq!(answer, "", "an idle connection is closed without a word");

    bench.config.request_headers_timeout = Some(Duration::from_secs(2));
    let (_context, answer) = LocalSet::new().run_until(exchange_all(&bench, "GET /")).await;
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert_eq!(kept::all()[0].response_code_details.as_deref(), Some("request_header_timeout"));

    bench.config.max_requests_per_connection = Some(2);
    answers(&mut bench, 2);
    let request = "GET /a HTTP/1.1\r\nhost: svc\r\n\r\n".repeat(3);
    let (_context, answer) = LocalSet::new().run_until(exchange_all(&bench, &request)).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK\r\n").count(), 2, "{answer}");
    assert_eq!(kept::all().len(), 2);
}

/// What bounds a request bounds its head, too: a client that stops in the middle of one holds nothing for ever.
#[tokio::test(start_paused = true)]
async fn a_head_takes_no_longer_than_its_request_may() {
    type Set = fn(&mut config::hcm::HttpConnectionManager, Option<Duration>);
    let limits: [(Set, &str, &str); 3] = [
        (|config, limit| config.stream_idle_timeout = limit, "stream_idle_timeout", "downstream_rq_idle_timeout"),
        (
            |config, limit| config.max_stream_duration = limit,
            "max_duration_timeout",
            "downstream_rq_max_duration_reached",
        ),
        (|config, limit| config.request_timeout = limit, "request_overall_timeout", "downstream_rq_timeout"),
    ];
    for (set, details, counted) in limits {
        let mut bench = Bench::new(to_app(|_| {}));
        bench.config.idle_timeout = Some(Duration::from_secs(3600));
        bench.config.request_headers_timeout = Some(Duration::from_secs(60));
        set(&mut bench.config, Some(Duration::from_secs(2)));
        let began = Instant::now();
        let (context, answer) = LocalSet::new().run_until(exchange_all(&bench, "GET / HTTP/1.1\r\nho")).await;
        assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        assert!(began.elapsed() < Duration::from_secs(60), "{details}");
        assert_eq!(kept::all().last().unwrap().response_code_details.as_deref(), Some(details));
        let count = |name: &str| context.manager.registry.value(&format!("http.test.{name}"));
        assert_eq!((count(counted), count("downstream_rq_header_timeout")), (Some(1), Some(0)));
    }
}

/// A connection of HTTP/2 whose client has said this behind its greeting.
async fn says(bench: &Bench, frames: &[Vec<u8>]) -> (Rc<Context>, DuplexStream) {
    let (context, mut client) = connect(bench).await;
    let greeting = [&crate::wire::sniff::PREFACE[..], &frame(4, 0, 0, &[])].concat();
    client.write_all(&[greeting, frames.concat()].concat()).await.unwrap();
    (context, client)
}

/// The same for HTTP/2, where the other streams of the connection go on.
#[tokio::test(start_paused = true)]
async fn half_a_head_of_http2_is_answered_in_time_and_the_connection_goes_on() {
    let whole = b"\x82\x86\x84\x41\x07example";
    let cut = |octets: usize| frame(1, 5, 1, whole)[..octets].to_vec();
    // What has come of a request, and what is to come.
    let halves = [
        (frame(1, 1, 1, &whole[..5]), frame(9, 4, 1, &whole[5..])),
        (cut(9), frame(1, 5, 1, whole)[9..].to_vec()),
        (cut(12), frame(1, 5, 1, whole)[12..].to_vec()),
    ];
    for (half, rest) in halves {
        let mut bench = Bench::new(to_app(|_| {}));
        bench.config.request_headers_timeout = Some(Duration::from_secs(2));
        answers(&mut bench, 1);
        let told = async {
            let (context, mut client) = says(&bench, &[half]).await;
            let began = Instant::now();
            let stat = |name: &str| context.manager.registry.value(&format!("http.test.downstream_rq_{name}"));
            while kept::all().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert_eq!(stat("header_timeout"), Some(1));
            assert!((2000..2100).contains(&began.elapsed().as_millis()));
            client.write_all(&[rest, frame(1, 5, 3, whole)].concat()).await.unwrap();
            while kept::all().len() < 2 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert_eq!((stat("total"), stat("http2_total"), stat("active")), (Some(2), Some(2), Some(0)));
        };
        LocalSet::new().run_until(told).await;
        let done = kept::all();
        assert_eq!((done[0].response_code, done[1].response_code), (408, 200));
        assert_eq!(done[0].response_code_details.as_deref(), Some("request_header_timeout"));
        assert_eq!(done[0].protocol, Some(Protocol::Http2));
    }
}

/// As with Envoy a request begins with the first octets of its head: that is when it was sent, and it counts from then on.
#[tokio::test(start_paused = true)]
async fn a_request_begins_with_the_first_octets_of_its_head() {
    let http1 = (b"GET / HTTP/1.1\r\n".to_vec(), b"host: svc\r\n\r\n".to_vec());
    let greeting = [&crate::wire::sniff::PREFACE[..], &frame(4, 0, 0, &[])].concat();
    let http2 = ([greeting, frame(1, 1, 1, b"\x82\x86\x84")].concat(), frame(9, 4, 1, b"\x41\x07example"));
    for (half, rest) in [http1, http2] {
        let mut bench = Bench::new(to_app(|_| {}));
        answers(&mut bench, 1);
        let late = async {
            let (_context, mut client) = connect(&bench).await;
            client.write_all(&half).await.unwrap();
            tokio::time::sleep(Duration::from_secs(3)).await;
            client.write_all(&rest).await.unwrap();
            while kept::all().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        LocalSet::new().run_until(late).await;
        let info = kept::last();
        assert_eq!((info.response_code, info.request_complete.unwrap().duration_since(info.start).as_secs()), (200, 3));
    }
}

/// A head without a time of its own ends with its connection, and is told of.
#[tokio::test(start_paused = true)]
async fn half_a_head_that_we_cut_off_is_logged() {
    let http2 = [&crate::wire::sniff::PREFACE[..], &frame(4, 0, 0, &[]), &frame(1, 1, 1, b"\x82")].concat();
    for half in [b"GET / HT".to_vec(), http2] {
        let mut bench = Bench::new(to_app(|_| {}));
        bench.config.idle_timeout = Some(Duration::from_secs(10));
        bench.config.request_headers_timeout = None;
        bench.config.stream_idle_timeout = None;
        let told = async {
            let (context, mut client) = connect(&bench).await;
            client.write_all(&half).await.unwrap();
            client.read_to_end(&mut Vec::new()).await.unwrap();
            while kept::all().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let count = |name: &str| context.manager.registry.value(&format!("http.test.downstream_{name}"));
            assert_eq!((count("rq_total"), count("rq_rx_reset"), count("rq_active")), (Some(1), Some(1), Some(0)));
        };
        LocalSet::new().run_until(told).await;
        assert_eq!(kept::last().response_code_details.as_deref(), Some("downstream_local_disconnect"));
    }
}

/// Who leaves, or breaks the protocol, within a head of HTTP/2 has begun a request.
#[tokio::test(start_paused = true)]
async fn half_a_head_of_http2_is_logged() {
    for (more, details) in [
        (None, "downstream_remote_disconnect"),
        (Some(frame(6, 0, 0, b"12345678")), "codec_error:The_user_callback_function_failed"),
    ] {
        let bench = Bench::new(to_app(|_| {}));
        let local = LocalSet::new();
        let frames: Vec<_> = [frame(1, 1, 1, b"\x82\x86")].into_iter().chain(more).collect();
        let (context, client) = local.run_until(says(&bench, &frames)).await;
        drop(client);
        local.await;
        let count = |name: &str| context.manager.registry.value(&format!("http.test.{name}"));
        assert_eq!((count("downstream_rq_total"), count("downstream_rq_rx_reset")), (Some(1), Some(1)));
        assert_eq!(count("downstream_cx_destroy_active_rq"), Some(1));
        assert_eq!(kept::last().response_code_details.as_deref(), Some(details));
    }
}

/// Requests of a connection that ends because its client makes no sense are told to have ended for that, whether somebody has taken them or
/// not.
#[tokio::test(start_paused = true)]
async fn requests_of_a_garbled_connection_are_told_why() {
    let get = || frame(1, 5, 1, b"\x82\x86\x84\x41\x07example");
    let garbled = || frame(6, 0, 1, b"12345678");
    for (first, then) in [(vec![get(), garbled()], None), (vec![get()], Some(garbled()))] {
        let mut bench = Bench::new(to_app(|_| {}));
        bench.upstream(Script::hangs());
        let told = async {
            let (context, mut client) = says(&bench, &first).await;
            if let Some(then) = then {
                tokio::time::sleep(Duration::from_millis(10)).await;
                client.write_all(&then).await.unwrap();
            }
            while kept::all().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let count = |name: &str| context.manager.registry.value(&format!("http.test.downstream_rq_{name}"));
            assert_eq!((count("total"), count("rx_reset"), count("active")), (Some(1), Some(1), Some(0)));
        };
        LocalSet::new().run_until(told).await;
        let info = kept::last();
        assert_eq!(info.response_code_details.as_deref(), Some("codec_error:The_user_callback_function_failed"));
        assert!(info.flags.has(ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR));
    }
}

/// Requests that HTTP/2's codec refuses have reached nobody, but they were made.
#[tokio::test(start_paused = true)]
async fn http2_requests_that_are_none_are_counted_and_logged() {
    let mut bench = Bench::new(to_app(|_| {}));
    bench.config.underscores = config::hcm::Underscores::RejectRequest;
    let get = b"\x82\x86\x84\x41\x07example";
    let with = |field: &[u8]| [&get[..], field].concat();
    let heads: [&[u8]; 4] =
        [b"\x82\x86\x84", &with(b"\x00\x01X\x01a"), &with(b"\x00\x03x_y\x01a"), &with(b"\x0f\x0d\x015")];
    LocalSet::new()
        .run_until(async {
            let (context, mut client) = connect(&bench).await;
            let mut octets = [&crate::wire::sniff::PREFACE[..], &frame(4, 0, 0, &[])].concat();
            for (number, head) in heads.into_iter().enumerate() {
                octets.extend(frame(1, 5, 2 * number as u32 + 1, head));
            }
            client.write_all(&octets).await.unwrap();
            while kept::all().len() < 4 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let done = kept::all();
            let told: Vec<_> =
                done.iter().map(|info| (info.response_code_details.as_deref().unwrap(), info.flags)).collect();
            let (broken, reset) = (ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR, ResponseFlags::DOWNSTREAM_REMOTE_RESET);
            assert_eq!(
                told,
                [
                    ("http2.violation.of.messaging.rule", broken),
                    ("http2.invalid.header.field", broken),
                    ("http2.unexpected_underscore", reset),
                    ("http2.violation.of.messaging.rule", broken),
                ]
            );
            assert!(done.iter().all(|info| info.response_code == 0));
            let count = |name: &str| context.manager.registry.value(&format!("http.test.downstream_rq_{name}"));
            assert_eq!(
                (count("total"), count("http2_total"), count("rx_reset"), count("active")),
                (Some(4), Some(4), Some(4), Some(0))
            );
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn http2_is_told_by_its_first_bytes() {
    let mut bench = Bench::new(to_app(|_| {}));
    answers(&mut bench, 2);
    let local = LocalSet::new();
    local
        .run_until(async {
            let (_context, client) = connect(&bench).await;
            let (send, connection) = ::h2::client::handshake(client).await.unwrap();
            tokio::task::spawn_local(async move {
                let _ = connection.await;
            });
            let mut answers = Vec::new();
            for path in ["/a", "/b"] {
                let mut send = send.clone().ready().await.unwrap();
                let request = ::http::Request::get(format!("http://svc{path}")).body(()).unwrap();
                answers.push(send.send_request(request, true).unwrap().0);
            }
            for answer in answers {
                let answer = answer.await.unwrap();
                assert_eq!(
                    (answer.status().as_u16(), &answer.headers()["server"]),
                    (200, &::http::HeaderValue::from_static("envoy"))
                );
                let data = answer.into_body().data().await.unwrap().unwrap();
                assert_eq!(&data[..], b"ok");
            }
            drop(send);
            while kept::all().len() < 2 {
                tokio::task::yield_now().await;
            }
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_the_first_route_table() {
    let mut bench = Bench::new(to_app(|_| {}));
    answers(&mut bench, 1);
    let slot = crate::http::route::RouteSlot::new();
    bench.slot = Some(slot.clone());
    let table = crate::http::route::RouteTable::compile(
        &bench.table,
        &crate::stats::Stats::new(crate::stats::StatsSettings::default()),
    )
    .unwrap();
    let local = LocalSet::new();
    local
        .run_until(async {
            tokio::task::spawn_local(async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                slot.publish(table);
            });
            let (_, answer) = exchange_all(&bench, "GET /a HTTP/1.1\r\nhost: svc\r\nconnection: close\r\n\r\n").await;
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_draining_listener_asks_clients_to_go_and_ends_those_that_stay() {
    use crate::drain::{Drain, ServerDrain, Settings, Strategy};
    let settings = Settings { time: Duration::from_secs(5), strategy: Strategy::Immediate };
    let drain = Drain::new(settings);
    let mut bench = Bench::new(to_app(|_| {}));
    bench.drain = DrainWatch::new(ServerDrain::new(settings), drain.clone(), config::listener::Direction::Outbound);
    bench.upstream(Script::hangs());
    let local = LocalSet::new();
    local
        .run_until(async {
            let (context, mut client) = connect(&bench).await;
            client.write_all(b"GET /a HTTP/1.1\r\nhost: svc\r\n\r\n").await.unwrap();
            while context.active.get() == 0 {
                tokio::task::yield_now().await;
            }
            drain.begin();
            answers(&mut bench, 1);
            let (_, answer) = exchange_all(&bench, "GET /b HTTP/1.1\r\nhost: svc\r\n\r\n").await;
            assert!(answer.contains("connection: close\r\n"), "{answer}");

            drain.finish();
            let mut rest = String::new();
            client.read_to_string(&mut rest).await.unwrap();
            assert_eq!(rest, "");
            assert_eq!(
                kept::last().response_code_details.as_deref(),
                Some("downstream_local_disconnect"),
                "it is logged all the same"
            );
        })
        .await;
}

/// The status that went out is not the whole truth of a response that was cut.
#[tokio::test(start_paused = true)]
async fn a_response_that_is_cut_is_logged_as_cut() {
    use crate::drain::{Drain, ServerDrain, Settings};
    let settings = Settings::default();
    let drain = Drain::new(settings);
    let mut bench = Bench::new(to_app(|_| {}));
    bench.drain = DrainWatch::new(ServerDrain::new(settings), drain.clone(), config::listener::Direction::Outbound);
    // More than the pipe and the buffers hold.
    let body: &'static str = Box::leak("x".repeat(4 << 20).into_boxed_str());
    bench.upstream(Script::answers(200, &[], &[body]));
    LocalSet::new()
        .run_until(async {
            let (_context, mut client) = connect(&bench).await;
            client.write_all(b"GET /a HTTP/1.1\r\nhost: svc\r\n\r\n").await.unwrap();
            let mut some = [0; 1024];
            client.read_exact(&mut some).await.unwrap();
            drain.finish();
            while kept::all().is_empty() {
                tokio::task::yield_now().await;
            }
            let done = kept::all();
            assert_eq!((done[0].response_code, done[0].flags), (200, ResponseFlags::DOWNSTREAM_CONNECTION_TERMINATION));
            assert_eq!(done[0].response_code_details.as_deref(), Some("downstream_local_disconnect"));
        })
        .await;
}

/// A target without a path: RFC 9112 sections 3.2.1 and 3.2.4.
#[tokio::test(start_paused = true)]
async fn a_target_without_a_path_is_given_one() {
    let mut bench = Bench::new(to_app(|_| {}));
    let cases = [
        ("GET http://h?q", "/?q"),
        ("GET http://h", "/"),
        ("OPTIONS http://h", "*"),
        ("OPTIONS http://h?q", "/?q"),
        ("OPTIONS http://h/", "/"),
        ("OPTIONS *", "*"),
    ];
    for (line, path) in cases {
        answers(&mut bench, 1);
        let request = format!("{line} HTTP/1.1\r\nhost: svc\r\nconnection: close\r\n\r\n");
        let (_, answer) = LocalSet::new().run_until(exchange_all(&bench, &request)).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{line}: {answer}");
        assert_eq!(bench.seen()[0].head.target(), path, "{line}");
    }
    let (_, answer) = LocalSet::new().run_until(exchange_all(&bench, "GET * HTTP/1.1\r\nhost: svc\r\n\r\n")).await;
    assert!(!answer.contains(" 200 "), "{answer}");
}

/// The length of a message is that of the message as it came: what its client wants to end at this hop is taken away later.
#[tokio::test(start_paused = true)]
async fn a_body_whose_framing_is_nominated_is_no_second_request() {
    let inner = "GET /admin HTTP/1.1\r\nhost: svc\r\n\r\n";
    let length = format!("connection: content-length, close\r\ncontent-length: {}\r\n\r\n{inner}", inner.len());
    let chunked = format!(
        "connection: transfer-encoding, close\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{inner}\r\n0\r\n\r\n",
        inner.len()
    );
    for rest in [length, chunked] {
        let mut bench = Bench::new(to_app(|_| {}));
        bench.upstream(Script { after_request: true, ..Script::answers(200, &[], &["ok"]) });
        let request = format!("POST /a HTTP/1.1\r\nhost: svc\r\n{rest}");
        let (_context, answer) = LocalSet::new().run_until(exchange_all(&bench, &request)).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        assert_eq!(kept::all().len(), 1);
        let seen = bench.seen();
        assert_eq!((seen.len(), &seen[0].head.path[..], &seen[0].body[..]), (1, &b"/a"[..], inner.as_bytes()));
        assert!(seen[0].header("content-length").is_none() && seen[0].ended);
    }
}

/// Each HTTP/2 stream holds one: a large one is memory for each request under way.
#[tokio::test(start_paused = true)]
async fn an_exchange_is_not_large() {
    let bench = Bench::new(to_app(|_| {}));
    let context = bench.context();
    let mut client = Client::default();
    let size = std::mem::size_of_val(&crate::http::exchange::exchange(&context, &mut client, get("/")));
    assert!(size <= 5 * 1024, "{size}");
}

/// `max_connection_duration` asks the client to go before the connection does.
#[tokio::test(start_paused = true)]
async fn a_connection_that_is_too_old_says_so_first() {
    let mut bench = Bench::new(to_app(|_| {}));
    bench.config.max_connection_duration = Some(Duration::from_secs(10));
    let request = "GET /a HTTP/1.1\r\nhost: svc\r\n\r\n";
    LocalSet::new()
        .run_until(async {
            answers(&mut bench, 1);
            let (_context, mut client) = connect(&bench).await;
            client.write_all(request.as_bytes()).await.unwrap();
            let mut some = [0; 4096];
            let count = client.read(&mut some).await.unwrap();
            assert!(!String::from_utf8_lossy(&some[..count]).contains("connection: close"));
            // Between two requests: the next answer says it, within `drain_timeout`.
            tokio::time::sleep(Duration::from_secs(11)).await;
            bench.cluster("app").scripts.borrow_mut().clear();
            answers(&mut bench, 1);
            client.write_all(request.repeat(2).as_bytes()).await.unwrap();
            let mut rest = String::new();
            client.read_to_string(&mut rest).await.unwrap();
            assert_eq!(
                (rest.matches("HTTP/1.1 200 OK").count(), rest.matches("connection: close").count()),
                (1, 1),
                "{rest}"
            );
            assert_eq!(kept::all().len(), 2, "a client that pipelines is ended, too");
        })
        .await;
    // Nothing more is asked: it ends after `drain_timeout`, and so does one that was idle for too long.
    for duration in [Some(Duration::from_secs(10)), None] {
        bench.config.max_connection_duration = duration;
        bench.config.idle_timeout = Some(Duration::from_secs(10));
        answers(&mut bench, 1);
        let begun = Instant::now();
        let (_, answer) = LocalSet::new().run_until(exchange_all(&bench, request)).await;
        assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 1, "{answer}");
        assert_eq!((answer.matches("connection: close").count(), begun.elapsed().as_secs()), (0, 15));
    }
}

/// An answer whose head leaves after `max_connection_duration` is the connection's last, and says so.
#[tokio::test(start_paused = true)]
async fn a_connection_that_grows_too_old_within_a_request_says_so_in_its_answer() {
    let mut bench = Bench::new(to_app(|_| {}));
    bench.config.max_connection_duration = Some(Duration::from_secs(10));
    bench.upstream(Script { after_request: true, ..Script::answers(200, &[], &["ok"]) });
    LocalSet::new()
        .run_until(async {
            let (_, mut client) = connect(&bench).await;
            client.write_all(b"POST /a HTTP/1.1\r\nhost: svc\r\ncontent-length: 1\r\n\r\n").await.unwrap();
            tokio::time::sleep(Duration::from_secs(60)).await;
            client.write_all(b"x").await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("connection: close"), "{answer}");
        })
        .await;
}

/// A response that outlives `max_connection_duration` and `drain_timeout` comes to its own end.
#[tokio::test(start_paused = true)]
async fn streams_of_an_old_connection_end_in_their_own_time() {
    let mut bench = Bench::new(to_app(|_| {}));
    bench.config.max_connection_duration = Some(Duration::from_secs(10));
    bench.upstream(Script { after_request: true, ..Script::answers(200, &[], &["ok"]) });
    LocalSet::new()
        .run_until(async {
            let (_context, client) = connect(&bench).await;
            let (mut send, connection) = ::h2::client::handshake(client).await.unwrap();
            let driven = tokio::task::spawn_local(connection);
            send = send.ready().await.unwrap();
            let request = ::http::Request::post("http://svc/a").body(()).unwrap();
            let (answer, mut body) = send.send_request(request, false).unwrap();
            tokio::time::sleep(Duration::from_secs(60)).await;
            let refused = send.ready().await;
            assert!(refused.is_err(), "GOAWAY was said");
            body.send_data(Bytes::new(), true).unwrap();
            let answer = answer.await.unwrap();
            assert_eq!(answer.status().as_u16(), 200);
            assert_eq!(&answer.into_body().data().await.unwrap().unwrap()[..], b"ok");
            driven.await.unwrap().unwrap();
            assert_eq!(kept::all()[0].flags, ResponseFlags::NONE);
        })
        .await;
}

/// Before the first route table, too, streams are watched and logged, and a client that only resets is sent away.
#[tokio::test(start_paused = true)]
async fn resets_before_the_first_route_table_are_seen_at_once() {
    let mut bench = Bench::new(to_app(|_| {}));
    bench.slot = Some(crate::http::route::RouteSlot::new());
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let mut frame = vec![0, 0, payload.len() as u8, kind, flags];
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        frame
    };
    LocalSet::new()
        .run_until(async {
            let begun = Instant::now();
            let (_context, client) = connect(&bench).await;
            let (mut read, mut write) = tokio::io::split(client);
            let reading = tokio::task::spawn_local(async move { read.read_to_end(&mut Vec::new()).await });
            write.write_all(&[&crate::wire::sniff::PREFACE[..], &frame(4, 0, 0, &[])].concat()).await.unwrap();
            for number in 0..300 {
                let id = 2 * number + 1;
                let get = frame(1, 5, id, b"\x82\x86\x84\x41\x07example");
                if write.write_all(&[get, frame(3, 0, id, &[0, 0, 0, 8])].concat()).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            reading.await.unwrap().unwrap();
            assert!(begun.elapsed() < Duration::from_secs(3), "nobody waited for the table");
            let done = kept::all();
            assert!((200..=300).contains(&done.len()), "{}", done.len());
            assert!(
                done.iter().all(|info| info.flags == ResponseFlags::DOWNSTREAM_REMOTE_RESET),
                "{:?}",
                done[0].flags
            );
        })
        .await;
}

/// A response that is complete here is the client's to take, in its own time: only `stream_flush_timeout` ends that.
#[tokio::test(start_paused = true)]
async fn no_timeout_of_the_request_cuts_the_delivery_of_its_response() {
    let body: &'static str = Box::leak("x".repeat(100_000).into_boxed_str());
    for (flush, taken) in [(None, true), (Some(Duration::from_secs(30)), false)] {
        let mut bench = Bench::new(to_app(|forward| {
            forward.timeout = Some(Duration::from_secs(2));
            forward.stream_duration = Some(lasts(Some(Duration::from_secs(3))));
        }));
        bench.config.stream_idle_timeout = Some(Duration::from_secs(4));
        bench.config.stream_flush_timeout = flush;
        bench.upstream(Script::answers(200, &[], &[body]));
        LocalSet::new()
            .run_until(async {
                let (context, client) = connect(&bench).await;
                let (send, connection) = ::h2::client::handshake(client).await.unwrap();
                tokio::task::spawn_local(async move {
                    let _ = connection.await;
                });
                let request = ::http::Request::get("http://svc/a").body(()).unwrap();
                let answer = send.ready().await.unwrap().send_request(request, true).unwrap().0.await.unwrap();
                let mut answer = answer.into_body();
                // The window is shut with some of it here and some of it there.
                tokio::time::sleep(Duration::from_secs(60)).await;
                let (mut octets, mut whole) = (0, true);
                while let Some(data) = answer.data().await {
                    match data {
                        Ok(data) => {
                            octets += data.len();
                            answer.flow_control().release_capacity(data.len()).unwrap();
                        }
                        Err(_) => whole = false,
                    }
                    if !whole {
                        break;
                    }
                }
                assert_eq!((whole, octets == body.len()), (taken, taken), "{octets}");
                while kept::all().is_empty() {
                    tokio::task::yield_now().await;
                }
                // A client that does not take it was answered all the same.
                let done = kept::all();
                assert_eq!((done[0].flags, done[0].response_code), (ResponseFlags::NONE, 200));
                assert_eq!(done[0].response_code_details.as_deref(), Some("via_upstream"));
                assert_ne!(context.ended.get(), (true, true), "and is still there");
            })
            .await;
    }
}

/// A client that resets a stream while its response waits for the client's window has done so itself: no connection was lost.
#[tokio::test(start_paused = true)]
async fn a_reset_while_the_window_is_awaited_is_logged_as_one() {
    let mut bench = Bench::new(to_app(|_| {}));
    let long: &'static str = Box::leak("x".repeat(1 << 20).into_boxed_str());
    bench.upstream(Script::answers(200, &[], &[long, "more"]));
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let mut frame = vec![0, 0, payload.len() as u8, kind, flags];
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        frame
    };
    LocalSet::new()
        .run_until(async {
            let (_context, mut client) = connect(&bench).await;
            // SETTINGS_INITIAL_WINDOW_SIZE = 0
            let hello = [&crate::wire::sniff::PREFACE[..], &frame(4, 0, 0, &[0, 4, 0, 0, 0, 0])].concat();
            client.write_all(&hello).await.unwrap();
            client.write_all(&frame(1, 5, 1, b"\x82\x86\x84\x41\x07example")).await.unwrap();
            loop {
                let mut head = [0; 9];
                client.read_exact(&mut head).await.unwrap();
                let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
                client.read_exact(&mut vec![0; length]).await.unwrap();
                // HEADERS: the response has begun.
                if head[3] == 1 {
                    break;
                }
            }
            client.write_all(&frame(3, 0, 1, &[0, 0, 0, 8])).await.unwrap();
            while kept::all().is_empty() {
                tokio::task::yield_now().await;
            }
            let done = kept::all();
            assert_eq!((done[0].flags, done[0].response_code), (ResponseFlags::DOWNSTREAM_REMOTE_RESET, 200));
            assert_eq!(done[0].response_code_details.as_deref(), Some("http2.remote_reset"));
        })
        .await;
}
