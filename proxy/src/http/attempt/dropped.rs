//! `drop_overloads`: requests that the control plane wants dropped, before a host is chosen. Called by [`super::run`].

use bytes::Bytes;

use crate::failure::ResponseFlags;
use crate::http::local_reply::LocalReply;
use crate::http::stop::Stop;
use crate::http::stream::Stream;
use crate::wire::headers::Name;

/// What those are answered that the cluster wants dropped, of a million so many.
pub(super) fn answer(stream: &Stream<'_>, of_a_million: u32) -> Option<Stop> {
    const MILLION: u32 = 1_000_000;
    if of_a_million == 0 {
        return None;
    }
    let (details, header, body, flag) = if of_a_million >= MILLION {
        let flag = ResponseFlags::UNCONDITIONAL_DROP_OVERLOAD;
        ("unconditional_drop_overload", "x-envoy-unconditional-drop-overload", "unconditional drop overload", flag)
    } else if fastrand::u32(..MILLION) < of_a_million {
        ("drop_overload", "x-envoy-drop-overload", "drop overload", ResponseFlags::DROP_OVERLOAD)
    } else {
        return None;
    };
    let mut reply = LocalReply::new(503, details).body(body).flags(flag);
    if !stream.context.manager.config.router.suppress_envoy_headers {
        reply.headers.push((Name::new(header), Bytes::from_static(b"true")));
    }
    Some(reply.into())
}
