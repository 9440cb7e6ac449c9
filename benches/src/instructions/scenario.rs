//! What is counted: proxies between a client and a service, as the side-by-side run has them, with an access log in Istio's format.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::load::certs::Certs;
use crate::load::configs::{self, Hop, ISTIO_LINE, Protocol};

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    /// A plain HTTP/1.1 hop with nothing but the router.
    Http1,
    /// The same with `istio.alpn`.
    Alpn,
    /// The same with ten filters that do not act on the route, for nothing tells them to.
    TenUntold,
    /// The same with ten filters that the route switches off.
    TenSwitchedOff,
    /// Two hops with mTLS over HTTP/1.1 between.
    MtlsHttp1,
    /// The same with Istio's exchange of metadata and its metrics.
    MtlsMetrics,
}

impl Scenario {
    /// All, in the order of the report.
    pub const ALL: [Scenario; 6] = [
        Scenario::Http1,
        Scenario::Alpn,
        Scenario::TenUntold,
        Scenario::TenSwitchedOff,
        Scenario::MtlsHttp1,
        Scenario::MtlsMetrics,
    ];

    /// As given on the command line and printed.
    pub fn name(self) -> &'static str {
        match self {
            Scenario::Http1 => "http1",
            Scenario::Alpn => "http1-alpn",
            Scenario::TenUntold => "http1-ten-untold",
            Scenario::TenSwitchedOff => "http1-ten-switched-off",
            Scenario::MtlsHttp1 => "mtls-h1",
            Scenario::MtlsMetrics => "mtls-h1-metrics",
        }
    }

    /// Its proxies, the last hop first.
    pub fn hops(self) -> &'static [HopOf] {
        const PLAIN: HopOf = HopOf { listen_tls: false, upstream_tls: false };
        match self {
            Scenario::MtlsHttp1 | Scenario::MtlsMetrics => {
                &[HopOf { listen_tls: true, ..PLAIN }, HopOf { upstream_tls: true, ..PLAIN }]
            }
            _ => &[PLAIN],
        }
    }

    /// The bootstrap of one of them, on whatever port is free.
    pub fn bootstrap(self, hop: &HopOf, upstream: SocketAddr, certs: &Certs, folder: &Path) -> Value {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let hop = Hop {
            listen: anywhere,
            listen_tls: hop.listen_tls,
            upstream,
            upstream_tls: hop.upstream_tls,
            protocol: Protocol::Http1,
            mesh_filters: false,
            policies: false,
            admin: anywhere,
        };
        let mut bootstrap = configs::envoy(&hop, certs, folder);
        let manager =
            &mut bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
        manager["access_log"] = json!([{
            "name": "envoy.access_loggers.file",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                "path": folder.join("access.log"),
                "log_format": {"text_format_source": {"inline_string": ISTIO_LINE}},
            },
        }]);
        let filters = self.filters(hop.listen_tls);
        if self == Scenario::TenSwitchedOff {
            let off = json!({"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": true});
            let all = filters.iter().filter_map(|filter| Some((filter["name"].as_str()?.to_owned(), off.clone())));
            manager["route_config"]["virtual_hosts"][0]["routes"][0]["typed_per_filter_config"] =
                Value::Object(all.collect());
        }
        if let Some(list) = manager["http_filters"].as_array_mut() {
            list.splice(..0, filters);
        }
        if self == Scenario::MtlsMetrics {
            let direction = if hop.listen_tls { "INBOUND" } else { "OUTBOUND" };
            bootstrap["static_resources"]["listeners"][0]["traffic_direction"] = json!(direction);
            bootstrap["node"]["metadata"] = json!({
                "NAME": "bench-1", "NAMESPACE": "bench", "WORKLOAD_NAME": "bench", "CLUSTER_ID": "Kubernetes",
                "LABELS": {"app": "bench", "version": "v1", "service.istio.io/canonical-name": "bench"},
            });
        }
        bootstrap
    }

    /// Filters before the router, of the hop that clients come to with TLS, or of the other.
    fn filters(self, inbound: bool) -> Vec<Value> {
        let ten = |filter: &Value| {
            let one = |number: u32| {
                let mut filter = filter.clone();
                filter["name"] = json!(format!("filter-{number}"));
                filter
            };
            (0..10).map(one).collect()
        };
        match self {
            Scenario::Http1 | Scenario::MtlsHttp1 => Vec::new(),
            Scenario::MtlsMetrics => {
                let side = if inbound { "downstream" } else { "upstream" };
                let exchange = json!({
                    "@type": "type.googleapis.com/io.istio.http.peer_metadata.Config",
                    (format!("{side}_discovery")): [{"istio_headers": {}}, {"workload_discovery": {}}],
                    (format!("{side}_propagation")): [{"istio_headers": {}}],
                });
                let stats = json!({
                    "@type": "type.googleapis.com/stats.PluginConfig",
                    "disable_host_header_fallback": inbound,
                });
                vec![
                    json!({"name": "istio.metadata_exchange", "typed_config": exchange}),
                    json!({"name": "istio.stats", "typed_config": stats}),
                ]
            }
            Scenario::Alpn => vec![json!({
                "name": "istio.alpn",
                "typed_config": {
                    "@type": "type.googleapis.com/istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig",
                    "alpn_override": [{"upstream_protocol": "HTTP11", "alpn_override": ["istio-http/1.1", "istio"]}],
                },
            })],
            Scenario::TenUntold => ten(&json!({
                "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors"},
            })),
            // It would act: each request would be refused.
            Scenario::TenSwitchedOff => ten(&json!({
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
                    "rules": {"action": "ALLOW"},
                },
            })),
        }
    }
}

/// How one of the proxies is carried.
#[derive(Debug, Clone, Copy)]
pub struct HopOf {
    /// mTLS on the client side.
    pub listen_tls: bool,
    /// mTLS on the upstream side.
    pub upstream_tls: bool,
}
