//! Tests of `credential_injector`.

use std::sync::Arc;

use config::filters::HttpFilterConfig;
use config::filters::credential_injector::CredentialInjector as Config;
use config::secret::{DataSource, GenericSecret, SecretKind};
use config::tls::{SdsName, SdsSource};

use super::CredentialInjector;
use crate::http::filters::bench::Filtered;
use crate::http::filters::filter::{FilterDeps, HttpFilter as _};
use crate::http::testing::{fake, get, with};
use crate::stats::{Stats, StatsSettings};

fn token() -> SdsName {
    SdsName { name: "token".into(), source: SdsSource::Ads, initial_fetch_timeout: None }
}

fn config() -> Config {
    Config { overwrites: false, may_lack: false, secret: token(), header: "x-token".into(), prefix: "Bearer ".into() }
}

fn bench(config: Config) -> Filtered {
    Filtered::new([("credential", HttpFilterConfig::CredentialInjector(Arc::new(config)))])
}

fn put(bench: &Filtered, secret: &'static str) {
    let secret = Some(DataSource::Inline(secret.as_bytes().into()));
    let secret = SecretKind::Generic(GenericSecret { secret, ..GenericSecret::default() });
    bench.secrets.update(&token().id(), secret).expect("a good secret");
}

#[tokio::test(start_paused = true)]
async fn requests_carry_the_credential_of_the_moment() {
    let mut bench = bench(config());
    for secret in ["one", "two"] {
        put(&bench, secret);
        bench.app(fake::Script::answers(200, &[], &[]));
        assert_eq!(bench.send(get("/")).await.status(), 200);
        assert_eq!(bench.app_saw().header("x-token"), Some(format!("Bearer {secret}")));
    }
    assert_eq!(bench.stat("http.test.credential_injector.injected"), 2);
}

#[tokio::test(start_paused = true)]
async fn without_a_credential_nothing_passes() {
    let bench = bench(config());
    let outcome = bench.send(get("/")).await;
    assert_eq!((outcome.status(), outcome.body().as_str()), (401, "Failed to inject credential."));
    assert_eq!(bench.stat("http.test.credential_injector.failed"), 1);
}

#[tokio::test(start_paused = true)]
async fn unless_it_may() {
    let mut bench = bench(Config { may_lack: true, ..config() });
    bench.app(fake::Script::answers(200, &[], &[]));
    assert_eq!(bench.send(get("/")).await.status(), 200);
    assert_eq!(bench.app_saw().header("x-token"), None);
    assert_eq!(bench.stat("http.test.credential_injector.failed"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_client_has_sent_stays_unless_it_is_overwritten() {
    for (overwrites, expected) in [(false, "mine"), (true, "Bearer one")] {
        let mut bench = bench(Config { overwrites, ..config() });
        put(&bench, "one");
        bench.app(fake::Script::answers(200, &[], &[]));
        assert_eq!(bench.send(with(get("/"), &[("x-token", "mine")])).await.status(), 200);
        assert_eq!(bench.app_saw().header("x-token").as_deref(), Some(expected));
        assert_eq!(bench.stat("http.test.credential_injector.already_exists"), u64::from(!overwrites));
    }
}

#[test]
fn where_there_are_no_secrets_it_is_refused() {
    let stats = Stats::new(StatsSettings::default());
    let deps = FilterDeps { stats: &stats, scope: "", discoveries: None, secrets: None, behind: false };
    let rejection = CredentialInjector::compile(&config(), &deps).expect_err("a route's tree");
    assert!(rejection.withholds_policy, "{rejection}");
}
