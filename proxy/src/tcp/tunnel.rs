//! `tunneling_config`: the octets of a connection inside one HTTP request, CONNECT or POST, of HTTP/1 or HTTP/2. `connect` opens it in
//! place of a connection, and the relay reads and writes it like one. It never looks at what passes. As with Envoy, what a POST carries is
//! a body like any other, chunked over HTTP/1.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use config::access_log::Format;
use config::tcp_proxy::Tunneling;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::lane::Side;
use crate::cluster::HttpLease;
use crate::mutate::Mutation;
use crate::telemetry::access_log::LogEntry;
use crate::telemetry::dynamic::{Form, Shared, StateObject};
use crate::telemetry::format;
use crate::telemetry::stream_info::{ConnectionInfo, StreamInfo};
use crate::telemetry::uuid;
use crate::wire::authority::is_authority;
use crate::wire::codec::{StreamError, Upstream};
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Frame, Method, Protocol, RequestHead, ResponseHead};

/// How tunnels are opened.
#[derive(Debug)]
pub(super) struct Opener {
    hostname: Format,
    post_path: Option<Bytes>,
    changes: Mutation,
    request_id: Option<(Name, Box<str>)>,
    keeps_headers: bool,
    keeps_trailers: bool,
}

impl Opener {
    /// Makes it ready.
    pub fn compile(config: &Tunneling) -> Opener {
        let mut hostname = config.hostname.clone();
        format::settle(&mut hostname);
        let request_id = config.request_id.as_ref().map(|(name, key)| (Name::new(name), Box::from(&**key)));
        Opener {
            hostname,
            post_path: config.post_path.as_ref().map(|path| Bytes::copy_from_slice(path.as_bytes())),
            changes: Mutation::compile(&config.headers),
            request_id,
            keeps_headers: config.keeps_headers,
            keeps_trailers: config.keeps_trailers,
        }
    }

    /// The host of a tunnel.
    ///
    /// # Errors
    /// What filters or the client have said, which is no host.
    pub fn host(&self, info: &StreamInfo) -> Result<Bytes, Bytes> {
        let mut host = Vec::new();
        format::write(&self.hostname, &LogEntry::of(info), &mut host);
        if !host.is_empty() && is_authority(&host) { Ok(host.into()) } else { Err(host.into()) }
    }

    /// Asks for a tunnel, and waits until it stands.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn open(&self, mut lease: HttpLease, host: Bytes, info: &mut StreamInfo) -> Result<Tunnel, Unopened> {
        let head = self.request(&lease, host, info);
        let broken = |error: StreamError| Unopened { status: None, why: error.to_string() };
        lease.stream.send_head(&head, false).map_err(broken)?;
        let head = answer(&mut lease).await.map_err(broken)?;
        if self.keeps_headers {
            let status = (":status".to_owned(), head.status.to_string());
            keep(&info.connection, "envoy.tcp_proxy.propagate_response_headers", Some(status), &head.headers);
        }
        let accepted = if lease.protocol == Protocol::Http2 { 200..=200 } else { 200..=299 };
        if !accepted.contains(&head.status) || head.body == BodyLength::Empty {
            return Err(Unopened { status: Some(head.status), why: format!("the answer is {}", head.status) });
        }
        let trailers = self.keeps_trailers.then(|| info.connection.clone());
        let ends_whole = self.post_path.is_some() && lease.protocol != Protocol::Http2;
        Ok(Tunnel { lease, unread: Bytes::new(), ended: false, said: false, ends_whole, trailers })
    }

    fn request(&self, lease: &HttpLease, host: Bytes, info: &mut StreamInfo) -> RequestHead {
        let post = self.post_path.as_ref();
        let scheme = if lease.connection.tls.is_some() { "https" } else { "http" };
        let mut head = RequestHead {
            method: if post.is_some() { Method::Post } else { Method::Connect },
            path: post.cloned().unwrap_or_default(),
            authority: host,
            scheme: Bytes::from_static(post.map_or("", |_| scheme).as_bytes()),
            ..RequestHead::unread(Protocol::Http11)
        };
        let values = self.changes.request_values(|format, out| format::write(format, &LogEntry::of(info), out));
        self.changes.apply_to_request(&mut head.headers, values);
        if let Some((name, key)) = &self.request_id {
            let id = uuid::random();
            head.headers.set(name.clone(), Bytes::copy_from_slice(&id));
            let id = String::from_utf8_lossy(&id).into_owned();
            info.connection.metadata.borrow_mut().add("envoy.filters.network.tcp_proxy", key, Value::String(id));
        }
        head
    }
}

