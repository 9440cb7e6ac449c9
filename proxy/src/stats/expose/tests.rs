//! Tests of `expose`.

use std::sync::Arc;

use super::*;
use crate::stats::StatsSettings;

fn istio() -> Arc<Stats> {
    let tags = [("cluster_name", r"^cluster(\.(.+);)"), ("response_code", r"_rq(_(\d{3}))$")];
    Stats::new(StatsSettings {
        tags: tags.iter().map(|(tag, regex)| (Arc::from(*tag), Arc::from(*regex))).collect(),
        default_tags: false,
        ..StatsSettings::default()
    })
}

#[test]
fn text_lines_have_one_colon() {
    let stats = istio();
    stats.gauge("server.state").set(0);
    stats.counter("listener.0.0.0.0_15021.downstream_cx_total").add(3);
    stats.counter("odd:name").inc();
    stats.histogram("http.a.downstream_rq_time");
    let text = text(&stats.samples(|_, _| true), Buckets::Quantiles);
    assert_eq!(
        text,
        "listener.0.0.0.0_15021.downstream_cx_total: 3\nodd_name: 1\nserver.state: 0\n\
         http.a.downstream_rq_time: No recorded values\n"
    );
    assert!(text.lines().all(|line| line.matches(':').count() == 1));
}

#[test]
fn histograms_in_every_form() {
    let stats = istio();
    let histogram = stats.histogram("h");
    [0, 3, 1_000_000, 9_000_000].into_iter().for_each(|value| histogram.record(value));
    stats.flush();
    histogram.record(7);
    let samples = stats.samples(|_, _| true);
    let cumulative = text(&samples, Buckets::Cumulative);
    assert!(cumulative.starts_with("h: B0.5(1,1) B1(1,1) B5(2,2) B10(2,3) B25(2,3) "), "{cumulative}");
    assert!(cumulative.ends_with(" B600000(2,3) B1.8e+06(3,4) B3.6e+06(3,4)\n"), "{cumulative}");
    let disjoint = text(&samples, Buckets::Disjoint);
    assert!(disjoint.starts_with("h: B0.5(1,1) B1(0,0) B5(1,1) B10(0,1) B25(0,0) "), "{disjoint}");
    let quantiles = text(&samples, Buckets::Quantiles);
    assert!(quantiles.starts_with("h: P0(0,0) P25("), "{quantiles}");
    assert!(quantiles.ends_with(" P100(8899999,8899998)\n"), "{quantiles}");
    for (buckets, expected) in
        [(Buckets::Cumulative, [(1, 1), (1, 1), (2, 2), (2, 3)]), (Buckets::Disjoint, [(1, 1), (0, 0), (1, 1), (0, 1)])]
    {
        let json: serde_json::Value = serde_json::from_str(&json(&samples, buckets)).unwrap();
        let histogram = &json["stats"][0]["histograms"][0];
        assert_eq!((histogram["name"].as_str(), &histogram["buckets"][0]["upper_bound"]), (Some("h"), &0.5.into()));
        for (index, (interval, all)) in expected.into_iter().enumerate() {
            let bucket = &histogram["buckets"][index];
            assert_eq!(
                (&bucket["interval"], &bucket["cumulative"]),
                (&interval.into(), &all.into()),
                "{buckets:?} {index}"
            );
        }
    }
    let json: serde_json::Value = serde_json::from_str(&json(&samples, Buckets::Quantiles)).unwrap();
    assert_eq!(json["stats"][0]["histograms"]["computed_quantiles"][0]["values"].as_array().unwrap().len(), 10);
}

