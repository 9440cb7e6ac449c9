//! `stats.PluginConfig` of connections: Istio's metrics of TCP. A connection is reported every `tcp_reporting_duration` once it is known
//! whether its peer says who it is, and at its end. Called by the TCP proxy, which knows what moves.

use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use config::filters::NetworkFilterConfig;
use config::filters::istio_stats::{IstioStats, Reporter as Configured};
use config::listener::{Direction, NetworkFilter};

use super::relay::Moved;
use crate::logs::Again;
use crate::stats::Stats;
use crate::telemetry::facts::Known;
use crate::telemetry::mesh::{self, Outcome, Protocol, Role, with_parties};
use crate::telemetry::peer::{Peer, Side};
use crate::telemetry::stream_info::StreamInfo;

/// Who reports the connections of a filter chain. Shared by all workers.
pub(super) struct Reporters(Box<[Reporter]>);

struct Reporter {
    reporter: mesh::Reporter,
    role: Role,
    /// `None`: at the end alone.
    interval: Option<Duration>,
}

/// Places in `config::filters::istio_stats::TCP`.
const OPENED: usize = 0;
const CLOSED: usize = 1;
const SENT: usize = 2;
const RECEIVED: usize = 3;

impl Reporters {
    /// Those among the filters of a chain.
    pub fn compile(filters: &[NetworkFilter], direction: Direction, stats: &Arc<Stats>) -> Reporters {
        let found = filters.iter().filter_map(|filter| match &filter.config {
            NetworkFilterConfig::IstioStats(config) => Some(Reporter::compile(config, direction, stats)),
            _ => None,
        });
        Reporters(found.collect())
    }

    /// For a connection that begins now; `None` where nobody reports.
    pub fn begin(&self) -> Option<Box<Reports<'_>>> {
        if self.0.is_empty() {
            return None;
        }
        let one = |reporter| Report { reporter, connection: None, told: Moved::default() };
        let interval = self.0.iter().filter_map(|reporter| reporter.interval).min();
        Some(Box::new(Reports { all: self.0.iter().map(one).collect(), timer: interval.map(Again::new) }))
    }
}

impl Reporter {
    fn compile(config: &IstioStats, direction: Direction, stats: &Arc<Stats>) -> Reporter {
        Reporter {
            reporter: mesh::Reporter::new(config, stats),
            role: match (config.reporter, direction) {
                (Configured::Gateway, _) => Role::Gateway,
                (_, Direction::Inbound) => Role::Destination,
                _ => Role::Source,
            },
            interval: Some(config.interval).filter(|interval| !interval.is_zero()),
        }
    }
}

/// The reports of one connection.
pub(super) struct Reports<'a> {
    all: Vec<Report<'a>>,
    timer: Option<Again>,
}

struct Report<'a> {
    reporter: &'a Reporter,
    /// Where it is counted, once that is known.
    connection: Option<mesh::Connection>,
    told: Moved,
}

impl Reports<'_> {
    /// Reports what is due.
    pub fn poll(&mut self, cx: &mut Context<'_>, info: &StreamInfo, moved: Moved) {
        while self.timer.as_mut().is_some_and(|timer| timer.is_due(cx)) {
            self.all.iter_mut().for_each(|report| report.tell(info, moved, false));
        }
    }

    /// The connection is over.
    pub fn end(&mut self, info: &StreamInfo, moved: Moved) {
        self.timer = None;
        self.all.iter_mut().for_each(|report| report.tell(info, moved, true));
    }
}

impl Report<'_> {
    fn tell(&mut self, info: &StreamInfo, moved: Moved, ended: bool) {
        if self.connection.is_none() {
            if !ended && !is_settled(self.reporter.role, info) {
                return;
            }
            let connection = self.reporter.begin(info);
            connection.count(OPENED, 1);
            self.connection = Some(connection);
        }
        let Some(connection) = &self.connection else { return };
        connection.count(SENT, moved.sent - self.told.sent);
        connection.count(RECEIVED, moved.received - self.told.received);
        self.told = moved;
        if ended {
            connection.count(CLOSED, 1);
            connection.end();
        }
    }
}

/// Whether it is known who the peer is, or that it does not say.
fn is_settled(role: Role, info: &StreamInfo) -> bool {
    match role {
        Role::Source => upstream(info).is_some_and(|peer| peer.is_settled()),
        Role::Destination | Role::Gateway => info.connection.filter_state.borrow().is_settled(Side::Downstream),
    }
}

fn upstream(info: &StreamInfo) -> Option<&Rc<Peer>> {
    info.upstream_connection.as_ref()?.peer_says.as_ref()
}

fn told(info: &StreamInfo, side: Side) -> Option<Rc<Peer>> {
    let of_connection = || info.connection.filter_state.borrow().peer(side).cloned();
    match side {
        Side::Upstream => upstream(info).filter(|peer| peer.is_known()).cloned().or_else(of_connection),
        Side::Downstream => of_connection(),
    }
}

impl Reporter {
    /// The labels of a connection, which stay what they are now.
    fn begin(&self, info: &StreamInfo) -> mesh::Connection {
        let outcome = Outcome { protocol: Protocol::Tcp, status: 0, grpc_status: None, flags: info.flags };
        let known = Known {
            info,
            request: None,
            request_trailers: None,
            response: None,
            response_trailers: None,
            route_name: None,
            route: None,
            virtual_host: None,
        };
        with_parties(
            self.role,
            info,
            |side| told(info, side),
            (None, b""),
            |parties| self.reporter.connection(&known, parties, outcome),
        )
    }
}

#[cfg(test)]
mod tests;
