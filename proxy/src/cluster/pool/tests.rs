//! Tests of `pool`.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Waker;
use std::time::Duration;

use config::cluster::{Cluster as Config, Discovery, Thresholds, UpstreamHttp, UpstreamProtocol};
use tokio::net::TcpListener;

use super::*;
use crate::cluster::testing::*;
use crate::cluster::{Host, HttpWant, Pick, Priority, WorkerCluster};
use crate::wire::codec::{StreamError, Upstream};
use crate::wire::message::Protocol;

const NAME: &str = "outbound|80||app";

struct Fixture {
    bench: Rc<Bench>,
    cluster: Rc<WorkerCluster>,
    host: Host,
}

fn fixture(server: std::net::SocketAddr, change: impl FnOnce(&mut Config)) -> Fixture {
    let bench = Bench::new();
    let mut config = config(Discovery::Static(assignment(vec![endpoint(server)])));
    change(&mut config);
    bench.publish(config);
    let cluster = bench.worker(NAME);
    let host = cluster.pick(&Pick::default()).expect("a host");
    Fixture { bench, cluster, host }
}

impl Fixture {
    async fn lease(&self) -> HttpLease {
        self.cluster.http(&self.host, &want()).await.expect("a stream")
    }

    async fn failure(&self) -> ConnectFailure {
        self.cluster.http(&self.host, &want()).await.err().expect("no stream")
    }
}

/// Polls once.
fn poll_now<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_connection_is_used_again() {
    run(async {
        let server = Http1Server::start().await;
        let fixture = fixture(server.address, |_| {});
        for request in 1..=3 {
            let mut lease = fixture.lease().await;
            assert_eq!(lease.stream.is_reused(), request > 1);
            assert_eq!(&*lease.connection.peer, server.address.to_string());
            assert!(lease.connection.local.is_some());
            assert_eq!(exchange(&mut lease).await, (200, "1".to_owned()));
        }
        assert_eq!(server.connections.get(), 1);
        assert_eq!(fixture.bench.stat("upstream_cx_total"), 1);
        assert_eq!(fixture.bench.stat("upstream_cx_http1_total"), 1);
        assert_eq!(fixture.bench.stat("upstream_cx_active"), 1);
        assert_eq!(fixture.bench.stat("upstream_rq_total"), 3);
        assert_eq!(fixture.bench.stat("upstream_rq_active"), 0);
        assert_eq!(fixture.bench.stat("upstream_rq_pending_total"), 1);
        assert_eq!(fixture.bench.stat("upstream_rq_pending_active"), 0);
        let status = &fixture.cluster.shared().host_statuses()[0];
        assert_eq!((status.counts.cx_total, status.counts.rq_total, status.counts.rq_active), (1, 3, 0));
    });
}

#[test]
fn requests_at_once_have_connections_of_their_own_and_the_last_used_comes_first() {
    run(async {
        let server = Http1Server::start().await;
        let fixture = fixture(server.address, |_| {});
        let mut first = fixture.lease().await;
        let mut second = fixture.lease().await;
        assert_eq!(fixture.host.active(), 2);
        let number = exchange(&mut first).await.1;
        exchange(&mut second).await;
        drop(second);
        drop(first);
        assert_eq!(fixture.host.active(), 0);
        assert_eq!(exchange(&mut fixture.lease().await).await.1, number);
        assert_eq!(server.connections.get(), 2);
    });
}

#[test]
fn a_stream_that_was_not_finished_closes_its_connection() {
    run(async {
        let server = Http1Server::start().await;
        let fixture = fixture(server.address, |_| {});
        drop(fixture.lease().await);
        exchange(&mut fixture.lease().await).await;
        let mut unfinished = fixture.lease().await;
        unfinished.stream.send_head(&get(), true).expect("a fresh stream");
        drop(unfinished);
        until(|| server.closed.get() >= 1).await;
        assert_eq!(fixture.bench.stat("upstream_cx_active"), 0);
    });
}

