//! Istio's metrics as Prometheus scrapes them at both sidecars of a call, label by label, with the filters as istiod sends them.

use std::collections::BTreeMap;

use outrigger_integration::control_plane::model::{Protocol, Service};
use outrigger_integration::control_plane::resources::types;
use outrigger_integration::embedded::app::Echo;
use outrigger_integration::embedded::client::Request;
use outrigger_integration::embedded::sidecar::Sidecar;
use outrigger_integration::embedded::{EmbeddedMesh, RATINGS};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The series of a metric that a sidecar exposes, by their labels.
async fn series(sidecar: &Sidecar, metric: &str) -> BTreeMap<String, u64> {
    let address = sidecar.ports().bootstrap.prometheus;
    let text = Request::get("/stats/prometheus").host("prometheus").send(address).await.text();
    let mut all = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix(metric).and_then(|rest| rest.strip_prefix('{')) {
            let (labels, value) = rest.rsplit_once("} ").expect("a sample has a value");
            let value = value.parse().expect("counts are whole");
            assert!(all.insert(labels.to_owned(), value).is_none(), "twice: {line}");
        }
    }
    all
}

/// Waits for exactly these series: requests are counted when they are over, which their clients do not see.
async fn expect(sidecar: &Sidecar, metric: &str, expected: &[(&str, u64)]) {
    let expected: BTreeMap<String, u64> = expected.iter().map(|(text, count)| (labels(text), *count)).collect();
    let seen = async || {
        let found = series(sidecar, metric).await;
        if found != expected {
            outrigger_integration::skip::print(&format!("{metric}: {found:#?}"));
        }
        (found == expected).then_some(())
    };
    sidecar.wait_until(&format!("{metric}: {expected:#?}"), seen).await;
}

/// `name=value` pairs as the text format has them.
fn labels(pairs: &str) -> String {
    let pairs = pairs.split_whitespace().map(|pair| pair.split_once('=').expect("a pair"));
    pairs.map(|(name, value)| format!("{name}=\"{value}\"")).collect::<Vec<_>>().join(",")
}

const RATINGS_AS_SOURCE: &str =
    "source_workload=ratings source_canonical_service=ratings source_canonical_revision=latest
    source_workload_namespace=bookinfo source_principal=spiffe://cluster.local/ns/bookinfo/sa/bookinfo-ratings
    source_app=ratings source_version= source_cluster=Kubernetes";
const DETAILS_AS_DESTINATION: &str = "destination_workload=details destination_workload_namespace=bookinfo
    destination_principal=spiffe://cluster.local/ns/bookinfo/sa/bookinfo-details destination_app=details";
const DETAILS_SERVICE: &str =
    "destination_service=details.bookinfo.svc.cluster.local destination_canonical_service=details
    destination_canonical_revision=latest destination_service_name=details destination_service_namespace=bookinfo
    destination_cluster=Kubernetes";
const OK: &str = "request_protocol=http response_code=200 grpc_response_status= response_flags=-";

/// What a node does not say of itself is empty, and what a peer does not say is unknown.
fn by_source(end: &str) -> String {
    format!(
        "reporter=source {RATINGS_AS_SOURCE} {DETAILS_AS_DESTINATION} destination_version=unknown {DETAILS_SERVICE} {end}
         connection_security_policy=unknown"
    )
}

fn by_destination(end: &str) -> String {
    let source = RATINGS_AS_SOURCE.replace("source_version= ", "source_version=unknown ");
    format!(
        "reporter=destination {source} {DETAILS_AS_DESTINATION} destination_version= {DETAILS_SERVICE} {end}
         connection_security_policy=mutual_tls"
    )
}

#[tokio::test]
async fn both_sides_report_a_request_with_every_label() {
    let mesh = EmbeddedMesh::start().await;
    for _ in 0..5 {
        assert_eq!(mesh.get("/details/0").await.status, 200);
    }
    expect(&mesh.ratings, "istio_requests_total", &[(&by_source(OK), 5)]).await;
    expect(&mesh.details, "istio_requests_total", &[(&by_destination(OK), 5)]).await;
    for sidecar in [&mesh.ratings, &mesh.details] {
        for metric in
            ["istio_request_duration_milliseconds_count", "istio_request_bytes_count", "istio_response_bytes_count"]
        {
            assert_eq!(series(sidecar, metric).await.into_values().collect::<Vec<_>>(), [5], "{metric}");
        }
        assert_eq!(series(sidecar, "istio_build").await, BTreeMap::from([(labels("component=proxy tag=unknown"), 1)]));
    }
    // The headers that told it went no further.
    let arrived = mesh.app.last();
    assert_eq!((arrived.header("x-envoy-peer-metadata"), arrived.header("x-envoy-peer-metadata-id")), (None, None));
}

