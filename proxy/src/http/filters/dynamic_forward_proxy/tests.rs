//! Tests of `dynamic_forward_proxy`. What it does beside a cluster of that kind is compared with Envoy in `integration`.

use std::sync::Arc;
use std::time::Duration;

use config::cluster::DnsFamily;
use config::dns_cache::DnsCache;
use config::filters::HttpFilterConfig;
use config::filters::dynamic_forward_proxy::DynamicForwardProxy;

use crate::http::filters::bench::Filtered;
use crate::http::testing::fake::Script;
use crate::http::testing::get;

#[tokio::test(start_paused = true)]
async fn other_clusters_know_themselves_where_they_go() {
    let cache = DnsCache {
        name: "names".into(),
        family: DnsFamily::Auto,
        refresh: Duration::from_secs(60),
        least: Duration::from_secs(5),
        host_ttl: Duration::from_secs(300),
        max_hosts: 1,
        failure: None,
        forgets_failures: false,
        max_pending: 0,
        resolver: Default::default(),
        beforehand: Vec::new(),
        query_timeout: None,
        without: None,
    };
    let filter = DynamicForwardProxy { cache: Arc::new(cache), heeds_state: true };
    let mut bench = Filtered::new([("forward", HttpFilterConfig::DynamicForwardProxy(filter.into()))]);
    bench.app(Script::answers(200, &[], &[]));
    assert_eq!(bench.send(get("/")).await.status(), 200);
}
