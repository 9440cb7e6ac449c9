//! What is known of a request or connection when it is reported. Borrowed from wherever it is; the key under which a worker remembers
//! what became of it before.

use std::rc::Rc;

use crate::failure::ResponseFlags;
use crate::telemetry::peer::Peer;

use super::service::Service;

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
    peer_principal: Box<str>,
    own_principal: Box<str>,
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
            peer_principal: parties.peer_principal.into(),
            own_principal: parties.own_principal.into(),
            outcome: self.outcome,
            said: self.said.into(),
        }
    }
}
