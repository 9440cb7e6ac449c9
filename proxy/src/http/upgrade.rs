//! Upgrades (`websocket`), CONNECT, and `Expect: 100-continue`: what else than a plain request and response may happen. Called by
//! `exchange`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use config::route::{Connect, Upgrade};

use super::filters::chain::Chain;
use super::local_reply::LocalReply;
use super::stop::Stop;
use super::stream::Stream;
use super::upload::Upload;
use crate::stats::OneMore;
use crate::wire::codec::Downstream;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Method, Protocol, RequestHead, ResponseHead};

/// Refuses an upgrade that neither the route nor the connection manager allows: 403. One that is allowed counts, even where it is answered
/// here (a redirect, a direct response); without a route the router will answer.
pub(super) fn check(stream: &mut Stream<'_>) -> Result<(), Stop> {
    let Some(kind) = kind(&stream.request) else { return Ok(()) };
    let stats = &stream.context.manager.stats;
    if stream.plan.tunnel().is_some() || is_allowed(stream, kind) {
        stats.downstream_cx_upgrades_total.inc();
        return Ok(());
    }
    if stream.route.is_none() && !stream.to_tls {
        return Ok(());
    }
    stats.downstream_rq_ws_on_non_ws_route.inc();
    Err(LocalReply::new(403, "upgrade_failed").into())
}

/// What the request wants in place of an answer.
fn kind(request: &RequestHead) -> Option<&[u8]> {
    match (&request.upgrade, &request.method) {
        (Some(kind), _) => Some(kind),
        (None, Method::Connect) => Some(b"connect"),
        (None, _) => None,
    }
}

/// Whether the route allows it, or else the connection manager.
fn is_allowed(stream: &Stream<'_>, kind: &[u8]) -> bool {
    let of_route = stream.route.and_then(|chosen| chosen.forwarding);
    let of_route = of_route.map_or(&[][..], |forwarding| &forwarding.config.upgrades[..]);
    find(of_route, kind).or_else(|| find(&stream.context.manager.config.upgrades, kind)) == Some(true)
}

/// The filters of an upgrade that is allowed and has its own.
pub(super) fn chain<'s>(stream: &Stream<'s>) -> Option<&'s Chain> {
    let own = &stream.context.manager.upgrade_chains;
    if own.is_empty() {
        return None;
    }
    let kind = kind(&stream.request)?;
    let (_, chain) = own.iter().find(|(of, _)| of.as_bytes().eq_ignore_ascii_case(kind))?;
    is_allowed(stream, kind).then_some(chain)
}

/// Where the request's octets go to the endpoint as they are: a tunnel ends here.
pub(super) fn terminated(stream: &Stream<'_>) -> Option<Connect> {
    let request = &stream.request;
    if request.upgrade.is_some() {
        return None;
    }
    if stream.plan.tunnel().is_some() && request.method == Method::Connect {
        return Some(Connect { proxy_protocol: None, allow_post: false });
    }
    let connect = stream.route?.forwarding?.config.connect?;
    let meant = request.method == Method::Connect || (connect.allow_post && request.method == Method::Post);
    meant.then_some(connect)
}

fn find(upgrades: &[Upgrade], kind: &[u8]) -> Option<bool> {
    upgrades.iter().find(|upgrade| upgrade.kind.as_bytes().eq_ignore_ascii_case(kind)).map(|upgrade| upgrade.enabled)
}

/// Answers `Expect: 100-continue` here, unless that is left to the upstream.
pub(super) fn expect_continue(stream: &mut Stream<'_>, downstream: &mut dyn Downstream) -> Result<(), Stop> {
    if stream.context.manager.config.proxy_100_continue {
        return Ok(());
    }
    send_continue(stream, downstream)
}

/// Asks a client for its body that waits to be asked. Whoever does that does it for all who come after: the request says so no more.
pub(super) fn send_continue(stream: &mut Stream<'_>, downstream: &mut dyn Downstream) -> Result<(), Stop> {
    let expects = stream.request.headers.get(&Name::EXPECT);
    if expects.is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue")) {
        stream.request.headers.remove(&Name::EXPECT);
        stream.context.manager.stats.response(100);
        // Until there is another one.
        stream.info.response_code = 100;
        downstream.send_informational(&ResponseHead {
            protocol: stream.request.protocol,
            status: 100,
            reason: Bytes::new(),
            headers: Headers::new(),
            body: BodyLength::Empty,
            wire_size: 0,
        })?;
    }
    Ok(())
}

/// A web socket that was asked for with extended CONNECT has no key (RFC 8441 section 5), and no server of HTTP/1 accepts one without (RFC
/// 6455 section 4.2.1): where it goes to such a server it gets one.
pub(super) fn give_key(request: &mut RequestHead, upstream: Protocol) {
    let has_none = || request.headers.get_str(KEY).is_none();
    if request.protocol == Protocol::Http2 && upstream != Protocol::Http2 && is_websocket(request) && has_none() {
        let mut key = [0; 16];
        fastrand::fill(&mut key);
        request.headers.append(Name::new(KEY), STANDARD.encode(key));
    }
}

const KEY: &str = "sec-websocket-key";

/// Whether a web socket is asked for.
pub(super) fn is_websocket(request: &RequestHead) -> bool {
    request.upgrade.as_ref().is_some_and(|kind| kind.eq_ignore_ascii_case(b"websocket"))
}

/// Whether the answer to an upgrade accepts it: then its body has no end. The codecs have a 101 for that, whatever the wire says.
pub(super) fn mark_answer(request: &RequestHead, head: &mut ResponseHead) {
    if request.upgrade.is_none() {
        return;
    }
    if head.status == 101 {
        head.body = BodyLength::UntilClose;
    } else if head.body == BodyLength::UntilClose {
        head.body = BodyLength::Unknown;
    }
}

/// Whether an upgrade was answered with neither consent nor an error. As with Envoy the body is left out for web sockets, and for whoever
/// asked with extended CONNECT: to him the body of a 200 is what comes out of a tunnel.
pub(super) fn ignored(request: &RequestHead, head: &mut ResponseHead) -> bool {
    let ignored = is_ignored(request, head);
    if ignored {
        head.headers.remove(&Name::CONTENT_LENGTH);
        head.headers.remove(&Name::CONTENT_TYPE);
        head.body = BodyLength::Empty;
    }
    ignored
}

/// Whether an answer will be [`ignored`].
pub(super) fn is_ignored(request: &RequestHead, head: &ResponseHead) -> bool {
    match &request.upgrade {
        Some(kind) if kind.eq_ignore_ascii_case(b"websocket") => (200..400).contains(&head.status),
        Some(_) => request.protocol == Protocol::Http2 && (200..300).contains(&head.status),
        None => false,
    }
}

/// Whether the response opens a tunnel; then the client's bytes may flow. It counts while it lasts.
pub(super) fn begin_tunnel(stream: &Stream<'_>, head: &ResponseHead, upload: &mut Upload) -> Option<OneMore> {
    let request = &stream.request;
    let accepted = match (&request.upgrade, &request.method) {
        (Some(_), _) => head.status == 101,
        (None, Method::Connect) => (200..300).contains(&head.status),
        (None, _) => return None,
    };
    if !accepted {
        // A plain answer: whatever the client sends is no request of the upstream's.
        upload.refuse();
        return None;
    }
    upload.paused = false;
    Some(stream.context.manager.stats.downstream_cx_upgrades_active.hold())
}
