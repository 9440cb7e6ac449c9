//! Network filters that ask a service about each connection: `ext_authz` and `ratelimit`, over real connections and real calls.

use std::cell::RefCell;

use config::access_log::format;
use config::cluster::UpstreamProtocol;
use config::filters::NetworkFilterConfig;
use config::filters::network::echo::Echo;
use config::filters::network::ext_authz::ExtAuthz;
use config::filters::network::ratelimit::{Descriptor, RateLimit};
use config::listener::NetworkFilter;
use config::services::GrpcService;
use envoy_types::pb::envoy::service::auth::v3::{CheckRequest, CheckResponse};
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::Code;
use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use envoy_types::pb::google::rpc::Status;
use prost::Message;

use super::*;
use crate::call::tests::{Asked as Question, CLUSTER, OK, framed, serve, service};

type Kept<T> = Rc<RefCell<Vec<T>>>;

/// A cluster with a service that says this; what it was asked is kept.
async fn answers<T: Message + Default + 'static>(
    harness: &Harness,
    answer: impl Fn(&mut Question) + 'static,
) -> Kept<T> {
    let asked = Kept::<T>::default();
    let (kept, answer) = (asked.clone(), Rc::new(answer));
    let address = serve(move |mut one: Question| {
        let (kept, answer) = (kept.clone(), answer.clone());
        Box::pin(async move {
            let body = one.body().await;
            kept.borrow_mut().push(T::decode(&body[5..]).unwrap());
            answer(&mut one);
        })
    })
    .await;
    asks(harness, address);
    asked
}

/// The service is there.
pub(super) fn asks(harness: &Harness, address: SocketAddr) {
    let mut config = config::cluster::Cluster {
        name: CLUSTER.into(),
        ..cluster::config(config::cluster::Discovery::Static(cluster::assignment(vec![cluster::endpoint(address)])))
    };
    config.http.protocol = UpstreamProtocol::Http2;
    let made = Cluster::new(Arc::new(config), &harness.secrets, &harness.stats).unwrap();
    let clusters = &harness.worker.published.clusters;
    let mut table = ClusterTable::clone(&clusters.load());
    table.insert(CLUSTER.into(), made);
    clusters.store(Arc::new(table));
}

fn says<M: Message>(message: &M) -> impl Fn(&mut Question) + use<M> {
    let bytes = framed(&message.encode_to_vec());
    move |asked| asked.answer(&[&bytes], OK)
}

fn broken(asked: &mut Question) {
    asked.only_head(200, &[("content-type", "application/grpc"), ("grpc-status", "14")]);
}

fn soon() -> Arc<GrpcService> {
    Arc::new(GrpcService { timeout: Some(Duration::from_secs(5)), ..service() })
}

pub(super) fn authz(change: impl FnOnce(&mut ExtAuthz)) -> NetworkFilterConfig {
    let mut config = ExtAuthz {
        stat_prefix: "p".into(),
        service: soon(),
        failure_mode_allow: false,
        shadow: false,
        include_peer_certificate: false,
        enabled_metadata: None,
        labels: vec![("zone".into(), "a".into())],
        include_tls_session: false,
        metadata: Vec::new(),
        typed_metadata: Vec::new(),
    };
    change(&mut config);
    NetworkFilterConfig::ExtAuthz(Arc::new(config))
}

fn listens(filter: NetworkFilterConfig) -> config::listener::Listener {
    stacked(vec![filter])
}

fn stacked(filters: Vec<NetworkFilterConfig>) -> config::listener::Listener {
    let last = NetworkFilterConfig::Echo(Arc::new(Echo {}));
    let mut chain = chain("only", TerminalFilter::Answers(NetworkFilter { name: "last".into(), config: last }));
    chain.filters = filters.into_iter().map(|config| NetworkFilter { name: "f".into(), config }).collect();
    config("127.0.0.1:0", vec![chain])
}

/// What comes back, if anything does. Who says no more before the verdict is closed.
pub(super) async fn said(address: SocketAddr, words: &[u8]) -> Vec<u8> {
    let mut near = TcpStream::connect(address).await.unwrap();
    // One that is closed at once may not take all of it.
    let _ = near.write_all(words).await;
    let mut heard = Vec::new();
    let _ = (&mut near).take(words.len() as u64).read_to_end(&mut heard).await;
    heard
}

