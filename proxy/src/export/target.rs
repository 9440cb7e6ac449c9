//! A collector, made ready: how spans become a call. Called by the queue's task.

use std::sync::Arc;

use bytes::Bytes;
use config::access_log::{Format, Part};
use config::route::{AppendAction as Action, HeaderAdd};
use config::services::otlp::{self, Origin};
use config::services::span::Span;
use config::services::zipkin::{self, Local};
use config::services::{GrpcService, HttpUri};
use config::tracing::Collector;

use super::{OfZipkin, TIMEOUT, VERSION};
use crate::call::{CallFailure, Calls, GrpcCall, GrpcTarget, HttpCall, Reply, Why};
use crate::outage::Outage;
use crate::telemetry::format;
use crate::wire::grpc::frames::Framed;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Method, RequestHead};

/// Who is told of spans, and in which form.
#[derive(Debug)]
pub(super) enum Target {
    /// OpenTelemetry over gRPC.
    Grpc(Origin, Arc<GrpcTarget>),
    /// And over HTTP.
    Http(Origin, Http),
    Zipkin(OfZipkin, Zipkin),
}

#[derive(Debug)]
pub(super) struct Zipkin {
    http: Http,
    service: Arc<str>,
    protobuf: bool,
}

/// What is called over HTTP.
#[derive(Debug)]
pub(super) struct Http {
    uri: HttpUri,
    headers: Vec<(Name, Bytes)>,
}

impl Target {
    /// A collector of OpenTelemetry.
    pub fn otlp(collector: &Collector, origin: Origin) -> Target {
        match collector {
            Collector::Grpc(service) => {
                let timeout = service.timeout.or(Some(TIMEOUT));
                Target::Grpc(origin, Arc::new(GrpcTarget::new(&settled(service)).with_timeout(timeout)))
            }
            Collector::Http(service) => {
                let agent = format!("OTel-OTLP-Exporter-Outrigger/{VERSION}");
                let own = [(Name::CONTENT_TYPE, Bytes::from_static(PROTOBUF)), (Name::USER_AGENT, agent.into())];
                Target::Http(origin, Http::compile(service.uri.clone(), own, &service.headers))
            }
        }
    }

    /// One of Zipkin.
    pub fn zipkin(config: &config::tracing::Zipkin, stats: OfZipkin) -> Target {
        let collector = &config.collector;
        let kind = if config.protobuf { PROTOBUF } else { b"application/json" };
        let http =
            Http::compile(collector.uri.clone(), [(Name::CONTENT_TYPE, Bytes::from_static(kind))], &collector.headers);
        Target::Zipkin(stats, Zipkin { http, service: config.service.clone(), protobuf: config.protobuf })
    }

    /// Sends them and waits for the answer. That they are lost is told in the process log, and in the cluster's statistics.
    pub async fn send(&self, spans: Vec<Span>, calls: &Calls, lost: &Outage) {
        let result = match self {
            Target::Grpc(origin, target) => {
                let message = Framed::new(|out| otlp::encode(origin, spans, out));
                let call = GrpcCall::unary(target, otlp::EXPORT, message, Headers::new(), &mut |_, _| {});
                calls.grpc(call).await
            }
            Target::Http(origin, http) => {
                let mut body = Vec::new();
                otlp::encode(origin, spans, &mut body);
                calls.http(http.call(body)).await
            }
            Target::Zipkin(stats, Zipkin { http, service, protobuf }) => {
                let local = Local { service: service.clone(), address: calls.address() };
                let body = if *protobuf { zipkin::protobuf(&local, &spans) } else { zipkin::json(&local, &spans) };
                let result = calls.http(http.call(body)).await;
                match &result {
                    Ok(Reply::Http(reply)) if reply.head.status == 202 => stats.reports_sent,
                    Ok(_) => stats.reports_dropped,
                    Err(CallFailure { why: Why::NoCluster, .. }) => stats.reports_skipped_no_cluster,
                    Err(_) => stats.reports_failed,
                }
                .inc();
                result
            }
        };
        let why = match result {
            Err(failure) => Some(failure.to_string()),
            Ok(Reply::Http(reply)) => {
                Some(reply.head.status).filter(|status| status / 100 != 2).map(|status| format!("it answers {status}"))
            }
            Ok(_) => None,
        };
        match why {
            Some(why) if lost.failed() => {
                tracing::warn!(target: "tracing", "spans are lost, the collector does not take them: {why}")
            }
            None if lost.is_ended() => tracing::warn!(target: "tracing", "the collector takes spans again"),
            _ => {}
        }
    }
}

const PROTOBUF: &[u8] = b"application/x-protobuf";

/// What metadata says of the environment. Of requests it has nothing to say, for a call is made for many of them.
fn settled(service: &GrpcService) -> GrpcService {
    let mut service = service.clone();
    service.initial_metadata.iter_mut().for_each(|add| format::settle(&mut add.value));
    service
}

impl Http {
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

    fn call(&self, body: Vec<u8>) -> HttpCall {
        let mut call = HttpCall::get(&self.uri);
        let mut headers = Headers::with_capacity(self.headers.len() + 4);
        self.headers.iter().for_each(|(name, value)| headers.append(name.clone(), value.clone()));
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
