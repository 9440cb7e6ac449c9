//! A control plane that says what a test tells it to, in state of the world, and waits for the answer to that.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server::{
    AggregatedDiscoveryService, AggregatedDiscoveryServiceServer,
};
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use envoy_types::pb::google::protobuf::Any;
use futures_util::Stream;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::Service as _;

use super::{DEADLINE, POLL};

/// The control plane; dropping it ends its streams.
pub struct Ads {
    pub at: SocketAddr,
    shared: Shared,
    _runtime: Runtime,
}

#[derive(Clone)]
struct Shared {
    sent: watch::Sender<Option<DiscoveryResponse>>,
    /// Which response was answered, and what was wrong with it.
    answers: Arc<Mutex<Vec<Answer>>>,
}

/// The nonce, and what was wrong.
type Answer = (String, Option<String>);

impl Ads {
    pub fn start() -> Ads {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let at = listener.local_addr().expect("an address");
        let shared = Shared { sent: watch::Sender::new(None), answers: Arc::default() };
        let of_server = shared.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = of_server.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let shared = shared.clone();
                        async move { AggregatedDiscoveryServiceServer::new(shared).call(request).await }
                    });
                    let _ =
                        auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ads { at, shared, _runtime: runtime }
    }

    /// Sends these resources of that type as that version; what was wrong with them.
    pub fn push(&self, type_name: &str, version: u64, resources: &[Value]) -> Option<String> {
        let type_url = format!("type.googleapis.com/{type_name}");
        let encoded = |resource: &Value| {
            let mut resource = resource.clone();
            resource["@type"] = type_url.clone().into();
            let value = config::dump::encode(&resource).expect("a resource");
            Any { type_url: type_url.clone(), value }
        };
        let response = DiscoveryResponse {
            version_info: version.to_string(),
            nonce: version.to_string(),
            resources: resources.iter().map(encoded).collect(),
            type_url: type_url.clone(),
            ..DiscoveryResponse::default()
        };
        let nonce = response.nonce.clone();
        self.shared.sent.send_replace(Some(response));
        let began = Instant::now();
        loop {
            if let Some(wrong) = self.shared.answer(&nonce) {
                return wrong;
            }
            assert!(began.elapsed() < DEADLINE, "no answer to version {nonce}");
            std::thread::sleep(POLL);
        }
    }
}

impl Shared {
    fn answer(&self, nonce: &str) -> Option<Option<String>> {
        let answers = self.answers.lock().expect("nothing panics while it holds the list");
        answers.iter().find(|(of, _)| of == nonce).map(|(_, wrong)| wrong.clone())
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, tonic::Status>> + Send>>;

#[tonic::async_trait]
impl AggregatedDiscoveryService for Shared {
    type StreamAggregatedResourcesStream = Answers<DiscoveryResponse>;
    type DeltaAggregatedResourcesStream = Answers<DeltaDiscoveryResponse>;

    async fn stream_aggregated_resources(
        &self,
        request: tonic::Request<tonic::Streaming<DiscoveryRequest>>,
    ) -> Result<tonic::Response<Self::StreamAggregatedResourcesStream>, tonic::Status> {
        let (mut asked, shared, mut sent) = (request.into_inner(), self.clone(), self.sent.subscribe());
        let (send, answer) = mpsc::channel(8);
        tokio::spawn(async move {
            let mut subscribed = false;
            loop {
                tokio::select! {
                    message = asked.message() => {
                        let Ok(Some(message)) = message else { return };
                        if !std::mem::replace(&mut subscribed, true) {
                            sent.mark_changed();
                        }
                        if !message.response_nonce.is_empty() {
                            let wrong = message.error_detail.map(|error| error.message);
                            shared.answers.lock().expect("nothing panics").push((message.response_nonce, wrong));
                        }
                    }
                    Ok(()) = sent.changed(), if subscribed => {
                        let Some(response) = sent.borrow_and_update().clone() else { continue };
                        if send.send(Ok(response)).await.is_err() {
                            return;
                        }
                    }
                }
            }
        });
        Ok(tonic::Response::new(Box::pin(ReceiverStream::new(answer))))
    }

    async fn delta_aggregated_resources(
        &self,
        _: tonic::Request<tonic::Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<tonic::Response<Self::DeltaAggregatedResourcesStream>, tonic::Status> {
        Err(tonic::Status::unimplemented("state of the world alone"))
    }
}
