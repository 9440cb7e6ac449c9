//! One request as header rules, filters, the router and logs see and change it: heads, route, plan, what is known. Owned by `exchange`;
//! must never hold a socket, a timer or a stream.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use config::metadata::Criteria;
use config::route::ClusterChoice;
use serde_json::Value;
use tokio::time::Instant;

use super::attempt::log::Begun;
use super::attempt::mirror::Mirror;
use super::attempt::redirects::History;
use super::context::Context;
use super::filters::behind::{Behind, Pinned};
use super::filters::chain::Scopes;
use super::filters::compressor::Encodings;
use super::plan::Plan;
use super::route::{Forwarding, Route, RouteTable, VirtualCluster, VirtualHost, WeightedTarget, is_grpc};
use super::trace::{Reason, Trace};
use super::upstreams::UpstreamCluster;
use crate::cluster::{Asks, address_in};
use crate::failure::ResponseFlags;
use crate::telemetry::access_log::{LogEntry, More};
use crate::telemetry::stream_info::{ConnectionInfo, StreamInfo};
use crate::wire::headers::{Headers, Name, NameSet};
use crate::wire::message::{BodyLength, Method, RequestHead, ResponseHead};

/// The route that was chosen for a request. Borrowed from the table that the request pins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chosen<'s> {
    pub table: &'s RouteTable,
    pub host: &'s VirtualHost,
    pub route: &'s Route,
    /// The route forwards.
    pub forwarding: Option<&'s Forwarding>,
    /// And this is the weighted cluster that the dice fell on.
    pub weighted: Option<&'s WeightedTarget>,
    /// What the request is counted with. Known when it is forwarded, and not before: as with Envoy what is answered here has none.
    pub counted: Option<&'s VirtualCluster>,
}

impl<'s> Chosen<'s> {
    /// What its levels tell filters, the most specific first.
    pub fn scopes(&self) -> [Option<&'s Scopes>; 4] {
        let weighted = self.weighted.map(|target| &target.scopes);
        [weighted, Some(&self.route.scopes), Some(&self.host.scopes), Some(self.table.scopes())]
    }

    /// The mirrors of the most specific level that has any.
    pub fn mirrors(&self) -> &'s [Mirror] {
        let route = self.forwarding.map_or(&[][..], |forwarding| &forwarding.mirrors);
        let levels = [route, &self.host.mirrors, self.table.mirrors()];
        levels.into_iter().find(|level| !level.is_empty()).unwrap_or_default()
    }

    /// Any of its levels tells filters anything.
    pub fn has_scopes(&self) -> bool {
        !(self.route.scopes.is_empty() && self.host.scopes.is_empty() && self.table.scopes().is_empty())
            || self.weighted.is_some_and(|target| !target.scopes.is_empty())
    }
}

const CONTENT_TYPE: NameSet = NameSet::of([Name::CONTENT_TYPE]);

/// What a request was before anybody changed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    /// gRPC, by its content type.
    pub grpc: bool,
    /// Only for the head of a response.
    pub head: bool,
}

/// When the last octet of a request was written upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is not looked at the clock for nothing.
    NobodyAsks,
    NotYet,
    At(Instant),
}

