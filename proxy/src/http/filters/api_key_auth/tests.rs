//! Tests of `api_key_auth`. What a client gets is held against Envoy by the scenarios `api_key_auth*`; here is what routes say of it.

use std::sync::Arc;

use config::filters::api_key_auth::{ApiKeyAuth, Credentials, Forwarding, Source};
use config::filters::{HttpFilterConfig, ScopedConfig};

use crate::http::filters::bench::{Filtered, Level};
use crate::http::testing::{fake::Script, get, with};

fn keys() -> ApiKeyAuth {
    let credentials = Credentials::new([("k1", "one".into()), ("k2", "two".into())]).expect("they differ");
    let sources = vec![Source::Header("x-key".into())];
    ApiKeyAuth { credentials: Some(credentials), sources, ..ApiKeyAuth::default() }
}

async fn status(bench: &mut Filtered, key: &'static str) -> u16 {
    bench.app(Script::answers(200, &[], &[]));
    bench.send(with(get("/"), &[("x-key", key)])).await.status()
}

#[tokio::test]
async fn routes_choose_among_the_clients() {
    let only: Arc<ApiKeyAuth> = ApiKeyAuth { allowed_clients: vec!["two".into()], ..ApiKeyAuth::default() }.into();
    for level in [Level::Table, Level::Host, Level::Route, Level::Weighted] {
        let filter = HttpFilterConfig::ApiKeyAuth(keys().into());
        let mut bench = Filtered::new([("keys", filter)]).tell(level, "keys", ScopedConfig::ApiKeyAuth(only.clone()));
        let told = (status(&mut bench, "k1").await, status(&mut bench, "k2").await, status(&mut bench, "k3").await);
        assert_eq!(told, (403, 200, 401), "{level:?}");
        let count = |name: &str| bench.stat(&format!("http.test.api_key_auth.{name}"));
        assert_eq!((count("allowed"), count("forbidden"), count("unauthorized")), (1, 1, 1));
    }
}

#[tokio::test]
async fn a_forged_client_is_replaced_and_the_key_does_not_go_on() {
    let forwarding = Some(Forwarding { header: Some("x-client".into()), hide_credentials: true });
    let sources = vec![Source::Header("x-key".into()), Source::Query("k".into()), Source::Cookie("k".into())];
    let config = ApiKeyAuth { forwarding, sources, ..keys() };
    let mut bench = Filtered::new([("keys", HttpFilterConfig::ApiKeyAuth(config.into()))]);
    bench.app(Script::answers(200, &[], &[]));
    let headers = [("x-key", "k1"), ("x-key", "k2"), ("x-client", "admin"), ("cookie", "a=1; k=k2; b=2")];
    assert_eq!(bench.send(with(get("/p?k=k2&a=1"), &headers)).await.status(), 200);
    let seen = bench.app_saw();
    assert_eq!(seen.header("x-client").as_deref(), Some("one"));
    assert_eq!((seen.header("x-key"), seen.header("cookie").as_deref()), (None, Some("a=1; b=2")));
    assert_eq!(&seen.head.path[..], b"/p?a=1");
}

#[test]
fn keys_are_never_shown() {
    assert!(!format!("{:?}", keys()).contains("k1"));
}
