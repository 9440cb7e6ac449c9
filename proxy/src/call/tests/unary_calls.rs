//! One message for one message.

use super::*;

#[test]
fn a_question_is_sent_as_envoy_sends_it() {
    run(async {
        let seen = Rc::new(RefCell::new(None));
        let told = seen.clone();
        let address = serve(move |mut asked| {
            let told = told.clone();
            Box::pin(async move {
                let body = asked.body().await;
                let uri = asked.request.uri().clone();
                let headers: Vec<_> = asked
                    .request
                    .headers()
                    .iter()
                    .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                    .collect();
                *told.borrow_mut() = Some((asked.request.method().to_string(), uri.to_string(), headers, body));
                asked.answer(&[&framed(b"pong")], &[("grpc-status", "0"), ("x-after", "b")]);
            })
        })
        .await;
        let world = World::http2(address);
        let add = |name: &str, value: &str| HeaderAdd {
            name: name.into(),
            value: config::access_log::format::parse(value).unwrap(),
            action: AppendAction::OverwriteOrAdd,
            keep_empty: false,
        };
        let service = GrpcService {
            timeout: Some(Duration::from_millis(1500)),
            initial_metadata: vec![add("x-one", "1"), add("x-bin", "abc"), add("x-nothing", "%ROUTE_NAME%")],
            ..service()
        };
        let reply = world.ask(&service).await.unwrap();
        assert_eq!(&reply.message[..], b"pong");
        assert_eq!(reply.trailers.get_str("x-after").unwrap(), "b");
        assert_eq!(reply.metadata.get_str("content-type").unwrap(), "application/grpc");
        let (method, uri, headers, body) = seen.take().unwrap();
        assert_eq!((&*method, &*uri), ("POST", "http://app.example/test.Service/Ask"));
        assert_eq!(body, framed(b"ping"));
        // In this order Envoy 1.40 sends them.
        let expected = [
            "te: trailers",
            "grpc-timeout: 1500m",
            "content-type: application/grpc",
            "x-one: 1",
            "x-bin: YWJj",
            "x-envoy-internal: true",
            "x-forwarded-for: 192.0.2.7",
            "x-envoy-expected-rq-timeout-ms: 1500",
        ];
        assert_eq!(headers, expected);
        let value = |name: &str| world.bench.stats.value(name);
        assert_eq!(value("http.async-client.rq_total"), Some(1));
        assert_eq!(value("cluster.app.internal.upstream_rq_200"), Some(1));
        assert_eq!((world.stat("upstream_rq_total"), world.stat("upstream_rq_active")), (1, 0));
        assert_eq!((world.stat("upstream_rq_tx_reset"), world.stat("upstream_rq_rx_reset")), (0, 0));
    });
}

#[test]
fn metadata_that_is_no_header_is_not_sent() {
    run(async {
        let address = serve(|mut asked| Box::pin(async move { asked.answer(&[&framed(b"pong")], OK) })).await;
        let add = |name: &str, value: &str| HeaderAdd {
            name: name.into(),
            value: config::access_log::format::parse(value).unwrap(),
            action: AppendAction::OverwriteOrAdd,
            keep_empty: false,
        };
        let world = World::http2(address);
        let service = GrpcService { initial_metadata: vec![add("x-bad", "a\r\nx-evil: b")], ..service() };
        let failure = world.ask(&service).await.unwrap_err();
        assert!(failure.to_string().ends_with("no answer: invalid header value for: x-bad"), "{failure}");
        assert_eq!((failure.grpc_status(), world.stat("upstream_rq_active")), (14, 0));
        // What travels in base64 may hold anything.
        let service = GrpcService { initial_metadata: vec![add("x-bin", "a\r\nb")], ..service };
        assert_eq!(world.ask(&service).await.unwrap().message, "pong");
    });
}

#[test]
fn a_cluster_s_name_is_an_authority() {
    run(async {
        let address = serve(|mut asked| {
            Box::pin(async move {
                let host = asked.request.headers()["host"].clone();
                assert_eq!(asked.request.uri().authority(), None);
                asked.answer(&[&framed(host.as_bytes())], OK);
            })
        })
        .await;
        let service = GrpcService { authority: CLUSTER.into(), skip_envoy_headers: true, ..service() };
        assert_eq!(World::http2(address).ask(&service).await.unwrap().message, CLUSTER);
    });
}

/// What an answer makes of a call: words, gRPC status.
async fn failure(answer: impl Fn(&mut Asked) + 'static) -> (String, u8) {
    let answer = Rc::new(answer);
    let address = serve(move |mut asked| {
        let answer = answer.clone();
        Box::pin(async move {
            asked.body().await;
            answer(&mut asked);
        })
    })
    .await;
    let world = World::http2(address);
    let service = GrpcService { max_receive_message_length: Some(16), ..service() };
    let failure = world.ask(&service).await.unwrap_err();
    let words = failure.to_string();
    let words = words.strip_prefix("the call to cluster 'outbound|80||app' failed: ").expect("names the cluster");
    // Nothing stays behind, however it ended.
    assert_eq!(world.stat("upstream_rq_active"), 0, "{words}");
    (words.to_owned(), failure.grpc_status())
}