#[test]
fn a_connection_that_the_server_closed_is_not_used() {
    run(async {
        let server = Http1Server::start().await;
        let fixture = fixture(server.address, |_| {});
        exchange(&mut fixture.lease().await).await;
        server.hang_up.notify_waiters();
        until(|| server.closed.get() == 1).await;
        assert_eq!(exchange(&mut fixture.lease().await).await.1, "2");
        assert_eq!(fixture.bench.stat("upstream_cx_destroy_remote"), 1);
    });
}

#[test]
fn a_closing_server_is_noticed_while_idle() {
    run(async {
        let server = Http1Server::start().await;
        let fixture = fixture(server.address, |config| config.http.idle_timeout = Some(Duration::from_secs(3600)));
        exchange(&mut fixture.lease().await).await;
        let mut upkeep = pin!(fixture.bench.workers.maintain(&fixture.bench.published));
        assert!(poll_now(upkeep.as_mut()).is_pending());
        server.hang_up.notify_waiters();
        tokio::select! {
            () = &mut upkeep => {}
            () = until(|| fixture.bench.stat("upstream_cx_active") == 0) => {}
        }
        assert_eq!(fixture.bench.stat("upstream_cx_destroy_remote"), 1);
    });
}

#[test]
fn parts_of_the_want_that_matter_have_pools_of_their_own() {
    run(async {
        let server = Http1Server::start().await;
        let fixture = fixture(server.address, |_| {});
        exchange(&mut fixture.lease().await).await;
        let high = HttpWant { priority: Priority::High, ..want() };
        let mut other = fixture.cluster.http(&fixture.host, &high).await.expect("a stream");
        assert_eq!(exchange(&mut other).await.1, "2");
        // Server names and ALPN are nothing to a plaintext connection: it is shared.
        let named = HttpWant { sni: Some("app"), ..want() };
        let mut same = fixture.cluster.http(&fixture.host, &named).await.expect("a stream");
        assert_eq!(exchange(&mut same).await.1, "1");
    });
}

#[test]
fn clients_share_no_connection_where_the_cluster_says_so() {
    run_paused(async {
        let server = Http1Server::start().await;
        let fixture = fixture(server.address, |config| config.pool_per_client = true);
        let client = |id| {
            let between = ConnectionInfo::between(server.address, server.address);
            Rc::new(ConnectionInfo { id, ..between })
        };
        let (first, second) = (client(1), client(2));
        let ask = async |client: &Rc<ConnectionInfo>| {
            let want = HttpWant { client: Some(client), ..want() };
            let mut lease = fixture.cluster.http(&fixture.host, &want).await.expect("a stream");
            exchange(&mut lease).await.1
        };
        assert_eq!([ask(&first).await, ask(&second).await, ask(&first).await], ["1", "2", "1"]);
        // Those of a client that is gone are of use to nobody.
        drop(first);
        let upkeep = fixture.bench.workers.maintain(&fixture.bench.published);
        tokio::select! {
            () = upkeep => {}
            () = until(|| fixture.bench.stat("upstream_cx_active") == 1) => {}
        }
        assert_eq!(ask(&second).await, "2");
    });
}

#[test]
fn max_requests_per_connection() {
    run(async {
        let server = Http1Server::start().await;
        let fixture = fixture(server.address, |config| config.max_requests_per_connection = Some(2));
        let mut numbers = Vec::new();
        for _ in 0..5 {
            numbers.push(exchange(&mut fixture.lease().await).await.1);
        }
        assert_eq!(numbers, ["1", "1", "2", "2", "3"]);
        assert_eq!(fixture.bench.stat("upstream_cx_max_requests"), 2);
    });
}

