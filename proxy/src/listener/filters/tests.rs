//! Listener filters on a real socket, fed in pieces.

use config::listener::{ListenerFilter, ListenerFilterKind, ListenerPredicate};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::listener::tests::{Harness, config};

fn filter(kind: ListenerFilterKind) -> ListenerFilter {
    ListenerFilter { name: "f".into(), kind, disabled: None }
}

fn inspectors() -> Vec<ListenerFilter> {
    let tls = ListenerFilterKind::TlsInspector { largest: 16 * 1024, tls_alone: false };
    vec![filter(tls), filter(ListenerFilterKind::HttpInspector)]
}

/// Feeds `bytes`, one write each `step`, and closes if `close`.
async fn inspect(
    config: config::listener::Listener,
    bytes: &[u8],
    step: usize,
    close: bool,
) -> Result<Inspected, Refusal> {
    let harness = Harness::new();
    let listener = harness.listener(config);
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut near = TcpStream::connect(socket.local_addr().unwrap()).await.unwrap();
    near.set_nodelay(true).unwrap();
    let (far, remote) = socket.accept().await.unwrap();
    let local = far.local_addr().ok();
    let mut accepted = Accepted::Tcp(far, remote);
    let feeding = async {
        for part in bytes.chunks(step) {
            near.write_all(part).await.unwrap();
            tokio::task::yield_now().await;
        }
        if close {
            near.shutdown().await.unwrap();
        }
        std::future::pending::<()>().await
    };
    tokio::select! {
        result = run(&listener, &mut accepted, local) => result,
        () = feeding => unreachable!(),
    }
}

fn with(filters: Vec<ListenerFilter>) -> config::listener::Listener {
    let mut config = config("127.0.0.1:0", Vec::new());
    config.listener_filters = filters;
    config
}

fn printed(protocols: &[Arc<[u8]>]) -> Vec<String> {
    protocols.iter().map(|protocol| String::from_utf8_lossy(protocol).into_owned()).collect()
}

#[tokio::test]
async fn a_client_hello_in_any_pieces_is_read_and_kept() {
    let hello = client_hello::tests::real("a.example", &["istio", "h2"]);
    for step in [1, 7, hello.len()] {
        let inspected = inspect(with(inspectors()), &hello, step, false).await.unwrap();
        assert!(inspected.is_tls);
        assert_eq!(inspected.server_name, Some("a.example".into()));
        assert_eq!(printed(&inspected.application_protocols), ["istio", "h2"]);
        assert_eq!(inspected.read, hello[..], "no byte is lost");
    }
}

fn inspector(largest: u32, tls_alone: bool) -> config::listener::Listener {
    with(vec![filter(ListenerFilterKind::TlsInspector { largest, tls_alone })])
}

#[tokio::test]
async fn a_client_hello_may_be_as_long_as_it_is_said() {
    let hello = client_hello::tests::real("a.example", &["istio", "h2"]);
    let length = u32::try_from(hello.len()).unwrap();
    for step in [1, hello.len()] {
        assert!(inspect(inspector(length, false), &hello, step, false).await.is_ok_and(|inspected| inspected.is_tls));
        let refused = inspect(inspector(length - 1, false), &hello, step, false).await;
        assert!(matches!(refused, Err(Refusal::Refused)));
    }
    // What is no TLS may be as long as it wants.
    let plain = inspect(inspector(100, false), &[b'a'; 1000], 1000, false).await;
    assert!(plain.is_ok_and(|inspected| !inspected.is_tls));
}

#[tokio::test]
async fn what_is_no_tls_is_refused_where_nothing_else_may_come() {
    let hello = client_hello::tests::real("a.example", &[]);
    assert!(inspect(inspector(16 * 1024, true), &hello, 7, false).await.is_ok_and(|inspected| inspected.is_tls));
    for plain in [&b"GET / HTTP/1.1\r\n"[..], &[22, 3, 1, 0, 2, 2, 0]] {
        let refused = inspect(inspector(16 * 1024, true), plain, 1, false).await;
        assert!(matches!(refused, Err(Refusal::Refused)), "{plain:?}");
    }
    let alert = inspect(inspector(16 * 1024, false), &[21, 3, 1, 0, 2, 1, 0], 1, false).await;
    assert!(matches!(alert, Err(Refusal::Refused)), "an alert ends a connection wherever it comes");
}