#[tokio::test]
async fn a_client_without_a_sidecar_is_unknown() {
    let mesh = EmbeddedMesh::start().await;
    let reply = Request::get("/").host("details").send(mesh.ingress).await;
    assert_eq!((reply.status, reply.header("x-envoy-peer-metadata")), (200, None));
    let source = "source_workload=unknown source_canonical_service=unknown source_canonical_revision=latest
        source_workload_namespace=unknown source_principal=unknown source_app=unknown source_version=unknown
        source_cluster=unknown";
    let destination = DETAILS_AS_DESTINATION.replace(
        "destination_principal=spiffe://cluster.local/ns/bookinfo/sa/bookinfo-details",
        "destination_principal=unknown",
    );
    let expected = format!(
        "reporter=destination {source} {destination} destination_version= {DETAILS_SERVICE} {OK}
         connection_security_policy=none"
    );
    expect(&mesh.details, "istio_requests_total", &[(&expected, 1)]).await;
}

#[tokio::test]
async fn what_goes_wrong_and_out_of_the_mesh_is_reported_by_its_source() {
    let app = outrigger_integration::embedded::app::App::start("plain").await;
    let address = app.address();
    let mesh = EmbeddedMesh::start_changed(move |mesh| {
        mesh.services.push(Service::new("plain").port(8080, Protocol::Http).plain_endpoint(8080, address));
        mesh.services.push(Service::new("empty").port(8080, Protocol::Http));
    })
    .await;
    for (host, status) in [("plain", 200), ("empty", 503), ("nobody.example", 503)] {
        assert_eq!(Request::get("/").host(host).send(mesh.egress).await.status, status, "{host}");
    }
    let source = RATINGS_AS_SOURCE.replace("spiffe://cluster.local/ns/bookinfo/sa/bookinfo-ratings", "unknown");
    let called = |service: &str, name: &str, namespace: &str, end: &str| {
        format!(
            "reporter=source {source} destination_workload=unknown destination_workload_namespace=unknown
             destination_principal=unknown destination_app=unknown destination_version=unknown
             destination_service={service} destination_canonical_service=unknown destination_canonical_revision=latest
             destination_service_name={name} destination_service_namespace={namespace} destination_cluster=unknown
             {end} connection_security_policy=unknown"
        )
    };
    let failed = "request_protocol=http response_code=503 grpc_response_status= response_flags=UH";
    let host = |name: &str| format!("{name}.bookinfo.svc.cluster.local");
    expect(
        &mesh.ratings,
        "istio_requests_total",
        &[
            (&called(&host("plain"), "plain", "bookinfo", OK), 1),
            (&called(&host("empty"), "empty", "bookinfo", failed), 1),
            (&called("nobody.example", "PassthroughCluster", "unknown", failed), 1),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_change_of_the_metrics_takes_effect_live() {
    let mesh = EmbeddedMesh::start().await;
    assert_eq!(mesh.get("/").await.status, 200);
    expect(&mesh.ratings, "istio_requests_total", &[(&by_source(OK), 1)]).await;
    let listener = format!("{}_{}", mesh.egress.ip(), mesh.egress.port());
    mesh.control_plane.edit(RATINGS, move |set| {
        let manager = &mut set.edit(types::LISTENER, &listener)["filter_chains"][0]["filters"][0]["typed_config"];
        let filters = manager["http_filters"].as_array_mut().expect("a manager has filters");
        let stats = filters.iter_mut().find(|filter| filter["name"] == "istio.stats").expect("there are metrics");
        stats["typed_config"]["metrics"] = json!([
            { "name": "request_bytes", "drop": true },
            { "tags_to_remove": ["response_flags"] }
        ]);
    });
    let fewer = labels(&by_source(OK)).replace("response_flags=\"-\",", "");
    let there = async || {
        mesh.get("/").await;
        series(&mesh.ratings, "istio_requests_total").await.contains_key(&fewer).then_some(())
    };
    mesh.ratings.wait_until("without the label", there).await;
    // What was counted before stays.
    assert_eq!(series(&mesh.ratings, "istio_request_bytes_count").await.len(), 1);
    assert_eq!(series(&mesh.ratings, "istio_response_bytes_count").await.len(), 2);
}

#[tokio::test]
async fn expressions_are_labels_and_metrics_of_their_own() {
    let mesh = EmbeddedMesh::start().await;
    let listener = format!("{}_{}", mesh.egress.ip(), mesh.egress.port());
    mesh.control_plane.edit(RATINGS, move |set| {
        let manager = &mut set.edit(types::LISTENER, &listener)["filter_chains"][0]["filters"][0]["typed_config"];
        let filters = manager["http_filters"].as_array_mut().expect("a manager has filters");
        let stats = filters.iter_mut().find(|filter| filter["name"] == "istio.stats").expect("there are metrics");
        stats["typed_config"]["definitions"] = json!([
            { "name": "custom", "value": "1" },
            { "name": "sizes", "value": "request.size + 7", "type": "HISTOGRAM" },
            { "name": "last", "value": "string(response.code)", "type": "GAUGE" }
        ]);
        stats["typed_config"]["metrics"] = json!([
            { "name": "custom", "dimensions": { "reporter": "'proxy'", "caller": "filter_state.upstream_peer.namespace" } },
            {
                "name": "requests_total",
                "dimensions": {
                    "source_workload": "'_' + xds.node.metadata['WORKLOAD_NAME']",
                    "destination_app": "cannot _ parse",
                    "way": "request.url_path + '=' + request.method",
                    "broken": "} {",
                    "absent": "request.headers['x-absent']"
                }
            }
        ]);
    });
    let own = labels(&by_source(OK))
        .replace("source_workload=\"ratings\"", "source_workload=\"_ratings\"")
        .replace("destination_app=\"details\",", "");
    // What is there already keeps its place.
    let expected = format!("{own},absent=\"unknown\",way=\"/details/7=GET\"");
    let there = async || {
        mesh.get("/details/7").await;
        series(&mesh.ratings, "istio_requests_total").await.contains_key(&expected).then_some(())
    };
    mesh.ratings.wait_until("labels of expressions", there).await;
    let counted = series(&mesh.ratings, "istio_requests_total").await[&expected];
    let custom = series(&mesh.ratings, "istio_custom").await;
    let label = labels("caller=bookinfo reporter=proxy");
    assert!(custom.len() == 1 && custom[&label] >= counted, "{custom:?} of {counted}");
    let [sum, count] =
        [series(&mesh.ratings, "istio_sizes_sum").await, series(&mesh.ratings, "istio_sizes_count").await];
    let [sum, count] = [sum, count].map(|all| all.into_values().collect::<Vec<_>>());
    assert!(sum.len() == 1 && sum[0] == 7 * count[0], "{sum:?} of {count:?}");
    // The other metrics are as they were.
    assert!(series(&mesh.ratings, "istio_request_bytes_count").await.contains_key(&labels(&by_source(OK))));
}

#[tokio::test]
async fn both_sides_report_a_connection_and_its_octets() {
    let echo = Echo::start().await;
    let (mesh, [egress, _]) = EmbeddedMesh::start_with_tcp(echo.address(), |_| ()).await;
    // From one octet to many reads: what comes back is what was sent.
    for length in [1, 1000, 300_000] {
        let said: Vec<u8> = (0..length).map(|index| index as u8).collect();
        let (mut reading, mut writing) = TcpStream::connect(egress).await.unwrap().into_split();
        let sent = said.clone();
        let writes = tokio::spawn(async move {
            writing.write_all(&sent).await.unwrap();
            writing.shutdown().await.unwrap();
        });
        let mut answer = Vec::new();
        reading.read_to_end(&mut answer).await.unwrap();
        writes.await.unwrap();
        assert!(answer == said, "{length}: {} came back", answer.len());
    }
    let service =
        DETAILS_SERVICE.replace("details.bookinfo", "db.bookinfo").replace("service_name=details", "service_name=db");
    let end = "request_protocol=tcp response_flags=-";
    let source = format!(
        "reporter=source {RATINGS_AS_SOURCE} {DETAILS_AS_DESTINATION} destination_version=unknown {service} {end}
         connection_security_policy=unknown"
    );
    let destination = format!(
        "reporter=destination {} {DETAILS_AS_DESTINATION} destination_version= {service} {end}
         connection_security_policy=mutual_tls",
        RATINGS_AS_SOURCE.replace("source_version= ", "source_version=unknown ")
    );
    for (sidecar, labels) in [(&mesh.ratings, &source), (&mesh.details, &destination)] {
        expect(sidecar, "istio_tcp_connections_closed_total", &[(labels, 3)]).await;
        expect(sidecar, "istio_tcp_connections_opened_total", &[(labels, 3)]).await;
        expect(sidecar, "istio_tcp_sent_bytes_total", &[(labels, 301_001)]).await;
        expect(sidecar, "istio_tcp_received_bytes_total", &[(labels, 301_001)]).await;
    }
}