#[test]
fn json_as_envoys() {
    let stats = istio();
    stats.counter("a.b").inc();
    stats.gauge("c\"d").set(5);
    assert_eq!(
        json(&stats.samples(|_, _| true), Buckets::Quantiles),
        r#"{"stats":[{"name":"a.b","value":1},{"name":"c\"d","value":5}]}"#
    );
    assert_eq!(json(&[], Buckets::Quantiles), r#"{"stats":[]}"#);
}

#[test]
fn prometheus_as_envoys() {
    let stats = istio();
    stats.counter("cluster.xds-grpc;.upstream_rq_200").add(2);
    stats.counter("cluster.in;.upstream_rq_200").add(1);
    stats.counter("cluster_manager.cds.update_success").add(1);
    stats.gauge("server.live").set(1);
    let histogram = stats.histogram("cluster.in;.upstream_rq_time");
    histogram.record(3);
    histogram.record(4_000_000);
    let labels = [("reporter", "source"), ("response_code", "200"), ("odd name", "a\"b\\c\nd"), ("empty", "")];
    stats.counter_tagged("istiocustom.istio_requests_total", &labels).inc();
    stats.gauge_tagged("istiocustom.istio_build", &[("component", "proxy"), ("tag", "1.31")]).set(1);
    stats.counter("istiocustom.1bad").inc();
    let text = prometheus(&stats, &stats.samples(|_, _| true), Exposition::default());
    let mut lines: Vec<&str> = text.lines().collect();
    lines.retain(|line| {
        !line.contains("_bucket") || line.contains("le=\"1\"") || line.contains("le=\"5\"") || line.contains("Inf")
    });
    assert_eq!(
        lines,
        [
            "# TYPE envoy_cluster_upstream_rq counter",
            "envoy_cluster_upstream_rq{cluster_name=\"in\",response_code=\"200\"} 1",
            "envoy_cluster_upstream_rq{cluster_name=\"xds-grpc\",response_code=\"200\"} 2",
            "# TYPE envoy_cluster_manager_cds_update_success counter",
            "envoy_cluster_manager_cds_update_success{} 1",
            "# TYPE istio_requests_total counter",
            "istio_requests_total{reporter=\"source\",response_code=\"200\",odd_name=\"a\\\"b\\\\c\\nd\",empty=\"\"} 1",
            "# TYPE istio_build gauge",
            "istio_build{component=\"proxy\",tag=\"1.31\"} 1",
            "# TYPE envoy_server_live gauge",
            "envoy_server_live{} 1",
            "# TYPE envoy_cluster_upstream_rq_time histogram",
            "envoy_cluster_upstream_rq_time_bucket{cluster_name=\"in\",le=\"1\"} 0",
            "envoy_cluster_upstream_rq_time_bucket{cluster_name=\"in\",le=\"5\"} 1",
            "envoy_cluster_upstream_rq_time_bucket{cluster_name=\"in\",le=\"+Inf\"} 2",
            "envoy_cluster_upstream_rq_time_sum{cluster_name=\"in\"} 4000003",
            "envoy_cluster_upstream_rq_time_count{cluster_name=\"in\"} 2",
        ]
    );
    assert!(!text.contains("# EOF") && text.contains("le=\"1800000\""));
}

#[test]
fn texts_come_first_and_only_when_set() {
    let stats = istio();
    stats.counter("a").inc();
    let version = stats.text("cluster_manager.cds.version_text");
    stats.text("control_plane.identifier");
    let all = |_: &str, _: Kind| true;
    assert_eq!(text(&stats.samples(all), Buckets::Quantiles), "a: 1\n");
    version.set("v\"1\"");
    let samples = stats.samples(all);
    assert_eq!(text(&samples, Buckets::Quantiles), "cluster_manager.cds.version_text: \"v\"1\"\"\na: 1\n");
    assert_eq!(
        json(&samples, Buckets::Quantiles),
        r#"{"stats":[{"name":"cluster_manager.cds.version_text","value":"v\"1\""},{"name":"a","value":1}]}"#
    );
    assert!(!prometheus(&stats, &samples, Exposition::default()).contains("version_text"));
}

#[test]
fn texts_and_summaries_are_shown_to_who_asks() {
    let stats = Stats::new(StatsSettings::default());
    stats.text("server.words").set("a \"b\"");
    let time = stats.histogram("server.time");
    time.record(3);
    stats.flush();
    let shape = Exposition { summaries: true, texts: true };
    let text = prometheus(&stats, &stats.samples(|_, _| true), shape);
    assert!(
        text.contains("# TYPE envoy_server_words gauge\nenvoy_server_words{text_value=\"a \\\"b\\\"\"} 0\n"),
        "{text}"
    );
    assert!(text.contains("# TYPE envoy_server_time summary\nenvoy_server_time{quantile=\"0\"} "), "{text}");
    assert!(text.ends_with("envoy_server_time_sum{} 3\nenvoy_server_time_count{} 1\n"), "{text}");
}

#[test]
fn details_are_envoys_as_far_as_buckets_tell() {
    let stats = Stats::new(StatsSettings::default());
    let time = stats.histogram("server.time");
    stats.histogram("server.unused");
    time.record(3);
    stats.flush();
    time.record(4);
    let samples = stats.samples(|_, _| true);
    let shown = text(&samples, Buckets::Detailed);
    assert!(shown.starts_with("server.time:\n  totals=1,4:2\n  intervals=1,4:1\n  summary=P0("), "{shown}");
    assert!(shown.ends_with("server.unused: No recorded values\n"), "{shown}");
    let value: serde_json::Value = serde_json::from_str(&json(&samples, Buckets::Detailed)).unwrap();
    let details = &value["stats"][0]["histograms"];
    assert_eq!(details["supported_percentiles"][3], 75);
    assert_eq!(details["details"][0]["totals"][0], serde_json::json!({ "lower_bound": 1, "width": 4, "count": 2 }));
    assert_eq!(details["details"][1]["percentiles"][0]["cumulative"], serde_json::Value::Null);
}
