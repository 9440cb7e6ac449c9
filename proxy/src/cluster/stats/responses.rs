//! Responses of one cluster by their code, `cluster.<name>.…upstream_rq_*`, under Envoy's names. Counters are made as codes are seen. Used by
//! `worker` and `alternative`; one per worker and cluster.

use std::cell::{Cell, OnceCell, RefCell};

use smallvec::SmallVec;

use crate::stats::{Counter, Histogram, Scope};

/// Where a response is counted by its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Codes {
    /// Under `internal.`, else under `external.`: the request's origin as the connection manager judges it.
    pub internal: bool,
    /// And without either: always, but where a router leaves the codes of gRPC out.
    pub own: bool,
}

impl Codes {
    /// Of a request that is counted everywhere.
    pub fn of(internal: bool) -> Codes {
        Codes { internal, own: true }
    }
}

/// Where few responses are counted beside that.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beside<'a> {
    /// Under `canary.`: the host is one by its metadata, or its answer says so.
    pub canary: bool,
    /// Under `zone.<from>.<to>.`: the zones of the proxy and of the host, where both are known.
    pub zones: Option<(&'a str, &'a str)>,
}

impl Beside<'_> {
    /// Nowhere, as nearly all.
    pub fn is_nothing(&self) -> bool {
        !self.canary && self.zones.is_none()
    }
}

/// Counters by response code: `upstream_rq_200`, `upstream_rq_2xx`, and the same under `internal.` and `external.`, of canaries under
/// `canary.`, of zones under `zone.<from>.<to>.`; those of answers that were retried are under `retry.` alone.
#[derive(Debug, Default)]
pub struct ResponseCounters {
    /// What stands before each name.
    prefix: Box<str>,
    seen: RefCell<SmallVec<[Seen; 2]>>,
    retried: OnceCell<Apart>,
    canary: OnceCell<Apart>,
    /// By the host's zone: those of one cluster, which are few.
    zones: RefCell<Vec<(Box<str>, Apart)>>,
    times: RefCell<[Option<Histogram>; 2]>,
}

/// A status and an origin that were seen, and what counts them.
type Seen = (u16, Codes, [Counter; 5]);

impl ResponseCounters {
    /// With this before each name.
    pub fn below(prefix: &str) -> ResponseCounters {
        ResponseCounters { prefix: prefix.into(), ..ResponseCounters::default() }
    }

    /// Counts one response.
    pub fn count(&self, scope: &Scope, status: u16, codes: Codes) {
        let mut seen = self.seen.borrow_mut();
        if let Some((_, _, counters)) = seen.iter().find(|(code, others, _)| *code == status && *others == codes) {
            return counters.iter().for_each(|counter| counter.inc());
        }
        // Codes come from upstreams, in three digits: at most a thousand of them.
        let origin = origin(codes.internal);
        let prefix = &self.prefix;
        let [code, class] = names(status);
        let counter = |of: &str, name: &Option<String>| match name {
            Some(name) => scope.counter(&format!("{prefix}{of}upstream_rq_{name}")),
            None => Counter::NONE,
        };
        let own = |name: &Option<String>| if codes.own { counter("", name) } else { Counter::NONE };
        let origin = format!("{origin}.");
        let counters = [
            own(&code),
            own(&class),
            scope.counter(&format!("{prefix}{origin}upstream_rq_completed")),
            counter(&origin, &code),
            counter(&origin, &class),
        ];
        counters.iter().for_each(|counter| counter.inc());
        seen.push((status, codes, counters));
    }

    /// Records how long the upstream took, in milliseconds, under `internal.` or `external.`.
    pub fn time(&self, scope: &Scope, internal: bool, milliseconds: u64) {
        let mut times = self.times.borrow_mut();
        let name = || format!("{}{}.upstream_rq_time", self.prefix, origin(internal));
        times[usize::from(internal)].get_or_insert_with(|| scope.histogram(&name())).record(milliseconds);
    }

    /// Counts a response that is not passed on, for the request is tried again.
    pub fn count_retried(&self, scope: &Scope, status: u16, codes: Codes) {
        let retried = self.retried.get_or_init(|| Apart::below(format!("{}retry", self.prefix)));
        retried.count(scope, status, codes.own, None);
    }

    /// Counts a response of a canary or between zones, and how long it took in milliseconds: all of its codes, as for origins.
    pub fn count_beside(&self, scope: &Scope, beside: Beside<'_>, status: u16, milliseconds: Option<u64>) {
        if beside.canary {
            let canary = self.canary.get_or_init(|| Apart::below(format!("{}canary", self.prefix)));
            canary.count(scope, status, true, milliseconds);
        }
        let Some((from, to)) = beside.zones else { return };
        let mut zones = self.zones.borrow_mut();
        let known = zones.iter().position(|(zone, _)| **zone == *to).unwrap_or_else(|| {
            // Names are the control plane's.
            zones.push((to.into(), Apart::below(format!("{}zone.{from}.{to}", self.prefix))));
            zones.len() - 1
        });
        zones[known].1.count(scope, status, true, milliseconds);
    }
}

/// A status, whether it is counted itself, and what counts it.
type SeenApart = (u16, bool, [Counter; 3]);

/// One category.
#[derive(Debug)]
struct Apart {
    /// What stands before each name, without its dot.
    prefix: Box<str>,
    seen: RefCell<SmallVec<[SeenApart; 1]>>,
    time: Cell<Option<Histogram>>,
}

impl Apart {
    fn below(prefix: String) -> Apart {
        Apart { prefix: prefix.into(), seen: RefCell::default(), time: Cell::default() }
    }

    fn count(&self, scope: &Scope, status: u16, own: bool, milliseconds: Option<u64>) {
        let prefix = &self.prefix;
        let mut seen = self.seen.borrow_mut();
        let known = seen.iter().position(|(code, others, _)| *code == status && *others == own);
        let known = known.unwrap_or_else(|| {
            let coded = |name: Option<String>| match name {
                Some(name) if own => scope.counter(&format!("{prefix}.upstream_rq_{name}")),
                _ => Counter::NONE,
            };
            let completed = scope.counter(&format!("{prefix}.upstream_rq_completed"));
            let [code, class] = names(status).map(coded);
            seen.push((status, own, [completed, code, class]));
            seen.len() - 1
        });
        seen[known].2.iter().for_each(|counter| counter.inc());
        let Some(milliseconds) = milliseconds else { return };
        let time = self.time.get().unwrap_or_else(|| scope.histogram(&format!("{prefix}.upstream_rq_time")));
        self.time.set(Some(time));
        time.record(milliseconds);
    }
}

/// What a status and its class are called. As with Envoy one that is none of HTTP's is unknown, and of no class.
fn names(status: u16) -> [Option<String>; 2] {
    match status {
        100..600 => [Some(status.to_string()), Some(format!("{}xx", status / 100))],
        _ => [Some("unknown".to_owned()), None],
    }
}

fn origin(internal: bool) -> &'static str {
    if internal { "internal" } else { "external" }
}
