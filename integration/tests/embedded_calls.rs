//! Calls over real mutual TLS: this process calls, with a certificate of the embedded authority, a service behind a real sidecar under
//! the embedded control plane; the service then goes wrong in every way it has.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use config::services::GrpcService;
use envoy_types::pb::envoy::service::auth::v3::{CheckRequest, CheckResponse, check_response};
use envoy_types::pb::envoy::service::ext_proc::v3::{
    HttpBody, ProcessingRequest, ProcessingResponse, processing_request, processing_response,
};
use outrigger_integration::apps::service::{Mode, Service};
use outrigger_integration::control_plane::model::Protocol;
use outrigger_integration::embedded::{DETAILS, EmbeddedMesh, Options};
use prost::Message;
use proxy::call::{CallFailure, Calls, GrpcCall, GrpcReply, GrpcTarget, HttpCall, Reply};
use proxy::cluster::published::Published;
use proxy::cluster::{Cluster, WorkerClusters};
use proxy::stats::{Stats, StatsSettings};
use proxy::tls::Secrets;
use proxy::wire::grpc::frames::Framed;
use proxy::wire::headers::Headers;
use serde_json::json;

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
const CALLER: &str = "spiffe://cluster.local/ns/bookinfo/sa/bookinfo-ratings";
const CALLED: &str = "spiffe://cluster.local/ns/bookinfo/sa/bookinfo-details";
const SNI: &str = "outbound_.9080_._.details.bookinfo.svc.cluster.local";

/// A service behind a sidecar, and what calls it.
struct World {
    service: Service,
    calls: Calls,
    stats: Arc<Stats>,
    _mesh: EmbeddedMesh,
}

impl World {
    async fn start() -> World {
        World::start_trusting(CALLED).await
    }

    async fn start_trusting(identity: &str) -> World {
        let service = Service::start(Mode::Ok).await;
        let target = service.address();
        let mesh = EmbeddedMesh::start_with(Options {
            mesh: Box::new(move |mesh| {
                for ingress in &mut mesh.find_mut(DETAILS).ingress {
                    (ingress.protocol, ingress.target) = (Protocol::Http2, target);
                }
            }),
            ..Options::default()
        })
        .await;
        let (leaf, roots) = mesh.control_plane.issue(CALLER);
        let config = cluster(mesh.ingress, &leaf.chain, &leaf.key, &roots, identity);
        let config = config::cluster::decode(
            &config::dump::encode(&config).expect("it is made here"),
            &config::Options::default(),
        )
        .expect("it is valid");
        let stats = Stats::new(StatsSettings::default());
        let published = Arc::new(Published::default());
        let made = Cluster::new(Arc::new(config), &Secrets::new(), &stats).expect("it compiles");
        published.clusters.store(Arc::new([(made.config().name.clone(), made)].into_iter().collect()));
        let calls = Calls::new(Rc::new(WorkerClusters::new(0)), published, &stats, None);
        World { service, calls, stats, _mesh: mesh }
    }

    async fn check(&self, timeout: Option<Duration>) -> Result<GrpcReply, CallFailure> {
        let call =
            GrpcCall::unary(&target(timeout), CHECK, encoded(&CheckRequest::default()), Headers::new(), &mut |_, _| {});
        match self.calls.grpc(call).await? {
            Reply::Grpc(reply) => Ok(reply),
            Reply::Http(_) => unreachable!("gRPC was asked"),
        }
    }
}

fn target(timeout: Option<Duration>) -> Arc<GrpcTarget> {
    Arc::new(GrpcTarget::new(&GrpcService {
        cluster: "authz".into(),
        authority: "details.bookinfo:9080".into(),
        timeout,
        initial_metadata: Vec::new(),
        retry: None,
        max_receive_message_length: None,
        skip_envoy_headers: false,
    }))
}

fn encoded(message: &impl Message) -> Framed {
    Framed::of(&message.encode_to_vec())
}

/// A cluster as istiod makes it, with its certificates in it.
fn cluster(endpoint: SocketAddr, chain: &str, key: &str, roots: &str, identity: &str) -> serde_json::Value {
    let address = json!({ "socket_address": { "address": endpoint.ip().to_string(), "port_value": endpoint.port() } });
    json!({
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": "authz",
        "type": "STATIC",
        "connect_timeout": "10s",
        "load_assignment": { "cluster_name": "authz", "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }] },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": { "http2_protocol_options": {} }
            }
        },
        "transport_socket": {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                "sni": SNI,
                "common_tls_context": {
                    "alpn_protocols": ["istio", "h2"],
                    "tls_certificates": [{
                        "certificate_chain": { "inline_string": chain },
                        "private_key": { "inline_string": key }
                    }],
                    "validation_context": {
                        "trusted_ca": { "inline_string": roots },
                        "match_typed_subject_alt_names": [{ "san_type": "URI", "matcher": { "exact": identity } }]
                    }
                }
            }
        }
    })
}

async fn locally<T>(test: impl Future<Output = T>) -> T {
    tokio::task::LocalSet::new().run_until(test).await
}

