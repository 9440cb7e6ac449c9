//! `cluster.<name>.ssl.*`: how the TLS handshakes with hosts went. Called by pools for each connection that is made. A handshake costs a
//! thousand times what it takes to look a counter up by its name, so none is kept.

use crate::stats::Scope;
use crate::tls::FailureKind;
use crate::tls::info::TlsInfo;

/// One succeeded.
pub(super) fn finished(scope: &Scope, tls: &TlsInfo) {
    let count = |name: &str| scope.counter(name).inc();
    count("ssl.handshake");
    if tls.resumed {
        count("ssl.session_reused");
    }
    for (kind, value) in [("ciphers", tls.cipher), ("versions", tls.version), ("curves", tls.group)] {
        if !value.is_empty() {
            count(&format!("ssl.{kind}.{value}"));
        }
    }
}

/// One failed.
pub(super) fn failed(scope: &Scope, kind: FailureKind) {
    let name = match kind {
        FailureKind::NotReady => "client_ssl_socket_factory.upstream_context_secrets_not_ready",
        FailureKind::NoCertificate => "ssl.fail_verify_no_cert",
        FailureKind::Certificate => "ssl.fail_verify_error",
        FailureKind::SubjectAltName => "ssl.fail_verify_san",
        FailureKind::Pin => "ssl.fail_verify_cert_hash",
        FailureKind::Protocol => "ssl.connection_error",
        FailureKind::Closed => return,
    };
    scope.counter(name).inc();
}
