//! The runtime of Outrigger: listeners, TLS, TCP and HTTP proxying, clusters, telemetry, admin. The binary and the tests call it.
//!
//! The data path (`listener`, `tls`, `tcp`, `http`, `call`, `cluster`) never imports protobuf types or [`xds`].

pub mod admin;
pub mod app;
mod calendar;
pub mod call;
pub mod cli;
pub mod cluster;
pub mod commands;
pub mod compile;
pub mod discoveries;
pub mod drain;
mod export;
pub mod failure;
pub mod fetches;
pub mod http;
pub mod layers;
pub mod listener;
pub mod log_files;
pub mod logs;
pub mod mutate;
mod outage;
pub mod overload;
pub mod peer_exchange;
mod platform;
pub mod policy;
mod sinks;
mod sources;
pub mod stats;
pub mod status;
pub mod store;
mod sys;
pub mod tcp;
pub mod telemetry;
#[cfg(test)]
pub(crate) mod testing;
pub mod threads;
pub mod tls;
mod token_bucket;
pub mod transport;
pub mod wire;
pub mod worker;
pub mod xds;
