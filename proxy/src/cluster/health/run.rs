//! The checks of one version of a cluster, from the moment when it warms: a task for each endpoint, and one that follows the endpoints. The
//! control thread holds them; dropping them ends all.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use config::cluster::{HealthCheck, Intervals};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::ask::Asker;
use super::connection::Way;
use super::events::{Log, kind_of};
use super::state::{Change, Failure, Found, Kind, State};
use super::stats::HealthStats;
use crate::cluster::Cluster;
use crate::cluster::connect::{Connector, Sockets};
use crate::cluster::endpoints::Endpoint;
use crate::cluster::identity::Identity;
use crate::log_files::EventFile;
use crate::status::HealthFlags;

/// Running checks.
pub struct Checks {
    shared: Rc<Shared>,
    follows: JoinHandle<()>,
}

/// What the tasks of one cluster share.
struct Shared {
    way: Way,
    check: Arc<HealthCheck>,
    log: Log,
    stats: HealthStats,
    sessions: RefCell<HashMap<*const Identity, Session>>,
    /// All endpoints of the beginning have been checked once.
    done: Cell<bool>,
    /// What is known of an endpoint has changed, and is to be published.
    changed: Notify,
    /// Told when all have been checked once.
    news: Rc<Notify>,
}

/// The checks of one endpoint.
struct Session {
    seen: Rc<Seen>,
    task: JoinHandle<()>,
}

struct Seen {
    endpoint: RefCell<Arc<Endpoint>>,
    state: RefCell<State>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Drop for Checks {
    fn drop(&mut self) {
        self.follows.abort();
        self.shared.sessions.borrow_mut().clear();
    }
}

impl Checks {
    /// Begins; `None` for clusters that are not checked. `open` opens event logs, `news` is told when the first round is over.
    pub fn follow(cluster: &Arc<Cluster>, open: impl Fn(&str) -> EventFile, news: Rc<Notify>) -> Option<Checks> {
        Checks::over(cluster, Rc::new(Sockets), open, news)
    }

    /// The same, over connections that are made in another way.
    pub fn over(
        cluster: &Arc<Cluster>,
        connector: Rc<dyn Connector>,
        open: impl Fn(&str) -> EventFile,
        news: Rc<Notify>,
    ) -> Option<Checks> {
        let check = Arc::clone(cluster.config().health_check.as_ref()?);
        let shared = Rc::new(Shared {
            log: Log {
                files: check.event_logs.iter().map(|path| open(path)).collect(),
                cluster: Arc::clone(&cluster.config().name),
                kind: kind_of(&check.asks),
            },
            stats: HealthStats::new(cluster.scope()),
            way: Way { cluster: Arc::clone(cluster), connector },
            check,
            sessions: RefCell::default(),
            done: Cell::new(false),
            changed: Notify::new(),
            news,
        });
        let moved = Arc::new(Notify::new());
        cluster.watch(&moved);
        shared.clone().follow_endpoints();
        let follows = tokio::task::spawn_local(shared.clone().run(moved));
        Some(Checks { shared, follows })
    }

    /// Whether all endpoints have been checked once.
    pub fn are_done(&self) -> bool {
        self.shared.done.get()
    }
}

impl Shared {
    async fn run(self: Rc<Self>, moved: Arc<Notify>) {
        let cluster = &self.way.cluster;
        let failing = Arc::clone(cluster.failing().expect("a cluster that is checked has it"));
        loop {
            tokio::select! {
                () = moved.notified() => self.clone().follow_endpoints(),
                () = self.changed.notified() => cluster.publish_health(),
                hosts = failing.next() => hosts.iter().for_each(|host| self.says_it_fails(host)),
            }
        }
    }

    /// Endpoints that are new are checked, and those that are gone no more.
    fn follow_endpoints(self: Rc<Self>) {
        let endpoints = self.way.cluster.endpoints_owned();
        let mut sessions = self.sessions.borrow_mut();
        let mut before = std::mem::take(&mut *sessions);
        for endpoint in endpoints.iter().filter(|endpoint| endpoint.is_checked()) {
            let host = Arc::as_ptr(&endpoint.identity);
            if let Some(session) = before.remove(&host) {
                *session.seen.endpoint.borrow_mut() = Arc::clone(endpoint);
                sessions.insert(host, session);
                continue;
            }
            let seen = Rc::new(Seen {
                endpoint: RefCell::new(Arc::clone(endpoint)),
                state: RefCell::new(State::new(&endpoint.identity, self.stats)),
            });
            let task = tokio::task::spawn_local(session(Rc::clone(&self), Rc::clone(&seen)));
            sessions.insert(host, Session { seen, task });
        }
        drop(sessions);
        drop(before);
        self.look_whether_done();
    }

