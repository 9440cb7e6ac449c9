//! Where a request of an `ORIGINAL_DST` cluster or a dynamic forward proxy goes: what filters have set, what they have said, what a header says, each if the cluster looks
//! there. Asked by `http` and `tcp` before they pick; must never lead back to where the client has come in.

use std::net::SocketAddr;
use std::sync::Arc;

use config::cluster::{Cluster, Discovery, OriginalDst};
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

    /// A text in filter state.
    fn text(&self, key: &str) -> Option<String> {
        self.connection().filter_state.borrow().text(key).map(str::to_owned)
    }

    /// The host that is asked for: of a connection the server name.
    fn host(&self) -> Option<&[u8]> {
        self.connection().requested_server_name.as_ref().map(|name| name.as_bytes())
    }
}

/// Where a request goes that says so itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// There.
    Address(SocketAddr),
    /// To the endpoint of this name.
    Name(Arc<str>),
}

/// Filter state that names the host of a dynamic forward proxy in the place of the request.
pub const DYNAMIC_HOST: &str = "envoy.upstream.dynamic_host";
/// The same of its port.
pub const DYNAMIC_PORT: &str = "envoy.upstream.dynamic_port";

/// The port of a dynamic forward proxy's hosts that name none.
pub fn default_port(config: &Cluster) -> u16 {
    if config.transport.is_tls() { 443 } else { 80 }
}

/// The host and port that a dynamic forward proxy is asked for, by filter state or else by the request.
pub fn dynamic_name(asks: &impl Asks, default_port: u16) -> Option<(String, u16)> {
    let port = asks.text(DYNAMIC_PORT).and_then(|port| port.parse().ok()).filter(|port| *port > 0);
    let default_port = port.unwrap_or(default_port);
    let said = asks.text(DYNAMIC_HOST);
    let host = match &said {
        Some(host) => host,
        None => std::str::from_utf8(asks.host()?).ok()?,
    };
    let (host, port) = super::dns::split(host, default_port)?;
    Some((host.to_owned(), port))
}

impl WorkerCluster {
    /// The destination of a request, where this cluster asks for one.
    pub fn destination_of(&self, asks: &impl Asks) -> Option<Destination> {
        match &self.config().discovery {
            Discovery::OriginalDst(config) => self.address_of(config, asks).map(Destination::Address),
            Discovery::DynamicForward(_) => {
                let (host, port) = dynamic_name(asks, default_port(self.config()))?;
                Some(Destination::Name(super::dns::key(&host, port)))
            }
            _ => None,
        }
    }

    fn address_of(&self, config: &OriginalDst, asks: &impl Asks) -> Option<SocketAddr> {
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
