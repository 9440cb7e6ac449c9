//! TLS on rustls, both directions: secrets and their rotation, contexts, peer validation, what a handshake tells.
//! `listener` and `cluster` call it. It never checks a host name unless the configuration asks for that, and never prints key material.

mod client;
mod failure;
pub mod info;
mod secrets;
mod server;

pub use client::{AlpnList, ClientContext};
pub use failure::{FailureKind, HandshakeFailure};
pub use secrets::{CertificateFacts, Secrets};
pub use server::ServerContext;