#[test]
fn what_no_answer_is() {
    run(async {
        let told = |words: &str, status| (words.to_owned(), status);
        let denied: &[_] = &[("grpc-status", "7"), ("grpc-message", "not%20you%0A")];
        let words = "the service answered gRPC status 7 (PERMISSION_DENIED): not you\n";
        assert_eq!(failure(|asked| asked.only_head(200, denied)).await, told(words, 7));
        assert_eq!(failure(|asked| asked.answer(&[&framed(b"x")], denied)).await, told(words, 7));
        assert_eq!(failure(|asked| asked.only_head(503, denied)).await, told(words, 7));
        let not_grpc =
            "the service answered HTTP status 404 in place of gRPC's 200; is that the port of a gRPC service?";
        assert_eq!(failure(|asked| asked.only_head(404, &[])).await, told(not_grpc, 12));
        let no_status = "the answer ended without a gRPC status";
        assert_eq!(failure(|asked| asked.only_head(200, &[])).await, told(no_status, 2));
        assert_eq!(failure(|asked| asked.answer(&[&framed(b"x")], &[])).await, told(no_status, 2));
        let ends = |asked: &mut Asked| asked.begin().send_data(framed(b"x"), true).unwrap();
        assert_eq!(failure(ends).await, told(no_status, 2));
        let words = "the service answered gRPC status 2 (UNKNOWN): grpc-status \"many\" is no status";
        assert_eq!(failure(|asked| asked.answer(&[], &[("grpc-status", "many")])).await, told(words, 2));
        assert_eq!(failure(|asked| asked.answer(&[], OK)).await, told("the service answered OK without a message", 13));
        let half = "the answer ended within a message";
        assert_eq!(failure(|asked| asked.answer(&[&framed(b"half")[..7]], OK)).await, told(half, 13));
        let garbage = "the answer is not gRPC: a message begins with octet 0x3c";
        assert_eq!(failure(|asked| asked.answer(&[b"<html></html>"], OK)).await, told(garbage, 13));
        let compressed =
            "the answer has a compressed message, which was not asked for; switch compression off at the service";
        assert_eq!(failure(|asked| asked.answer(&[&[1, 0, 0, 0, 1, 7]], OK)).await, told(compressed, 13));
        let long = "the answer has a message of 17 octets; at most 16 are taken (max_receive_message_length)";
        assert_eq!(failure(|asked| asked.answer(&[&framed(&[0; 17])], OK)).await, told(long, 8));
    });
}

/// Its end is here with it, so that there is nothing to reset.
#[test]
fn what_ends_with_its_fault_is_not_reset() {
    run(async {
        let address = serve(|mut asked| {
            Box::pin(async move {
                asked.body().await;
                asked.begin().send_data(Bytes::from_static(b"<html></html>"), true).unwrap();
            })
        })
        .await;
        let world = World::http2(address);
        assert_eq!(world.ask(&service()).await.unwrap_err().grpc_status(), 13);
        assert_eq!((world.stat("upstream_rq_tx_reset"), world.stat("upstream_rq_active")), (0, 0));
    });
}

#[test]
fn an_answer_that_breaks_off() {
    run(async {
        let reset = |asked: &mut Asked| asked.respond.send_reset(Reason::INTERNAL_ERROR);
        let (words, status) = failure(reset).await;
        assert_eq!((&*words, status), ("no answer: stream reset by the peer, HTTP/2 error code 2", 14));
        let midway = |asked: &mut Asked| {
            let mut stream = asked.begin();
            stream.send_data(framed(b"half").slice(..6), false).unwrap();
            tokio::task::spawn_local(async move {
                // A reset overtakes what waits to be written: the connection's task writes first.
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
                stream.send_reset(Reason::INTERNAL_ERROR);
            });
        };
        let (words, status) = failure(midway).await;
        assert_eq!((&*words, status), ("the answer broke off: stream reset by the peer, HTTP/2 error code 2", 13));
    });
}

#[test]
fn nobody_there() {
    run(async {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let world = World::http2(free);
        let failure = world.ask(&service()).await.unwrap_err();
        assert!(failure.to_string().contains("no connection: remote connection failure: "), "{failure}");
        assert_eq!((failure.grpc_status(), world.stat("upstream_rq_503")), (14, 1));
        let empty = World::new(&[], UpstreamProtocol::Http2);
        let failure = empty.ask(&service()).await.unwrap_err();
        assert!(failure.to_string().ends_with("failed: the cluster has no endpoints"), "{failure}");
        assert_eq!((failure.grpc_status(), empty.stat("upstream_cx_none_healthy")), (14, 1));
        let unknown = GrpcService { cluster: "nowhere".into(), ..service() };
        let failure = world.ask(&unknown).await.unwrap_err();
        assert!(failure.to_string().starts_with("the call to cluster 'nowhere' failed: no cluster of that name"));
        assert_eq!(failure.grpc_status(), 14);
    });
}

/// What a service that never answers has seen.
#[derive(Default)]
struct Hole {
    asked: Cell<usize>,
    resets: RefCell<Vec<Reason>>,
}

