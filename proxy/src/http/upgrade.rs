//! Upgrades (`websocket`), CONNECT, and `Expect: 100-continue`: what else than a plain request and response may happen. Called by
//! `exchange`.

use bytes::Bytes;
use config::route::Upgrade;

use super::attempt;
use super::codec::Downstream;
use super::headers::{Headers, Name};
use super::local_reply::LocalReply;
use super::message::{BodyLength, Method, ResponseHead};
use super::record::{Chosen, Record};
use super::stop::Stop;
use super::upload::Upload;
use crate::telemetry::stats::Gauge;

/// Refuses an upgrade that neither the route nor the connection manager allows: 403.
pub(super) fn check(record: &mut Record<'_>, chosen: Chosen<'_>) -> Result<(), LocalReply> {
    let request = &record.request;
    let kind: &[u8] = match (&request.upgrade, &request.method) {
        (Some(kind), _) => kind,
        (None, Method::Connect) => b"connect",
        (None, _) => return Ok(()),
    };
    let of_route = chosen.forwarding.map_or(&[][..], |forwarding| &forwarding.config.upgrades[..]);
    let allowed = find(of_route, kind).or_else(|| find(&record.context.manager.config.upgrades, kind));
    if allowed == Some(true) && chosen.forwarding.is_some() {
        record.context.manager.stats.downstream_cx_upgrades_total.inc();
        return Ok(());
    }
    record.context.manager.stats.downstream_rq_ws_on_non_ws_route.inc();
    let name = chosen.forwarding.and_then(|forwarding| attempt::cluster_name(chosen, forwarding, &record.request));
    record.info.upstream_cluster = name.filter(|name| record.context.upstreams.get(name).is_some());
    Err(LocalReply::new(403, "upgrade_failed"))
}

fn find(upgrades: &[Upgrade], kind: &[u8]) -> Option<bool> {
    upgrades.iter().find(|upgrade| upgrade.kind.as_bytes().eq_ignore_ascii_case(kind)).map(|upgrade| upgrade.enabled)
}

/// Answers `Expect: 100-continue` here, unless that is left to the upstream.
pub(super) fn expect_continue(record: &mut Record<'_>, downstream: &mut dyn Downstream) -> Result<(), Stop> {
    if record.context.manager.config.proxy_100_continue {
        return Ok(());
    }
    let expects = record.request.headers.get(&Name::EXPECT);
    if expects.is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue")) {
        record.request.headers.remove(&Name::EXPECT);
        downstream.send_informational(&ResponseHead {
            protocol: record.request.protocol,
            status: 100,
            reason: Bytes::new(),
            headers: Headers::new(),
            body: BodyLength::Empty,
            wire_size: 0,
        })?;
    }
    Ok(())
}

/// Counts a tunnel while it lasts.
pub(super) struct Tunnel(Gauge);

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Whether the response opens a tunnel; then the client's bytes may flow.
pub(super) fn begin_tunnel(record: &Record<'_>, head: &ResponseHead, upload: &mut Upload) -> Option<Tunnel> {
    let upgrade = record.request.upgrade.is_some() || record.request.method == Method::Connect;
    let accepted = head.status == 101 || (200..300).contains(&head.status) && head.body == BodyLength::UntilClose;
    if !upgrade {
        return None;
    }
    if !accepted {
        // A plain answer: whatever the client sends is no request of the upstream's.
        upload.refuse();
        return None;
    }
    upload.paused = false;
    let active = record.context.manager.stats.downstream_cx_upgrades_active;
    active.inc();
    Some(Tunnel(active))
}
