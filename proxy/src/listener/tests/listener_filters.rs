//! Listener filters that are discovered, over real connections.

use config::filters::discovery::{Discovery, Typed};
use config::filters::network::direct_response::DirectResponse;
use config::filters::{HttpFilterConfig, NetworkFilterConfig};
use config::listener::{ListenerPredicate, NetworkFilter};

use super::*;
use crate::discoveries::{Change, State, Withheld};

const HTTP: &str = "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector";
const NOTHING: &str = "envoy.extensions.filters.listener.original_dst.v3.OriginalDst";

fn typed(type_name: &str) -> Typed<ListenerFilterKind> {
    let config = if type_name == HTTP { ListenerFilterKind::HttpInspector } else { ListenerFilterKind::OriginalDst };
    Typed { type_name: type_name.into(), config, policy: Default::default() }
}

fn later(default: Option<&str>) -> ListenerFilter {
    let discovery = Discovery {
        type_names: vec![HTTP.into(), NOTHING.into()],
        default: default.map(typed),
        without_warming: false,
        initial_fetch_timeout: None,
    };
    ListenerFilter { name: "later".into(), kind: ListenerFilterKind::Discovered(Arc::new(discovery)), disabled: None }
}

fn says(name: &str, word: &'static str) -> FilterChain {
    let config = NetworkFilterConfig::DirectResponse(Arc::new(DirectResponse { response: word.into() }));
    chain(name, TerminalFilter::Answers(NetworkFilter { name: "last".into(), config }))
}

/// Connections that are found to be HTTP are told so.
fn with(filter: ListenerFilter) -> config::listener::Listener {
    let mut http = says("http", "http");
    http.matches.application_protocols = vec!["http/1.1".into()];
    let mut config = config("127.0.0.1:0", vec![http, says("other", "other")]);
    config.listener_filters = vec![filter];
    config
}

async fn told(address: SocketAddr) -> String {
    let mut near = TcpStream::connect(address).await.unwrap();
    near.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    String::from_utf8(read_all(&mut near).await).unwrap()
}

fn becomes(harness: &Harness, state: State<ListenerFilterKind>) {
    let change = Change { listener: Some(state), ..Change::default() };
    harness.discoveries.change(&"later".into(), change).unwrap();
}

fn missing(harness: &Harness) -> u64 {
    harness.value("listener.test.extension_config_missing")
}

#[tokio::test]
async fn without_a_config_connections_are_closed_and_what_comes_acts_on_those_that_begin_then() {
    local(async {
        let harness = Harness::new();
        let (address, _slot) = harness.serve(with(later(None)));
        assert_eq!((told(address).await.as_str(), missing(&harness)), ("", 1));
        becomes(&harness, State::Is(typed(HTTP)));
        assert_eq!((told(address).await.as_str(), missing(&harness)), ("http", 1));
        becomes(&harness, State::Is(typed(NOTHING)));
        assert_eq!(told(address).await, "other");
        becomes(&harness, State::Absent);
        assert_eq!((told(address).await.as_str(), missing(&harness)), ("", 2));
        cluster::until(|| harness.value("listener.test.downstream_pre_cx_active") == 0).await;
    })
    .await;
}

#[tokio::test]
async fn the_default_acts_until_something_comes_and_when_that_is_refused_or_gone() {
    local(async {
        let harness = Harness::new();
        let (address, _slot) = harness.serve(with(later(Some(NOTHING))));
        assert_eq!(told(address).await, "other");
        becomes(&harness, State::Is(typed(HTTP)));
        assert_eq!(told(address).await, "http");
        becomes(&harness, State::Refused(Withheld { policy: config::Policy::default(), wholly: false }));
        assert_eq!(told(address).await, "other");
        becomes(&harness, State::Is(typed(HTTP)));
        becomes(&harness, State::Absent);
        assert_eq!((told(address).await.as_str(), missing(&harness)), ("other", 0));
    })
    .await;
}

#[tokio::test]
async fn a_name_of_another_kind_is_another_filter() {
    local(async {
        let harness = Harness::new();
        let (address, _slot) = harness.serve(with(later(None)));
        let http = State::Is(Typed {
            type_name: HTTP.into(),
            config: HttpFilterConfig::Inert(HTTP.into()),
            policy: Default::default(),
        });
        let change = Change { http: Some(http), ..Change::default() };
        harness.discoveries.change(&"later".into(), change).unwrap();
        assert_eq!((told(address).await.as_str(), missing(&harness)), ("", 1));
    })
    .await;
}

/// As with Envoy.
#[tokio::test]
async fn one_that_is_disabled_is_missed_all_the_same() {
    local(async {
        let harness = Harness::new();
        let disabled = ListenerFilter { disabled: Some(ListenerPredicate::Any), ..later(None) };
        let (address, _slot) = harness.serve(with(disabled));
        assert_eq!((told(address).await.as_str(), missing(&harness)), ("", 1));
        becomes(&harness, State::Is(typed(HTTP)));
        assert_eq!(told(address).await, "other");
    })
    .await;
}