fn denies() -> CheckResponse {
    CheckResponse { status: Some(Status { code: 7, ..Status::default() }), ..CheckResponse::default() }
}

#[tokio::test]
async fn an_authorizer_decides_by_the_connection() {
    local(async {
        let harness = Harness::new();
        let asked: Kept<CheckRequest> = answers(&harness, says(&CheckResponse::default())).await;
        let (address, _slot) = harness.serve(listens(authz(|_| {})));
        assert_eq!(said(address, b"hello").await, b"hello");
        let attributes = asked.borrow()[0].attributes.clone().unwrap();
        let labels = attributes.destination.as_ref().unwrap().labels.clone();
        assert_eq!(labels.get("zone").map(String::as_str), Some("a"));
        assert!(attributes.request.is_none_or(|request| request.http.is_none()));
        assert_eq!((harness.value("ext_authz.p.total"), harness.value("ext_authz.p.ok")), (1, 1));

        let _: Kept<CheckRequest> = answers(&harness, says(&denies())).await;
        assert_eq!(said(address, b"hello").await, b"");
        assert_eq!((harness.value("ext_authz.p.denied"), harness.value("ext_authz.p.cx_closed")), (1, 1));
        assert_eq!(harness.value("ext_authz.p.active"), 0);
    })
    .await;
}

/// Denies whom an authorizer has called a stranger, by each read.
fn no_strangers(delay_deny: Option<Duration>) -> NetworkFilterConfig {
    use config::matcher::{MetadataMatcher, StringMatcher, ValueMatcher};
    use config::rbac::{Action, Engine, Policy, Rbac, Rule};
    let value = ValueMatcher::String(StringMatcher::Exact { value: "stranger".into(), ignore_case: false });
    let filter = "envoy.filters.network.ext_authz".into();
    let stranger = Rule::Metadata(MetadataMatcher { filter, path: vec!["who".into()], value, invert: false });
    let policy = Policy { permissions: vec![Rule::Any], principals: vec![stranger], condition: None };
    let rules = Some(Engine::Rules(Action::Deny, [("strangers".into(), policy)].into()));
    NetworkFilterConfig::Rbac(Arc::new(config::filters::network::rbac::Rbac {
        stat_prefix: "tcp.".into(),
        rbac: Rbac { rules, ..Rbac::default() },
        is_continuous: true,
        delay_deny,
    }))
}

#[tokio::test]
async fn what_an_authorizer_says_of_the_first_octets_closes_the_connection_when_more_come() {
    use envoy_types::pb::google::protobuf::{Struct, Value, value::Kind};
    local(async {
        let harness = Harness::new();
        let who = Value { kind: Some(Kind::StringValue("stranger".into())) };
        let metadata = Struct { fields: [("who".to_owned(), who)].into() };
        let answer = CheckResponse { dynamic_metadata: Some(metadata), ..CheckResponse::default() };
        let _: Kept<CheckRequest> = answers(&harness, says(&answer)).await;
        for (round, delay) in [(1, None), (2, Some(Duration::from_millis(10)))] {
            let (address, _slot) = harness.serve(stacked(vec![no_strangers(delay), authz(|_| {})]));
            let mut near = TcpStream::connect(address).await.unwrap();
            near.write_all(b"hello").await.unwrap();
            let mut heard = [0; 5];
            near.read_exact(&mut heard).await.unwrap();
            near.write_all(b"again").await.unwrap();
            assert_eq!(read_all(&mut near).await, b"", "nobody hears what is denied");
            assert_eq!((harness.value("tcp.rbac.allowed"), harness.value("tcp.rbac.denied")), (round, round));
        }
    })
    .await;
}

