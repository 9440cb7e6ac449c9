//! A call of an HTTP service: one request, and its whole answer within a limit.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use config::route::RetryPolicy;
use config::services::HttpUri;
use tokio::time::Instant;

use super::attempt::{Open, Outgoing, within};
use super::failure::{CallFailure, Why};
use super::request::introduce;
use super::{Calls, HttpReply};
use crate::wire::headers::Headers;
use crate::wire::message::{BodyLength, Frame, Method, Protocol, RequestHead};

/// A request to an HTTP service, and on what terms.
pub struct HttpCall {
    /// The cluster.
    pub cluster: Arc<str>,
    /// What is asked. Envoy's own headers are added to it.
    pub head: RequestHead,
    /// The whole body; may be empty.
    pub body: Bytes,
    /// For the whole call, retries included; `None` = never.
    pub timeout: Option<Duration>,
    /// Retries; without a policy there is none.
    pub retry: Option<Arc<RetryPolicy>>,
    /// Octets of the answer's body that are taken.
    pub longest: usize,
    /// `x-envoy-internal` is sent.
    pub internal: bool,
    /// `x-forwarded-for` is sent.
    pub forwarded_for: bool,
}

/// Octets of an answer that Envoy's client takes.
const LONGEST_ANSWER: usize = 32 << 20;

impl HttpCall {
    /// `GET` of a URI, on Envoy's terms.
    pub fn get(uri: &HttpUri) -> HttpCall {
        let head = RequestHead {
            protocol: Protocol::Http11,
            method: Method::Get,
            path: Bytes::copy_from_slice(uri.path.as_bytes()),
            about_server: false,
            authority: Bytes::copy_from_slice(uri.host.as_bytes()),
            scheme: Bytes::from_static(b"http"),
            headers: Headers::with_capacity(3),
            body: BodyLength::Empty,
            upgrade: None,
            wire_size: 0,
        };
        HttpCall { timeout: uri.timeout, ..HttpCall::new(&uri.cluster, head, Bytes::new()) }
    }

    /// A request, on Envoy's terms and without a timeout.
    pub fn new(cluster: &Arc<str>, head: RequestHead, body: Bytes) -> HttpCall {
        HttpCall {
            cluster: cluster.clone(),
            head,
            body,
            timeout: None,
            retry: None,
            longest: LONGEST_ANSWER,
            internal: true,
            forwarded_for: true,
        }
    }
}

impl HttpCall {
    /// As it is sent: counted, and with the headers of calls.
    pub(super) fn outgoing(self, calls: &Calls) -> Result<Outgoing, CallFailure> {
        let HttpCall { cluster, mut head, body, timeout, retry, longest: _, internal, forwarded_for } = self;
        let cluster = calls.cluster(&cluster)?;
        calls.0.rq_total.inc();
        introduce(calls, &mut head.headers, internal, forwarded_for);
        let begun = Instant::now();
        Ok(Outgoing { cluster, head, body: Some(body), timeout, retry, internal, begun })
    }
}

pub(super) async fn run(calls: Calls, call: HttpCall) -> Result<HttpReply, CallFailure> {
    let longest = call.longest;
    let mut outgoing = call.outgoing(&calls)?;
    let (mut open, head) = outgoing.answer().await?;
    open.host.count_response(head.status);
    let body = match head.body {
        BodyLength::Empty => Bytes::new(),
        _ => collect(&mut open, longest, &outgoing).await.map_err(|why| outgoing.failure(why))?,
    };
    Ok(HttpReply { head, host: open.host.reached(), body })
}

async fn collect(open: &mut Open, longest: usize, outgoing: &Outgoing) -> Result<Bytes, Why> {
    let mut body = Collected::default();
    loop {
        match within(outgoing.deadline(), poll_fn(|cx| open.stream().poll_body(cx))).await {
            Ok(Ok(Frame::Data(data))) => {
                if body.len() + data.len() > longest {
                    return Err(Why::TooLong(longest));
                }
                body.push(data);
            }
            Ok(Ok(Frame::Trailers(_) | Frame::End)) => break,
            Ok(Err(error)) => {
                open.failed();
                return Err(Why::Ended(error, true));
            }
            Err(_) => {
                open.timed_out();
                return Err(Why::Timeout(outgoing.timeout.unwrap_or_default(), true));
            }
        }
    }
    open.ended();
    Ok(body.finish())
}

/// A body in one piece: most are one already.
#[derive(Default)]
struct Collected {
    first: Bytes,
    joined: BytesMut,
}

impl Collected {
    fn len(&self) -> usize {
        self.first.len() + self.joined.len()
    }

    fn push(&mut self, data: Bytes) {
        if self.len() == 0 {
            self.first = data;
            return;
        }
        let first = std::mem::take(&mut self.first);
        self.joined.extend_from_slice(&first);
        self.joined.extend_from_slice(&data);
    }

    fn finish(self) -> Bytes {
        if self.joined.is_empty() { self.first } else { self.joined.freeze() }
    }
}
