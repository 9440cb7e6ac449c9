//! The SDS half of the recorder: the two secrets of every workload, the private key taken out before anything is written.

use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{Secret, secret};
use envoy_types::pb::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};
use envoy_types::pb::envoy::service::secret::v3::secret_discovery_service_client::SecretDiscoveryServiceClient;
use envoy_types::pb::google::protobuf::Any;
use prost::Message;
use tokio_stream::StreamExt;
use tonic::transport::Endpoint;

use crate::lab::Result;
use crate::recordings::SECRET;

/// How long the agent may take to have a certificate signed.
const DEADLINE: Duration = Duration::from_secs(20);

/// Asks for `default` and `ROOTCA`, one stream each as Envoy does.
pub async fn record(uri: &str, node: Node) -> Result<DiscoveryResponse> {
    let mut resources = Vec::new();
    for name in ["default", "ROOTCA"] {
        let secret = tokio::time::timeout(DEADLINE, ask(uri, node.clone(), name)).await??;
        resources.push(without_key(&secret)?);
    }
    Ok(DiscoveryResponse { type_url: SECRET.to_owned(), resources, ..DiscoveryResponse::default() })
}

async fn ask(uri: &str, node: Node, name: &str) -> Result<Any> {
    let channel = Endpoint::from_shared(uri.to_owned())?.connect().await?;
    let request = DiscoveryRequest {
        node: Some(node),
        type_url: SECRET.to_owned(),
        resource_names: vec![name.to_owned()],
        ..DiscoveryRequest::default()
    };
    // The stream stays open on our side until the answer is there.
    let requests = tokio_stream::once(request).chain(tokio_stream::pending());
    let mut responses = SecretDiscoveryServiceClient::new(channel).stream_secrets(requests).await?.into_inner();
    let response = responses.message().await?.ok_or("the agent ended the stream")?;
    response.resources.into_iter().next().ok_or_else(|| format!("the agent has no secret {name}").into())
}

fn without_key(any: &Any) -> Result<Any> {
    let mut secret = Secret::decode(any.value.as_slice())?;
    if let Some(secret::Type::TlsCertificate(certificate)) = &mut secret.r#type {
        certificate.private_key = None;
    }
    Ok(Any { type_url: any.type_url.clone(), value: secret.encode_to_vec() })
}