/// One request while it is served.
pub(crate) struct Stream<'s> {
    pub context: &'s Context,
    pub info: StreamInfo,
    pub request: RequestHead,
    /// There is none: what came was no head. Its answer has filters, and logs say that nothing is known.
    pub headless: bool,
    /// What it was when it came. Answers of our own are in its kind, whatever filters made of the request since.
    pub asked: Asked,
    /// The response's head, once there is one.
    pub response: Option<ResponseHead>,
    pub trailers: Option<Headers>,
    /// Where routes are looked up.
    pub table: Option<&'s RouteTable>,
    /// None: the router answers 404, or redirects to https.
    pub route: Option<Chosen<'s>>,
    /// The virtual host insists on TLS.
    pub to_tls: bool,
    /// What filters have decided for the router.
    pub plan: Plan<'s>,
    /// What the compressors of the chain know of each other.
    pub encodings: Option<Box<Encodings<'s>>>,
    /// When the request had been sent, for filters that want to know.
    pub sent: Sent,
    /// From an internal caller.
    pub internal: bool,
    /// Octets of the request that a filter holds whatever the limits are.
    pub(super) wanted: u32,
    /// Inbound: the operation that the caller's sidecar is told.
    pub decorator: Option<Bytes>,
    /// When the attempt began that is under way; only where attempts are logged.
    pub attempt_begun: Option<Begun>,
    /// The redirects that have led here.
    pub history: Option<Box<History>>,
    /// Whether the connection manager would have it traced, and why.
    pub decided: Option<Reason>,
    /// Its span, where it is traced.
    pub trace: Option<Box<Trace>>,
    /// The head as the router made it, where filters behind it change bodies: another attempt begins with it.
    pub unfiltered: Option<Box<RequestHead>>,
    /// Filters behind the router, by attempt and mirror.
    pub behind: Vec<Option<Box<Behind<'s>>>>,
    /// Where they live.
    pub pinned: &'s Pinned,
}

impl Asks for Stream<'_> {
    fn connection(&self) -> &ConnectionInfo {
        &self.info.connection
    }

    fn state(&self) -> Option<SocketAddr> {
        address_in(&self.info.filter_state).or_else(|| address_in(&self.info.connection.filter_state.borrow()))
    }

    fn said(&self, namespace: &str, path: &[Arc<str>]) -> Option<Value> {
        let said = self.info.metadata.at(namespace, path.iter().map(|key| &**key)).cloned();
        said.or_else(|| {
            let metadata = self.info.connection.metadata.borrow();
            metadata.at(namespace, path.iter().map(|key| &**key)).cloned()
        })
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        self.request.headers.get_str(name).map(|value| &**value)
    }

    fn text(&self, key: &str) -> Option<String> {
        Stream::state(self, key).and_then(|value| String::from_utf8(value.to_vec()).ok())
    }

    fn host(&self) -> Option<&[u8]> {
        Some(&self.request.authority)
    }
}

