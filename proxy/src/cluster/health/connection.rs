//! The connection that checks of one endpoint go over: made with the cluster's transport, kept from check to check where it may be. No
//! pool and no circuit breaker knows of it, as in Envoy.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::task::JoinHandle;

use crate::cluster::Cluster;
use crate::cluster::connect::{Connector, connect};
use crate::cluster::endpoints::Endpoint;
use crate::cluster::pool::{Key, Speaks};
use crate::transport::Stream;
use crate::wire::codec::{StreamError, Upstream};
use crate::wire::message::{Frame, RequestHead, ResponseHead};
use crate::wire::{h1, h2};

/// A connection of HTTP.
pub enum Line {
    /// HTTP/1.
    Http1(Box<h1::client::Connection>),
    /// HTTP/2.
    Http2(h2::client::Handle, #[allow(dead_code)] Driving),
}

/// What drives an HTTP/2 connection; ends with it.
pub struct Driving(JoinHandle<()>);

impl Drop for Driving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How connections to one endpoint are made.
pub struct Way {
    /// The cluster.
    pub cluster: std::sync::Arc<Cluster>,
    /// What makes connections.
    pub connector: Rc<dyn Connector>,
}

impl Way {
    /// A bare connection, TLS done.
    pub async fn stream(&self, endpoint: &Endpoint, key: &Key) -> Option<Stream> {
        match connect(&*self.connector, &self.cluster, endpoint, key).await {
            Ok(connected) => Some(connected.stream),
            Err(failure) => {
                tracing::debug!(target: "hc", cluster = &*self.cluster.config().name, host = &*endpoint.identity.printed, "{failure}");
                None
            }
        }
    }

    /// One that speaks HTTP.
    pub async fn line(&self, endpoint: &Endpoint, key: &Key) -> Option<Line> {
        let stream = self.stream(endpoint, key).await?;
        let config = self.cluster.config();
        if key.speaks != Speaks::Http2 {
            let settings = h1::Settings::upstream(&config.http, config.buffer_limit);
            return Some(Line::Http1(Box::new(h1::client::Connection::new(stream, &settings))));
        }
        let settings = h2::Settings::upstream(&config.http);
        let (handle, driver) = h2::client::connect(stream, &settings, h2::CodecStats::NONE);
        let driving = tokio::task::spawn_local(async move { drop(driver.await) });
        Some(Line::Http2(handle, Driving(driving)))
    }
}

impl Line {
    /// Whether another check may go over it.
    pub fn is_usable(&mut self) -> bool {
        match self {
            Line::Http1(connection) => connection.requests() == 0 || connection.is_alive(),
            Line::Http2(handle, _) => handle.is_open() && handle.free_streams() > 0,
        }
    }

    /// Sends a request and reads the answer, of its body so many octets (0: all, within reason). Trailers are given where there are any.
    pub async fn ask(&mut self, head: &RequestHead, body: Bytes, most: u64) -> Result<Answer, StreamError> {
        match self {
            Line::Http1(connection) => {
                connection.begin();
                talk(&mut **connection, head, body, most).await
            }
            Line::Http2(handle, _) => talk(&mut handle.open(), head, body, most).await,
        }
    }
}

/// An answer.
pub struct Answer {
    /// Its head.
    pub head: ResponseHead,
    /// What was kept of its body.
    pub body: Vec<u8>,
    /// Its trailers.
    pub trailers: Option<crate::wire::headers::Headers>,
}

async fn talk(stream: &mut dyn Upstream, head: &RequestHead, body: Bytes, most: u64) -> Result<Answer, StreamError> {
    stream.send_head(head, body.is_empty())?;
    if !body.is_empty() {
        stream.send_data(body, true)?;
    }
    let head = poll_fn(|cx| poll_head(stream, cx)).await?;
    let most = if most == 0 { LONGEST } else { usize::try_from(most).unwrap_or(LONGEST).min(LONGEST) };
    let mut kept = Vec::new();
    let mut trailers = None;
    loop {
        match poll_fn(|cx| stream.poll_body(cx)).await? {
            Frame::Data(data) => kept.extend_from_slice(&data[..data.len().min(most - kept.len())]),
            Frame::Trailers(last) => {
                trailers = Some(last);
                break;
            }
            Frame::End => break,
        }
    }
    Ok(Answer { head, body: kept, trailers })
}

fn poll_head(stream: &mut dyn Upstream, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, StreamError>> {
    loop {
        // What was sent leaves before an answer is waited for; an error of writing is seen by reading.
        let _ = stream.poll_flush(cx);
        match stream.poll_head(cx) {
            Poll::Ready(Ok(head)) if head.status < 200 => {}
            other => return other,
        }
    }
}

/// Octets of an answer that are kept where the configuration sets no limit: endpoints are strangers.
const LONGEST: usize = 1 << 20;
