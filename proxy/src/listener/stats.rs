//! Statistics of a listener: handles made when it is compiled, bumped for each connection. Names are Envoy's.

use std::sync::{Arc, OnceLock};

use crate::stats::{Counter, Gauge, Histogram, Kind, Names, Stats};
use crate::tls::info::TlsInfo;
use crate::tls::{CIPHER_NAMES, FailureKind, GROUP_NAMES, Stapling, VERSION_NAMES};

/// `listener.<address>.*`
pub(super) struct ListenerStats {
    pub cx_total: Counter,
    pub cx_active: Gauge,
    pub cx_destroy: Counter,
    pub global_cx_overflow: Counter,
    pub cx_overload_reject: Counter,
    pub cx_length_ms: Histogram,
    pub pre_cx_active: Gauge,
    pub pre_cx_timeout: Counter,
    pub filter_error: Counter,
    pub filter_remote_close: Counter,
    pub no_filter_chain_match: Counter,
    /// Connections of a listener of which a filter that is discovered has no config.
    pub extension_config_missing: Counter,
    /// Connections of a chain of which a filter that is discovered has no config.
    pub network_extension_config_missing: Counter,
    pub transport_connect_timeout: Counter,
    pub tls: TlsStats,
    pub tls_inspector: InspectorStats,
    pub http_inspector: HttpInspectorStats,
    pub proxy_protocol_error: Counter,
}

/// `listener.<address>.ssl.*`
pub(super) struct TlsStats {
    pub handshake: Counter,
    pub connection_error: Counter,
    pub session_reused: Counter,
    pub no_certificate: Counter,
    pub fail_verify_no_cert: Counter,
    pub fail_verify_error: Counter,
    pub fail_verify_san: Counter,
    pub fail_verify_cert_hash: Counter,
    pub not_ready: Counter,
    ocsp_staple_requests: Counter,
    ocsp_staple_responses: Counter,
    ocsp_staple_omitted: Counter,
    ocsp_staple_failed: Counter,
    /// `ssl.ciphers.*`, `ssl.versions.*` and `ssl.curves.*`: made when first seen, as Envoy does.
    ciphers: [OnceLock<Counter>; CIPHER_NAMES.len()],
    versions: [OnceLock<Counter>; VERSION_NAMES.len()],
    curves: [OnceLock<Counter>; GROUP_NAMES.len()],
    prefix: Box<str>,
    stats: Arc<Stats>,
}

/// `tls_inspector.*`, one for the process.
pub(super) struct InspectorStats {
    pub tls_found: Counter,
    pub tls_not_found: Counter,
    pub alpn_found: Counter,
    pub alpn_not_found: Counter,
    pub sni_found: Counter,
    pub sni_not_found: Counter,
    pub client_hello_too_large: Counter,
}

/// `http_inspector.*`, one for the process.
pub(super) struct HttpInspectorStats {
    pub read_error: Counter,
    pub http10_found: Counter,
    pub http11_found: Counter,
    pub http2_found: Counter,
    pub http_not_found: Counter,
}

/// What Envoy shows and does not happen here: no limit of a listener's own.
const QUIET: Names = &[
    (Kind::Counter, "downstream_cx_overflow"),
    (Kind::Counter, "server_ssl_socket_factory.upstream_context_secrets_not_ready"),
];

