//! Who ended a connection, and what keeps one alive; tunnels.

use super::*;
use config::route::{PathMatch, Upgrade};

/// An HTTP/2 client; its task ends with the connection.
async fn http2(bench: &Bench) -> (Rc<Context>, ::h2::client::SendRequest<Bytes>, tokio::task::JoinHandle<()>) {
    let (context, client) = connect(bench).await;
    let (send, connection) = ::h2::client::handshake(client).await.unwrap();
    let driven = tokio::task::spawn_local(async move {
        let _ = connection.await;
    });
    (context, send, driven)
}

fn get_a() -> ::http::Request<()> {
    ::http::Request::get("http://svc/a").body(()).unwrap()
}

/// `downstream_cx_destroy_local` counts what our own limits have ended. Such a client answers, and closes nothing itself.
#[tokio::test(start_paused = true)]
async fn who_ended_an_http2_connection_is_told_by_who_closed_it() {
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        [&[0, 0, payload.len() as u8, kind, flags][..], &stream.to_be_bytes(), payload].concat()
    };
    for (age, idle) in [(Some(10), None), (None, Some(10)), (None, None)] {
        let mut bench = Bench::new(to_app(|_| {}));
        bench.config.max_connection_duration = age.map(Duration::from_secs);
        bench.config.idle_timeout = idle.map(Duration::from_secs);
        answers(&mut bench, 1);
        LocalSet::new()
            .run_until(async {
                let (context, mut client) = connect(&bench).await;
                let get = frame(1, 5, 1, b"\x82\x86\x84\x41\x07example");
                client
                    .write_all(&[&crate::wire::sniff::PREFACE[..], &frame(4, 0, 0, &[]), &get].concat())
                    .await
                    .unwrap();
                let ours = age.or(idle).is_some();
                let mut head = [0; 9];
                while client.read_exact(&mut head).await.is_ok() {
                    let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
                    client.read_exact(&mut payload).await.unwrap();
                    let (kind, flags) = (head[3], head[4]);
                    if (kind, flags) == (6, 0) {
                        client.write_all(&frame(6, 1, 0, &payload)).await.unwrap();
                    }
                    if !ours && kind == 0 && flags == 1 {
                        break;
                    }
                }
                drop(client);
                while Rc::strong_count(&context) > 1 {
                    tokio::task::yield_now().await;
                }
                assert_eq!(context.ended.get(), (!ours, false), "{age:?} {idle:?}");
            })
            .await;
    }
}

/// A response that its client has not taken to its end is no idleness.
#[tokio::test(start_paused = true)]
async fn an_idle_timeout_waits_for_the_delivery_of_a_response() {
    let body: &'static str = Box::leak("x".repeat(100_000).into_boxed_str());
    let mut bench = Bench::new(to_app(|_| {}));
    bench.config.idle_timeout = Some(Duration::from_secs(1));
    bench.config.drain_timeout = Duration::from_secs(1);
    bench.upstream(Script::answers(200, &[], &[body]));
    LocalSet::new()
        .run_until(async {
            let (_context, send, driven) = http2(&bench).await;
            let mut send = send.ready().await.unwrap();
            let mut answer = send.send_request(get_a(), true).unwrap().0.await.unwrap().into_body();
            tokio::time::sleep(Duration::from_secs(60)).await;
            assert!(kept::all().is_empty(), "it is under way");
            let mut octets = 0;
            while let Some(data) = answer.data().await {
                let data = data.unwrap();
                octets += data.len();
                answer.flow_control().release_capacity(data.len()).unwrap();
            }
            assert_eq!(octets, body.len());
            let delivered = Instant::now();
            driven.await.unwrap();
            assert_eq!(delivered.elapsed().as_secs(), 1, "then it counts");
        })
        .await;
}

fn tunnels() -> Bench {
    let mut bench = Bench::new(to_app(|forward| {
        forward.upgrades = vec![Upgrade { kind: "connect".into(), enabled: true }];
    }));
    bench.host(|host| {
        let mut route = (*host.routes[0]).clone();
        route.matches.path = PathMatch::Connect;
        host.routes = vec![std::sync::Arc::new(route)];
    });
    bench
}

/// What follows a 2xx to CONNECT is no HTTP, so the head says nothing of the connection; a refusal ends it.
#[tokio::test(start_paused = true)]
async fn a_granted_connect_says_nothing_of_its_connection() {
    for (status, closes) in [(200, false), (403, true)] {
        let mut bench = tunnels();
        bench.upstream(Script::answers(status, &[], &["answer"]));
        LocalSet::new()
            .run_until(async {
                let (_context, mut client) = connect(&bench).await;
                client.write_all(b"CONNECT svc:443 HTTP/1.1\r\nhost: svc:443\r\n\r\n").await.unwrap();
                client.write_all(b"hello").await.unwrap();
                let mut answer = String::new();
                client.read_to_string(&mut answer).await.unwrap();
                assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
                assert_eq!(answer.contains("connection: close"), closes, "{answer}");
                if closes {
                    assert_eq!(kept::all()[0].bytes_received, 5, "they came, and went nowhere");
                }
            })
            .await;
    }
}

/// Where the codec is chosen by what a client says.
#[tokio::test(start_paused = true)]
async fn who_leaves_without_a_word_speaks_no_version() {
    for (said, counted) in [("", 0), ("GET", 1)] {
        let bench = Bench::new(to_app(|_| {}));
        LocalSet::new()
            .run_until(async {
                let (context, mut client) = connect(&bench).await;
                client.write_all(said.as_bytes()).await.unwrap();
                client.shutdown().await.unwrap();
                client.read_to_end(&mut Vec::new()).await.unwrap();
                let count = context.manager.registry.value("http.test.downstream_cx_http1_total");
                assert_eq!(count.unwrap_or(0), counted, "{said}");
            })
            .await;
    }
}
