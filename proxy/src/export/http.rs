//! What is called over HTTP: a collector's URI and headers, made ready.

use bytes::Bytes;
use config::access_log::{Format, Part};
use config::route::{AppendAction as Action, HeaderAdd};
use config::services::{GrpcService, HttpService, HttpUri};

use super::{TIMEOUT, VERSION};
use crate::call::HttpCall;
use crate::telemetry::format;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Method, RequestHead};

/// A collector over HTTP.
#[derive(Debug)]
pub(super) struct Http {
    uri: HttpUri,
    headers: Vec<(Name, Bytes)>,
}

pub(super) const PROTOBUF: &[u8] = b"application/x-protobuf";

impl Http {
    /// One that takes bodies of this kind.
    pub fn new(uri: HttpUri, kind: &'static [u8], more: &[HeaderAdd]) -> Http {
        Http::compile(uri, [(Name::CONTENT_TYPE, Bytes::from_static(kind))], more)
    }

    /// One of OpenTelemetry.
    pub fn otlp(service: &HttpService) -> Http {
        let agent = format!("OTel-OTLP-Exporter-Outrigger/{VERSION}");
        let own = [(Name::CONTENT_TYPE, Bytes::from_static(PROTOBUF)), (Name::USER_AGENT, agent.into())];
        Http::compile(service.uri.clone(), own, &service.headers)
    }

    fn compile<const OWN: usize>(uri: HttpUri, own: [(Name, Bytes); OWN], more: &[HeaderAdd]) -> Http {
        let mut headers = Headers::new();
        own.into_iter().for_each(|(name, value)| headers.set(name, value));
        for add in more {
            let (name, value) = (Name::new(&add.name), constant(&add.value));
            match add.action {
                _ if value.is_empty() && !add.keep_empty => {}
                Action::AppendOrAdd => headers.append(name, value),
                Action::AddIfAbsent if headers.contains(&name) => {}
                Action::OverwriteIfExists if !headers.contains(&name) => {}
                Action::AddIfAbsent | Action::OverwriteOrAdd | Action::OverwriteIfExists => headers.set(name, value),
            }
        }
        let headers = headers.iter().map(|header| (header.name.clone(), header.value.clone())).collect();
        Http { uri, headers }
    }

    /// A call with a body.
    pub fn call(&self, body: Vec<u8>) -> HttpCall {
        let mut call = HttpCall::get(&self.uri);
        let mut headers = Headers::with_capacity(self.headers.len() + 4);
        self.headers.iter().for_each(|(name, value)| headers.append_said(name.clone(), value.clone()));
        headers.set(Name::CONTENT_LENGTH, body.len().to_string());
        let length = BodyLength::Exact(body.len() as u64);
        call.head = RequestHead { method: Method::Post, headers, body: length, ..call.head };
        call.timeout = call.timeout.or(Some(TIMEOUT));
        call.body = Bytes::from(body);
        call
    }
}

/// The text of a format; as with Envoy, what depends on a request is not known, and neither is what the environment lacks.
fn constant(format: &Format) -> Vec<u8> {
    let mut format = format.clone();
    format::settle(&mut format);
    let texts = format.parts.iter().map(|part| match part {
        Part::Literal(text) => text.as_bytes(),
        Part::Operator { .. } => &b"-"[..],
    });
    texts.flatten().copied().collect()
}

/// A gRPC service with what its metadata says of the environment. Of requests it has nothing to say, for a call is made for many of them.
pub(super) fn settled(service: &GrpcService) -> GrpcService {
    let mut service = service.clone();
    service.initial_metadata.iter_mut().for_each(|add| format::settle(&mut add.value));
    service
}
