//! Where a request of an `ORIGINAL_DST` cluster goes: what filters have set, what they have said, what a header says, each if the cluster looks
//! there. Asked by `http` and `tcp` before they pick; must never lead back to where the client has come in.

use std::net::SocketAddr;

use config::cluster::{Discovery, OriginalDst};
use serde_json::Value;

use super::WorkerCluster;
use crate::telemetry::dynamic::{FilterState, Form};
use crate::telemetry::stream_info::ConnectionInfo;

/// What is known of a request or connection.
pub trait Asks {
    /// The connection that it came over.
    fn connection(&self) -> &ConnectionInfo;

    /// An address in filter state.
    fn state(&self) -> Option<SocketAddr> {
        address_in(&self.connection().filter_state.borrow())
    }

    /// What filters have said, at a path of a namespace.
    fn said(&self, namespace: &str, path: &[std::sync::Arc<str>]) -> Option<Value> {
        let metadata = self.connection().metadata.borrow();
        metadata.at(namespace, path.iter().map(|key| &**key)).cloned()
    }

    /// The first value of a header.
    fn header(&self, name: &str) -> Option<&[u8]>;
}

impl WorkerCluster {
    /// The destination of a request, where this cluster asks for one.
    pub fn destination_of(&self, asks: &impl Asks) -> Option<SocketAddr> {
        let Discovery::OriginalDst(config) = &self.config().discovery else { return None };
        let found = asks.state().or_else(|| self.said(config, asks)).or_else(|| self.named(config, asks))?;
        let found = plain(SocketAddr::new(found.ip(), config.port.unwrap_or(found.port())));
        let connection = asks.connection();
        // No address at all is this machine to the kernel.
        if found.ip().is_unspecified() || found == plain(connection.local) || found == plain(connection.direct_local) {
            // That is ourselves, again and again.
            self.counts_bad_destination();
            return None;
        }
        Some(found)
    }

    fn said(&self, config: &OriginalDst, asks: &impl Asks) -> Option<SocketAddr> {
        let key = config.metadata.as_ref()?;
        let said = asks.said(&key.namespace, &key.path)?;
        let text = match &said {
            Value::Array(list) => list.first()?.as_str(),
            value => value.as_str(),
        };
        self.read(text.unwrap_or_default().as_bytes())
    }

    fn named(&self, config: &OriginalDst, asks: &impl Asks) -> Option<SocketAddr> {
        self.read(asks.header(config.header.as_deref()?)?)
    }

    fn read(&self, text: &[u8]) -> Option<SocketAddr> {
        let address = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        if address.is_none() {
            self.counts_bad_destination();
        }
        address
    }

    fn counts_bad_destination(&self) {
        self.shared().scope().counter("original_dst_host_invalid").inc();
    }
}

/// An address of version 4 may be written as one of version 6.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The address that `set_filter_state` or another filter has set.
pub fn address_in(state: &FilterState) -> Option<SocketAddr> {
    match state.get("envoy.network.transport_socket.original_dst_address")?.form {
        Form::Address(address) => Some(address),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
