//! `envoy.extensions.filters.http.buffer.v3.Buffer`: the application sees a request only when all of its body is here, with its length.
//!
//! Fields honoured: `max_request_bytes`; for routes `disabled` and `buffer`. A body that is longer is answered with 413. What follows an
//! upgrade or a CONNECT has no end to wait for and is let through.

use config::Rejection;
use config::filters::buffer::BufferPerRoute;

use super::filter::{Collect, FilterDeps, Hooks, HttpFilter, Out, Step, Turn, Way};
use super::wait::Waited;
use crate::failure::ResponseFlags;
use crate::http::local_reply::LocalReply;
use crate::http::stream::{Stream, asks_for_tunnel};
use crate::wire::headers::Name;
use crate::wire::message::BodyLength;

/// The filter, compiled.
#[derive(Debug)]
pub(crate) struct Buffer {
    limit: u32,
}

impl HttpFilter for Buffer {
    type Config = config::filters::buffer::Buffer;
    type ScopedConfig = BufferPerRoute;
    type Scoped = BufferPerRoute;
    type State = ();

    fn compile(config: &Self::Config, _deps: &FilterDeps<'_>) -> Result<Buffer, Rejection> {
        Ok(Buffer { limit: config.max_request_bytes })
    }

    fn scope(config: &BufferPerRoute, _deps: &FilterDeps<'_>) -> Result<BufferPerRoute, Rejection> {
        Ok(*config)
    }

    fn acts(&self, scope: Option<&BufferPerRoute>) -> Hooks {
        if scope == Some(&BufferPerRoute::Disabled) { Hooks::NONE } else { Hooks::REQUEST }
    }

    fn request(&self, turn: &mut Turn<'_, '_, Buffer>) -> Step {
        let request = &turn.stream.request;
        if request.body == BodyLength::Empty || asks_for_tunnel(request) {
            return Step::Continue;
        }
        let limit = self.limit(turn.scope);
        turn.stream.wants_to_hold(limit);
        Step::Collect(Collect { limit: limit as usize })
    }

    fn resumed(&self, turn: &mut Turn<'_, '_, Buffer>, _way: Way, waited: Waited, body: &mut Out<'_>) -> Step {
        let Waited::Collected { complete } = waited else {
            return Step::Abort(ResponseFlags::NONE, "filter_not_resumable");
        };
        let length = body.len();
        if !complete || length > self.limit(turn.scope) as usize {
            return too_large(turn.stream).into();
        }
        let request = &mut turn.stream.request;
        if !request.headers.contains(&Name::CONTENT_LENGTH) {
            request.headers.append(Name::CONTENT_LENGTH, length.to_string());
        }
        request.body = BodyLength::Exact(length as u64);
        Step::Continue
    }
}

impl Buffer {
    fn limit(&self, scope: Option<&BufferPerRoute>) -> u32 {
        match scope {
            Some(BufferPerRoute::Buffer(buffer)) => buffer.max_request_bytes,
            Some(BufferPerRoute::Disabled) | None => self.limit,
        }
    }
}

/// The answer to a request whose body is longer than what a filter may hold.
pub(super) fn too_large(stream: &Stream<'_>) -> LocalReply {
    stream.context.manager.stats.downstream_rq_too_large.inc();
    LocalReply::new(413, "request_payload_too_large").body(&b"Payload Too Large"[..])
}

/// The answer in place of a response that is longer than what a filter may hold.
pub(super) fn response_too_large(stream: &Stream<'_>) -> LocalReply {
    stream.context.manager.stats.rs_too_large.inc();
    LocalReply::new(500, "response_payload_too_large").body(&b"Internal Server Error"[..])
}

#[cfg(test)]
mod tests;
