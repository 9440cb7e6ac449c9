//! Tests of which filters act where routes have their say.

use crate::telemetry::stream_info::StreamInfo;
use config::filters::alpn::Alpn;

use super::*;
use crate::http::route::{Found, RouteTable};
use crate::http::testing::{Bench, connection, get, to_app};
use crate::stats::{Stats, StatsSettings};

fn chain(names: &[&str]) -> Chain {
    let stats = Stats::new(StatsSettings::default());
    let deps = FilterDeps { stats: &stats, scope: "", discoveries: None, secrets: None, behind: false };
    let config = Arc::new(Alpn { http11: vec![(*b"http/1.1").into()], ..Alpn::default() });
    let entry = |name: &&str| HttpFilterEntry {
        name: (*name).into(),
        disabled: false,
        config: HttpFilterConfig::Alpn(config.clone()),
    };
    Chain::compile(&At::root(), &names.iter().map(entry).collect::<Vec<_>>(), &deps).unwrap()
}

/// What is remembered with a route is remembered for one chain: others that use the same table have their own filters.
#[test]
fn chains_that_share_a_table_have_their_own_filters() {
    let mut bench = Bench::new(to_app(|_| {}));
    let off = || ScopedFilter { disabled: true, config: None };
    bench.host(|host| host.per_filter.push(("b".into(), off())));
    bench.table.per_filter.push(("c".into(), off()));
    let table = RouteTable::compile(&bench.table, &Stats::new(StatsSettings::default())).unwrap();
    let info = StreamInfo::begin(connection().into(), None);
    let Found::Route(host, route) = table.find(&get("/"), &info, 0) else { panic!("there is a route") };
    let chosen =
        Chosen { table: &table, host, route, forwarding: route.forwarding.as_ref(), weighted: None, counted: None };
    let chains = [(chain(&["a", "b", "c"]), 1), (chain(&["b", "c"]), 0), (chain(&["a", "d"]), 2), (chain(&[]), 0)];
    for _ in 0..2 {
        for (chain, expected) in &chains {
            assert_eq!(chain.start(Some(&chosen)).len(), *expected);
        }
    }
}
