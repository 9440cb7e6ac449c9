//! Tests of the harness: the chain that was asked for is the chain that runs.

use std::sync::Arc;

use config::filters::{HttpFilterConfig, alpn};

use super::{Filtered, Level};
use crate::http::testing::{fake::Script, get};

fn alpn() -> HttpFilterConfig {
    HttpFilterConfig::Alpn(Arc::new(alpn::Alpn { http11: vec![(*b"http/1.1").into()], ..Default::default() }))
}

async fn offered(mut bench: Filtered) -> Option<Vec<String>> {
    bench.app(Script::answers(200, &[], &["ok"]));
    let told = bench.send(get("/")).await;
    assert_eq!((told.status(), bench.stat("http.test.downstream_rq_total")), (200, 1));
    bench.app_saw().alpn
}

#[tokio::test]
async fn a_level_switches_a_filter_off_and_on() {
    let chain = || Filtered::new([("alpn", alpn())]);
    assert!(offered(chain()).await.is_some());
    assert_eq!(offered(chain().disable("alpn")).await, None);
    for level in [Level::Table, Level::Host, Level::Route, Level::Weighted] {
        assert_eq!(offered(chain().switch(level, "alpn", false)).await, None, "{level:?}");
        assert!(offered(chain().disable("alpn").switch(level, "alpn", true)).await.is_some(), "{level:?}");
    }
}
