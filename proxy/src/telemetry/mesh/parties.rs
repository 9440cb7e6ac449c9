//! What is known of a request or connection when it is reported. Borrowed from wherever it is; the key under which a worker remembers
//! what became of it before.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use crate::failure::ResponseFlags;
use crate::telemetry::peer::{self, Peer, Side};
use crate::telemetry::stream_info::StreamInfo;
use crate::tls::info::TlsInfo;

use super::service::{Goes, Service, service_of};

/// Whose report it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The source's.
    Source,
    /// The destination's.
    Destination,
    /// That of a gateway for destinations.
    Gateway,
}

/// Who talks to whom.
#[derive(Debug, Clone, Copy)]
pub struct Parties<'a> {
    /// Whose report it is.
    pub role: Role,
    /// The other side, if it is known: the server of a source, else the client.
    pub peer: Option<&'a Rc<Peer>>,
    /// The workload behind a gateway.
    pub behind: Option<&'a Rc<Peer>>,
    /// The service that is called.
    pub service: &'a Service,
    /// What names it where its cluster does not; empty where nothing does.
    pub host: &'a [u8],
    /// The peer's name in its certificate.
    pub peer_principal: &'a str,
    /// Our own.
    pub own_principal: &'a str,
}

/// Shows who talks to whom. `told` gives what a side has said of itself; the last two are the name of the route, and what names the service
/// where its cluster does not.
pub fn with_parties<R>(
    role: Role,
    info: &StreamInfo,
    told: impl Fn(Side) -> Option<Rc<Peer>>,
    (route, named): (Option<&str>, &[u8]),
    see: impl FnOnce(Parties<'_>) -> R,
) -> R {
    let cluster = info.upstream_cluster.as_ref().zip(info.upstream_labels[0].as_ref());
    let goes = cluster.map_or(Goes::Nowhere, |(name, labels)| Goes::To(name, labels.metadata()));
    let service = service_of(route, goes);
    // What an endpoint is labelled with, where it has told nothing itself.
    let endpoint =
        || peer::of_endpoint(info.upstream_labels[1].as_ref()?.metadata().get("istio", "workload")?.as_str()?);
    let (peer, behind) = match role {
        Role::Source => (told(Side::Upstream).or_else(endpoint), None),
        Role::Destination => (told(Side::Downstream), None),
        Role::Gateway => (told(Side::Downstream), told(Side::Upstream)),
    };
    let tls = match role {
        Role::Source => info.upstream_connection.as_ref().and_then(|connection| connection.tls.as_deref()),
        Role::Destination | Role::Gateway => info.connection.tls.as_deref(),
    };
    let (peer_principal, own_principal) = principals(tls);
    see(Parties {
        role,
        peer: peer.as_ref(),
        behind: behind.as_ref(),
        service: &service,
        host: if service.host.is_empty() { named } else { b"" },
        peer_principal,
        own_principal,
    })
}

/// The first names of both certificates: the peer's, then our own.
fn principals(tls: Option<&TlsInfo>) -> (&str, &str) {
    let Some(tls) = tls else { return ("", "") };
    let peer = tls.peer.as_ref().and_then(|peer| peer.uri_sans.first());
    (peer.map_or("", |name| &**name.text()), tls.local_uri_sans.first().map_or("", |name| name))
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// What was spoken.
    pub protocol: Protocol,
    /// Status; 0 without an answer, and for connections.
    pub status: u16,
    /// gRPC's status; -1 for one that is none.
    pub grpc_status: Option<i8>,
    /// Flags.
    pub flags: ResponseFlags,
}

/// What was spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Protocol {
    Http,
    Grpc,
    Tcp,
}

impl Protocol {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Protocol::Http => "http",
            Protocol::Grpc => "grpc",
            Protocol::Tcp => "tcp",
        }
    }
}

/// The same, kept. Peers and services are their numbers, which are given once.
#[derive(Debug)]
pub(super) struct Key {
    role: Role,
    peer: u64,
    behind: u64,
    service: u64,
    host: Box<[u8]>,
    peer_principal: Rc<str>,
    own_principal: Rc<str>,
    outcome: Option<Outcome>,
    said: Box<[u8]>,
}

/// What a key is compared with: the parties, how it went (of messages that is not said), and what expressions say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub parties: Parties<'a>,
    pub outcome: Option<Outcome>,
    pub said: &'a [u8],
}

/// Names that are told apart before those are let go that no key holds.
const PRINCIPALS: usize = 1024;

/// A name of a certificate, which many keys have in common.
fn principal(name: &str) -> Rc<str> {
    thread_local! {
        static KNOWN: RefCell<HashSet<Rc<str>, foldhash::fast::RandomState>> = RefCell::default();
    }
    KNOWN.with_borrow_mut(|known| {
        if let Some(known) = known.get(name) {
            return known.clone();
        }
        if known.len() >= PRINCIPALS {
            known.retain(|name| Rc::strong_count(name) > 1);
        }
        let made: Rc<str> = name.into();
        known.insert(made.clone());
        made
    })
}

fn number(peer: Option<&Rc<Peer>>) -> u64 {
    peer.map_or(0, |peer| peer.number)
}

impl Asked<'_> {
    pub fn hash(&self, state: &impl std::hash::BuildHasher) -> u64 {
        let parties = &self.parties;
        state.hash_one((
            (parties.role, number(parties.peer), number(parties.behind), parties.service.number),
            (parties.host, parties.peer_principal, parties.own_principal),
            (self.outcome, self.said),
        ))
    }

    pub fn is(&self, key: &Key) -> bool {
        let parties = &self.parties;
        key.role == parties.role
            && key.peer == number(parties.peer)
            && key.behind == number(parties.behind)
            && key.service == parties.service.number
            && *key.host == *parties.host
            && *key.peer_principal == *parties.peer_principal
            && *key.own_principal == *parties.own_principal
            && key.outcome == self.outcome
            && *key.said == *self.said
    }

    pub fn keep(&self) -> Key {
        let parties = &self.parties;
        Key {
            role: parties.role,
            peer: number(parties.peer),
            behind: number(parties.behind),
            service: parties.service.number,
            host: parties.host.into(),
            peer_principal: principal(parties.peer_principal),
            own_principal: principal(parties.own_principal),
            outcome: self.outcome,
            said: self.said.into(),
        }
    }
}
