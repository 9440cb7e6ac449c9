//! The TLS of a connection: its handshake, with the time that the chain gives it, and what the listener counts of it.

use std::cell::Cell;
use std::rc::Rc;

use crate::listener::chain::FilterChain;
use crate::listener::compiled::Common;
use crate::tls::info::TlsInfo;
use crate::tls::{FailureKind, HandshakeFailure};
use crate::transport::Stream;

/// A handshake that its listener's drain cut off.
pub(super) fn cut() -> HandshakeFailure {
    HandshakeFailure { reason: "".into(), kind: FailureKind::Closed }
}

/// TLS, if the chain terminates it.
pub(super) async fn secure(
    common: &Common,
    chain: &FilterChain,
    stream: Stream,
) -> Result<(Stream, Option<Rc<TlsInfo>>), HandshakeFailure> {
    let Some(context) = &chain.tls else { return Ok((stream, None)) };
    let stats = &common.stats.tls;
    let stapling = Cell::new(None);
    let handshake = context.accept_telling(stream, &stapling);
    let result = match chain.connect_timeout {
        Some(time) => match tokio::time::timeout(time, handshake).await {
            Ok(result) => result,
            Err(_) => {
                common.stats.transport_connect_timeout.inc();
                return Err(HandshakeFailure {
                    reason: "transport socket timeout was reached".into(),
                    kind: FailureKind::Closed,
                });
            }
        },
        None => handshake.await,
    };
    stats.stapled(stapling.get());
    match result {
        Ok((stream, info)) => {
            stats.finished(&info);
            Ok((stream, Some(Rc::new(info))))
        }
        Err(failure) => {
            tracing::debug!(listener = &*common.name, reason = &*failure.reason, "TLS handshake failed");
            stats.failed(failure.kind);
            Err(failure)
        }
    }
}
