//! What makes two connections to one host different. Everything that matters is in this one value, so that two wants that differ in
//! any of it never share a connection.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::cluster::Priority;
use crate::tls::AlpnList;

/// Which HTTP a pool speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Speaks {
    /// HTTP/1.
    Http1,
    /// HTTP/2.
    Http2,
    /// What ALPN says.
    Either,
    /// No HTTP: TCP proxying. Pooled only where connections are made before they are needed.
    Bytes,
}

/// The value, borrowed: looking a pool up allocates nothing.
#[derive(Debug, Clone, Copy)]
pub struct KeyRef<'a> {
    /// Number of the transport in the cluster.
    pub transport: u16,
    /// Protocol.
    pub speaks: Speaks,
    /// Circuit breakers that count it.
    pub priority: Priority,
    /// ALPN override.
    pub alpn: Option<&'a AlpnList>,
    /// Server name override.
    pub sni: Option<&'a str>,
    /// Name that the host must prove.
    pub demanded: Option<&'a str>,
    /// Source and destination to be told by PROXY protocol.
    pub proxied: Option<(SocketAddr, SocketAddr)>,
    /// What else may be told there.
    pub tlvs: Option<&'a Arc<[u8]>>,
    /// The number of the client's connection, where others must not share it.
    pub client: Option<u64>,
}

/// The value, owned by a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// See [`KeyRef`].
    pub transport: u16,
    /// See [`KeyRef`].
    pub speaks: Speaks,
    /// See [`KeyRef`].
    pub priority: Priority,
    /// See [`KeyRef`].
    pub alpn: Option<AlpnList>,
    /// See [`KeyRef`].
    pub sni: Option<Arc<str>>,
    /// See [`KeyRef`].
    pub demanded: Option<Arc<str>>,
    /// See [`KeyRef`].
    pub proxied: Option<(SocketAddr, SocketAddr)>,
    /// See [`KeyRef`].
    pub tlvs: Option<Arc<[u8]>>,
    /// See [`KeyRef`].
    pub client: Option<u64>,
}

impl KeyRef<'_> {
    /// Whether it is this key.
    pub fn is(&self, key: &Key) -> bool {
        // Taken apart without `..`: a field that is added and not compared does not compile.
        let KeyRef { transport, speaks, priority, alpn, sni, demanded, proxied, tlvs, client } = *self;
        let same_alpn = || match (alpn, &key.alpn) {
            (None, None) => true,
            (Some(left), Some(right)) => Arc::ptr_eq(left, right) || left == right,
            _ => false,
        };
        // Where clients have pools of their own it is this that differs.
        client == key.client
            && transport == key.transport
            && speaks == key.speaks
            && priority == key.priority
            && same_alpn()
            && sni == key.sni.as_deref()
            && demanded == key.demanded.as_deref()
            && proxied == key.proxied
            && tlvs == key.tlvs.as_ref()
    }

    /// Owned.
    pub fn owned(self) -> Key {
        let KeyRef { transport, speaks, priority, alpn, sni, demanded, proxied, tlvs, client } = self;
        Key {
            transport,
            speaks,
            priority,
            alpn: alpn.cloned(),
            sni: sni.map(Arc::from),
            demanded: demanded.map(Arc::from),
            proxied,
            tlvs: tlvs.cloned(),
            client,
        }
    }
}

#[cfg(test)]
mod tests;