    fn look_whether_done(&self) {
        let all = || self.sessions.borrow().values().all(|session| !session.seen.state.borrow().first);
        if !self.done.get() && all() {
            self.done.set(true);
            self.news.notify_one();
        }
    }

    fn says_it_fails(&self, host: &Arc<Identity>) {
        let sessions = self.sessions.borrow();
        let Some(session) = sessions.get(&Arc::as_ptr(host)) else { return };
        let failure = Failure { immediate: true, ..Failure::of(Kind::Passive) };
        let endpoint = Arc::clone(&session.seen.endpoint.borrow());
        session.seen.state.borrow_mut().fails(failure, &self.check, &self.log, &endpoint);
        self.changed.notify_one();
    }

    /// A check has ended. How long until the next one.
    fn ended(&self, seen: &Seen, found: Found) -> Duration {
        let endpoint = Arc::clone(&seen.endpoint.borrow());
        let change = seen.state.borrow_mut().ends(found, &self.check, &self.log, &endpoint);
        if change == Change::Changed {
            self.changed.notify_one();
        }
        let host = &endpoint.identity;
        let flags = host.flags();
        if matches!(found, Found::Well { .. })
            && flags.has(HealthFlags::FAILED_OUTLIER_CHECK)
            && !flags.has(HealthFlags::FAILED_ACTIVE_HC)
            && let Some(outliers) = self.way.cluster.outliers()
        {
            outliers.checked_well(host);
        }
        self.look_whether_done();
        let used = self.way.cluster.was_used();
        let next = next_check(&self.check.intervals, found, change, used);
        with_jitter(&self.check.intervals, next, self.check.intervals.jitter)
    }
}

async fn session(shared: Rc<Shared>, seen: Rc<Seen>) {
    let check = &shared.check;
    let mut asker = Asker::default();
    let mut wait = if check.initial_jitter.is_zero() {
        Duration::ZERO
    } else {
        with_jitter(&check.intervals, Duration::ZERO, check.initial_jitter)
    };
    loop {
        let found = tokio::select! {
            () = sleep(wait) => {
                shared.stats.attempt.inc();
                let endpoint = Arc::clone(&seen.endpoint.borrow());
                match timeout(check.timeout, asker.ask(check, &shared.way, &endpoint, &shared.stats)).await {
                    Ok(found) => found,
                    Err(_) => {
                        asker.forget();
                        Found::Ill(Failure::of(Kind::Timeout))
                    }
                }
            }
            () = asker.closed() => Found::Ill(Failure::of(Kind::Network)),
        };
        wait = shared.ended(&seen, found);
    }
}

/// When the next check comes, without chance.
pub(super) fn next_check(intervals: &Intervals, found: Found, change: Change, used: bool) -> Duration {
    let pending = change == Change::Pending;
    match (used, found) {
        (true, Found::Ill(_)) if pending => intervals.unhealthy_edge,
        (true, Found::Ill(_)) => intervals.unhealthy,
        (true, Found::Well { .. }) if pending => intervals.healthy_edge,
        (true, Found::Well { .. }) => intervals.interval,
        (false, Found::Well { .. }) if !pending => intervals.no_traffic_healthy,
        (false, _) => intervals.no_traffic,
    }
}

fn with_jitter(intervals: &Intervals, base: Duration, jitter: Duration) -> Duration {
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let below = |most: u64| if most == 0 { 0 } else { fastrand::u64(..most) };
    let share = milliseconds(base).saturating_mul(intervals.jitter_percent.into()) / 100;
    let all = milliseconds(base).saturating_add(below(share)).saturating_add(below(milliseconds(jitter)));
    let (least, most) = intervals.limits;
    Duration::from_millis(all).min(most).max(least).max(Duration::from_millis(1))
}
