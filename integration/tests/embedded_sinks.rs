//! Statistics that are told without asking: statsd over UDP and TCP, DogStatsD, and Envoy's metrics service, each to a receiver of this
//! test.

use std::collections::HashMap;
use std::net::SocketAddr;

use envoy_types::pb::envoy::service::metrics::v3::metrics_service_server::{MetricsService, MetricsServiceServer};
use envoy_types::pb::envoy::service::metrics::v3::{StreamMetricsMessage, StreamMetricsResponse};
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use outrigger_integration::control_plane::bootstrap;
use outrigger_integration::embedded::ports::Ports;
use outrigger_integration::embedded::sidecar::{Launch, Sidecar};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status, Streaming};

fn socket(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}

fn sink(kind: &str, mut config: Value) -> Value {
    config["@type"] = format!("type.googleapis.com/envoy.config.metrics.v3.{kind}").into();
    json!({ "name": kind, "typed_config": config })
}

/// A proxy without listeners that tells these sinks every tenth of a second.
fn started(sinks: Value, clusters: &[(&str, SocketAddr, bool)]) -> Sidecar {
    let (root, ports) = (tempfile::tempdir().expect("a folder"), Ports::free());
    let cluster = |(name, address, http2): &(&str, SocketAddr, bool)| {
        let mut cluster = json!({ "name": name, "type": "STATIC", "load_assignment": { "cluster_name": name, "endpoints": [
            { "lb_endpoints": [{ "endpoint": { "address": socket(*address) } }] }] } });
        if *http2 {
            cluster["typed_extension_protocol_options"] = json!({ "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": { "http2_protocol_options": {} } } });
        }
        cluster
    };
    let document = json!({
        "admin": { "address": socket(ports.bootstrap.admin) },
        "node": { "id": "the-node", "cluster": "c" },
        "stats_flush_interval": "0.1s",
        "stats_sinks": sinks,
        "static_resources": { "clusters": clusters.iter().map(cluster).collect::<Vec<_>>() },
    });
    let file = bootstrap::write(root.path(), &document);
    Sidecar::spawn("sinks", root, ports, &file, Launch::default())
}

/// The value of the first line of this name.
fn value_of(line: &str, name: &str) -> Option<String> {
    line.strip_prefix(name)?.strip_prefix(':').map(str::to_owned)
}

#[tokio::test]
async fn statsd_and_dogstatsd_over_udp() {
    let plain = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let dog = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let address = |receiver: &UdpSocket| receiver.local_addr().expect("it is bound");
    let nowhere = address(&plain);
    let _proxy = started(
        json!([
            sink("StatsdSink", json!({ "address": socket(address(&plain)) })),
            sink(
                "DogStatsdSink",
                json!({ "address": socket(address(&dog)), "prefix": "dog", "max_bytes_per_datagram": "600" })
            ),
        ]),
        &[("back", nowhere, false)],
    );
    let mut buffer = vec![0; 65_536];
    let mut added = Vec::new();
    while added.len() < 2 {
        let read = plain.recv(&mut buffer).await.expect("a datagram");
        let line = std::str::from_utf8(&buffer[..read]).expect("text");
        assert!(!line.contains('\n'), "a line each: {line}");
        added.extend(value_of(line, "envoy.cluster_manager.cluster_added"));
    }
    assert_eq!(added, ["1|c", "0|c"], "what came since the last time");
    let mut tagged = None;
    while tagged.is_none() {
        let read = dog.recv(&mut buffer).await.expect("a datagram");
        let text = std::str::from_utf8(&buffer[..read]).expect("text");
        assert!(text.len() <= 600 && !text.ends_with('\n'), "{text}");
        tagged = text.lines().find_map(|line| value_of(line, "dog.cluster.membership_total"));
    }
    assert_eq!(tagged.as_deref(), Some("1|g|#envoy.cluster_name:back"));
}

#[tokio::test]
async fn statsd_over_tcp_connects_again() {
    let receiver = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = receiver.local_addr().expect("it is bound");
    let sinks = json!([sink("StatsdSink", json!({ "tcp_cluster_name": "statsd", "prefix": "tcp" }))]);
    let _proxy = started(sinks, &[("statsd", address, false)]);
    for _ in 0..2 {
        let (stream, _) = receiver.accept().await.expect("the proxy comes");
        let mut lines = BufReader::new(stream).lines();
        loop {
            let line = lines.next_line().await.expect("text").expect("it goes on");
            if let Some(value) = value_of(&line, "tcp.cluster.statsd.membership_total") {
                assert_eq!(value, "1|g");
                break;
            }
        }
        // The receiver breaks off, and is come to again.
    }
}

struct Receiver(mpsc::UnboundedSender<StreamMetricsMessage>);

#[tonic::async_trait]
impl MetricsService for Receiver {
    async fn stream_metrics(
        &self,
        request: Request<Streaming<StreamMetricsMessage>>,
    ) -> Result<Response<StreamMetricsResponse>, Status> {
        let mut messages = request.into_inner();
        while let Some(message) = messages.message().await? {
            let _ended = self.0.send(message);
        }
        Ok(Response::new(StreamMetricsResponse {}))
    }
}

#[tokio::test]
async fn the_metrics_service_is_told_over_one_stream() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let (heard, mut messages) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("the proxy comes");
        let service = TowerToHyperService::new(MetricsServiceServer::new(Receiver(heard)));
        let server = http2::Builder::new(TokioExecutor::new());
        // It ends with the proxy.
        let _ended = server.serve_connection(TokioIo::new(stream), service).await;
    });
    let service = json!({
        "grpc_service": { "envoy_grpc": { "cluster_name": "metrics" } }, "transport_api_version": "V3",
        "report_counters_as_deltas": true, "emit_tags_as_labels": true,
    });
    let _proxy = started(json!([sink("MetricsServiceConfig", service)]), &[("metrics", address, true)]);
    let first = messages.recv().await.expect("a message");
    let node = first.identifier.and_then(|identifier| identifier.node).expect("the first names the node");
    assert_eq!(node.id, "the-node");
    let second = messages.recv().await.expect("another");
    assert!(second.identifier.is_none(), "once a stream");
    let by_name = |message: &StreamMetricsMessage| -> HashMap<String, _> {
        message.envoy_metrics.iter().map(|family| (family.name().to_owned(), family.clone())).collect()
    };
    let (first, second) = (by_name(&StreamMetricsMessage { identifier: None, ..first }), by_name(&second));
    let counted = |families: &HashMap<String, envoy_types::pb::io::prometheus::client::MetricFamily>| {
        families["cluster_manager.cluster_added"].metric[0].counter.clone().and_then(|counter| counter.value)
    };
    assert_eq!((counted(&first), counted(&second)), (Some(1.0), Some(0.0)));
    let members = &first["cluster.membership_total"].metric[0];
    assert_eq!(members.gauge.and_then(|gauge| gauge.value), Some(1.0));
    let label = &members.label[0];
    assert_eq!((label.name(), label.value()), ("envoy.cluster_name", "metrics"));
}
