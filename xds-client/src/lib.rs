//! The xDS protocol, seen from a client: one ADS stream (delta or state of the world) and SDS.
//!
//! The proxy's control thread calls this crate; nothing on the data path does. It knows names, versions, nonces and
//! bytes. It must never decode a resource, know what a listener is, or decide the order in which types are first asked
//! for: [`AdsHandle::subscribe`] says what is wanted, [`AdsEvents`] says what came, [`AdsHandle::verdict`] says what
//! the proxy thought of it.
//!
//! Nothing that a control plane sends may panic, hang, or take more memory than the bytes that arrived: a broken stream
//! is reported, then opened again, for ever, with jittered exponential backoff.

#![deny(missing_docs)]

mod ads;
mod backoff;
mod endpoint;
mod grpc;
mod sds;
#[cfg(test)]
mod test_server;
pub mod type_url;
mod update;

pub use ads::settings::{AdsSettings, MetadataProvider};
pub use ads::status::{AdsStatus, TypeStatus};
pub use ads::{AdsClient, AdsEvents, AdsHandle, Event, Subscription};
pub use backoff::BackoffSettings;
pub use endpoint::{ConnectError, Connecting, Connection, Connector, Endpoint, Http2, Keepalive};
pub use sds::{SdsClient, SdsEvent, SdsEvents, SdsHandle};
pub use tonic::transport::Uri;
pub use update::{Rejected, Resource, Update, UpdateId, Verdict};
