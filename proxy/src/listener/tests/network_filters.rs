//! Network filters before the last one, over real connections.

use config::access_log::LogFormat;
use config::filters::NetworkFilterConfig;
use config::filters::discovery::{Discovery, Typed};
use config::filters::network::connection_limit::ConnectionLimit;
use config::filters::network::direct_response::DirectResponse;
use config::filters::network::echo::Echo;
use config::filters::network::local_ratelimit::LocalRateLimit;
use config::filters::network::set_filter_state::SetFilterState;
use config::filters::network::sni_cluster::SniCluster;
use config::filters::set_filter_state::{FilterStateValue, Object, SharedWithUpstream};
use config::listener::NetworkFilter;

use super::*;
use crate::discoveries::{Change, State};

pub(super) fn with(filters: Vec<NetworkFilterConfig>, terminal: TerminalFilter) -> config::listener::Listener {
    let mut chain = chain("only", terminal);
    chain.filters = filters.into_iter().map(|config| NetworkFilter { name: "f".into(), config }).collect();
    config("127.0.0.1:0", vec![chain])
}

fn answers(config: NetworkFilterConfig) -> TerminalFilter {
    TerminalFilter::Answers(NetworkFilter { name: "last".into(), config })
}

pub(super) fn echo() -> TerminalFilter {
    answers(NetworkFilterConfig::Echo(Arc::new(Echo {})))
}

fn direct(response: &'static str) -> TerminalFilter {
    answers(NetworkFilterConfig::DirectResponse(Arc::new(DirectResponse { response: response.into() })))
}

async fn say(address: SocketAddr, words: &str) -> String {
    talk(Stream::from(TcpStream::connect(address).await.unwrap()), words).await
}

async fn closed(address: SocketAddr) {
    let mut near = TcpStream::connect(address).await.unwrap();
    assert_eq!(read_all(&mut near).await, b"");
}

#[tokio::test]
async fn echo_sends_back_what_comes() {
    local(async {
        let harness = Harness::new();
        let (address, _slot) = harness.serve(with(Vec::new(), echo()));
        assert_eq!(say(address, "hello").await, "hello");
        assert_eq!(harness.value("listener.test.downstream_cx_active"), 0);
    })
    .await;
}

#[tokio::test]
async fn a_direct_response_needs_no_question() {
    local(async {
        let harness = Harness::new();
        let (address, _slot) = harness.serve(with(Vec::new(), direct("bye\n")));
        let mut near = TcpStream::connect(address).await.unwrap();
        assert_eq!(read_all(&mut near).await, b"bye\n");
        let (address, _slot) = harness.serve(with(Vec::new(), direct("")));
        closed(address).await;
    })
    .await;
}

pub(super) fn limit(most: u64, delay: Option<Duration>) -> NetworkFilterConfig {
    let limit = ConnectionLimit { stat_prefix: "p".into(), max_connections: most, delay, enabled: true.into() };
    NetworkFilterConfig::ConnectionLimit(Arc::new(limit))
}

