//! The body on its way through the filters behind the router: what was kept, then what comes. Called by [`super::Upload::poll`].

use std::task::{Context, Poll, ready};

use super::Upload;
use crate::http::attempt::unsendable;
use crate::http::exchange::{Exchange, Incoming};
use crate::http::filters::behind::Place;
use crate::http::filters::chain::RunningFilters;
use crate::http::filters::filter::Way;
use crate::http::filters::frames::{Frames, Source};
use crate::http::stop::Stop;
use crate::http::stream::Stream;
use crate::wire::codec::{Downstream, StreamError, Upstream};
use crate::wire::message::Frame;

impl Upload {
    /// What was kept and was not given to this attempt yet, frame by frame.
    fn kept_frame(&mut self) -> Option<Frame> {
        let kept = self.kept.as_ref()?;
        if let Some(piece) = kept.after(self.replayed) {
            self.replayed += piece.len();
            return Some(Frame::Data(piece));
        }
        let end = || kept.kept_trailers().map_or(Frame::End, |trailers| Frame::Trailers(trailers.clone()));
        self.read.then(end)
    }

    /// The head, once the filters behind the router let it go.
    pub(super) fn poll_held(
        &mut self,
        cx: &mut Context<'_>,
        downstream: &mut dyn Downstream,
        upstream: &mut dyn Upstream,
        exchange: &mut Exchange<'_>,
    ) -> Poll<Result<(), Stop>> {
        let (place, has_body) = (self.behind, self.has_body);
        let Exchange { stream, watch, filters, request_frames, .. } = exchange;
        let from = Incoming { downstream: &mut *downstream, watch };
        let mut body = Body { upload: self, from, frames: request_frames, filters };
        let passed = stream.with_behind(place, |behind, stream| {
            let passed = behind.poll_request(cx, &mut body, stream, has_body);
            (passed, behind.collects())
        });
        match passed {
            Some((Poll::Ready(result), _)) => result?,
            Some((Poll::Pending, collects)) => {
                if collects {
                    exchange.invite_body(downstream)?;
                }
                return Poll::Pending;
            }
            None => {}
        }
        self.held = false;
        match upstream.send_head(&exchange.stream.request, !has_body) {
            Ok(()) => {}
            Err(StreamError::NoHeader(flaw)) => return Poll::Ready(Err(unsendable(&exchange.stream, &flaw).into())),
            Err(_) => self.refused = true,
        }
        Poll::Ready(Ok(()))
    }

    /// The next frame that has passed the filters behind the router.
    pub(super) fn poll_behind(
        &mut self,
        place: Place,
        cx: &mut Context<'_>,
        downstream: &mut dyn Downstream,
        exchange: &mut Exchange<'_>,
    ) -> Poll<Result<Frame, Stop>> {
        let Exchange { stream, watch, filters, request_frames, .. } = exchange;
        let mut body = Body { upload: self, from: Incoming { downstream, watch }, frames: request_frames, filters };
        let frame =
            stream.with_behind(Some(place), |behind, stream| behind.poll_frame(Way::Request, cx, &mut body, stream));
        frame.unwrap_or_else(|| body.poll(cx, stream))
    }
}

/// The body of an attempt before the filters behind the router: what was kept, then what comes through those of the chain.
struct Body<'u, 's> {
    upload: &'u mut Upload,
    from: Incoming<'u>,
    frames: &'u mut Option<Box<Frames>>,
    filters: &'u mut RunningFilters<'s>,
}

impl<'s> Source<'s> for Body<'_, 's> {
    fn poll(&mut self, cx: &mut Context<'_>, stream: &mut Stream<'s>) -> Poll<Result<Frame, Stop>> {
        if let Some(frame) = self.upload.kept_frame() {
            return Poll::Ready(Ok(frame));
        }
        let frame = match self.frames {
            Some(frames) => frames.poll(cx, &mut self.from, self.filters, stream),
            None => self.from.poll(cx, stream),
        };
        let frame = ready!(frame)?;
        self.upload.note(&frame, stream);
        Poll::Ready(Ok(frame))
    }
}
