//! Streams of messages both ways.

use super::*;

fn open(world: &World) -> Rc<GrpcStream> {
    let target = Arc::new(GrpcTarget::new(&service()));
    world.calls.stream(GrpcCall::stream(&target, "/test.Service/Talk", Headers::new(), &mut |_, _| {}))
}

async fn next(stream: &GrpcStream) -> Result<Option<Bytes>, CallFailure> {
    poll_fn(|cx| stream.poll_message(cx)).await
}

/// Sends every piece of the request back, then the trailers.
async fn echo(trailers: &'static [(&'static str, &'static str)]) -> SocketAddr {
    serve(move |mut asked| {
        Box::pin(async move {
            let mut stream = asked.begin();
            while let Some(Ok(data)) = asked.request.body_mut().data().await {
                let _ = asked.request.body_mut().flow_control().release_capacity(data.len());
                stream.send_data(data, false).unwrap();
            }
            stream.send_trailers(fields(trailers)).unwrap();
        })
    })
    .await
}

#[test]
fn messages_pass_both_ways_until_both_have_finished() {
    run(async {
        let world = World::http2(echo(OK).await);
        let stream = open(&world);
        stream.send(Framed::of(b"before it is open")).unwrap();
        assert_eq!(next(&stream).await.unwrap().unwrap(), "before it is open");
        assert_eq!(stream.metadata().unwrap().get_str("content-type").unwrap(), "application/grpc");
        stream.send(Framed::of(b"one")).unwrap();
        stream.send(Framed::of(b"two")).unwrap();
        stream.finish();
        assert_eq!(next(&stream).await.unwrap().unwrap(), "one");
        assert_eq!(next(&stream).await.unwrap().unwrap(), "two");
        assert_eq!(next(&stream).await.unwrap(), None);
        assert_eq!(next(&stream).await.unwrap(), None, "and so it stays");
        assert!(stream.send(Framed::of(b"late")).unwrap_err().to_string().ends_with("the stream has ended"));
        assert_eq!((world.stat("upstream_rq_tx_reset"), world.stat("upstream_rq_active")), (0, 0));
        assert_eq!(world.stat("internal.upstream_rq_200"), 1);
    });
}

#[test]
fn a_message_that_is_sent_wakes_the_task_that_polls() {
    run(async {
        let world = World::http2(echo(OK).await);
        let stream = open(&world);
        let reader = stream.clone();
        let reading = tokio::task::spawn_local(async move { next(&reader).await });
        cluster::until(|| world.stat("upstream_rq_total") == 1).await;
        stream.send(Framed::of(b"hello")).unwrap();
        assert_eq!(reading.await.unwrap().unwrap().unwrap(), "hello");
    });
}

#[test]
fn a_service_may_end_it_first() {
    run(async {
        let address = serve(|mut asked| {
            Box::pin(async move {
                asked.answer(&[], &[("grpc-status", "8"), ("grpc-message", "full")]);
            })
        })
        .await;
        let world = World::http2(address);
        let stream = open(&world);
        let failure = next(&stream).await.unwrap_err();
        assert!(failure.to_string().ends_with("gRPC status 8 (RESOURCE_EXHAUSTED): full"), "{failure}");
        assert_eq!(failure.grpc_status(), 8);
        assert_eq!(stream.send(Framed::of(b"x")).unwrap_err().grpc_status(), 8, "the reason is told again");
        assert_eq!((world.stat("upstream_rq_tx_reset"), world.stat("upstream_rq_active")), (1, 0));
    });
}

#[test]
fn a_stream_that_is_let_go_is_reset() {
    run(async {
        let resets = Rc::new(RefCell::new(Vec::new()));
        let told = resets.clone();
        let address = serve(move |mut asked| {
            let told = told.clone();
            Box::pin(async move {
                let mut stream = asked.begin();
                stream.send_data(framed(b"hello"), false).unwrap();
                let reason = poll_fn(|cx| stream.poll_reset(cx)).await.unwrap();
                told.borrow_mut().push(reason);
            })
        })
        .await;
        let world = World::http2(address);
        let (dropped, cancelled) = (open(&world), open(&world));
        assert_eq!(next(&dropped).await.unwrap().unwrap(), "hello");
        assert_eq!(next(&cancelled).await.unwrap().unwrap(), "hello");
        drop(dropped);
        cancelled.cancel();
        assert!(next(&cancelled).await.unwrap_err().to_string().ends_with("the stream has ended"));
        cluster::until(|| resets.borrow().len() == 2).await;
        assert_eq!(*resets.borrow(), [Reason::CANCEL, Reason::CANCEL]);
        assert_eq!((world.stat("upstream_rq_tx_reset"), world.stat("upstream_rq_active")), (2, 0));
    });
}

#[test]
fn a_stream_that_is_left_is_ended_by_both() {
    run(async {
        let world = World::http2(echo(OK).await);
        let stream = open(&world);
        stream.send(Framed::of(b"hello")).unwrap();
        assert_eq!(next(&stream).await.unwrap().unwrap(), "hello");
        stream.leave();
        cluster::until(|| world.stat("upstream_rq_active") == 0).await;
        assert_eq!(world.stat("upstream_rq_tx_reset"), 0);
    });
}

#[test]
fn each_of_two_readers_gets_what_is_its_own() {
    run(async {
        let world = World::http2(echo(OK).await);
        let stream = open(&world);
        for message in [&b"one"[..], b"two"] {
            stream.send(Framed::of(message)).unwrap();
        }
        let read = |reader| {
            let stream = stream.clone();
            async move { poll_fn(|cx| stream.poll_for(reader, cx)).await.unwrap().unwrap() }
        };
        let first = read(0).await;
        assert!(stream.hand_over(1, first.clone()));
        assert!(!stream.hand_over(1, first) && !stream.hand_over(2, Bytes::new()), "one at a time, and to nobody else");
        assert_eq!((&read(1).await[..], &read(1).await[..]), (&b"one"[..], &b"two"[..]));
    });
}

#[test]
fn a_service_that_takes_nothing_leaves_no_room() {
    run(async {
        let address = serve(|mut asked| {
            Box::pin(async move {
                let _stream = asked.begin();
                // Reads nothing, so that the window stays shut once it is full.
                std::future::pending::<()>().await;
            })
        })
        .await;
        let world = World::http2(address);
        let stream = open(&world);
        let message = Framed::of(&[7; 16 * 1024]);
        let mut sent = 0;
        while stream.has_room() {
            stream.send(message.clone()).unwrap();
            sent += 1;
            poll_fn(|cx| std::task::Poll::Ready(stream.poll_message(cx).is_pending())).await;
            tokio::task::yield_now().await;
            assert!(sent < 1000, "what the service does not read must wait here");
        }
        assert!(sent >= 4);
    });
}

#[test]
fn nobody_there() {
    run(async {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let failure = next(&open(&World::http2(free))).await.unwrap_err();
        assert_eq!(failure.grpc_status(), 14);
        assert!(failure.to_string().contains("no connection"), "{failure}");
    });
}
