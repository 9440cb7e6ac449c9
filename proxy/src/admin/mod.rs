//! The admin interface: Envoy's paths, parameters, texts and JSON, on an address of its own. Agents probe it (readiness, drain), operators
//! and `istioctl` read it. It runs on the control thread, knows the runtime only through [`Source`], and never changes traffic but by
//! what its POST paths say.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use tokio::net::{TcpListener, UnixListener};

mod certs;
mod clusters;
mod commands;
mod config_dump;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod listeners;
mod logging;
pub mod memory;
mod parameters;
mod query;
mod reply;
mod runtime;
mod server_info;
pub mod source;
mod stats;

use query::Query;
use source::Source;

use crate::cli::Options;
use crate::logs::Sinks;
use crate::stats::Stats;
use crate::status::Shown;
use crate::telemetry::process_log::ProcessLog;

/// What the interface reads and acts on.
pub struct Admin {
    /// The runtime.
    pub source: Arc<dyn Source>,
    /// Statistics.
    pub stats: Arc<Stats>,
    /// Access logs, for `/reopen_logs`.
    pub sinks: Sinks,
    /// The process's log, for `/logging`.
    pub log: ProcessLog,
    /// The command line, for `/server_info`.
    pub options: Options,
    /// Workers that run.
    pub concurrency: usize,
    /// The encoded `core.v3.Node`, as it is sent to the control plane.
    pub node: Bytes,
    /// Runtime keys of the bootstrap's static layers.
    pub runtime: Vec<(Arc<str>, Arc<str>)>,
    /// When the process began.
    pub started: Instant,
}

/// A socket that listens.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(std::net::TcpListener),
    /// A Unix socket.
    Unix(std::os::unix::net::UnixListener),
}

/// Serves until the process ends. Connections are tasks of the runtime that calls it.
///
/// # Errors
/// The listening socket broke.
pub async fn serve(socket: Socket, admin: Arc<Admin>) -> io::Result<()> {
    match socket {
        Socket::Tcp(socket) => axum::serve(TcpListener::from_std(socket)?, router(admin)).await,
        Socket::Unix(socket) => axum::serve(UnixListener::from_std(socket)?, router(admin)).await,
    }
}

/// The interface as a service, without a socket.
fn router(admin: Arc<Admin>) -> Router {
    // One table for everything (`commands`): what `/help` prints is then what there is.
    Router::new().fallback(answer).with_state(admin)
}

async fn answer(State(admin): State<Arc<Admin>>, request: Request) -> Response {
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let path = request.uri().path();
    // The loop runs on this very thread: it answers when it has its turn.
    let shown = if commands::show_configuration(path) {
        admin.source.shown().await.unwrap_or_default()
    } else {
        Shown::default()
    };
    commands::run(&admin, request.method(), path, &query, &shown)
}

#[cfg(test)]
mod tests;
