//! Envoy and Istio protobuf in, checked plain data out.
//!
//! Called by the proxy's control thread and by `--mode validate`. Pure: no tokio, no rustls, no I/O. Every translation is
//! `&Proto -> Result<T, Rejection>`, and a [`Rejection`] carries the path of the field that was refused.

// Control planes still send fields that Envoy calls deprecated; istiod does by default.
#![allow(deprecated)]
#![deny(missing_docs)]

pub mod access_log;
pub mod address;
pub mod bootstrap;
pub mod cel;
pub mod cluster;
pub mod descriptors;
pub mod discreet;
pub mod dns_cache;
pub mod dump;
pub mod endpoint;
mod extension;
mod field_rules;
mod fields;
pub mod filters;
pub mod hcm;
pub mod header_mutation;
mod istio;
pub mod json;
pub mod listener;
pub mod match_tree;
pub mod matcher;
pub mod metadata;
pub mod options;
pub mod policy;
mod proto;
pub mod rate_limit;
pub mod rbac;
pub mod registry;
pub mod rejection;
pub mod route;
pub mod runtime;
mod schema;
pub mod secret;
pub mod services;
pub mod tcp_proxy;
pub mod tls;
pub mod tlvs;
pub mod tracing;
pub mod workload;
pub mod xds_server;

pub use options::{Options, UnknownFields};
pub use policy::Policy;
pub use proto::resource_name;
pub use rejection::{At, Rejection};