#[test]
fn idle_connections_close_after_their_timeout() {
    run_paused(async {
        let server = Http1Server::start().await;
        let fixture = fixture(server.address, |config| config.http.idle_timeout = Some(Duration::from_secs(2)));
        exchange(&mut fixture.lease().await).await;
        let upkeep = fixture.bench.workers.maintain(&fixture.bench.published);
        tokio::select! {
            () = upkeep => {}
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        assert_eq!(fixture.bench.stat("upstream_cx_active"), 1);
        let upkeep = fixture.bench.workers.maintain(&fixture.bench.published);
        tokio::select! {
            () = upkeep => {}
            () = tokio::time::sleep(Duration::from_secs(4)) => {}
        }
        assert_eq!(fixture.bench.stat("upstream_cx_active"), 0);
        assert_eq!(fixture.bench.stat("upstream_cx_idle_timeout"), 1);
        assert_eq!(fixture.bench.stat("upstream_cx_destroy_local"), 1);
    });
}

#[test]
fn old_connections_are_not_used_again() {
    run_paused(async {
        let server = Http1Server::start().await;
        let fixture =
            fixture(server.address, |config| config.http.max_connection_duration = Some(Duration::from_secs(60)));
        exchange(&mut fixture.lease().await).await;
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(exchange(&mut fixture.lease().await).await.1, "2");
    });
}

#[test]
fn a_refused_connection_is_told_in_envoys_words() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        drop(listener);
        let fixture = fixture(address, |_| {});
        let failure = fixture.failure().await;
        assert_eq!(failure.kind, ConnectFailureKind::Remote);
        assert_eq!(failure.transport_reason.as_deref(), Some("delayed connect error: Connection refused"));
        assert_eq!(failure.reset_reason(), "remote connection failure");
        assert!(failure.is_connect_failure());
        assert_eq!(fixture.bench.stat("upstream_cx_connect_fail"), 1);
        assert_eq!(fixture.bench.stat("upstream_rq_pending_failure_eject"), 1);
        assert_eq!(fixture.bench.stat("upstream_cx_active"), 0);
        assert_eq!(fixture.bench.stat("upstream_rq_total"), 0);
    });
}

/// Closes what it accepts at once, and says so.
fn closing() -> (std::net::SocketAddr, std::sync::mpsc::Receiver<()>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let (closed, hears) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            drop(stream);
            if closed.send(()).is_err() {
                return;
            }
        }
    });
    (address, hears)
}

#[test]
fn a_host_that_closes_at_once_is_dialled_once_a_request() {
    run(async {
        let (address, closed) = closing();
        let fixture = fixture(address, |_| {});
        for request in 1..=3 {
            let want = want();
            let mut lease = pin!(fixture.cluster.http(&fixture.host, &want));
            assert!(poll_now(lease.as_mut()).is_pending());
            // The connection is begun, and dead before anybody looks at it.
            tokio::task::yield_now().await;
            closed.recv_timeout(Duration::from_secs(20)).expect("it is dialled");
            let mut lease = lease.await.expect("a stream");
            let stream = &mut lease.stream;
            let _ = stream.send_head(&get(), true);
            let _ = poll_fn(|cx| stream.poll_flush(cx)).await;
            assert!(poll_fn(|cx| stream.poll_head(cx)).await.is_err());
            drop(lease);
            assert_eq!(fixture.bench.stat("upstream_cx_total"), request);
        }
    });
}

#[test]
fn http2_requests_end_with_a_host_that_closes_at_once() {
    run(async {
        let (address, closed) = closing();
        let fixture = fixture(address, http2);
        let mut lease = fixture.lease().await;
        closed.recv_timeout(Duration::from_secs(20)).expect("it is dialled");
        let stream = &mut lease.stream;
        let sent = stream.send_head(&get(), true);
        // Whether it is known by then that the connection is over is chance, and must make no difference.
        let failed = match sent {
            Ok(()) => poll_fn(|cx| stream.poll_head(cx)).await.map(drop),
            failed => failed,
        };
        assert!(matches!(failed, Err(StreamError::Closed(_))), "{failed:?}");
        drop(lease);
        assert_eq!(fixture.bench.stat("upstream_rq_pending_failure_eject"), 1);
        assert_eq!(fixture.bench.stat("upstream_rq_tx_reset"), 0);
    });
}

