//! A filter's test in fifteen lines: a chain of decoded configs on top of [`Bench`], settings at any level, one connection for all
//! requests, and the statistics. Used by the `tests.rs` of filters.

use std::cell::OnceCell;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use config::filters::{HttpFilterConfig, ScopedConfig, ScopedFilter};
use config::hcm::HttpFilter;
use config::route::{Action, ClusterChoice, Route};

use crate::http::context::Context;
use crate::http::exchange::exchange;
use crate::http::testing::{Bench, Client, Outcome, fake, kept, to_app};
use crate::stats::{Kind, Sample};
use crate::wire::message::RequestHead;

/// A connection with a chain of filters. What is changed is changed before the first request.
pub(in crate::http) struct Filtered {
    bench: Bench,
    context: OnceCell<Context>,
}

/// Where settings for filters stand.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) enum Level {
    Table,
    Host,
    Route,
    /// Of a weighted cluster; a route with a single cluster gets one of weight 1.
    Weighted,
}

impl Filtered {
    /// `/` goes to `app`, through these filters in this order. Their names are what settings for routes go by.
    pub fn new(filters: impl IntoIterator<Item = (&'static str, HttpFilterConfig)>) -> Filtered {
        Filtered::with_routes(to_app(|_| ()), filters)
    }

    /// Other routes.
    pub fn with_routes(
        routes: Vec<Route>,
        filters: impl IntoIterator<Item = (&'static str, HttpFilterConfig)>,
    ) -> Filtered {
        let mut bench = Bench::new(routes);
        let entry = |(name, config): (&str, _)| HttpFilter { name: name.into(), disabled: false, config };
        bench.config.filters = filters.into_iter().map(entry).collect();
        Filtered { bench, context: OnceCell::new() }
    }

    /// `disabled` in the chain.
    pub fn disable(mut self, name: &str) -> Filtered {
        for filter in self.bench.config.filters.iter_mut().filter(|filter| *filter.name == *name) {
            filter.disabled = true;
        }
        self
    }

    /// What a level tells a filter; the route's is told to all routes.
    pub fn tell(self, level: Level, name: &str, config: ScopedConfig) -> Filtered {
        self.scope(level, name, ScopedFilter { disabled: false, config: Some(config) })
    }

    /// Switches a filter off or on at a level.
    pub fn switch(self, level: Level, name: &str, on: bool) -> Filtered {
        self.scope(level, name, ScopedFilter { disabled: !on, config: None })
    }

    fn scope(mut self, level: Level, name: &str, filter: ScopedFilter) -> Filtered {
        let told = (Arc::from(name), filter);
        match level {
            Level::Table => self.bench.table.per_filter.push(told),
            Level::Host => self.bench.host(|host| host.per_filter.push(told)),
            Level::Route | Level::Weighted => self.bench.host(|host| {
                for route in &mut host.routes {
                    let route = Arc::make_mut(route);
                    match level {
                        Level::Weighted => weighted(route).push(told.clone()),
                        _ => route.per_filter.push(told.clone()),
                    }
                }
            }),
        }
        self
    }

    /// Queues what `app` does next.
    pub fn app(&mut self, script: fake::Script) -> &mut Filtered {
        self.bench.upstream(script);
        self
    }

    /// The one request that `app` saw since this was last asked.
    pub fn app_saw(&mut self) -> fake::Seen {
        let mut seen = self.bench.seen();
        assert_eq!(seen.len(), 1, "requests that reached the application");
        seen.remove(0)
    }

    /// Sends a request whose head says all.
    pub async fn send(&self, request: RequestHead) -> Outcome {
        self.send_from(Client::default(), request).await
    }

    /// Sends a request with a body in these pieces.
    pub async fn send_pieces(&self, request: RequestHead, pieces: &[&'static str]) -> Outcome {
        self.send_from(Client::sending(pieces), request).await
    }

    /// Sends a request from a scripted client. Several at a time: `join` the futures.
    pub async fn send_from(&self, mut client: Client, request: RequestHead) -> Outcome {
        self.bench.prepare(&client);
        let context = self.context();
        self.bench.run(context, exchange(context, &mut client, request)).await;
        let info = kept::last();
        Outcome { client, info }
    }

    /// Where everything is counted.
    pub fn registry(&self) -> &Arc<crate::stats::Stats> {
        &self.context().manager.registry
    }

    /// A counter or gauge by its whole name; the connection manager's prefix is `http.test.`.
    pub fn stat(&self, name: &str) -> u64 {
        self.context().manager.registry.value(name).unwrap_or_else(|| panic!("no statistic {name}"))
    }

    /// Whether the statistic is there at all.
    pub fn has_stat(&self, name: &str) -> bool {
        self.context().manager.registry.value(name).is_some()
    }

    /// How many values a histogram has, and their sum.
    pub fn histogram(&self, name: &str) -> (u64, u64) {
        let samples = self.context().manager.registry.samples(|known, kind| known == name && kind == Kind::Histogram);
        let values = |sample: &Sample| sample.histogram.as_ref().map_or(0, |histogram| histogram.counts.iter().sum());
        samples.first().map_or((0, 0), |sample| (values(sample), sample.value))
    }

    /// Another connection of the same client, to the same chain of filters.
    pub fn reconnect(&mut self) {
        let before = self.context.take().expect("there is a connection");
        let after = self.bench.context_of(before.manager.clone());
        assert!(self.context.set(after).is_ok());
    }

    fn context(&self) -> &Context {
        self.context.get_or_init(|| self.bench.context())
    }
}

impl Deref for Filtered {
    type Target = Bench;

    fn deref(&self) -> &Bench {
        &self.bench
    }
}

impl DerefMut for Filtered {
    fn deref_mut(&mut self) -> &mut Bench {
        &mut self.bench
    }
}

/// The settings of a route's weighted cluster.
fn weighted(route: &mut Route) -> &mut Vec<(Arc<str>, ScopedFilter)> {
    let Action::Forward(forward) = &mut route.action else { panic!("the route does not forward") };
    let forward = Arc::make_mut(forward);
    if let ClusterChoice::Single(name) = &forward.cluster {
        forward.cluster = ClusterChoice::Weighted(vec![config::route::WeightedCluster {
            name: name.clone(),
            header: None,
            weight: 1_u32.into(),
            metadata_match: None,
            headers: Default::default(),
            host_rewrite: None,
            per_filter: Vec::new(),
        }]);
    }
    match &mut forward.cluster {
        ClusterChoice::Weighted(targets) => &mut targets[0].per_filter,
        ClusterChoice::Single(_) | ClusterChoice::Header(_) => panic!("the route has no weighted cluster"),
    }
}

mod tests;
