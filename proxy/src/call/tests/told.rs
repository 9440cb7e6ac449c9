//! Requests that are told while they come: mirrors.

use super::*;
use crate::wire::message::{BodyLength, Frame, Method, Protocol, RequestHead};

fn call() -> HttpCall {
    let head = RequestHead {
        protocol: Protocol::Http2,
        method: Method::Post,
        path: "/a".into(),
        about_server: false,
        authority: "web-shadow".into(),
        scheme: "http".into(),
        headers: Headers::new(),
        body: BodyLength::Unknown,
        upgrade: None,
        wire_size: 0,
    };
    HttpCall::new(&CLUSTER.into(), head, Bytes::new())
}

/// What a service saw of one request: its body, and how that ended.
type Seen = (Vec<u8>, Result<Option<HeaderMap>, Reason>);

/// A service that answers when it has read all, and what it saw.
async fn reading() -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<Seen>) {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let address = serve(move |mut asked| {
        let sender = sender.clone();
        Box::pin(async move {
            let mut all = Vec::new();
            let end = loop {
                match asked.request.body_mut().data().await {
                    Some(Ok(data)) => {
                        all.extend_from_slice(&data);
                        let _ = asked.request.body_mut().flow_control().release_capacity(data.len());
                    }
                    Some(Err(error)) => break Err(error.reason().unwrap_or(Reason::NO_ERROR)),
                    None => break Ok(asked.request.body_mut().trailers().await.unwrap()),
                }
            };
            if end.is_ok() {
                let mut stream = asked.respond.send_response(Response::new(()), false).unwrap();
                stream.send_data("unread".into(), true).unwrap();
            }
            sender.send((all, end)).unwrap();
        })
    })
    .await;
    (address, receiver)
}

#[test]
fn a_body_is_told_with_its_trailers_and_the_answer_is_read_for_nobody() {
    run(async {
        let (address, mut seen) = reading().await;
        let world = World::http2(address);
        let told = world.calls.tell(call(), true).unwrap();
        for piece in ["he", "llo"] {
            assert!(told.push(&Frame::Data(piece.into())));
            tokio::task::yield_now().await;
        }
        let mut trailers = Headers::new();
        trailers.append(Name::new("x-end"), "yes");
        assert!(told.push(&Frame::Trailers(trailers)));
        drop(told);
        let (body, end) = seen.recv().await.unwrap();
        assert_eq!((&body[..], end.unwrap().unwrap()["x-end"].to_str().unwrap()), (&b"hello"[..], "yes"));
        while world.stat("internal.upstream_rq_200") == 0 || world.stat("upstream_rq_active") != 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!((world.stat("upstream_rq_tx_reset"), world.stat("upstream_cx_total")), (0, 1));
    });
}

#[test]
fn without_a_body_the_head_is_all() {
    run(async {
        let (address, mut seen) = reading().await;
        let world = World::http2(address);
        let mut call = call();
        call.head.body = BodyLength::Empty;
        assert!(world.calls.tell(call, false).is_none());
        let (body, end) = seen.recv().await.unwrap();
        assert!(body.is_empty() && end.unwrap().is_none());
    });
}

/// An answer to the head alone is let go frame by frame like any other: what a stranger sends is in memory once, however long it is.
#[test]
fn an_answer_to_a_head_alone_is_read_for_nobody() {
    const PIECE: usize = 32 * 1024;
    /// So many that no other test of this process needs as much meanwhile.
    const PIECES: usize = 8 * 1024;
    run(async {
        let (sender, mut sent) = tokio::sync::mpsc::unbounded_channel();
        let piece: Bytes = vec![b'x'; PIECE].into();
        let address = serve(move |mut asked| {
            let (sender, piece) = (sender.clone(), piece.clone());
            Box::pin(async move {
                let mut stream = asked.respond.send_response(Response::new(()), false).unwrap();
                for _ in 0..PIECES {
                    stream.reserve_capacity(PIECE);
                    while stream.capacity() < PIECE {
                        poll_fn(|cx| stream.poll_capacity(cx)).await.unwrap().unwrap();
                    }
                    stream.send_data(piece.clone(), false).unwrap();
                }
                stream.send_data(Bytes::new(), true).unwrap();
                sender.send(()).unwrap();
            })
        })
        .await;
        let world = World::http2(address);
        let mut call = call();
        call.head.body = BodyLength::Empty;
        let before = resident();
        assert!(world.calls.tell(call, false).is_none());
        sent.recv().await.unwrap();
        while world.stat("upstream_rq_active") != 0 {
            tokio::task::yield_now().await;
        }
        let grown = resident().saturating_sub(before);
        assert!(grown < PIECE * PIECES / 2, "{grown} octets more after {} of answer", PIECE * PIECES);
        assert_eq!((world.stat("upstream_rq_tx_reset"), world.stat("internal.upstream_rq_200")), (0, 1));
    });
}

/// Octets of this process that are in memory, at most.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn one_that_is_broken_off_or_cannot_keep_up_is_reset() {
    run(async {
        let (address, mut seen) = reading().await;
        let world = World::http2(address);
        let told = world.calls.tell(call(), true).unwrap();
        assert!(told.push(&Frame::Data("hello".into())));
        while world.stat("upstream_rq_total") == 0 {
            tokio::task::yield_now().await;
        }
        drop(told);
        let (_, end) = seen.recv().await.unwrap();
        assert_eq!(end.unwrap_err(), Reason::CANCEL);

        // Nothing is read meanwhile, for nobody else gets a turn.
        let told = world.calls.tell(call(), true).unwrap();
        let piece = Frame::Data(vec![b'x'; 64 * 1024].into());
        let taken = (0..100).take_while(|_| told.push(&piece)).count();
        assert!((10..20).contains(&taken), "{taken}");
        assert!(told.push(&piece), "what is lost already is no news");
        drop(told);
        while world.stat("upstream_rq_active") != 0 {
            tokio::task::yield_now().await;
        }
    });
}