/// A TCP listener whose queue is full: the kernel drops further SYNs.
async fn black_hole() -> (std::net::SocketAddr, Vec<socket2::Socket>) {
    let make = || socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    let listener = make();
    listener.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a port");
    listener.listen(0).expect("listens");
    let address = listener.local_addr().expect("bound").as_socket().expect("IP");
    let mut held = vec![listener];
    for _ in 0..4 {
        let filler = make();
        filler.set_nonblocking(true).expect("non-blocking");
        let _under_way = filler.connect(&address.into());
        held.push(filler);
    }
    (address, held)
}

#[test]
fn a_connect_that_is_not_answered_times_out() {
    run_paused(async {
        let (address, _held) = black_hole().await;
        let fixture = fixture(address, |config| config.connect_timeout = Duration::from_secs(10));
        let before = Instant::now();
        let failure = fixture.failure().await;
        assert_eq!(before.elapsed(), Duration::from_secs(10));
        assert_eq!((failure.kind, failure.transport_reason.as_deref()), (ConnectFailureKind::Timeout, None));
        assert_eq!(failure.reset_reason(), "connection timeout");
        assert_eq!(fixture.bench.stat("upstream_cx_connect_timeout"), 1);
    });
}

fn limits(change: impl FnOnce(&mut Thresholds)) -> Thresholds {
    let mut limits = Thresholds::default();
    change(&mut limits);
    limits
}

#[test]
fn requests_above_the_limit_overflow() {
    run(async {
        let server = Http1Server::start().await;
        let fixture = fixture(server.address, |config| {
            config.circuit_breaker = limits(|limits| limits.max_requests = 1);
        });
        let first = fixture.lease().await;
        assert_eq!(fixture.bench.stat("circuit_breakers.default.rq_open"), 1);
        let failure = fixture.failure().await;
        assert_eq!(failure.kind, ConnectFailureKind::Overflow);
        assert!(!failure.is_connect_failure());
        drop(first);
        assert_eq!(fixture.bench.stat("circuit_breakers.default.rq_open"), 0);
        let high = HttpWant { priority: Priority::High, ..want() };
        let _held = fixture.cluster.http(&fixture.host, &high).await.expect("the other priority has its own limit");
        fixture.lease().await;
        assert_eq!(fixture.bench.stat("upstream_rq_active_overflow"), 1);
        assert_eq!(fixture.bench.stat("upstream_rq_pending_overflow"), 0);
    });
}

#[test]
fn above_the_connection_limit_requests_wait_for_a_connection() {
    run(async {
        let server = Http1Server::start().await;
        let fixture = fixture(server.address, |config| {
            config.circuit_breaker = limits(|limits| {
                limits.max_connections = 1;
                limits.max_pending_requests = 1;
            });
        });
        let mut first = fixture.lease().await;
        let want = want();
        let mut waiting = pin!(fixture.cluster.http(&fixture.host, &want));
        assert!(poll_now(waiting.as_mut()).is_pending());
        assert_eq!(fixture.bench.stat("upstream_cx_overflow"), 1);
        assert_eq!(fixture.bench.stat("circuit_breakers.default.cx_open"), 1);
        assert_eq!(fixture.bench.stat("circuit_breakers.default.rq_pending_open"), 1);
        assert_eq!(fixture.failure().await.kind, ConnectFailureKind::Overflow);
        exchange(&mut first).await;
        drop(first);
        let mut second = waiting.await.expect("the first one's connection");
        assert_eq!(exchange(&mut second).await.1, "1");
        assert_eq!(server.connections.get(), 1);
        assert_eq!(fixture.bench.stat("upstream_rq_pending_active"), 0);
    });
}

/// Envoy's rule: a host without any connection may have one, whatever the limit.
#[test]
fn one_connection_is_always_allowed() {
    run(async {
        let server = Http1Server::start().await;
        let fixture = fixture(server.address, |config| {
            config.circuit_breaker = limits(|limits| limits.max_connections = 0);
        });
        assert_eq!(exchange(&mut fixture.lease().await).await.0, 200);
        assert_eq!(fixture.bench.stat("upstream_cx_overflow"), 1);
        let failure =
            fixture.cluster.tcp(&fixture.host, &Default::default()).await.err().expect("TCP has no such rule");
        assert_eq!(failure.kind, ConnectFailureKind::Overflow);
    });
}

