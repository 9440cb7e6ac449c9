//! Istio's metrics with istiod's own configuration of them: every label of both sides, against files that were written by hand from what
//! Istio documents, and `Telemetry` objects that change them live.

use outrigger_integration::lab::workload::Workload;
use outrigger_integration::lab::{Result, wait};

use super::world::{SHOWS, World, expect, expect_equal};

const BY_SOURCE: &str = include_str!("expected/requests_by_source.txt");
const BY_DESTINATION: &str = include_str!("expected/requests_by_destination.txt");

pub fn metrics_say_who_called_whom(world: &mut World) -> Result<()> {
    world.lab.apply(&telemetry(""))?;
    let judged = both_sides(world).and_then(|()| fewer_labels(world)).and_then(|()| no_metric(world));
    world.lab.kube.delete(&telemetry(""))?;
    judged
}

fn both_sides(world: &World) -> Result<()> {
    let (source, destination) = (labels(BY_SOURCE), labels(BY_DESTINATION));
    wait::until_true("both sides to report", SHOWS, || {
        world.curl_details("/metrics")?.expect_status(200)?;
        Ok(count(&world.ratings, REQUESTS, &source)? > 0 && count(&world.details, REQUESTS, &destination)? > 0)
    })?;
    let before = (count(&world.ratings, REQUESTS, &source)?, count(&world.details, REQUESTS, &destination)?);
    for _ in 0..10 {
        world.curl_details("/metrics")?.expect_status(200)?;
    }
    wait::until_true("the requests to be counted", SHOWS, || {
        let now = (count(&world.ratings, REQUESTS, &source)?, count(&world.details, REQUESTS, &destination)?);
        Ok(now == (before.0 + 10, before.1 + 10))
    })?;
    for (workload, labels) in [(&world.ratings, &source), (&world.details, &destination)] {
        let requests = count(workload, REQUESTS, labels)?;
        for metric in DISTRIBUTIONS {
            expect_equal(metric, count(workload, &format!("{metric}_count"), labels)?, requests)?;
        }
        let version = exposed(workload, "istio_build")?;
        expect(version.len() == 1 && version[0].0.starts_with("component=\"proxy\",tag=\""), || {
            format!("{version:?}")
        })?;
    }
    let seen = world.details.app_saw("http")?;
    let told = |seen: &serde_json::Value| seen.to_string().to_ascii_lowercase().contains("x-envoy-peer-metadata");
    expect(!seen.iter().any(told), || "the application saw the headers of the exchange".into())
}

/// A label is removed.
fn fewer_labels(world: &World) -> Result<()> {
    world.lab.apply(&telemetry(
        "    overrides:
    - match:
        metric: REQUEST_COUNT
      tagOverrides:
        response_flags:
          operation: REMOVE
",
    ))?;
    let fewer = labels(BY_SOURCE).replace("response_flags=\"-\",", "");
    wait::until_true("requests without the label", SHOWS, || {
        world.curl_details("/metrics")?.expect_status(200)?;
        Ok(count(&world.ratings, REQUESTS, &fewer)? > 0)
    })
}

/// A metric is switched off: what it has counted stays as it is.
fn no_metric(world: &World) -> Result<()> {
    world.lab.apply(&telemetry(
        "    overrides:
    - match:
        metric: REQUEST_SIZE
      disabled: true
",
    ))?;
    let of = |metric: &str| count(&world.ratings, metric, &labels(BY_SOURCE));
    wait::until_true("requests whose size is not counted", SHOWS, || {
        let before = (of("istio_request_bytes_count")?, of("istio_response_bytes_count")?);
        world.curl_details("/metrics")?.expect_status(200)?;
        let after = (of("istio_request_bytes_count")?, of("istio_response_bytes_count")?);
        Ok(after == (before.0, before.1 + 1))
    })
}

const REQUESTS: &str = "istio_requests_total";
const DISTRIBUTIONS: [&str; 3] = ["istio_request_duration_milliseconds", "istio_request_bytes", "istio_response_bytes"];

/// The value of the series with exactly these labels; 0 where there is none.
fn count(workload: &Workload, metric: &str, labels: &str) -> Result<u64> {
    let all = exposed(workload, metric)?;
    Ok(all.into_iter().find(|(of, _)| of == labels).map_or(0, |(_, value)| value))
}

/// All series of a metric.
fn exposed(workload: &Workload, metric: &str) -> Result<Vec<(String, u64)>> {
    let text = workload.admin("/stats/prometheus")?.expect_status(200)?.body;
    let mut all = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix(metric).and_then(|rest| rest.strip_prefix('{')) {
            let (labels, value) = rest.rsplit_once("} ").ok_or("a sample has no value")?;
            all.push((labels.to_owned(), value.parse()?));
        }
    }
    Ok(all)
}

/// A file of `name=value` lines as the text format has them.
fn labels(file: &str) -> String {
    let lines = file.lines().filter_map(|line| line.split_once('='));
    lines.map(|(name, value)| format!("{name}=\"{value}\"")).collect::<Vec<_>>().join(",")
}

fn telemetry(overrides: &str) -> String {
    format!(
        "apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata:
  name: metrics
  namespace: bookinfo
spec:
  metrics:
  - providers:
    - name: prometheus
{overrides}"
    )
}
