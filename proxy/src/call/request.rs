//! What a call sends: the request head as Envoy's client makes it, header by header. Made once a call; targets are compiled when
//! configuration arrives.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use config::access_log::{Format, Part};
use config::route::RetryPolicy;
use config::services::GrpcService;
use tokio::time::Instant;

use super::Calls;
use super::attempt::Outgoing;
use crate::cluster::WorkerCluster;
use crate::wire::grpc;
use crate::wire::grpc::frames::Framed;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Method, Protocol, RequestHead};

/// Writes a format for the stream that a call is made for.
pub type Render<'a> = &'a mut dyn FnMut(&Format, &mut Vec<u8>);

/// A gRPC service, made ready. Shared by all calls of a filter.
#[derive(Debug)]
pub struct GrpcTarget {
    pub(super) cluster: Arc<str>,
    authority: Bytes,
    timeout: Option<Duration>,
    metadata: Box<[(Name, Value)]>,
    retry: Option<Arc<RetryPolicy>>,
    pub(super) longest: u32,
    envoy_headers: bool,
}

#[derive(Debug)]
enum Value {
    Constant(Bytes),
    Computed(Format),
}

/// The longest message that is taken where the service's configuration sets no limit. Envoy has none then: a service could fill the
/// memory.
pub(super) const LONGEST_MESSAGE: u32 = 32 << 20;

impl GrpcTarget {
    /// Makes a service ready.
    pub fn new(service: &GrpcService) -> GrpcTarget {
        let metadata = service.initial_metadata.iter();
        GrpcTarget {
            cluster: service.cluster.clone(),
            authority: Bytes::copy_from_slice(service.authority.as_bytes()),
            timeout: service.timeout,
            metadata: metadata.map(|add| (Name::new(&add.name), Value::new(&add.value))).collect(),
            retry: service.retry.clone(),
            longest: service.max_receive_message_length.unwrap_or(LONGEST_MESSAGE),
            envoy_headers: !service.skip_envoy_headers,
        }
    }

    /// The same with another timeout: filters have timeouts of their own.
    pub fn with_timeout(self, timeout: Option<Duration>) -> GrpcTarget {
        GrpcTarget { timeout, ..self }
    }

    /// As spans name it: its authority, or else its cluster.
    pub fn name(&self) -> String {
        let authority = String::from_utf8_lossy(&self.authority);
        if authority.is_empty() { self.cluster.to_string() } else { authority.into_owned() }
    }

    /// The cluster that is called.
    pub fn cluster(&self) -> &Arc<str> {
        &self.cluster
    }
}

impl Value {
    fn new(format: &Format) -> Value {
        let mut text = Vec::new();
        for part in &format.parts {
            let Part::Literal(literal) = part else { return Value::Computed(format.clone()) };
            text.extend_from_slice(literal.as_bytes());
        }
        Value::Constant(Bytes::from(text))
    }
}

/// One call of a gRPC method.
pub struct GrpcCall {
    pub(super) target: Arc<GrpcTarget>,
    pub(super) head: RequestHead,
    /// `None` for a stream: messages follow.
    pub(super) message: Option<Framed>,
}

impl GrpcCall {
    /// A question: one message for one message. `path` is `/package.Service/Method`; `metadata` are headers of this call beside the
    /// target's; `render` writes those of the target's that have operators.
    pub fn unary(
        target: &Arc<GrpcTarget>,
        path: &'static str,
        message: Framed,
        metadata: Headers,
        render: Render<'_>,
    ) -> GrpcCall {
        let head = target.head(path, target.timeout, metadata, render);
        GrpcCall { target: target.clone(), head, message: Some(message) }
    }

    /// A stream of messages both ways.
    pub fn stream(target: &Arc<GrpcTarget>, path: &'static str, metadata: Headers, render: Render<'_>) -> GrpcCall {
        GrpcCall { target: target.clone(), head: target.head(path, None, metadata, render), message: None }
    }

    /// Headers of this call.
    pub fn metadata(&mut self) -> &mut Headers {
        &mut self.head.headers
    }

