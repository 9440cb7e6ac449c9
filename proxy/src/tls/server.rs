//! The server side: contexts of filter chains.

use std::sync::Arc;

use config::tls::{DownstreamTls, SdsName};

use super::info::TlsInfo;
use super::{FailureKind, HandshakeFailure, Secrets};
use crate::transport::Stream;

/// What a filter chain needs to take TLS connections.
pub struct ServerContext {
    needs: Vec<SdsName>,
}

impl ServerContext {
    /// A context. `scope` names listener and chain: sessions of one scope are never resumed in another.
    ///
    /// # Errors
    /// One sentence that says what of the configuration cannot be honoured.
    pub fn new(_config: &DownstreamTls, _secrets: &Arc<Secrets>, _scope: &str) -> Result<Arc<ServerContext>, String> {
        Ok(Arc::new(ServerContext { needs: Vec::new() }))
    }

    /// The secrets that it waits for or uses.
    pub fn needs(&self) -> &[SdsName] {
        &self.needs
    }

    /// Whether all of them have arrived.
    pub fn is_ready(&self) -> bool {
        false
    }

    /// Performs the handshake.
    ///
    /// # Errors
    /// The failure in Envoy's words.
    pub async fn accept(&self, _stream: Stream) -> Result<(Stream, TlsInfo), HandshakeFailure> {
        Err(HandshakeFailure {
            reason: "TLS_error:Secret is not supplied by SDS:TLS_error_end".into(),
            kind: FailureKind::NotReady,
        })
    }
}
