//! A service of gRPC whose answers a scenario writes down, and what it was told. Used by [`super::authorizer`] and [`super::processor`], which say what answers mean.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::Failure;
use crate::serving::serve;

/// A running service. Ends when dropped.
#[derive(Debug)]
pub struct Scripted {
    /// Where it listens.
    pub address: SocketAddr,
    script: Arc<Script>,
    _serving: JoinSet<()>,
}

/// What it says, and was told.
#[derive(Debug, Default)]
pub struct Script {
    answers: Mutex<Value>,
    told: Mutex<Vec<String>>,
}

/// A body of an answer.
pub type Body = UnsyncBoxBody<Bytes, Failure>;

impl Scripted {
    /// Starts one; `answer` answers a call.
    ///
    /// # Errors
    /// There is no loopback port.
    pub async fn start<F, A>(answer: F) -> Result<Scripted, Failure>
    where
        F: Fn(Arc<Script>, http::Request<Incoming>) -> A + Send + Sync + Clone + 'static,
        A: Future<Output = Result<http::Response<Body>, Failure>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let script = Arc::<Script>::default();
        let shared = script.clone();
        let mut serving = JoinSet::new();
        serve(&mut serving, listener, move |request| answer(shared.clone(), request));
        Ok(Scripted { address, script, _serving: serving })
    }

    /// What it answers from now on.
    pub fn answers(&self, answers: &Value) {
        *self.script.answers.lock().expect("nothing panics while it holds the answers") = answers.clone();
    }

    /// What it was told since this was last asked.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.script.told.lock().expect("nothing panics while it holds the list"))
    }
}

impl Script {
    /// What it answers now.
    pub fn answers(&self) -> Value {
        self.answers.lock().expect("nothing panics while it holds the answers").clone()
    }

    /// It is told something: `add` puts it behind what was told before.
    pub fn tell(&self, add: impl FnOnce(&mut Vec<String>)) {
        add(&mut self.told.lock().expect("nothing panics while it holds the list"));
    }

    /// A call begins: those of its headers that `is_shown` says are told, sorted. Where it is to answer what is no gRPC, that.
    ///
    /// # Errors
    /// None that can happen.
    pub fn begin(
        &self,
        request: &http::Request<Incoming>,
        is_shown: impl Fn(&str) -> bool,
    ) -> Result<Option<http::Response<Body>>, Failure> {
        let shown = request.headers().iter().filter(|(name, _)| is_shown(name.as_str()));
        let mut lines: Vec<_> =
            shown.map(|(name, value)| format!("call {name}: {}", value.as_bytes().escape_ascii())).collect();
        lines.sort();
        self.tell(|told| told.extend(lines));
        if self.answers() != "garbage" {
            return Ok(None);
        }
        let body = Full::new(Bytes::from_static(b"<html>not here</html>")).map_err(|never| match never {});
        Ok(Some(http::Response::builder().header("content-type", "text/html").body(body.boxed_unsync())?))
    }
}
