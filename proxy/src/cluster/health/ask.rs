//! One check of one endpoint: a connection, the question, what the answer means. Called by [`super::run`], which knows the time.

use std::sync::Arc;

use config::address::Address;
use config::cluster::{Asks, HealthCheck};
use config::endpoint::EndpointCheck;

use super::connection::{Line, Way};
use super::state::{Failure, Found, Kind};
use super::stats::HealthStats;
use super::{grpc, http, tcp};
use crate::cluster::Priority;
use crate::cluster::endpoints::Endpoint;
use crate::cluster::pool::{Key, Speaks};
use crate::transport::Stream;

/// Who asks one endpoint, and the connection that is kept between checks.
#[derive(Default)]
pub struct Asker {
    line: Option<Line>,
    stream: Option<Stream>,
}

impl Asker {
    /// Asks. Where it is given up before its end, [`Asker::forget`] is called.
    pub async fn ask(
        &mut self,
        check: &HealthCheck,
        way: &Way,
        endpoint: &Arc<Endpoint>,
        stats: &HealthStats,
    ) -> Found {
        let unreachable = Found::Ill(Failure::of(Kind::Network));
        let asked = asked(endpoint);
        let Some(key) = key(check, way, endpoint) else { return unreachable };
        let tls = way.cluster.transport(key.transport).tls().is_some();
        let name = &way.cluster.config().name;
        match &check.asks {
            Asks::Tcp(tcp_check) => {
                if self.stream.is_none() {
                    self.stream = way.stream(&asked, &key).await;
                }
                let Some(stream) = &mut self.stream else { return unreachable };
                let found = tcp::talk(tcp_check, stream).await;
                let keeps = check.reuse_connection && !tcp_check.receive.is_empty();
                if !keeps || !matches!(found, Found::Well { .. }) {
                    self.forget();
                }
                found
            }
            Asks::Http(http_check) => {
                let head = http::request(http_check, host(endpoint, http_check.host.as_deref(), name), tls);
                let most = if http_check.receive.is_empty() { 1 } else { http_check.buffer };
                let Some(line) = self.line(way, &asked, &key).await else { return unreachable };
                let answer = line.ask(&head, http_check.send.clone(), most).await;
                self.keep(check, answer.is_ok());
                answer.map_or(unreachable, |answer| http::judge(http_check, &answer, stats))
            }
            Asks::Grpc(grpc_check) => {
                let host = host(endpoint, grpc_check.authority.as_deref(), name);
                let (head, body) = grpc::request(grpc_check, host, tls, check.timeout);
                let Some(line) = self.line(way, &asked, &key).await else { return unreachable };
                let answer = line.ask(&head, body, grpc::LONGEST.into()).await;
                self.keep(check, answer.is_ok());
                answer.map_or(unreachable, |answer| grpc::judge(&answer))
            }
        }
    }

    /// The next check has a connection of its own.
    pub fn forget(&mut self) {
        (self.line, self.stream) = (None, None);
    }

    /// Waits until the endpoint closes a connection of TCP that is kept, which counts as a failure. For ever where none is.
    pub async fn closed(&mut self) {
        use tokio::io::AsyncReadExt as _;
        let Some(stream) = &mut self.stream else { return std::future::pending().await };
        // What comes unasked says nothing of its health.
        let mut buffer = [0; 256];
        while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
        self.stream = None;
    }

    async fn line(&mut self, way: &Way, asked: &Endpoint, key: &Key) -> Option<&mut Line> {
        if !self.line.as_mut().is_some_and(Line::is_usable) {
            self.line = way.line(asked, key).await;
        }
        self.line.as_mut()
    }

    fn keep(&mut self, check: &HealthCheck, answered: bool) {
        if !answered || !check.reuse_connection {
            self.line = None;
        }
    }
}

/// The endpoint as checks reach it: another address perhaps, and one alone.
fn asked(endpoint: &Arc<Endpoint>) -> Arc<Endpoint> {
    let check = endpoint.check.as_deref();
    let (own, port) = check.map_or((None, None), |check| (check.address.as_ref(), check.port));
    if own.is_none() && port.is_none() && endpoint.additional.is_empty() {
        return Arc::clone(endpoint);
    }
    let mut address = own.unwrap_or(&endpoint.address).clone();
    if let (Address::Socket(socket), Some(port)) = (&mut address, port) {
        socket.set_port(port);
    }
    Arc::new(Endpoint { address, additional: Box::default(), ..Endpoint::clone(endpoint) })
}

fn host<'a>(endpoint: &'a Endpoint, of_check: Option<&'a str>, cluster: &'a str) -> &'a str {
    let own = |check: &'a EndpointCheck| check.hostname.as_deref();
    endpoint.check.as_deref().and_then(own).or(of_check).unwrap_or(cluster)
}

/// `None` where the endpoint cannot be reached by the transport socket that is asked for.
fn key(check: &HealthCheck, way: &Way, endpoint: &Endpoint) -> Option<Key> {
    let transport = match &check.socket_match {
        Some(criteria) => way.cluster.transport_matching(criteria)?,
        None => endpoint.transport,
    };
    let speaks = match &check.asks {
        Asks::Tcp(_) => Speaks::Bytes,
        Asks::Grpc(_) => Speaks::Http2,
        Asks::Http(http) if http.http2 => Speaks::Http2,
        Asks::Http(_) => Speaks::Http1,
    };
    let alpn = (!check.alpn.is_empty()).then(|| check.alpn.clone().into());
    Some(Key {
        transport,
        speaks,
        priority: Priority::Default,
        alpn,
        sni: None,
        demanded: None,
        proxied: None,
        tlvs: None,
        client: None,
    })
}