impl<'s> Stream<'s> {
    /// What is asked of hosts: by the weighted cluster or the route, and over that by filters. For clusters with subsets.
    pub fn asked_of_hosts(&self) -> Option<Cow<'s, Criteria>> {
        let forwarding = self.route.and_then(|chosen| chosen.forwarding);
        let weighted = self.route.and_then(|chosen| chosen.weighted);
        let of_route = forwarding.and_then(|forwarding| forwarding.config.metadata_match.as_deref());
        let asked = weighted.map_or(of_route, |target| target.metadata_match.as_deref());
        match self.info.metadata.get("envoy.lb") {
            Some(said) => Some(Cow::Owned(Criteria::said(asked, said))),
            None => asked.map(Cow::Borrowed),
        }
    }

    /// A request whose head is here now, and began before where it came in pieces.
    pub fn begin(context: &'s Context, pinned: &'s Pinned, request: RequestHead) -> Stream<'s> {
        let now = Instant::now().into_std();
        let start = context.head_began.get().map_or(now, Instant::into_std);
        let mut info = StreamInfo::begun(context.connection.clone(), Some(request.protocol), start);
        info.request_head = request.wire_size;
        info.times = context.manager.wants.times.then(Box::default);
        // What follows an upgrade or a CONNECT is of unknown length.
        if request.body == BodyLength::Empty && !asks_for_tunnel(&request) {
            info.request_complete = Some(now);
        }
        // Two of them are one that says neither.
        let mut request = request;
        request.headers.join_repeated(CONTENT_TYPE);
        let asked = Asked { grpc: is_grpc(&request), head: request.method == Method::Head };
        Stream {
            context,
            info,
            request,
            headless: false,
            asked,
            response: None,
            trailers: None,
            table: None,
            route: None,
            to_tls: false,
            plan: Plan::default(),
            encodings: None,
            sent: Sent::NobodyAsks,
            internal: false,
            wanted: 0,
            decorator: None,
            attempt_begun: None,
            history: None,
            decided: None,
            trace: None,
            unfiltered: None,
            behind: Vec::new(),
            pinned,
        }
    }

    /// What a format is written from.
    pub fn entry<'e>(&'e self, response: Option<&'e ResponseHead>, trailers: Option<&'e Headers>) -> LogEntry<'e> {
        let more = match &self.route {
            Some(chosen) => More {
                route_name: Some(&chosen.route.config.name),
                route: Some(&chosen.route.config.metadata),
                virtual_host: Some(&chosen.host.config.metadata),
                virtual_cluster: chosen.counted.and_then(|one| one.name.as_deref()),
                ..More::default()
            },
            None => More::default(),
        };
        let more = More {
            forced: self.decided == Some(Reason::ServiceForced),
            span: self.trace.as_ref().map(|trace| trace.ids()),
            ..more
        };
        let request = (!self.headless).then_some(&self.request);
        LogEntry { info: &self.info, request, response, trailers, more }
    }

    /// The name of the cluster that the request goes to: its tunnel's, else its route's. `None`: it is not forwarded, or its route
    /// takes the name from a header that is not there.
    pub fn cluster_name(&self) -> Option<&str> {
        let chosen = self.route?;
        let forwarding = chosen.forwarding?;
        if let Some(cluster) = self.plan.tunnel() {
            return Some(cluster);
        }
        match &forwarding.config.cluster {
            ClusterChoice::Single(name) => Some(name),
            ClusterChoice::Weighted(_) => {
                let target = chosen.weighted?;
                target.cluster_header.as_ref().map_or(Some(&*target.name), |header| self.named_by(header))
            }
            ClusterChoice::Header(_) => self.named_by(forwarding.cluster_header.as_ref()?),
        }
    }

    fn named_by(&self, header: &Name) -> Option<&str> {
        std::str::from_utf8(self.request.headers.get(header)?).ok()
    }

    /// That cluster, where it is known.
    pub fn cluster(&self) -> Option<UpstreamCluster> {
        self.context.upstreams.get(self.cluster_name()?)
    }

    /// What an object of filter state says: the request's, else the connection's.
    pub fn state(&self, key: &str) -> Option<Bytes> {
        let of_request = self.info.filter_state.get(key).map(|object| object.value.clone());
        of_request.or_else(|| self.info.connection.filter_state.borrow().get(key).map(|object| object.value.clone()))
    }

    /// Whether the request has been read to its end.
    pub fn request_is_complete(&self) -> bool {
        self.info.request_complete.is_some()
    }

    /// Whether it was for a tunnel, and the connection that this was to lead to is lost, or never stood.
    pub fn has_lost_its_tunnel(&self) -> bool {
        let lost = [ResponseFlags::UPSTREAM_CONNECTION_FAILURE, ResponseFlags::UPSTREAM_CONNECTION_TERMINATION];
        asks_for_tunnel(&self.request) && lost.into_iter().any(|flag| self.info.flags.has(flag))
    }

    /// Time since the end of the request; zero before.
    pub fn since_request(&self) -> Duration {
        self.until(Instant::now().into_std())
    }

    /// The head of the response came: how long that took from the end of the request; zero before that end.
    pub fn response_time(&self) -> Duration {
        self.info.response_first_byte.map_or(Duration::ZERO, |at| self.until(at))
    }

    fn until(&self, at: std::time::Instant) -> Duration {
        self.info.request_complete.map_or(Duration::ZERO, |complete| at.saturating_duration_since(complete))
    }
}

/// What follows the head is no body but a tunnel, if the upstream agrees.
pub(super) fn asks_for_tunnel(request: &RequestHead) -> bool {
    request.upgrade.is_some() || request.method == Method::Connect
}
