//! Filters behind the router (`upstream_http_filters`, or a cluster's own in their place): each attempt passes them with its body, and its
//! answer on the way back, before anybody asks whether it is tried again. As with Envoy they change the one head that all attempts send,
//! but where they change bodies: then each attempt begins with the head that the router made, for a head must fit its body.
//! Called by `one` and `race`; what is done is in [`Behind`].

use std::future::poll_fn;
use std::task::{Context, Poll};

use super::failure::Failure;
use crate::http::exchange::Exchange;
use crate::http::filters::behind::Behind;
use crate::http::filters::chain::Chain;
use crate::http::filters::frames::Source;
use crate::http::filters::of_cluster::PinnedBehind;
use crate::http::stop::Stop;
use crate::http::stream::Stream;
use crate::http::upload::Upload;
use crate::http::upstreams::{Lease, UpstreamCluster};
use crate::wire::codec::{Downstream, StreamError, Upstream};
use crate::wire::message::{Frame, ResponseHead};

/// An attempt begins; those of the one before it are over.
pub(super) fn begin(exchange: &mut Exchange<'_>, cluster: &UpstreamCluster, upload: &mut Upload) {
    let stream = &mut exchange.stream;
    stream.end_behind(upload.behind());
    let pinned = stream.pinned;
    let chain: &Chain = match cluster.filters() {
        Some(own) => pinned.own.get_or_init(|| PinnedBehind::of(own)),
        None => stream.context.upstream_chain(&pinned.own),
    };
    let filters = Behind::start(chain, stream);
    if filters.as_ref().is_some_and(|filters| filters.changes_bodies()) && !upload.is_empty() {
        stream.unfiltered = Some(Box::new(stream.request.clone()));
    }
    upload.pass(filters.map(|filters| stream.put_behind(filters)));
}

/// Another attempt is prepared.
pub(super) fn again(stream: &mut Stream<'_>) {
    if let Some(head) = stream.unfiltered.take() {
        stream.request = *head;
    }
}

/// The way back.
pub(super) async fn response<'s>(
    exchange: &mut Exchange<'s>,
    downstream: &mut dyn Downstream,
    (lease, upload): (&mut Lease, &mut Upload),
    head: ResponseHead,
) -> Result<ResponseHead, Stop> {
    if upload.behind().is_none() {
        return Ok(head);
    }
    // Boxed: few attempts have any.
    Box::pin(passed(exchange, downstream, lease, upload, head)).await
}

async fn passed<'s>(
    exchange: &mut Exchange<'s>,
    downstream: &mut dyn Downstream,
    lease: &mut Lease,
    upload: &mut Upload,
    head: ResponseHead,
) -> Result<ResponseHead, Stop> {
    answered(&mut exchange.stream, upload, head);
    poll_fn(|cx| {
        if let Poll::Ready(head) = poll_response(cx, &mut exchange.stream, lease, upload) {
            return Poll::Ready(head);
        }
        upload.poll(cx, downstream, lease.stream(), exchange)?;
        exchange.poll_over(downstream, cx)
    })
    .await
}

/// The answer's head came.
pub(super) fn answered(stream: &mut Stream<'_>, upload: &Upload, head: ResponseHead) {
    stream.with_behind(upload.behind(), |filters, _| filters.answered(head));
}

/// The answer's head, once it has passed.
pub(super) fn poll_response<'s>(
    cx: &mut Context<'_>,
    stream: &mut Stream<'s>,
    lease: &mut Lease,
    upload: &Upload,
) -> Poll<Result<ResponseHead, Stop>> {
    let mut body = Raw(lease.stream());
    let passed = stream.with_behind(upload.behind(), |filters, stream| filters.poll_response(cx, &mut body, stream));
    passed.unwrap_or_else(|| {
        let lost = StreamError::Protocol { detail: "upstream_filters_gone", status: 500 };
        Poll::Ready(Err(Failure::Stream(lost).into_stop(stream, false)))
    })
}

/// An answer's body before the filters.
struct Raw<'l>(&'l mut dyn Upstream);

impl<'s> Source<'s> for Raw<'_> {
    fn poll(&mut self, cx: &mut Context<'_>, stream: &mut Stream<'s>) -> Poll<Result<Frame, Stop>> {
        self.0.poll_body(cx).map_err(|error| Failure::Stream(error).into_stop(stream, false))
    }
}

#[cfg(test)]
mod tests;
