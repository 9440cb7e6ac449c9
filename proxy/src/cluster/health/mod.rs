//! Active health checks: each endpoint is asked again and again whether it is well, over connections of its own with the cluster's transport.
//!
//! All of it runs on the control thread: [`Checks`] holds a task for each endpoint while a version of a cluster warms and is used. What
//! is found out becomes flags of the endpoint, and is published with the endpoints. Workers tell of endpoints that say of themselves, in
//! an answer, that they fail their checks ([`Failing`]); nothing else of it is seen by requests.

mod ask;
mod connection;
mod events;
mod failing;
mod grpc;
mod http;
mod run;
mod state;
mod stats;
mod tcp;
#[cfg(test)]
mod tests;

pub use failing::Failing;
pub use run::Checks;