/// As with Envoy a connection without HTTP waits among the requests that wait for theirs.
#[test]
fn a_connection_of_tcp_is_pending_until_it_stands() {
    run(async {
        let server = Http1Server::start().await;
        for (most, pending, overflow) in [(1, 1, 0), (0, 0, 1)] {
            let fixture = fixture(server.address, |config| {
                config.circuit_breaker = limits(|limits| limits.max_pending_requests = most);
            });
            let lease = fixture.cluster.tcp(&fixture.host, &Default::default()).await;
            assert_eq!(lease.is_ok(), most > 0);
            let stat = |name: &str| fixture.bench.stat(&format!("upstream_rq_pending_{name}"));
            assert_eq!((stat("total"), stat("overflow"), stat("active")), (pending, overflow, 0));
        }
    });
}

#[test]
fn a_request_that_goes_away_while_it_waits_leaves_nothing_behind() {
    run(async {
        let server = Http1Server::start().await;
        let fixture = fixture(server.address, |_| {});
        {
            let want = want();
            let mut waiting = pin!(fixture.cluster.http(&fixture.host, &want));
            assert!(poll_now(waiting.as_mut()).is_pending());
            assert_eq!(fixture.bench.stat("upstream_rq_pending_active"), 1);
        }
        assert_eq!(fixture.bench.stat("upstream_rq_pending_active"), 0);
        assert_eq!(fixture.bench.stat("upstream_rq_cancelled"), 1);
        until(|| server.connections.get() == 1).await;
        // The connection that was being made serves the next one.
        assert_eq!(exchange(&mut fixture.lease().await).await.1, "1");
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn retries_are_limited() {
    run(async {
        let server = Http1Server::start().await;
        let fixture = fixture(server.address, |config| {
            config.circuit_breaker = limits(|limits| limits.max_retries = 1);
        });
        let permit = fixture.cluster.retry_permit(Priority::Default).expect("the first");
        assert!(fixture.cluster.retry_permit(Priority::Default).is_none());
        assert_eq!(fixture.bench.stat("upstream_rq_retry_overflow"), 1);
        drop(permit);
        assert!(fixture.cluster.retry_permit(Priority::Default).is_some());
    });
}

#[test]
fn a_host_has_a_limit_of_its_own() {
    run(async {
        let server = Http1Server::start().await;
        let fixture = fixture(server.address, |config| {
            config.circuit_breaker = limits(|limits| limits.max_host_connections = Some(1));
        });
        let mut first = fixture.lease().await;
        let want = want();
        let mut waiting = pin!(fixture.cluster.http(&fixture.host, &want));
        assert!(poll_now(waiting.as_mut()).is_pending());
        assert_eq!(fixture.bench.stat("upstream_cx_overflow"), 1);
        assert_eq!(fixture.bench.stat("circuit_breakers.default.cx_open"), 0);
        exchange(&mut first).await;
        drop(first);
        waiting.await.expect("the first one's connection");
        assert_eq!(fixture.bench.stat("upstream_cx_total"), 1);
    });
}

#[test]
fn an_unlimited_breaker_counts_nothing() {
    run(async {
        let server = Http1Server::start().await;
        let fixture = fixture(server.address, |config| {
            let most = u32::MAX;
            config.circuit_breaker = Thresholds {
                max_connections: most,
                max_pending_requests: most,
                max_requests: most,
                max_retries: most,
                ..Thresholds::default()
            };
        });
        let _lease = fixture.lease().await;
        let breakers = fixture.cluster.shared().breakers(Priority::Default);
        assert!(Resource::ALL.iter().all(|resource| breakers.count(*resource) == 0));
    });
}

#[test]
fn a_tcp_lease_counts_until_it_is_dropped() {
    run(async {
        let server = Http1Server::start().await;
        let fixture = fixture(server.address, |_| {});
        let mut lease = fixture.cluster.tcp(&fixture.host, &Default::default()).await.expect("a connection");
        let stream = lease.stream.take().expect("a stream");
        assert_eq!(fixture.bench.stat("upstream_cx_active"), 1);
        assert_eq!(fixture.host.active(), 1);
        lease.closed_by_peer();
        drop((stream, lease));
        assert_eq!(fixture.bench.stat("upstream_cx_active"), 0);
        assert_eq!(fixture.bench.stat("upstream_cx_destroy_remote"), 1);
        assert_eq!(fixture.host.active(), 0);
    });
}

#[test]
fn the_downstream_protocol_is_followed_where_the_cluster_says_so() {
    run(async {
        let server = Http1Server::start().await;
        let fixture = fixture(server.address, |config| {
            config.http = UpstreamHttp { protocol: UpstreamProtocol::Downstream, ..config.http.clone() };
        });
        assert_eq!(fixture.lease().await.protocol, Protocol::Http11);
    });
}

fn http2(config: &mut Config) {
    config.http.protocol = UpstreamProtocol::Http2;
}

#[test]
fn http2_requests_share_a_connection() {
    run(async {
        let server = Http2Server::start().await;
        let fixture = fixture(server.address, http2);
        let want = want();
        let all = futures_util::future::join_all((0..20).map(|_| fixture.cluster.http(&fixture.host, &want))).await;
        let mut leases: Vec<HttpLease> = all.into_iter().map(|lease| lease.expect("a stream")).collect();
        assert_eq!(fixture.host.active(), 20);
        for lease in &mut leases {
            assert_eq!(lease.protocol, Protocol::Http2);
            assert_eq!(exchange(lease).await, (200, "1".to_owned()));
        }
        drop(leases);
        assert_eq!(exchange(&mut fixture.lease().await).await.1, "1");
        assert_eq!(fixture.bench.stat("upstream_cx_http2_total"), 1);
        assert_eq!(fixture.bench.stat("upstream_rq_active"), 0);
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn http2_makes_another_connection_when_the_streams_run_out() {
    run(async {
        let server = Http2Server::start().await;
        let fixture = fixture(server.address, |config| {
            http2(config);
            config.http.http2.max_concurrent_streams = Some(2);
        });
        let mut leases = vec![fixture.lease().await, fixture.lease().await, fixture.lease().await];
        let mut numbers = Vec::new();
        for lease in &mut leases {
            numbers.push(exchange(lease).await.1);
        }
        assert_eq!(numbers, ["1", "1", "2"]);
    });
}

#[test]
fn http2_waits_for_a_stream_when_no_connection_may_be_made() {
    run(async {
        let server = Http2Server::start().await;
        let fixture = fixture(server.address, |config| {
            http2(config);
            config.http.http2.max_concurrent_streams = Some(1);
            config.circuit_breaker = limits(|limits| limits.max_connections = 1);
        });
        let first = fixture.lease().await;
        let want = want();
        let mut second = pin!(fixture.cluster.http(&fixture.host, &want));
        assert!(poll_now(second.as_mut()).is_pending());
        drop(first);
        assert_eq!(exchange(&mut second.await.expect("a stream")).await.1, "1");
    });
}

#[test]
fn http2_follows_goaway_to_a_new_connection() {
    run(async {
        let server = Http2Server::start().await;
        let fixture = fixture(server.address, http2);
        assert_eq!(exchange(&mut fixture.lease().await).await.1, "1");
        server.go_away.notify_waiters();
        until(|| server.closed.get() == 1).await;
        assert_eq!(fixture.bench.stat("upstream_cx_close_notify"), 1, "graceful_shutdown says GOAWAY twice");
        assert_eq!(exchange(&mut fixture.lease().await).await.1, "2");
        until(|| fixture.bench.stat("upstream_cx_active") == 1).await;
        assert_eq!(fixture.bench.stat("http2.streams_active"), 0);
    });
}

/// Its streams have ended before the connection, which is ours to end.
#[test]
fn a_server_that_speaks_no_http2_is_left_by_us() {
    run(async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::task::spawn_local(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        });
        let fixture = fixture(address, http2);
        let mut lease = fixture.lease().await;
        // It may be over by now.
        let _ = lease.stream.send_head(&get(), true);
        assert!(std::future::poll_fn(|cx| lease.stream.poll_head(cx)).await.is_err());
        drop(lease);
        until(|| fixture.bench.stat("upstream_cx_destroy") == 1).await;
        let ends = ["protocol_error", "destroy_local", "destroy_remote", "destroy_with_active_rq"];
        let counts = ends.map(|name| fixture.bench.stat(&format!("upstream_cx_{name}")));
        assert_eq!(counts, [1, 1, 0, 0]);
    });
}

/// A server that answers each connection with this text and closes it.
async fn says(text: String) -> std::net::SocketAddr {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::task::spawn_local(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(text.as_bytes()).await;
        }
    });
    address
}

#[test]
fn a_server_that_announces_its_end_is_counted() {
    run(async {
        let address = says("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok".to_owned()).await;
        let fixture = fixture(address, |_| {});
        for count in 1..=2 {
            assert_eq!(exchange(&mut fixture.lease().await).await.1, "ok");
            assert_eq!(fixture.bench.stat("upstream_cx_close_notify"), count);
        }
        assert_eq!(fixture.bench.stat("upstream_cx_protocol_error"), 0);
    });
}

/// `max_response_headers_kb` and `max_headers_count`: a head of 100 kB in 10 lines, and one of 150 lines.
#[test]
fn the_limits_of_response_heads_are_the_clusters() {
    run(async {
        let head = |lines: usize, octets: usize| {
            let line = format!("x: {}\r\n", "v".repeat(octets / lines));
            format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n{}\r\nok", line.repeat(lines))
        };
        for (text, octets, lines, passes) in [
            (head(10, 100_000), None, 100, false),
            (head(10, 100_000), Some(128 * 1024), 100, true),
            (head(10, 10_000), Some(8 * 1024), 100, false),
            (head(150, 1_000), None, 100, false),
            (head(150, 1_000), None, 200, true),
        ] {
            let fixture = fixture(says(text).await, |config| {
                config.http.max_response_headers = octets;
                config.http.max_headers_count = lines;
            });
            let mut lease = fixture.lease().await;
            lease.stream.send_head(&get(), true).unwrap();
            let head = std::future::poll_fn(|cx| lease.stream.poll_head(cx)).await;
            assert_eq!(head.is_ok(), passes, "{octets:?}, {lines}: {head:?}");
            drop(lease);
            assert_eq!(fixture.bench.stat("upstream_cx_protocol_error"), u64::from(!passes));
        }
    });
}

#[test]
fn http2_max_requests_per_connection() {
    run(async {
        let server = Http2Server::start().await;
        let fixture = fixture(server.address, |config| {
            http2(config);
            config.max_requests_per_connection = Some(2);
        });
        let mut numbers = Vec::new();
        for _ in 0..5 {
            numbers.push(exchange(&mut fixture.lease().await).await.1);
        }
        assert_eq!(numbers, ["1", "1", "2", "2", "3"]);
        until(|| server.closed.get() == 2).await;
    });
}

#[test]
fn idle_http2_connections_close_after_their_timeout() {
    run_paused(async {
        let server = Http2Server::start().await;
        let fixture = fixture(server.address, |config| {
            http2(config);
            config.http.idle_timeout = Some(Duration::from_secs(2));
        });
        exchange(&mut fixture.lease().await).await;
        let upkeep = fixture.bench.workers.maintain(&fixture.bench.published);
        tokio::select! {
            () = upkeep => {}
            () = tokio::time::sleep(Duration::from_secs(6)) => {}
        }
        assert_eq!(fixture.bench.stat("upstream_cx_idle_timeout"), 1);
        assert_eq!(fixture.bench.stat("upstream_cx_active"), 0);
    });
}