async fn hole(seen: &Rc<Hole>) -> SocketAddr {
    let seen = seen.clone();
    serve(move |mut asked| {
        let seen = seen.clone();
        Box::pin(async move {
            seen.asked.set(seen.asked.get() + 1);
            let reason = poll_fn(|cx| asked.respond.poll_reset(cx)).await.unwrap();
            seen.resets.borrow_mut().push(reason);
        })
    })
    .await
}

#[test]
fn a_slow_service_is_given_up() {
    run_paused(async {
        let seen = Rc::default();
        let world = World::http2(hole(&seen).await);
        let service = GrpcService { timeout: Some(Duration::from_millis(300)), ..service() };
        let begun = tokio::time::Instant::now();
        let failure = world.ask(&service).await.unwrap_err();
        assert_eq!(begun.elapsed().as_millis(), 300);
        assert!(failure.to_string().ends_with("failed: no answer within 300ms"), "{failure}");
        assert_eq!(failure.grpc_status(), 4);
        cluster::until(|| seen.resets.borrow().len() == 1).await;
        assert_eq!(*seen.resets.borrow(), [Reason::CANCEL]);
        let counted = ["upstream_rq_timeout", "upstream_rq_504", "upstream_rq_tx_reset"];
        assert_eq!(counted.map(|name| world.stat(name)), [1, 1, 1]);
        assert_eq!(world.stat("upstream_rq_active"), 0);
    });
}

#[test]
fn a_call_that_is_dropped_resets_its_stream() {
    run(async {
        let seen = Rc::default();
        let world = World::http2(hole(&seen).await);
        let mut call = world.calls.grpc(ping(&service()));
        let begun = poll_fn(|cx| std::task::Poll::Ready(call.poll(cx).is_pending())).await;
        assert!(begun);
        tokio::select! {
            _ = &mut call => unreachable!("nobody answers"),
            () = cluster::until(|| seen.asked.get() == 1) => {}
        }
        drop(call);
        cluster::until(|| seen.resets.borrow().len() == 1).await;
        assert_eq!(*seen.resets.borrow(), [Reason::CANCEL]);
        assert_eq!((world.stat("upstream_rq_tx_reset"), world.stat("upstream_rq_active")), (1, 0));
    });
}

#[test]
fn what_the_policy_names_is_tried_again() {
    run_paused(async {
        let address = serve(|mut asked| {
            Box::pin(async move {
                asked.body().await;
                match asked.number {
                    0 | 1 => asked.only_head(200, &[("grpc-status", "14")]),
                    _ => asked.answer(&[&framed(b"pong")], OK),
                }
            })
        })
        .await;
        let world = World::http2(address);
        let service = GrpcService { retry: retrying(RetryOn::GRPC_UNAVAILABLE, 3), ..service() };
        assert_eq!(world.ask(&service).await.unwrap().message, "pong");
        let counted = ["upstream_rq_retry", "retry.upstream_rq_200", "upstream_rq_200", "upstream_rq_retry_success"];
        assert_eq!(counted.map(|name| world.stat(name)), [2, 2, 1, 1]);
        let once = GrpcService { retry: retrying(RetryOn::GRPC_CANCELLED, 3), ..service };
        assert!(world.ask(&once).await.is_ok(), "the fourth request is answered");
        assert_eq!(world.stat("upstream_rq_retry"), 2);
    });
}

#[test]
fn an_attempt_has_a_timeout_of_its_own() {
    run_paused(async {
        let seen = Rc::default();
        let world = World::http2(hole(&seen).await);
        let service = GrpcService {
            timeout: Some(Duration::from_secs(5)),
            retry: retrying(RetryOn::SERVER_ERROR, 2),
            ..service()
        };
        let failure = world.ask(&service).await.unwrap_err();
        assert!(failure.to_string().ends_with("no answer within 200ms"), "{failure}");
        let counted = ["upstream_rq_per_try_timeout", "upstream_rq_retry", "upstream_rq_retry_limit_exceeded"];
        assert_eq!(counted.map(|name| world.stat(name)), [3, 2, 1]);
        assert_eq!((world.stat("upstream_rq_timeout"), world.stat("upstream_rq_504")), (0, 1));
    });
}

#[test]
fn waiting_calls_hold_nothing_back() {
    run(async {
        let seen = Rc::default();
        let waiting = hole(&seen).await;
        let quick = serve(|mut asked| {
            Box::pin(async move {
                asked.body().await;
                asked.answer(&[&framed(b"pong")], OK);
            })
        })
        .await;
        let slow = World::http2(waiting);
        let mut calls: Vec<Pending> = (0..1000).map(|_| slow.calls.grpc(ping(&service()))).collect();
        poll_fn(|cx| {
            assert!(calls.iter_mut().all(|call| call.poll(cx).is_pending()));
            std::task::Poll::Ready(())
        })
        .await;
        let other = World::http2(quick);
        for _ in 0..20 {
            other.ask(&service()).await.unwrap();
        }
        drop(calls);
        assert_eq!((slow.stat("upstream_rq_active"), slow.stat("upstream_rq_pending_active")), (0, 0));
    });
}