#[tokio::test]
async fn connections_above_the_limit_are_closed() {
    local(async {
        let harness = Harness::new();
        let (address, _slot) = harness.serve(with(vec![limit(1, None)], echo()));
        let mut first = TcpStream::connect(address).await.unwrap();
        first.write_all(b"x").await.unwrap();
        first.read_exact(&mut [0]).await.unwrap();
        closed(address).await;
        cluster::until(|| harness.value("connection_limit.p.active_connections") == 1).await;
        assert_eq!(harness.value("connection_limit.p.limited_connections"), 1);
        drop(first);
        cluster::until(|| harness.value("connection_limit.p.active_connections") == 0).await;
        assert_eq!(say(address, "again").await, "again");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_limited_connection_may_be_held_for_a_while() {
    local(async {
        let harness = Harness::new();
        let (address, _slot) = harness.serve(with(vec![limit(1, Some(Duration::from_secs(7)))], echo()));
        let mut first = TcpStream::connect(address).await.unwrap();
        first.write_all(b"x").await.unwrap();
        first.read_exact(&mut [0]).await.unwrap();
        let begun = tokio::time::Instant::now();
        closed(address).await;
        assert_eq!(begun.elapsed().as_secs(), 7);
    })
    .await;
}

fn rate(prefix: &str, most: u32, share: Option<&str>) -> NetworkFilterConfig {
    let bucket = config::filters::token_bucket::TokenBucket {
        max_tokens: most,
        tokens_per_fill: 1,
        fill_interval: Duration::from_secs(3600),
    };
    let share_key = share.map(Into::into);
    let limit = LocalRateLimit { stat_prefix: prefix.into(), bucket, enabled: true.into(), share_key };
    NetworkFilterConfig::LocalRateLimit(Arc::new(limit))
}

#[tokio::test]
async fn connections_without_a_token_are_closed() {
    local(async {
        let harness = Harness::new();
        let (one, _slot) = harness.serve(with(vec![rate("own", 1, None)], echo()));
        assert_eq!(say(one, "first").await, "first");
        closed(one).await;
        assert_eq!(harness.value("local_rate_limit.own.rate_limited"), 1);
        let shared = || with(vec![rate("shared", 2, Some("network_filters"))], echo());
        let ((one, _one), (other, _other)) = (harness.serve(shared()), harness.serve(shared()));
        assert_eq!(say(one, "first").await, "first");
        assert_eq!(say(other, "second").await, "second");
        closed(one).await;
        closed(other).await;
        assert_eq!(harness.value("local_rate_limit.shared.rate_limited"), 2);
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_is_turned_away_is_the_tcp_proxy_s_too() {
    local(async {
        let harness = Harness::new();
        let (address, _slot) = harness.serve(with(vec![rate("none", 0, None)], tcp("nowhere")));
        closed(address).await;
        cluster::until(|| harness.value("listener.test.downstream_cx_active") == 0).await;
        assert_eq!(harness.value("tcp.tcp.downstream_cx_total"), 1);
        assert_eq!(harness.value("tcp.tcp.downstream_cx_no_route"), 0, "no cluster was looked for");
    })
    .await;
}

#[tokio::test]
async fn the_server_name_chooses_the_cluster() {
    local(async {
        let harness = Harness::new();
        harness.upstream("a.example").await;
        harness.upstream("configured").await;
        let mut config = with(vec![NetworkFilterConfig::SniCluster(Arc::new(SniCluster {}))], tcp("configured"));
        config.listener_filters = strict().listener_filters;
        let (address, _slot) = harness.serve(config);
        let hello = super::super::filters::client_hello::tests::real("a.example", &["h2"]);
        let mut near = TcpStream::connect(address).await.unwrap();
        near.write_all(&hello).await.unwrap();
        near.shutdown().await.unwrap();
        assert_eq!(read_all(&mut near).await, [b"a.example", &hello[..]].concat());
        assert_eq!(say(address, "plain").await, "configuredplain", "who names no server");
    })
    .await;
}

fn by_format() -> Vec<FilterStateValue> {
    let format = config::access_log::format::parse("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%").unwrap();
    vec![FilterStateValue {
        key: "envoy.tcp_proxy.cluster".into(),
        object: Object::TcpProxyCluster,
        value: LogFormat::Text(format),
        read_only: false,
        shared: SharedWithUpstream::No,
        skip_if_empty: false,
    }]
}

#[tokio::test]
async fn filter_state_is_set_when_its_moment_comes() {
    local(async {
        let harness = Harness::new();
        harness.upstream("127.0.0.1").await;
        harness.upstream("configured").await;
        let set = |on_new_connection, on_tls_handshake, on_data| {
            NetworkFilterConfig::SetFilterState(Arc::new(SetFilterState {
                on_new_connection,
                on_tls_handshake,
                on_data,
            }))
        };
        let (address, _slot) = harness.serve(with(vec![set(by_format(), vec![], vec![])], tcp("configured")));
        assert_eq!(say(address, "x").await, "127.0.0.1x");
        let (address, _slot) = harness.serve(with(vec![set(vec![], by_format(), vec![])], tcp("configured")));
        assert_eq!(say(address, "x").await, "127.0.0.1x", "without TLS right after the connection");
        // The upstream is there before the client speaks: the name comes too late for it, and nothing of the octets is lost.
        let (address, _slot) = harness.serve(with(vec![set(vec![], vec![], by_format())], tcp("configured")));
        let mut near = TcpStream::connect(address).await.unwrap();
        let mut greeting = [0; 10];
        near.read_exact(&mut greeting).await.unwrap();
        assert_eq!(&greeting, b"configured");
        assert_eq!(talk(Stream::from(near), "x").await, "x");
    })
    .await;
}

#[tokio::test]
async fn filters_that_are_discovered_change_for_connections_that_come_later() {
    const TYPE: &str = "envoy.extensions.filters.network.direct_response.v3.DirectResponse";
    local(async {
        let harness = Harness::new();
        let later = NetworkFilterConfig::Discovered(Arc::new(Discovery {
            type_names: vec![TYPE.into()],
            default: None,
            without_warming: false,
            initial_fetch_timeout: None,
        }));
        let becomes = |state| {
            let change = Change { network: Some(state), ..Change::default() };
            harness.discoveries.change(&"f".into(), change).unwrap();
        };
        let is = |config| State::Is(Typed { type_name: TYPE.into(), config, policy: Default::default() });
        let (address, _slot) = harness.serve(with(vec![later], echo()));
        closed(address).await;
        assert_eq!(harness.value("listener.test.network_extension_config_missing"), 1);
        becomes(is(limit(1, None)));
        let mut first = TcpStream::connect(address).await.unwrap();
        first.write_all(b"x").await.unwrap();
        first.read_exact(&mut [0]).await.unwrap();
        closed(address).await;
        becomes(is(limit(2, None)));
        assert_eq!(say(address, "hello").await, "hello");
        becomes(State::Absent);
        closed(address).await;
        assert_eq!(harness.value("listener.test.network_extension_config_missing"), 2);
        // The one before keeps what it began with.
        first.write_all(b"y").await.unwrap();
        first.read_exact(&mut [0]).await.unwrap();
    })
    .await;
}

/// Denies or allows those who come to a port, or to none.
pub(super) fn rbac(
    action: config::rbac::Action,
    port: Option<u16>,
    delay_deny: Option<Duration>,
) -> NetworkFilterConfig {
    use config::rbac::{Engine, Policy, Rbac, Rule};
    let permission = port.map_or(Rule::Any, Rule::DestinationPort);
    let policy = Policy { permissions: vec![permission], principals: vec![Rule::Any], condition: None };
    let rules = Some(Engine::Rules(action, [("the policy".into(), policy)].into()));
    let rbac = Rbac { shadow: rules.clone(), rules, shadow_stat_prefix: "sp_".into(), ..Rbac::default() };
    NetworkFilterConfig::Rbac(Arc::new(config::filters::network::rbac::Rbac {
        stat_prefix: "tcp.".into(),
        rbac,
        is_continuous: false,
        delay_deny,
    }))
}

async fn denied(address: SocketAddr) {
    let mut near = TcpStream::connect(address).await.unwrap();
    near.write_all(b"hello").await.unwrap();
    assert_eq!(read_all(&mut near).await, b"");
}

#[tokio::test]
async fn rules_decide_by_the_first_octets() {
    use config::rbac::Action;
    local(async {
        let harness = Harness::new();
        let (address, _slot) = harness.serve(with(vec![rbac(Action::Allow, None, None)], echo()));
        assert_eq!(say(address, "hello").await, "hello");
        assert_eq!((harness.value("tcp.rbac.allowed"), harness.value("tcp.rbac.denied")), (1, 0));
        let (address, _slot) = harness.serve(with(vec![rbac(Action::Allow, Some(1), None)], echo()));
        denied(address).await;
        assert_eq!(harness.value("tcp.rbac.denied"), 1);
        assert_eq!(harness.value("tcp.rbac.sp_.shadow_denied"), 1);
        let (address, _slot) = harness.serve(with(vec![rbac(Action::Log, None, None)], echo()));
        assert_eq!(say(address, "hello").await, "hello");
    })
    .await;
}

#[tokio::test]
async fn what_is_denied_reaches_no_upstream_and_no_codec() {
    use config::rbac::Action;
    local(async {
        let harness = Harness::new();
        harness.upstream("silent").await;
        let (address, _slot) = harness.serve(with(vec![rbac(Action::Deny, None, None)], tcp("silent")));
        let mut near = TcpStream::connect(address).await.unwrap();
        near.write_all(b"hello").await.unwrap();
        // The upstream greets whoever connects, as with Envoy; it hears nothing.
        let heard = read_all(&mut near).await;
        assert!(heard.is_empty() || heard == b"silent", "{heard:?}");
        assert_eq!(harness.value("tcp.rbac.denied"), 1);
        cluster::until(|| harness.value("listener.test.downstream_cx_active") == 0).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_denied_may_be_held_for_a_while() {
    local(async {
        let harness = Harness::new();
        let filter = rbac(config::rbac::Action::Deny, None, Some(Duration::from_secs(7)));
        let (address, _slot) = harness.serve(with(vec![filter], echo()));
        let begun = tokio::time::Instant::now();
        denied(address).await;
        assert_eq!(begun.elapsed().as_secs(), 7);
    })
    .await;
}

/// A rule of each read, here and as a shadow.
fn continuous(action: config::rbac::Action, delay_deny: Option<Duration>) -> NetworkFilterConfig {
    let NetworkFilterConfig::Rbac(filter) = rbac(action, None, delay_deny) else { unreachable!() };
    let filter = config::filters::network::rbac::Rbac { is_continuous: true, ..filter.as_ref().clone() };
    NetworkFilterConfig::Rbac(Arc::new(filter))
}

#[tokio::test]
async fn rules_may_judge_each_read() {
    use config::rbac::Action;
    local(async {
        let harness = Harness::new();
        let (address, _slot) = harness.serve(with(vec![continuous(Action::Allow, None)], echo()));
        let mut near = TcpStream::connect(address).await.unwrap();
        for count in 1..=3 {
            near.write_all(b"more").await.unwrap();
            let mut heard = [0; 4];
            near.read_exact(&mut heard).await.unwrap();
            assert_eq!(&heard, b"more");
            assert_eq!(
                (harness.value("tcp.rbac.allowed"), harness.value("tcp.rbac.sp_.shadow_allowed")),
                (count, count)
            );
        }
        // Many reads: none of their octets is lost or comes twice.
        let words: String = (0..200_000).map(|number| char::from(b'a' + (number % 23) as u8)).collect();
        assert_eq!(say(address, &words).await, words);
        // The end is judged where either side may end first.
        harness.upstream("silent").await;
        let before = harness.value("tcp.rbac.allowed");
        let (address, _slot) = harness.serve(with(vec![continuous(Action::Allow, None)], tcp("silent")));
        let mut near = TcpStream::connect(address).await.unwrap();
        near.write_all(b"hello").await.unwrap();
        cluster::until(|| harness.value("tcp.rbac.allowed") == before + 1).await;
        near.shutdown().await.unwrap();
        read_all(&mut near).await;
        assert_eq!(harness.value("tcp.rbac.allowed"), before + 2);
    })
    .await;
}

#[tokio::test]
async fn a_client_that_ends_without_a_word_is_judged_where_either_side_may_end() {
    use config::rbac::Action;
    local(async {
        let harness = Harness::new();
        harness.upstream("silent").await;
        for (filter, terminal, denied) in [
            (rbac(Action::Deny, None, None), tcp("silent"), 1),
            (continuous(Action::Deny, None), tcp("silent"), 2),
            (rbac(Action::Deny, None, None), echo(), 2),
        ] {
            let (address, _slot) = harness.serve(with(vec![filter], terminal));
            let mut near = TcpStream::connect(address).await.unwrap();
            near.shutdown().await.unwrap();
            read_all(&mut near).await;
            assert_eq!(harness.value("tcp.rbac.denied"), denied);
        }
    })
    .await;
}
