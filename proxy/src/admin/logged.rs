//! Requests to the admin interface on their way to its access log: octets are counted as they pass. Called by `server`, where the bootstrap has such a log.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, Request, Response};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::{Service, service_fn};
use hyper_util::service::TowerToHyperService;

use crate::logs::{AdminLog, Asked};

/// The service of one connection.
pub fn service(
    log: Rc<AdminLog>,
    ends: Option<(SocketAddr, SocketAddr)>,
    router: Router,
) -> impl Service<Request<Incoming>, Response = Response<Counted>, Error = Infallible> {
    let connection = log.connection(ends);
    let router = TowerToHyperService::new(router);
    service_fn(move |request: Request<Incoming>| {
        let (head, body) = request.into_parts();
        let mut asked = log.asked(&connection, &head);
        // What nobody reads has come all the same.
        let said = length(&head.headers).unwrap_or_default();
        let received = Arc::new(AtomicU64::new(0));
        let count = received.clone();
        let body = body.map_frame(move |frame| {
            count.fetch_add(frame.data_ref().map_or(0, Bytes::len) as u64, Relaxed);
            frame
        });
        let answer = router.call(Request::from_parts(head, body));
        async move {
            let (head, body) = answer.await?.into_parts();
            // Of an answer to HEAD only its head is left here.
            let all = length(&head.headers).or(body.size_hint().exact());
            asked.answered(&head, received.load(Relaxed).max(said), all);
            Ok(Response::from_parts(head, Counted { body, asked }))
        }
    })
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The body of an answer.
pub struct Counted {
    body: Body,
    asked: Asked,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(frame) = &frame {
            let octets = match frame {
                Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
                _ => 0,
            };
            let last = frame.is_none() || self.body.is_end_stream();
            self.asked.sent(octets, last);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
