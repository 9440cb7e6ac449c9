//! HTTP/1 and h2c over whatever comes to a listener. Called by the services and applications inside a test's process; what they answer is
//! theirs. All of it ends with the set of tasks.

use std::error::Error;
use std::future::Future;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Answers every request of every connection, upgrades among them.
pub(crate) fn serve<A, F, B, E>(serving: &mut JoinSet<()>, listener: TcpListener, answer: A)
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<B>, E>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    serving.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            connections.spawn(async move {
                let builder = auto::Builder::new(TokioExecutor::new());
                // An error is the client's, or was asked for.
                let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service_fn(answer)).await;
            });
        }
    });
}