#[tokio::test]
async fn plain_http_is_told_by_the_http_inspector() {
    let inspected = inspect(with(inspectors()), b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", 3, false).await.unwrap();
    assert!(!inspected.is_tls);
    assert_eq!(printed(&inspected.application_protocols), ["http/1.1"]);
    assert!(inspected.read.starts_with(b"GET / HTTP/1.1\r\n"));
    let inspected = inspect(with(inspectors()), b"\x00\x01garbage", 9, false).await.unwrap();
    assert!(inspected.application_protocols.is_empty());
}

#[tokio::test]
async fn nothing_is_read_when_no_filter_applies() {
    let original = || filter(ListenerFilterKind::OriginalDst);
    assert!(inspect(with(vec![original()]), b"", 1, false).await.unwrap().read.is_empty());
    let mut disabled = inspectors();
    for filter in &mut disabled {
        let everywhere = ListenerPredicate::DestinationPort { start: 1, end: 65536 };
        filter.disabled = Some(ListenerPredicate::Or(vec![everywhere]));
    }
    assert!(inspect(with(disabled), b"", 1, false).await.unwrap().read.is_empty());
}

#[tokio::test]
async fn predicates_are_about_the_port_that_was_connected_to() {
    let local = Some("10.0.0.1:3306".parse().unwrap());
    let range = |start, end| ListenerPredicate::DestinationPort { start, end };
    assert!(matches(&range(3306, 3307), local));
    assert!(!matches(&range(3305, 3306), local));
    assert!(matches(&ListenerPredicate::Not(Box::new(range(1, 2))), local));
    assert!(matches(&ListenerPredicate::And(vec![ListenerPredicate::Any, range(3306, 65536)]), local));
    assert!(!matches(&range(0, 65536), None));
}

#[tokio::test]
async fn a_proxy_header_is_taken_off_and_a_bad_one_refused() {
    let proxied = |optional| {
        let mut filters = vec![filter(ListenerFilterKind::ProxyProtocol { optional, passes: Passed::Nothing })];
        filters.extend(inspectors());
        with(filters)
    };
    let bytes = b"PROXY TCP4 192.0.2.7 192.0.2.8 1000 2000\r\nGET / HTTP/1.0\r\n\r\n";
    let inspected = inspect(proxied(false), bytes, 5, false).await.unwrap();
    assert_eq!(inspected.remote, Some("192.0.2.7:1000".parse().unwrap()));
    assert_eq!(inspected.local, Some("192.0.2.8:2000".parse().unwrap()));
    assert_eq!(printed(&inspected.application_protocols), ["http/1.0"]);
    assert!(inspected.read.starts_with(b"GET /"));
    let without = b"GET / HTTP/1.1\r\n";
    assert_eq!(inspect(proxied(false), without, 16, false).await.unwrap_err(), Refusal::Refused);
    assert_eq!(inspect(proxied(true), without, 16, false).await.unwrap().remote, None);
    assert_eq!(inspect(proxied(true), b"PROXY TCP4 x\r\n", 16, false).await.unwrap_err(), Refusal::Refused);
}

#[tokio::test]
async fn what_a_header_says_besides_is_kept_where_it_may_be_passed_on() {
    let header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x14\x0a\0\0\x01\x0a\0\0\x02\0\x01\0\x02\x01\0\x01a\x02\0\x01bGET";
    let passing = |passes| with(vec![filter(ListenerFilterKind::ProxyProtocol { optional: false, passes })]);
    let told = async |passes, header: &[u8]| inspect(passing(passes), header, 16, false).await.map(|found| found.tlvs);
    assert_eq!(told(Passed::All, header).await.unwrap().as_deref(), Some(&b"\x01\0\x01a\x02\0\x01b"[..]));
    assert_eq!(told(Passed::These([2].into()), header).await.unwrap().as_deref(), Some(&b"\x02\0\x01b"[..]));
    assert_eq!(told(Passed::Nothing, header).await.unwrap().as_deref(), Some(&b""[..]));
    assert_eq!(told(Passed::All, b"PROXY UNKNOWN\r\nGET").await.unwrap().as_deref(), Some(&b""[..]));
    // The length of the first one leads beyond the end.
    let mut cut = header.to_vec();
    cut[30] = 9;
    assert_eq!(told(Passed::All, &cut).await.unwrap_err(), Refusal::Refused);
    assert!(told(Passed::Nothing, &cut).await.is_ok(), "nobody looks");
}

#[tokio::test]
async fn what_never_decides_is_refused_at_the_limit() {
    let endless = [&b"\x16\x03\x01\x40\x00\x01\xff\xff\xff"[..], &[0; 20_000]].concat();
    assert_eq!(inspect(with(inspectors()), &endless, 4096, false).await.unwrap_err(), Refusal::Refused);
    let line = [&b"GET /"[..], &[b'a'; 70_000]].concat();
    assert_eq!(inspect(with(inspectors()), &line, 8192, false).await.unwrap_err(), Refusal::Refused);
}

#[tokio::test]
async fn a_client_that_leaves_and_one_that_stays_silent() {
    assert_eq!(inspect(with(inspectors()), b"GE", 2, true).await.unwrap_err(), Refusal::RemoteClose);
    let mut config = with(inspectors());
    config.listener_filters_timeout = Some(std::time::Duration::from_millis(1));
    config.continue_on_listener_filters_timeout = false;
    assert_eq!(inspect(config.clone(), b"", 1, false).await.unwrap_err(), Refusal::Timeout);
    config.continue_on_listener_filters_timeout = true;
    let inspected = inspect(config, b"", 1, false).await.unwrap();
    assert!(!inspected.is_tls && inspected.read.is_empty());
}

#[tokio::test]
async fn objects_are_set_of_what_is_known_and_nothing_is_read_for_them() {
    use config::access_log::{LogFormat, format};
    use config::filters::set_filter_state::{FilterStateValue, Object, SharedWithUpstream};
    let value = |key: &str, text: &str| FilterStateValue {
        key: key.into(),
        object: Object::Text,
        value: LogFormat::Text(format::parse(text).unwrap()),
        read_only: false,
        shared: SharedWithUpstream::No,
        skip_if_empty: false,
    };
    let values = vec![
        value("from", "a-%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
        value("again", "[%FILTER_STATE(from:PLAIN)%]"),
    ];
    let filters = vec![filter(ListenerFilterKind::SetFilterState(values))];
    let inspected = inspect(with(filters), b"", 1, false).await.unwrap();
    let text = |key: &str| inspected.state.get(key).map(|object| String::from_utf8(object.value.to_vec()).unwrap());
    assert_eq!(text("from").as_deref(), Some("a-127.0.0.1"));
    assert_eq!(text("again").as_deref(), Some("[a-127.0.0.1]"));
    assert!(inspected.read.is_empty());
}
