//! The client side: contexts of clusters.

use std::sync::Arc;

use config::tls::{SdsName, UpstreamTls};

use super::info::TlsInfo;
use super::{FailureKind, HandshakeFailure, Secrets};
use crate::transport::Stream;

/// ALPN protocols in order of preference.
pub type AlpnList = Arc<[Arc<[u8]>]>;

/// What a cluster needs to open TLS connections.
pub struct ClientContext {
    needs: Vec<SdsName>,
}

impl ClientContext {
    /// A context. `scope` names the cluster: sessions of one scope are never resumed in another.
    ///
    /// # Errors
    /// One sentence that says what of the configuration cannot be honoured.
    pub fn new(_config: &UpstreamTls, _secrets: &Arc<Secrets>, _scope: &str) -> Result<Arc<ClientContext>, String> {
        Ok(Arc::new(ClientContext { needs: Vec::new() }))
    }

    /// The secrets that it waits for or uses.
    pub fn needs(&self) -> &[SdsName] {
        &self.needs
    }

    /// Whether all of them have arrived.
    pub fn is_ready(&self) -> bool {
        false
    }

    /// Performs the handshake. `alpn` and `sni` override the configuration's.
    ///
    /// # Errors
    /// The failure in Envoy's words.
    pub async fn connect(
        &self,
        _stream: Stream,
        _alpn: Option<&AlpnList>,
        _sni: Option<&str>,
    ) -> Result<(Stream, TlsInfo), HandshakeFailure> {
        Err(HandshakeFailure {
            reason: "TLS_error:Secret is not supplied by SDS:TLS_error_end".into(),
            kind: FailureKind::NotReady,
        })
    }
}
