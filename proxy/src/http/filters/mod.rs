//! HTTP filters. The list below is all there are; the contract is [`filter`], a request's share of a chain [`chain`], and who calls
//! the hooks [`run`] (heads) and [`frames`] (bodies), and for filters behind the router [`behind`].
//!
//! To add one: a folder with its code and tests, a line here, and its line in `config/src/filters/mod.rs`.

pub(in crate::http) mod behind;
#[cfg(test)]
pub(in crate::http) mod bench;
pub(crate) mod chain;
pub(crate) mod filter;
pub(in crate::http) mod frames;
mod list;
pub(in crate::http) mod of_cluster;
pub(in crate::http) mod run;

pub(in crate::http) mod alpn;
mod api_key_auth;
mod basic_auth;
mod buffer;
mod compression;
pub(in crate::http) mod compressor;
mod cors;
mod credential_injector;
mod csrf;
mod decompressor;
pub(in crate::http) mod delegate;
mod discovered;
mod dynamic_forward_proxy;
mod ext_authz;
mod ext_proc;
mod fault;
mod grpc_http1_bridge;
mod grpc_stats;
mod grpc_web;
mod header_mutation;
mod header_to_metadata;
mod health_check;
mod istio_stats;
mod json_to_metadata;
mod jwt_authn;
pub(in crate::http) mod local_ratelimit;
mod peer_metadata;
mod ratelimit;
mod rbac;
mod rules;
mod set_filter_state;
mod set_metadata;
#[cfg(test)]
mod stacked;
mod stateful_session;

pub(crate) use crate::call::wait;

use self::filter::HttpFilter as _;
use self::list::http_filters;
use self::run::Run;
use super::stream::Stream;
use crate::wire::message::Frame;

http_filters! {
    Alpn alpn;
    ApiKeyAuth api_key_auth routes;
    BasicAuth basic_auth routes;
    Buffer buffer routes;
    Compressor compressor routes;
    Cors cors routes;
    CredentialInjector credential_injector;
    Csrf csrf routes;
    Decompressor decompressor;
    DynamicForwardProxy dynamic_forward_proxy routes;
    HeaderMutation header_mutation routes;
    HeaderToMetadata header_to_metadata routes;
    JsonToMetadata json_to_metadata routes;
    ExtAuthz ext_authz routes;
    ExtProc ext_proc routes;
    Rbac rbac routes;
    JwtAuthn jwt_authn routes;
    Fault fault routes;
    HealthCheck health_check;
    LocalRateLimit local_ratelimit routes;
    RateLimit ratelimit routes;
    SetFilterState set_filter_state routes;
    SetMetadata set_metadata routes;
    GrpcHttp1Bridge grpc_http1_bridge;
    GrpcStats grpc_stats;
    GrpcWeb grpc_web;
    PeerMetadata peer_metadata;
    IstioStats istio_stats;
    StatefulSession stateful_session routes;
    // Answers 500: what takes its place is compiled instead of it.
    Discovered discovered;
}