#[tokio::test]
async fn a_question_passes_with_the_caller_s_identity() {
    locally(async {
        let world = World::start().await;
        let reply = world.check(Some(Duration::from_secs(20))).await.unwrap();
        let granted = CheckResponse::decode(&*reply.message).unwrap();
        assert!(matches!(granted.http_response, Some(check_response::HttpResponse::OkResponse(_))), "{granted:?}");
        assert_eq!(world.service.checks(), [CheckRequest::default()]);
        let headers = &world.service.asked()[0].headers;
        let certificate = headers["x-forwarded-client-cert"].to_str().unwrap();
        assert!(certificate.ends_with(&format!(";URI={CALLER}")), "{certificate}");
        assert_eq!(headers["te"], "trailers");
        assert_eq!(headers["content-type"], "application/grpc");
        world.service.set_mode(Mode::Deny);
        let reply = world.check(None).await.unwrap();
        let denied = CheckResponse::decode(&*reply.message).unwrap();
        assert_eq!(denied.status.unwrap().code, 7);
        assert_eq!(world.stats.value("cluster.authz.upstream_cx_total"), Some(1), "one connection for both");
    })
    .await;
}

#[tokio::test]
async fn a_service_that_goes_wrong_is_told_apart() {
    locally(async {
        let world = World::start().await;
        let cases = [
            (Mode::Garbage, "the answer is not gRPC: a message begins with octet 0x3c", 13),
            (Mode::Half, "the answer ended within a message", 13),
            // The sidecar answers for a service that closes.
            (Mode::Close, "the service answered gRPC status 14 (UNAVAILABLE): upstream connect error", 14),
            (Mode::Slow, "no answer within 300ms", 4),
        ];
        for (mode, words, status) in cases {
            world.service.set_mode(mode);
            let failure = world
                .check(Some(Duration::from_millis(if mode == Mode::Slow { 300 } else { 20_000 })))
                .await
                .unwrap_err();
            let told = failure.to_string();
            let told = told.strip_prefix("the call to cluster 'authz' failed: ").expect("names the cluster");
            assert!(told.starts_with(words), "{mode:?}: {told}");
            assert_eq!(failure.grpc_status(), status, "{mode:?}");
        }
        world.service.set_mode(Mode::Ok);
        world.check(None).await.expect("nothing stays broken");
    })
    .await;
}

#[tokio::test]
async fn another_identity_is_not_called() {
    locally(async {
        let world = World::start_trusting("spiffe://cluster.local/ns/bookinfo/sa/somebody-else").await;
        let failure = world.check(None).await.unwrap_err();
        assert!(failure.to_string().contains("no connection: remote connection failure"), "{failure}");
        assert_eq!((failure.grpc_status(), world.service.asked().len()), (14, 0));
    })
    .await;
}

#[tokio::test]
async fn messages_pass_both_ways() {
    locally(async {
        let world = World::start().await;
        let call = GrpcCall::stream(
            &target(None),
            "/envoy.service.ext_proc.v3.ExternalProcessor/Process",
            Headers::new(),
            &mut |_, _| {},
        );
        let stream = world.calls.stream(call);
        let body = |end_of_stream| {
            let body = HttpBody { body: vec![7; 20_000], end_of_stream, ..HttpBody::default() };
            let request = Some(processing_request::Request::RequestBody(body));
            encoded(&ProcessingRequest { request, ..ProcessingRequest::default() })
        };
        for last in [false, false, true] {
            stream.send(body(last)).unwrap();
            let answer = poll_fn(|cx| stream.poll_message(cx)).await.unwrap().expect("an answer to each");
            let answer = ProcessingResponse::decode(&*answer).unwrap();
            assert!(matches!(answer.response, Some(processing_response::Response::RequestBody(_))), "{answer:?}");
        }
        stream.finish();
        assert_eq!(poll_fn(|cx| stream.poll_message(cx)).await.unwrap(), None);
        assert_eq!(world.stats.value("cluster.authz.upstream_rq_active"), Some(0));
    })
    .await;
}

#[tokio::test]
async fn http_is_asked_too() {
    locally(async {
        let world = World::start().await;
        let uri = config::services::HttpUri {
            cluster: "authz".into(),
            uri: "http://details.bookinfo:9080/check".into(),
            host: "details.bookinfo:9080".into(),
            path: "/check".into(),
            timeout: Some(Duration::from_secs(20)),
        };
        for (mode, status, body) in
            [(Mode::Ok, 200, "granted"), (Mode::Deny, 403, "denied"), (Mode::Garbage, 200, "<html>not here</html>")]
        {
            world.service.set_mode(mode);
            match world.calls.http(HttpCall::get(&uri)).await.unwrap() {
                Reply::Http(reply) => {
                    assert_eq!((reply.head.status, &*reply.body), (status, body.as_bytes()), "{mode:?}")
                }
                Reply::Grpc(_) => unreachable!("HTTP was asked"),
            }
        }
        world.service.set_mode(Mode::Half);
        let failure = world.calls.http(HttpCall::get(&uri)).await.unwrap_err();
        assert!(failure.to_string().contains("the answer broke off"), "{failure}");
    })
    .await;
}