/// The final head of the answer.
async fn answer(lease: &mut HttpLease) -> Result<ResponseHead, StreamError> {
    poll_fn(|cx| {
        // Whatever goes wrong in writing, the head tells.
        let _ = lease.stream.poll_flush(cx);
        loop {
            let head = ready!(lease.stream.poll_head(cx))?;
            if head.status >= 200 || head.status == 101 {
                return Poll::Ready(Ok(head));
            }
        }
    })
    .await
}

/// Leaves lines of a head, or trailers, as an object of the connection's filter state.
fn keep(connection: &ConnectionInfo, key: &str, first: Option<(String, String)>, headers: &Headers) {
    let own = headers.iter().map(|header| {
        let octets = [header.name.as_bytes(), &header.value].map(|octets| String::from_utf8_lossy(octets).into_owned());
        <(String, String)>::from(octets)
    });
    let lines: Vec<Value> =
        first.into_iter().chain(own).map(|(key, value)| json!({ "key": key, "value": value })).collect();
    connection.filter_state.borrow_mut().set(StateObject {
        key: key.into(),
        value: json!({ "headers": lines }).to_string().into(),
        form: Form::Json,
        read_only: false,
        shared: Shared::None,
    });
}

/// Why there is no tunnel.
pub(super) struct Unopened {
    /// The status of the answer that opens none.
    pub status: Option<u16>,
    /// For the process log.
    pub why: String,
}

/// Whether a format of a tunnel's host has had no value: logs write `-` then, and so does this, as with Envoy.
pub(super) fn has_no_value(host: &[u8]) -> bool {
    host.split(|octet| *octet == b':').next() == Some(b"-")
}

/// A tunnel that stands. Dropping it resets it, unless both directions are over.
pub(super) struct Tunnel {
    lease: HttpLease,
    /// Came, and was not taken yet.
    unread: Bytes,
    ended: bool,
    /// Our end has been said.
    said: bool,
    /// There is no end of one direction alone: a POST over HTTP/1, whose answer may never end.
    ends_whole: bool,
    /// Where trailers are kept.
    trailers: Option<Rc<ConnectionInfo>>,
}

impl Tunnel {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(self.lease.stream.poll_body(cx)).map_err(io::Error::other)? {
            Frame::Data(octets) => self.unread = octets,
            Frame::Trailers(trailers) => {
                if let Some(connection) = &self.trailers {
                    keep(connection, "envoy.tcp_proxy.propagate_response_trailers", None, &trailers);
                }
                self.ended = true;
            }
            Frame::End => self.ended = true,
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.unread.is_empty() && !self.ended {
            ready!(self.poll_frame(cx))?;
        }
        let count = self.unread.len().min(out.remaining());
        out.put_slice(&self.unread[..count]);
        self.unread.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let stream = &mut self.lease.stream;
        ready!(stream.poll_ready(cx)).map_err(io::Error::other)?;
        stream.send_data(Bytes::copy_from_slice(data), false).map_err(io::Error::other)?;
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lease.stream.poll_flush(cx).map_err(io::Error::other)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.said, true) {
            self.lease.stream.send_data(Bytes::new(), true).map_err(io::Error::other)?;
        }
        ready!(self.as_mut().poll_flush(cx))?;
        self.ended |= self.ends_whole;
        Poll::Ready(Ok(()))
    }
}

impl Side for Tunnel {}
