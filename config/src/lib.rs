//! Envoy and Istio protobuf in, checked plain data out.
//!
//! Called by the proxy's control thread and by `--mode validate`. Pure: no tokio, no rustls, no I/O. Every translation is
//! `&Proto -> Result<T, Rejection>`, and a [`Rejection`] carries the path of the field that was refused.

pub mod access_log;
pub mod address;
pub mod bootstrap;
pub mod cluster;
pub mod endpoint;
pub mod hcm;
pub mod listener;
pub mod matcher;
pub mod metadata;
pub mod rejection;
pub mod route;
pub mod secret;
pub mod tcp_proxy;
pub mod tls;

pub use rejection::{At, Rejection};