    /// A header of this call, in place of one of its name.
    pub fn set(&mut self, name: Name, value: Bytes) {
        let value = carried(&name, value);
        self.head.headers.set_said(name, value);
    }

    /// What is sent, once the cluster is found.
    pub(super) fn outgoing(self, calls: &Calls, cluster: Rc<WorkerCluster>) -> Outgoing {
        let GrpcCall { target, mut head, message } = self;
        introduce(calls, &mut head.headers, target.envoy_headers, target.envoy_headers);
        Outgoing {
            cluster,
            head,
            timeout: message.as_ref().and(target.timeout),
            body: message.map(Framed::into_bytes),
            retry: target.retry.clone(),
            internal: target.envoy_headers,
            begun: Instant::now(),
        }
    }
}

impl GrpcTarget {
    fn head(
        &self,
        path: &'static str,
        timeout: Option<Duration>,
        metadata: Headers,
        render: Render<'_>,
    ) -> RequestHead {
        let mut headers = Headers::with_capacity(MOST_OWN_HEADERS + self.metadata.len() + metadata.len());
        headers.append(Name::TE, "trailers");
        if let Some(timeout) = timeout {
            headers.append(Name::GRPC_TIMEOUT, grpc::write_timeout(timeout));
        }
        headers.append(Name::CONTENT_TYPE, "application/grpc");
        for (name, value) in &self.metadata {
            let value = match value {
                Value::Constant(value) => value.clone(),
                Value::Computed(format) => computed(format, render),
            };
            // A value that is missing adds nothing.
            if !value.is_empty() {
                headers.set_said(name.clone(), value);
            }
        }
        for header in metadata.iter() {
            headers.push(header.clone());
        }
        headers.doubt_unless(!metadata.is_doubted());
        encode_binary(&mut headers);
        RequestHead {
            protocol: Protocol::Http2,
            method: Method::Post,
            path: Bytes::from_static(path.as_bytes()),
            about_server: false,
            authority: self.authority.clone(),
            // As Envoy has it, also towards TLS.
            scheme: Bytes::from_static(b"http"),
            headers,
            body: BodyLength::Unknown,
            upgrade: None,
            wire_size: 0,
        }
    }
}

/// te, grpc-timeout, content-type, and Envoy's three.
const MOST_OWN_HEADERS: usize = 6;

fn computed(format: &Format, render: Render<'_>) -> Bytes {
    let mut text = Vec::new();
    render(format, &mut text);
    Bytes::from(text)
}

fn is_binary(name: &Name) -> bool {
    name.as_bytes().ends_with(b"-bin")
}

/// Metadata whose name ends in `-bin` travel in base64.
fn carried(name: &Name, value: Bytes) -> Bytes {
    if is_binary(name) { Bytes::from(STANDARD.encode(&value)) } else { value }
}

fn encode_binary(headers: &mut Headers) {
    if !headers.iter().any(|header| is_binary(&header.name)) {
        return;
    }
    let mut encoded = Headers::with_capacity(headers.len());
    encoded.doubt_unless(!headers.is_doubted());
    for header in headers.iter() {
        let mut header = header.clone();
        header.value = carried(&header.name, header.value);
        encoded.push(header);
    }
    *headers = encoded;
}

/// Envoy's headers of a call: that it comes from within, and from where.
pub(super) fn introduce(calls: &Calls, headers: &mut Headers, internal: bool, forwarded_for: bool) {
    if internal {
        headers.set(Name::X_ENVOY_INTERNAL, "true");
    }
    let Some(address) = calls.0.address.as_ref().filter(|_| forwarded_for) else { return };
    let all = match headers.get(&Name::X_FORWARDED_FOR) {
        None => address.clone(),
        Some(before) => {
            let mut all = BytesMut::with_capacity(before.len() + 1 + address.len());
            all.put_slice(before);
            all.put_u8(b',');
            all.put_slice(address);
            all.freeze()
        }
    };
    headers.set(Name::X_FORWARDED_FOR, all);
}
