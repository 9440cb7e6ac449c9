//! CONNECT through Istio's `http_proxy` listener, for which its table has no route: stock Envoy answers 404. A client of that listener gets a
//! tunnel to `host:port` where the table names the host and the mesh has that port. Called by `router`; it opens nothing to anybody else,
//! and filters and logs see the tunnel as any request.

use std::sync::Arc;

use bytes::Bytes;
use config::route::ClusterChoice;

use super::route::{Route, RouteTable};
use super::stream::{Chosen, Stream};
use crate::wire::message::{Method, RequestHead};

/// Chooses the tunnel, if there is one.
pub(super) fn choose<'s>(stream: &mut Stream<'s>, table: &'s RouteTable, random: u64) {
    if stream.request.method != Method::Connect || stream.request.upgrade.is_some() {
        return;
    }
    let Some((host, ported)) = table.proxied(&stream.request.authority) else { return };
    // The route that a request for the host itself would take: what it asks of requests it asks of tunnels, too.
    let (head, info) = (&stream.request, &stream.info);
    // A tree looks at the head, which has no path.
    let rooted = RequestHead { path: Bytes::from_static(b"/"), ..head.clone() };
    let mut routes = host.routes_for(&rooted, info).iter();
    let Some(route) = routes.find(|route| route.matches_at(b"/", head, info, random)) else { return };
    let Some(cluster) = cluster(stream, route, ported) else { return };
    stream.plan.rare().tunnel = Some(cluster);
    let forwarding = route.forwarding.as_ref();
    stream.route = Some(Chosen { table, host, route, forwarding, weighted: None, counted: None });
}

/// The cluster of the port that was asked for: that of the route, if it is for this port, else its sibling of the same service.
fn cluster(stream: &Stream<'_>, route: &Route, ported: bool) -> Option<Arc<str>> {
    let ClusterChoice::Single(name) = &route.forwarding.as_ref()?.config.cluster else { return None };
    if ported {
        return Some(name.clone());
    }
    let authority = std::str::from_utf8(&stream.request.authority).ok()?;
    let (_, port) = authority.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    // `outbound|80|subset|host`, as istiod names clusters.
    let mut parts = name.splitn(4, '|');
    let (direction, of, subset, host) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if of.parse() == Ok(port) {
        return Some(name.clone());
    }
    let named = [subset, ""].into_iter().map(|subset| format!("{direction}|{port}|{subset}|{host}"));
    let known = |name: &String| stream.context.upstreams.get(name).is_some();
    named.into_iter().find(known).map(Arc::from)
}

#[cfg(test)]
mod tests;
