//! HTTP: the connection manager, and the exchange of a request for its response. Codecs are `wire`; the exchange sees only their traits.

#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod route;

mod attempt;
mod buffers;
mod codec_error;
mod connection;
mod context;
mod cookie;
mod date;
mod deadlines;
mod double;
mod early;
mod exchange;
mod filters;
mod forwarded;
mod framing;
mod hash;
mod held;
mod kept;
mod local_reply;
mod manager;
mod masque;
mod normalize;
mod original_ip;
mod plan;
mod proxied;
mod proxy_status;
mod rate_limit;
mod reason;
mod redirect;
mod refusal;
mod relay;
mod request_id;
mod respond;
mod retry;
mod rewrite;
mod router;
mod stages;
mod stats;
mod stop;
mod stream;
#[cfg(test)]
mod testing;
mod timeouts;
mod trace;
mod upgrade;
mod upload;
mod upstreams;
mod watch;
mod xfcc;

use crate::wire::grpc;

pub use connection::serve;
pub use context::Spoken;
pub(crate) use filters::of_cluster::{attach as attach_filters, each_discovery as each_discovery_of};
pub use held::let_go;
pub use manager::{ConnectionManager, OfListener};