#[tokio::test]
async fn a_shadow_closes_nothing() {
    local(async {
        let harness = Harness::new();
        let (address, _slot) = harness.serve(listens(authz(|config| config.shadow = true)));
        let _: Kept<CheckRequest> = answers(&harness, says(&denies())).await;
        assert_eq!(said(address, b"hello").await, b"hello");
        let _: Kept<CheckRequest> = answers(&harness, broken).await;
        assert_eq!(said(address, b"hello").await, b"hello");
        for (name, count) in [("denied", 1), ("error", 1), ("cx_closed", 0), ("failure_mode_allowed", 0)] {
            assert_eq!(harness.value(&format!("ext_authz.p.{name}")), count, "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn without_a_verdict_a_connection_is_closed_unless_that_is_not_wanted() {
    local(async {
        let garbage = |asked: &mut Question| asked.answer(&[&framed(b"\xff\xff")], OK);
        let half = |asked: &mut Question| asked.answer(&[b"\x00\x00\x00\x00\x20half"], OK);
        let ways: [fn(&mut Question); 3] = [broken, garbage, half];
        for answer in ways {
            let harness = Harness::new();
            let _: Kept<CheckRequest> = answers(&harness, answer).await;
            let (address, _slot) = harness.serve(listens(authz(|_| {})));
            assert_eq!(said(address, b"hello").await, b"");
            assert_eq!((harness.value("ext_authz.p.error"), harness.value("ext_authz.p.cx_closed")), (1, 1));
            let (address, _slot) = harness.serve(listens(authz(|config| config.failure_mode_allow = true)));
            assert_eq!(said(address, b"hello").await, b"hello");
            assert_eq!(harness.value("ext_authz.p.failure_mode_allowed"), 1);
        }
        // Nobody is there to be asked.
        let harness = Harness::new();
        let (address, _slot) = harness.serve(listens(authz(|_| {})));
        assert_eq!(said(address, b"hello").await, b"");
        assert_eq!(harness.value("ext_authz.p.error"), 1);
    })
    .await;
}

pub(super) fn limit(deny_on_failure: bool) -> NetworkFilterConfig {
    let value = format::parse("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%").unwrap();
    NetworkFilterConfig::RateLimit(Arc::new(RateLimit {
        stat_prefix: "p".into(),
        domain: "d".into(),
        descriptors: vec![Descriptor {
            entries: vec![("from".into(), value), ("k".into(), format::parse("v").unwrap())],
        }],
        deny_on_failure,
        service: soon(),
    }))
}

pub(super) fn code(code: Code) -> RateLimitResponse {
    RateLimitResponse { overall_code: code as i32, ..RateLimitResponse::default() }
}

#[tokio::test]
async fn a_rate_limit_service_decides_before_anything_is_said() {
    local(async {
        let harness = Harness::new();
        let asked: Kept<RateLimitRequest> = answers(&harness, says(&code(Code::Ok))).await;
        let (address, _slot) = harness.serve(listens(limit(false)));
        assert_eq!(said(address, b"hello").await, b"hello");
        let question = asked.borrow()[0].clone();
        let entries = question.descriptors[0].entries.iter();
        let entries: Vec<_> = entries.map(|entry| (entry.key.as_str(), entry.value.as_str())).collect();
        assert_eq!((question.domain.as_str(), entries), ("d", vec![("from", "127.0.0.1"), ("k", "v")]));

        let _: Kept<RateLimitRequest> = answers(&harness, says(&code(Code::OverLimit))).await;
        let mut near = TcpStream::connect(address).await.unwrap();
        assert_eq!(read_all(&mut near).await, b"");
        for (name, count) in [("total", 2), ("ok", 1), ("over_limit", 1), ("cx_closed", 1), ("active", 0)] {
            assert_eq!(harness.value(&format!("ratelimit.p.{name}")), count, "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn without_an_answer_a_connection_goes_on_unless_that_is_not_wanted() {
    local(async {
        let harness = Harness::new();
        let _: Kept<RateLimitRequest> = answers(&harness, broken).await;
        let (address, _slot) = harness.serve(listens(limit(false)));
        assert_eq!(said(address, b"hello").await, b"hello");
        assert_eq!(harness.value("ratelimit.p.failure_mode_allowed"), 1);
        let (address, _slot) = harness.serve(listens(limit(true)));
        let mut near = TcpStream::connect(address).await.unwrap();
        assert_eq!(read_all(&mut near).await, b"");
        assert_eq!((harness.value("ratelimit.p.error"), harness.value("ratelimit.p.cx_closed")), (2, 1));
    })
    .await;
}
