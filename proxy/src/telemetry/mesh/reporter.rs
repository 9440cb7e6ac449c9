//! Reports requests and connections to their label sets.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use config::filters::istio_stats::IstioStats;
use config::workload::Workload;
use smallvec::SmallVec;

use super::cache::{self, Handles, Report};
use super::labels;
use super::parties::{Asked, Outcome, Parties};
use super::said::{self, Expressions};
use super::shape::{From, Group, Shape};
use crate::policy::facts::Facts;
use crate::stats::{Counter, Handle, Kind, Stats};

/// Reports for one filter. Shared by all workers.
pub struct Reporter {
    /// Of this one alone, in the process.
    number: u64,
    /// As long as it lives, workers remember for it.
    lives: Arc<()>,
    shape: Shape,
    expressions: Expressions,
    own: Arc<Workload>,
    stats: Arc<Stats>,
    crowded: Counter,
}

/// What a request took.
#[derive(Debug, Clone, Copy)]
pub struct Amounts {
    /// From its beginning to its end, in milliseconds.
    pub milliseconds: u64,
    /// Octets that were received, heads among them.
    pub received: u64,
    /// Octets that were sent.
    pub sent: u64,
}

/// What a connection is reported to.
pub struct Connection {
    metrics: Vec<(Box<[usize]>, Handle)>,
    /// Metrics of the operator's own, and how much each gets at the end.
    own: Vec<(Kind, u64, Handle)>,
}

impl Reporter {
    /// For a configuration. Tells which version this is, too.
    pub fn new(config: &IstioStats, stats: &Arc<Stats>) -> Reporter {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let version = if config.version.is_empty() { super::UNKNOWN } else { &*config.version };
        stats.gauge_tagged("istiocustom.istio_build", &[("component", "proxy"), ("tag", version)]).set(1);
        Reporter {
            number: NEXT.fetch_add(1, Relaxed),
            lives: Arc::default(),
            shape: Shape::compile(config, stats),
            expressions: Expressions::compile(&config.expressions),
            own: config.own.clone(),
            stats: stats.clone(),
            crowded: stats.counter("label_sets.crowded"),
        }
    }

    /// A request is over. `facts` are what expressions may ask for.
    pub fn request(&self, facts: &dyn Facts, parties: Parties<'_>, outcome: Outcome, amounts: Amounts) {
        let said = self.expressions.say(facts);
        let asked = Asked { parties, outcome: Some(outcome), said: &said };
        let groups = &self.shape.http;
        self.with(Report::Request, &asked, groups, |handles| {
            for (group, handle) in groups.iter().zip(handles) {
                let Some(handle) = handle else { continue };
                for metric in &group.metrics {
                    match metric {
                        0 => handle.count(0, 1),
                        1 => handle.record(1, amounts.milliseconds),
                        2 => handle.record(2, amounts.received),
                        _ => handle.record(3, amounts.sent),
                    }
                }
            }
        });
        self.own(&asked);
    }

    /// So many messages of a request, and of its response, since the last report.
    pub fn messages(&self, facts: &dyn Facts, parties: Parties<'_>, messages: [u64; 2]) {
        let said = self.expressions.say(facts);
        let asked = Asked { parties, outcome: None, said: &said };
        let groups = &self.shape.messages;
        self.with(Report::Messages, &asked, groups, |handles| {
            for (group, handle) in groups.iter().zip(handles) {
                let Some(handle) = handle else { continue };
                group.metrics.iter().for_each(|metric| handle.count(*metric, messages[*metric]));
            }
        });
    }

    /// A connection, whose labels do not change from here on.
    pub fn connection(&self, facts: &dyn Facts, parties: Parties<'_>, outcome: Outcome) -> Connection {
        let said = self.expressions.say(facts);
        let asked = Asked { parties, outcome: Some(outcome), said: &said };
        let groups = self.shape.tcp.iter();
        let made = groups.filter_map(|group| Some((group.metrics.clone(), self.handle(&asked, group)?)));
        let own = self.shape.own.iter();
        let own =
            own.filter_map(|own| Some((own.kind, said::amount(&said, own.value), self.handle(&asked, &own.group)?)));
        Connection { metrics: made.collect(), own: own.collect() }
    }

    /// Metrics of the operator's own, at the end of a request.
    fn own(&self, asked: &Asked<'_>) {
        let all = &self.shape.own;
        if all.is_empty() {
            return;
        }
        let make = || all.iter().map(|own| self.handle(asked, &own.group)).collect();
        cache::with((self.number, &self.lives), Report::Own, asked, make, |handles| {
            for (own, handle) in all.iter().zip(handles) {
                if let Some(handle) = handle {
                    write(own.kind, handle, said::amount(asked.said, own.value));
                }
            }
        });
    }

    fn with(&self, report: Report, asked: &Asked<'_>, groups: &[Group], see: impl FnOnce(&Handles)) {
        let make = || groups.iter().map(|group| self.handle(asked, group)).collect();
        cache::with((self.number, &self.lives), report, asked, make, see);
    }

    /// Where there is no room for one more label set, one without what strangers can make up.
    fn handle(&self, asked: &Asked<'_>, group: &Group) -> Option<Handle> {
        self.of(asked, group, false).or_else(|| {
            self.crowded.inc();
            self.of(asked, group, true)
        })
    }

    fn of(&self, asked: &Asked<'_>, group: &Group, crowded: bool) -> Option<Handle> {
        let all = labels::values(asked, &self.own, crowded);
        let texts: SmallVec<[Cow<'_, str>; 4]> = said::texts(asked.said).collect();
        let value = |from: &From| match from {
            From::Label(label) => Some(&*all[*label]),
            From::Said(number) => texts.get(*number).map(|text| &**text),
        };
        let values: SmallVec<[&str; 32]> = group.from.iter().map(|from| value(from).unwrap_or_default()).collect();
        self.stats.label_set(&group.bundle, &group.names, &values, crowded)
    }
}

fn write(kind: Kind, handle: &Handle, amount: u64) {
    match kind {
        Kind::Gauge => handle.set(0, amount),
        Kind::Histogram => handle.record(0, amount),
        Kind::Counter | Kind::Text => handle.count(0, amount),
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Reporter").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Connection {
    /// Adds to the metric in this place of `config::filters::istio_stats::TCP`.
    pub fn count(&self, metric: usize, amount: u64) {
        for (metrics, handle) in &self.metrics {
            if metrics.contains(&metric) {
                handle.count(metric, amount);
            }
        }
    }

    /// It is over.
    pub fn end(&self) {
        self.own.iter().for_each(|(kind, amount, handle)| write(*kind, handle, *amount));
    }
}
