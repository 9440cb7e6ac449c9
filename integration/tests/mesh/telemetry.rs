//! Istio's metrics with istiod's own configuration of them: every label of both sides, against files that were written by hand from what
//! Istio documents, and `Telemetry` objects that change them live.

use outrigger_integration::lab::workload::Workload;
use outrigger_integration::lab::{Result, wait};

use super::world::{SHOWS, World, expect, expect_equal, talk};

const BY_SOURCE: &str = include_str!("expected/requests_by_source.txt");
const BY_DESTINATION: &str = include_str!("expected/requests_by_destination.txt");

pub fn metrics_say_who_called_whom(world: &mut World) -> Result<()> {
    world.lab.apply(&telemetry(""))?;
    let judged = both_sides(world)
        .and_then(|()| one_more_label(world))
        .and_then(|()| fewer_labels(world))
        .and_then(|()| no_metric(world));
    world.lab.kube.delete(&telemetry(""))?;
    judged
}

/// Of the service of [`passthrough`](super::passthrough): what both sides count of connections is what was said.
pub fn metrics_of_connections_add_up(world: &mut World) -> Result<()> {
    world.lab.apply(&telemetry(""))?;
    let judged = connections(world);
    world.lab.kube.delete(&telemetry(""))?;
    judged
}

fn connections(world: &World) -> Result<()> {
    const SAID: &str = "credit 1 debit 2";
    const CONNECTIONS: u64 = 5;
    let talk = || talk(world, "127.0.0.2:7070", &[&format!("say={SAID}")]);
    let sides = [(&world.ratings, "source"), (&world.details, "destination")];
    let counts = || -> Result<Vec<u64>> {
        let of = |(workload, reporter): &(&Workload, &str), metric: &str| -> Result<u64> {
            let marks = [format!("reporter=\"{reporter}\""), "request_protocol=\"tcp\"".into()];
            let who = [
                "source_workload=\"ratings\"",
                "destination_workload=\"details\"",
                "destination_service_name=\"ledger\"",
            ];
            let all = exposed(workload, metric)?.into_iter();
            let is_meant = |labels: &str| marks.iter().map(String::as_str).chain(who).all(|mark| labels.contains(mark));
            Ok(all.filter(|(labels, _)| is_meant(labels)).map(|(_, value)| value).sum())
        };
        sides.iter().flat_map(|side| OF_CONNECTIONS.map(|metric| of(side, metric))).collect()
    };
    wait::until_true("connections to be counted on both sides", SHOWS, || {
        talk()?;
        Ok(counts()?.iter().all(|count| *count > 0))
    })?;
    // Those that are still to be told of.
    let mut before = counts()?;
    wait::until_true("the counts to rest", SHOWS, || {
        let now = counts()?;
        let rests = now == std::mem::replace(&mut before, now.clone()) && now[0] == now[1] && now[4] == now[5];
        Ok(rests)
    })?;
    let mut heard = 0;
    for _ in 0..CONNECTIONS {
        heard += talk()?.len() as u64;
    }
    let side = [CONNECTIONS, CONNECTIONS, heard, CONNECTIONS * SAID.len() as u64];
    let wanted: Vec<u64> = before.iter().zip(side.iter().chain(&side)).map(|(before, more)| before + more).collect();
    wait::until_true("both sides to count what was said", SHOWS, || Ok(counts()? == wanted))
}

const OF_CONNECTIONS: [&str; 4] = [
    "istio_tcp_connections_opened_total",
    "istio_tcp_connections_closed_total",
    "istio_tcp_sent_bytes_total",
    "istio_tcp_received_bytes_total",
];

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

/// A label has another value, and one is added: both as expressions say.
fn one_more_label(world: &World) -> Result<()> {
    world.lab.apply(&telemetry(
        "    overrides:
    - match:
        metric: REQUEST_COUNT
      tagOverrides:
        request_method:
          value: request.method
        destination_version:
          value: \"'mine'\"
",
    ))?;
    let before = labels(BY_SOURCE);
    let (start, rest) = before.split_once("destination_version=\"").ok_or("the label is not there")?;
    let (_, end) = rest.split_once('"').ok_or("the label does not end")?;
    let more = format!("{start}destination_version=\"mine\"{end},request_method=\"GET\"");
    wait::until_true("requests with the labels of the override", SHOWS, || {
        world.curl_details("/metrics")?.expect_status(200)?;
        Ok(count(&world.ratings, REQUESTS, &more)? > 0)
    })
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
