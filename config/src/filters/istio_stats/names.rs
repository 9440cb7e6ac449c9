//! Names of Istio's metrics and of their labels, in the order in which they are shown. Used by the translation and by the proxy.

/// All labels, in their order.
pub const LABELS: [&str; 25] = [
    "reporter",
    "source_workload",
    "source_canonical_service",
    "source_canonical_revision",
    "source_workload_namespace",
    "source_principal",
    "source_app",
    "source_version",
    "source_cluster",
    "destination_workload",
    "destination_workload_namespace",
    "destination_principal",
    "destination_app",
    "destination_version",
    "destination_service",
    "destination_canonical_service",
    "destination_canonical_revision",
    "destination_service_name",
    "destination_service_namespace",
    "destination_cluster",
    "request_protocol",
    "response_code",
    "grpc_response_status",
    "response_flags",
    "connection_security_policy",
];

/// Whether it is one of the labels that metrics have anyway.
pub fn is_label(name: &str) -> bool {
    LABELS.contains(&name)
}

/// A metric that Istio defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Metric {
    Requests,
    Duration,
    RequestBytes,
    ResponseBytes,
    RequestMessages,
    ResponseMessages,
    Opened,
    Closed,
    Sent,
    Received,
}

/// Those of a request.
pub const HTTP: [Metric; 4] = [Metric::Requests, Metric::Duration, Metric::RequestBytes, Metric::ResponseBytes];
/// Those of gRPC's messages.
pub const MESSAGES: [Metric; 2] = [Metric::RequestMessages, Metric::ResponseMessages];
/// Those of a connection.
pub const TCP: [Metric; 4] = [Metric::Opened, Metric::Closed, Metric::Sent, Metric::Received];

impl Metric {
    /// Its name, without `istio_`.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Requests => "requests_total",
            Metric::Duration => "request_duration_milliseconds",
            Metric::RequestBytes => "request_bytes",
            Metric::ResponseBytes => "response_bytes",
            Metric::RequestMessages => "request_messages_total",
            Metric::ResponseMessages => "response_messages_total",
            Metric::Opened => "tcp_connections_opened_total",
            Metric::Closed => "tcp_connections_closed_total",
            Metric::Sent => "tcp_sent_bytes_total",
            Metric::Received => "tcp_received_bytes_total",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Metric> {
        HTTP.into_iter().chain(MESSAGES).chain(TCP).find(|metric| metric.name() == name)
    }

    /// It is a distribution; the others are counters.
    pub fn is_histogram(self) -> bool {
        matches!(self, Metric::Duration | Metric::RequestBytes | Metric::ResponseBytes)
    }

    /// How many labels it has: all, or of messages those that say who and where.
    pub fn has_label(self, label: usize) -> bool {
        match self {
            Metric::Requests | Metric::Duration | Metric::RequestBytes | Metric::ResponseBytes => true,
            Metric::RequestMessages | Metric::ResponseMessages => label < 20,
            Metric::Opened | Metric::Closed | Metric::Sent | Metric::Received => !matches!(label, 21 | 22),
        }
    }
}
