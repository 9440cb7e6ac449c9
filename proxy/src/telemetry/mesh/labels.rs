//! The values of all labels. Called when a label set is new.

use std::borrow::Cow;

use config::workload::Workload;

use super::UNKNOWN;
use super::parties::{Asked, Parties, Protocol, Role};

/// One for each of `config::filters::istio_stats::LABELS`, in their order.
pub(super) type Values<'a> = [Cow<'a, str>; 25];

/// The values. What strangers could make up is `unknown` where there is no room for it any more.
pub(super) fn values<'a>(asked: &Asked<'a>, own: &'a Workload, crowded: bool) -> Values<'a> {
    let mut parties = asked.parties;
    if crowded {
        (parties.peer, parties.behind, parties.host) = (None, None, b"");
        (parties.peer_principal, parties.own_principal) = ("", "");
    }
    let mut all: Values<'a> = Default::default();
    match parties.role {
        Role::Source => of_source(&parties, own, &mut all),
        Role::Destination | Role::Gateway => of_destination(&parties, own, &mut all),
    }
    if let Some(outcome) = asked.outcome {
        all[20] = Cow::Borrowed(outcome.protocol.as_str());
        all[21] = Cow::Owned(outcome.status.to_string());
        if outcome.protocol == Protocol::Grpc {
            all[22] = Cow::Owned(outcome.grpc_status.map(|status| status.to_string()).unwrap_or_default());
        }
        all[23] = Cow::Owned(outcome.flags.short());
        all[24] = Cow::Borrowed(match parties.role {
            Role::Source => UNKNOWN,
            _ if asked.parties.peer_principal.is_empty() || asked.parties.own_principal.is_empty() => "none",
            _ => "mutual_tls",
        });
    }
    all
}

/// Where each of a workload's labels stands, for the two sides: workload, namespace, principal, app, version, canonical service and
/// revision, cluster.
struct Places {
    workload: usize,
    namespace: usize,
    principal: usize,
    app: usize,
    version: usize,
    service: usize,
    revision: usize,
    cluster: usize,
}

const SOURCE: Places =
    Places { workload: 1, service: 2, revision: 3, namespace: 4, principal: 5, app: 6, version: 7, cluster: 8 };
const DESTINATION: Places =
    Places { workload: 9, namespace: 10, principal: 11, app: 12, version: 13, service: 15, revision: 16, cluster: 19 };

/// Our own: what the node does not say is empty.
fn put_own<'a>(places: &Places, own: &'a Workload, all: &mut Values<'a>) {
    for (place, text) in [
        (places.workload, &own.name),
        (places.service, &own.service),
        (places.revision, &own.revision),
        (places.namespace, &own.namespace),
        (places.app, &own.app),
        (places.version, &own.version),
        (places.cluster, &own.cluster),
    ] {
        all[place] = Cow::Borrowed(text);
    }
}

/// Of a peer: what it has not said is not known.
fn put_peer<'a>(places: &Places, peer: Option<&'a Workload>, revision: &'static str, all: &mut Values<'a>) {
    let of = |text: fn(&Workload) -> &str| or(peer.map_or("", text), UNKNOWN);
    all[places.workload] = of(|peer| &peer.name);
    all[places.service] = of(|peer| &peer.service);
    all[places.revision] = or(peer.map_or("", |peer| &peer.revision), revision);
    all[places.app] = of(|peer| &peer.app);
    all[places.version] = of(|peer| &peer.version);
    all[places.cluster] = of(|peer| &peer.cluster);
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> Cow<'a, str> {
    Cow::Borrowed(if text.is_empty() { otherwise } else { text })
}

/// Of `spiffe://domain/ns/NAMESPACE/sa/account`.
fn namespace_of(principal: &str) -> &str {
    let Some((_, rest)) = principal.split_once("/ns/") else { return "" };
    rest.split('/').next().unwrap_or_default()
}

/// The namespace of the other side: what its certificate says counts.
fn peer_namespace<'a>(principal: &'a str, peer: Option<&'a Workload>) -> &'a str {
    match namespace_of(principal) {
        "" => peer.map_or("", |peer| &peer.namespace),
        namespace => namespace,
    }
}

fn of_source<'a>(parties: &Parties<'a>, own: &'a Workload, all: &mut Values<'a>) {
    let peer = parties.peer.map(|peer| peer.workload());
    // One that has no certificate may have said who it is.
    let principal = match (parties.peer_principal, peer) {
        ("", Some(peer)) => &peer.identity,
        (principal, _) => principal,
    };
    all[0] = Cow::Borrowed("source");
    put_own(&SOURCE, own, all);
    all[SOURCE.principal] = or(parties.own_principal, UNKNOWN);
    put_peer(&DESTINATION, peer, "latest", all);
    let namespace = peer_namespace(principal, peer);
    all[DESTINATION.namespace] = or(namespace, UNKNOWN);
    all[DESTINATION.principal] = or(principal, UNKNOWN);
    let host = String::from_utf8_lossy(parties.host);
    let service = parties.service;
    all[14] = named(&[Cow::Borrowed(&*service.host), host.clone()]);
    all[17] = named(&[Cow::Borrowed(&*service.name), host]);
    all[18] = named(&[Cow::Borrowed(&*service.namespace), Cow::Borrowed(namespace)]);
}

/// The first that is not empty.
fn named<'a>(names: &[Cow<'a, str>]) -> Cow<'a, str> {
    names.iter().find(|name| !name.is_empty()).cloned().unwrap_or(Cow::Borrowed(UNKNOWN))
}

fn of_destination<'a>(parties: &Parties<'a>, own: &'a Workload, all: &mut Values<'a>) {
    let peer = parties.peer.map(|peer| peer.workload());
    put_peer(&SOURCE, peer, "latest", all);
    all[SOURCE.namespace] = or(peer_namespace(parties.peer_principal, peer), UNKNOWN);
    all[SOURCE.principal] = or(parties.peer_principal, UNKNOWN);
    let (service, host) = (parties.service, String::from_utf8_lossy(parties.host));
    let (host_name, short) = (Cow::Borrowed(&*service.host), Cow::Borrowed(&*service.name));
    if parties.role == Role::Gateway {
        let behind = parties.behind.map(|peer| peer.workload());
        all[0] = Cow::Borrowed("waypoint");
        put_peer(&DESTINATION, behind, UNKNOWN, all);
        all[DESTINATION.namespace] = or(behind.map_or("", |peer| &peer.namespace), UNKNOWN);
        all[DESTINATION.principal] = or(behind.map_or("", |peer| &peer.identity), UNKNOWN);
        all[14] = named(&[host_name, host.clone()]);
        all[17] = named(&[short, host]);
        all[18] = or(&service.namespace, UNKNOWN);
        return;
    }
    all[0] = Cow::Borrowed("destination");
    put_own(&DESTINATION, own, all);
    all[DESTINATION.principal] = or(parties.own_principal, UNKNOWN);
    // Without a name it is called as this workload is.
    let first = |names: [Cow<'a, str>; 2]| names.into_iter().find(|name| !name.is_empty());
    all[14] = first([host_name, host.clone()]).unwrap_or(Cow::Borrowed(&*own.service));
    all[17] = first([short, host]).unwrap_or(Cow::Borrowed(&*own.service));
    all[18] = Cow::Borrowed(&own.namespace);
}
