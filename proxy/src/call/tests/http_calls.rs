//! Calls of HTTP services.

use super::*;

fn uri(path: &str, timeout: Option<Duration>) -> HttpUri {
    HttpUri {
        cluster: CLUSTER.into(),
        uri: format!("https://keys.example{path}").into(),
        host: "keys.example".into(),
        path: path.into(),
        timeout,
    }
}

async fn get(world: &World, call: HttpCall) -> Result<HttpReply, CallFailure> {
    match world.calls.http(call).await? {
        Reply::Http(reply) => Ok(reply),
        Reply::Grpc(_) => unreachable!("HTTP was asked"),
    }
}

/// Answers with these pieces, and gives the request's headers.
async fn pieces(status: u16, pieces: &'static [&'static str]) -> (SocketAddr, Rc<RefCell<Vec<String>>>) {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let told = seen.clone();
    let address = serve(move |mut asked| {
        let told = told.clone();
        Box::pin(async move {
            let request = &asked.request;
            let mut lines = vec![format!("{} {}", request.method(), request.uri())];
            lines.extend(request.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())));
            *told.borrow_mut() = lines;
            let head = Response::builder().status(status).body(()).unwrap();
            let mut stream = asked.respond.send_response(head, pieces.is_empty()).unwrap();
            for (index, piece) in pieces.iter().enumerate() {
                stream.send_data((*piece).into(), index + 1 == pieces.len()).unwrap();
            }
        })
    })
    .await;
    (address, seen)
}

#[test]
fn a_uri_is_fetched() {
    run(async {
        let (address, seen) = pieces(200, &["one, ", "two"]).await;
        let world = World::http2(address);
        let reply = get(&world, HttpCall::get(&uri("/certs?a=b", Some(Duration::from_secs(2))))).await.unwrap();
        assert_eq!((reply.head.status, &reply.body[..]), (200, &b"one, two"[..]));
        let expected = [
            "GET http://keys.example/certs?a=b",
            "x-envoy-internal: true",
            "x-forwarded-for: 192.0.2.7",
            "x-envoy-expected-rq-timeout-ms: 2000",
        ];
        assert_eq!(*seen.borrow(), expected);
        let (address, _) = pieces(404, &[]).await;
        let reply = get(&World::http2(address), HttpCall::get(&uri("/", None))).await.unwrap();
        assert_eq!((reply.head.status, reply.body.len()), (404, 0));
    });
}

#[test]
fn http_1_services_are_called_too() {
    run(async {
        let server = Http1Server::start().await;
        let world = World::new(&[server.address], UpstreamProtocol::Http1);
        for _ in 0..2 {
            let reply = get(&world, HttpCall::get(&uri("/", None))).await.unwrap();
            assert_eq!((reply.head.status, &reply.body[..]), (200, &b"1"[..]), "one connection serves both");
        }
        assert_eq!(world.stat("upstream_rq_tx_reset"), 0);
    });
}

#[test]
fn callers_say_what_they_take_and_tell() {
    run(async {
        let (address, seen) = pieces(200, &["12345", "67890"]).await;
        let world = World::http2(address);
        let failure = get(&world, HttpCall { longest: 9, ..HttpCall::get(&uri("/", None)) }).await.unwrap_err();
        assert!(failure.to_string().ends_with("the answer is longer than the 9 octets that are taken"), "{failure}");
        assert_eq!((world.stat("upstream_rq_tx_reset"), world.stat("upstream_rq_active")), (1, 0));
        let mut call = HttpCall { longest: 10, internal: false, ..HttpCall::get(&uri("/", None)) };
        call.head.headers.append(Name::X_FORWARDED_FOR, "10.0.0.1");
        assert_eq!(get(&world, call).await.unwrap().body, "1234567890");
        assert_eq!(seen.borrow()[1..], ["x-forwarded-for: 10.0.0.1,192.0.2.7"]);
        assert_eq!(world.stat("external.upstream_rq_200"), 1);
        get(&world, HttpCall { forwarded_for: false, internal: false, ..HttpCall::get(&uri("/", None)) })
            .await
            .unwrap();
        assert!(seen.borrow()[1..].is_empty());
    });
}

#[test]
fn a_body_that_does_not_end_is_given_up() {
    run_paused(async {
        let address = serve(|mut asked| {
            Box::pin(async move {
                let head = Response::builder().status(200).body(()).unwrap();
                let mut stream = asked.respond.send_response(head, false).unwrap();
                stream.send_data("half".into(), false).unwrap();
                poll_fn(|cx| stream.poll_reset(cx)).await.unwrap();
            })
        })
        .await;
        let world = World::http2(address);
        let failure = get(&world, HttpCall::get(&uri("/", Some(Duration::from_millis(400))))).await.unwrap_err();
        assert!(failure.to_string().ends_with("the answer did not end within 400ms"), "{failure}");
        assert_eq!((world.stat("upstream_rq_timeout"), world.stat("upstream_rq_tx_reset")), (1, 1));
    });
}

#[test]
fn the_control_thread_calls_over_clusters_of_its_own() {
    run(async {
        let (address, _) = pieces(200, &["keys"]).await;
        let worker = World::http2(address);
        let calls = Calls::of_control_thread(1, &worker.bench.published, &worker.bench.stats, None);
        match calls.http(HttpCall::get(&uri("/", None))).await.unwrap() {
            Reply::Http(reply) => assert_eq!(reply.body, "keys"),
            Reply::Grpc(_) => unreachable!("HTTP was asked"),
        }
        get(&worker, HttpCall::get(&uri("/", None))).await.unwrap();
        assert_eq!(worker.stat("upstream_cx_total"), 2, "no connection is shared with a worker");
    });
}
