//! The admin interface: Envoy's paths, parameters, texts and JSON, on an address of its own. Agents probe it (readiness, drain), operators
//! and `istioctl` read it. It runs on the control thread, knows the runtime only through [`Source`], and never changes traffic but by
//! what its POST paths say.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use bytes::Bytes;
use config::matcher::StringMatcher;

mod certs;
mod clusters;
mod commands;
mod config_dump;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod index;
mod init_dump;
mod listeners;
mod logged;
mod logging;
pub mod memory;
mod parameters;
mod profilers;
mod query;
mod reply;
mod runtime;
mod server;
mod server_info;
pub mod source;
mod stats;
mod ui;

use query::Query;
use source::Source;

use crate::cli::Options;
use crate::layers::Layers;
use crate::logs::{AdminLog, Sinks};
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
    /// The layers of the runtime, for `/runtime` and `/runtime_modify`.
    pub layers: Arc<Layers>,
    /// `allow_paths`: what may be asked, with its query; none allows all.
    pub allowed: Vec<StringMatcher>,
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

/// Serves until the process ends, and tells `log` of each request. Connections are tasks of the current `LocalSet`.
///
/// # Errors
/// The listening socket broke.
pub async fn serve(socket: Socket, admin: Arc<Admin>, log: Option<Rc<AdminLog>>) -> io::Result<()> {
    server::serve(socket, router(admin), log).await
}

/// The interface as a service, without a socket.
fn router(admin: Arc<Admin>) -> Router {
    // One table for everything (`commands`): what `/help` prints is then what there is.
    Router::new().fallback(answer).with_state(admin)
}

async fn answer(State(admin): State<Arc<Admin>>, request: Request) -> Response {
    if let Some(refusal) = not_allowed(&admin.allowed, request.uri()) {
        return refusal;
    }
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let query = match parts.uri.query() {
        None if commands::takes_form(&parts, path) => match axum::body::to_bytes(body, LONGEST_FORM).await {
            Ok(form) => Query::parse(&String::from_utf8_lossy(&form)),
            Err(_) => return reply::failure(StatusCode::PAYLOAD_TOO_LARGE, "the form is too long"),
        },
        query => Query::parse(query.unwrap_or_default()),
    };
    // The loop runs on this very thread: it answers when it has its turn.
    let shown = if commands::show_configuration(path) {
        admin.source.shown().await.unwrap_or_default()
    } else {
        Shown::default()
    };
    commands::run(&admin, &parts.method, path, &query, &shown)
}

/// Octets of a form.
const LONGEST_FORM: usize = 64 * 1024;

fn not_allowed(allowed: &[StringMatcher], uri: &Uri) -> Option<Response> {
    let asked = uri.path_and_query().map_or("/", |asked| asked.as_str());
    if allowed.is_empty() || allowed.iter().any(|path| path.matches(asked.as_bytes())) {
        return None;
    }
    let text = format!("request to path {} not allowed", parameters::shown(asked));
    Some(reply::failure(StatusCode::FORBIDDEN, text))
}

#[cfg(test)]
mod tests;