impl ListenerStats {
    /// `prefix` ends in a dot.
    pub fn new(prefix: &str, stats: &Arc<Stats>) -> ListenerStats {
        stats.quiet(prefix, QUIET);
        let counter = |name: &str| stats.counter(&format!("{prefix}{name}"));
        let gauge = |name: &str| stats.gauge(&format!("{prefix}{name}"));
        ListenerStats {
            cx_total: counter("downstream_cx_total"),
            cx_active: gauge("downstream_cx_active"),
            cx_destroy: counter("downstream_cx_destroy"),
            global_cx_overflow: counter("downstream_global_cx_overflow"),
            cx_overload_reject: counter("downstream_cx_overload_reject"),
            cx_length_ms: stats.histogram(&format!("{prefix}downstream_cx_length_ms")),
            pre_cx_active: gauge("downstream_pre_cx_active"),
            pre_cx_timeout: counter("downstream_pre_cx_timeout"),
            filter_error: counter("downstream_listener_filter_error"),
            filter_remote_close: counter("downstream_listener_filter_remote_close"),
            no_filter_chain_match: counter("no_filter_chain_match"),
            extension_config_missing: counter("extension_config_missing"),
            network_extension_config_missing: counter("network_extension_config_missing"),
            transport_connect_timeout: counter("downstream_cx_transport_socket_connect_timeout"),
            tls: TlsStats {
                handshake: counter("ssl.handshake"),
                connection_error: counter("ssl.connection_error"),
                session_reused: counter("ssl.session_reused"),
                no_certificate: counter("ssl.no_certificate"),
                fail_verify_no_cert: counter("ssl.fail_verify_no_cert"),
                fail_verify_error: counter("ssl.fail_verify_error"),
                fail_verify_san: counter("ssl.fail_verify_san"),
                fail_verify_cert_hash: counter("ssl.fail_verify_cert_hash"),
                ocsp_staple_requests: counter("ssl.ocsp_staple_requests"),
                ocsp_staple_responses: counter("ssl.ocsp_staple_responses"),
                ocsp_staple_omitted: counter("ssl.ocsp_staple_omitted"),
                ocsp_staple_failed: counter("ssl.ocsp_staple_failed"),
                not_ready: counter("server_ssl_socket_factory.downstream_context_secrets_not_ready"),
                ciphers: Default::default(),
                versions: Default::default(),
                curves: Default::default(),
                prefix: prefix.into(),
                stats: stats.clone(),
            },
            tls_inspector: InspectorStats {
                tls_found: stats.counter("tls_inspector.tls_found"),
                tls_not_found: stats.counter("tls_inspector.tls_not_found"),
                alpn_found: stats.counter("tls_inspector.alpn_found"),
                alpn_not_found: stats.counter("tls_inspector.alpn_not_found"),
                sni_found: stats.counter("tls_inspector.sni_found"),
                sni_not_found: stats.counter("tls_inspector.sni_not_found"),
                client_hello_too_large: stats.counter("tls_inspector.client_hello_too_large"),
            },
            http_inspector: HttpInspectorStats {
                read_error: stats.counter("http_inspector.read_error"),
                http10_found: stats.counter("http_inspector.http10_found"),
                http11_found: stats.counter("http_inspector.http11_found"),
                http2_found: stats.counter("http_inspector.http2_found"),
                http_not_found: stats.counter("http_inspector.http_not_found"),
            },
            proxy_protocol_error: counter("downstream_cx_proxy_proto_error"),
        }
    }
}

impl TlsStats {
    /// Counts a finished handshake.
    pub fn finished(&self, info: &TlsInfo) {
        self.handshake.inc();
        if info.resumed {
            self.session_reused.inc();
        }
        if info.peer.is_none() {
            self.no_certificate.inc();
        }
        self.count("ciphers", info.cipher, &CIPHER_NAMES, &self.ciphers);
        self.count("versions", info.version, &VERSION_NAMES, &self.versions);
        self.count("curves", info.group, &GROUP_NAMES, &self.curves);
    }

    fn count(&self, kind: &str, value: &str, names: &[&str], counters: &[OnceLock<Counter>]) {
        if let Some(at) = names.iter().position(|name| *name == value) {
            let make = || self.stats.counter(&format!("{}ssl.{kind}.{value}", self.prefix));
            counters[at].get_or_init(make).inc();
        }
    }

    /// Counts what was done about an OCSP response, where responses have a say.
    pub fn stapled(&self, stapling: Option<Stapling>) {
        let done = match stapling {
            None | Some(Stapling::NotAsked) => return,
            Some(Stapling::Shown) => self.ocsp_staple_responses,
            Some(Stapling::Omitted) => self.ocsp_staple_omitted,
            Some(Stapling::Failed) => self.ocsp_staple_failed,
        };
        self.ocsp_staple_requests.inc();
        done.inc();
    }

    /// Counts a failed handshake as Envoy does.
    pub fn failed(&self, kind: FailureKind) {
        match kind {
            FailureKind::NotReady => self.not_ready.inc(),
            FailureKind::NoCertificate => self.fail_verify_no_cert.inc(),
            FailureKind::Certificate => self.fail_verify_error.inc(),
            FailureKind::SubjectAltName => self.fail_verify_san.inc(),
            FailureKind::Pin => self.fail_verify_cert_hash.inc(),
            FailureKind::Protocol => self.connection_error.inc(),
            FailureKind::Closed => {}
        }
    }
}
