//! Tests of `health_check`.

use std::sync::Arc;
use std::time::Duration;

use config::filters::HttpFilterConfig;
use config::filters::health_check::HealthCheck;
use config::matcher::{HeaderMatcher, HeaderRule, StringMatcher};

use crate::drain::{Drain, DrainWatch, ServerDrain, Settings};
use crate::http::filters::bench::Filtered;
use crate::http::testing::fake::Script;
use crate::http::testing::{Outcome, get, post};
use config::listener::Direction;

fn check() -> HealthCheck {
    let rule = HeaderRule::String(StringMatcher::Exact { value: "/hc".into(), ignore_case: false });
    let path = HeaderMatcher { name: ":path".into(), rule, invert: false, missing_is_empty: false };
    HealthCheck {
        pass_through: false,
        cache_time: None,
        min_healthy: Vec::new(),
        headers: vec![path],
        local_cluster: "me".into(),
    }
}

fn filtered(config: HealthCheck) -> Filtered {
    Filtered::new([("check", HttpFilterConfig::HealthCheck(Arc::new(config)))])
}

async fn sent(bench: &mut Filtered, target: &str, status: u16) -> Outcome {
    bench.app(Script::answers(status, &[], &[]));
    let outcome = bench.send(get(target)).await;
    bench.cluster("app").scripts.borrow_mut().clear();
    outcome
}

fn checked(outcome: &Outcome) -> Option<String> {
    outcome.header("x-envoy-upstream-healthchecked-cluster")
}

#[tokio::test(start_paused = true)]
async fn health_checks_are_answered_and_counted_nowhere() {
    let mut bench = filtered(check());
    let outcome = sent(&mut bench, "/hc", 500).await;
    assert_eq!(
        (outcome.status(), outcome.details(), checked(&outcome).as_deref()),
        (200, "health_check_ok", Some("me"))
    );
    assert_eq!((outcome.flags().as_str(), outcome.info.health_check), ("-", true));
    let outcome = sent(&mut bench, "/other", 200).await;
    assert_eq!((outcome.details(), checked(&outcome), outcome.info.health_check), ("via_upstream", None, false));
    for (name, count) in [("downstream_rq_total", 2), ("downstream_rq_completed", 1), ("downstream_rq_2xx", 1)] {
        assert_eq!(bench.stat(&format!("http.test.{name}")), count, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_with_a_body_is_answered_when_that_has_come() {
    let mut bench = filtered(check());
    let outcome = bench.send_pieces(post("/hc"), &["a", "b"]).await;
    assert_eq!((outcome.status(), outcome.details(), outcome.info.bytes_received), (200, "health_check_ok", 2));
    bench.app(Script::answers(200, &[], &[]));
    assert_eq!(bench.send_pieces(post("/other"), &["a"]).await.details(), "via_upstream");
}

#[tokio::test(start_paused = true)]
async fn clusters_must_have_so_many_healthy_hosts() {
    for (cluster, percent, hosts, status, details) in [
        ("app", 100.0, 1, 200, "health_check_ok_cluster_healthy"),
        ("app", 0.0, 0, 200, "health_check_ok_cluster_healthy"),
        ("app", 0.9, 0, 200, "health_check_ok_cluster_healthy"),
        ("app", 1.0, 0, 503, "health_check_failed_cluster_empty"),
        ("none", 0.0, 1, 503, "health_check_failed_no_cluster_found"),
        ("sick", 51.0, 2, 503, "health_check_failed_cluster_unhealthy"),
        ("sick", 50.9, 2, 200, "health_check_ok_cluster_healthy"),
    ] {
        let mut bench = filtered(HealthCheck { min_healthy: vec![(cluster.into(), percent)], ..check() });
        if cluster != "none" {
            let cluster = bench.cluster(cluster);
            *cluster.hosts.borrow_mut() = (0..hosts).map(|host| format!("10.0.0.{host}:80").into()).collect();
            cluster.sick.set(usize::from(details.contains("unhealthy") || percent == 50.9));
        }
        let outcome = sent(&mut bench, "/hc", 200).await;
        assert_eq!((outcome.status(), outcome.details()), (status, details), "{cluster} {percent}");
        assert_eq!(outcome.flags(), if status == 200 { "-" } else { "LH" });
    }
}

#[tokio::test(start_paused = true)]
async fn the_application_s_answer_is_given_again_for_a_while() {
    let mut bench = filtered(HealthCheck { pass_through: true, cache_time: Some(Duration::from_secs(2)), ..check() });
    let outcome = sent(&mut bench, "/hc", 503).await;
    assert_eq!((outcome.status(), outcome.details(), checked(&outcome).as_deref()), (503, "via_upstream", Some("me")));
    let outcome = sent(&mut bench, "/hc", 200).await;
    assert_eq!((outcome.status(), outcome.details(), outcome.flags().as_str()), (503, "health_check_cached", "LH"));
    tokio::time::advance(Duration::from_secs(2)).await;
    bench.app(Script::answers(200, &[("x-envoy-degraded", "1")], &[]));
    assert_eq!(bench.send(get("/hc")).await.details(), "via_upstream");
    let outcome = sent(&mut bench, "/hc", 500).await;
    assert_eq!((outcome.status(), outcome.header("x-envoy-degraded").as_deref()), (200, Some("")));
    assert_eq!(bench.stat("http.test.downstream_rq_completed"), 0);
}

#[tokio::test(start_paused = true)]
async fn an_operator_makes_them_fail() {
    let settings = Settings::default();
    let server = ServerDrain::new(settings);
    server.set_healthy(false);
    let cache_time = Some(Duration::from_secs(60));
    for config in [
        check(),
        HealthCheck { pass_through: true, ..check() },
        HealthCheck { pass_through: true, cache_time, ..check() },
        HealthCheck { min_healthy: vec![("app".into(), 50.0)], ..check() },
    ] {
        let mut bench = filtered(config);
        bench.drain = DrainWatch::new(server.clone(), Drain::new(settings), Direction::Inbound);
        let outcome = sent(&mut bench, "/hc", 200).await;
        assert_eq!((outcome.status(), outcome.details(), outcome.flags().as_str()), (503, "health_check_failed", "LH"));
        assert_eq!(outcome.header("x-envoy-immediate-health-check-fail").as_deref(), Some("true"));
        assert_eq!(checked(&outcome).as_deref(), Some("me"));
        let outcome = sent(&mut bench, "/other", 200).await;
        assert_eq!((outcome.status(), outcome.details()), (200, "via_upstream"));
        assert_eq!(outcome.header("x-envoy-immediate-health-check-fail").as_deref(), Some("true"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_passed_on_is_marked_too() {
    let mut bench = filtered(HealthCheck { pass_through: true, ..check() });
    let outcome = sent(&mut bench, "/hc", 404).await;
    assert_eq!((outcome.status(), outcome.details(), outcome.info.health_check), (404, "via_upstream", true));
    assert_eq!(bench.stat("http.test.downstream_rq_4xx"), 0);
}
