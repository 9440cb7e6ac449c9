//! One compiled filter chain: transport and terminal filter.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use config::filters::NetworkFilterConfig;
use config::listener::{DownstreamTransport, TerminalFilter};
use config::metadata::Metadata;
use config::tls::DownstreamTls;
use config::{At, Rejection};

use super::compiled::stat_prefix;
use crate::compile::CompileDeps;
use crate::drain::Drain;
use crate::http::route::RouteSlots;
use crate::http::{ConnectionManager, OfListener};
use crate::peer_exchange::{self, MetadataExchange};
use crate::tcp::TcpProxy;
use crate::tcp::filters::Filters;
use crate::tls::ServerContext;

/// A filter chain. Immutable; connections keep the one that they began with, and versions of a listener share those that stay equal.
pub struct FilterChain {
    /// Its name; several chains may share one.
    pub name: Arc<str>,
    /// Its metadata.
    pub metadata: Arc<Metadata>,
    /// TLS, if it is terminated here.
    pub tls: Option<Arc<ServerContext>>,
    /// Time for the handshake.
    pub connect_timeout: Option<Duration>,
    /// Filters before the one that owns the connection.
    pub filters: Arc<Filters>,
    /// What is exchanged with clients.
    pub exchange: Option<MetadataExchange>,
    /// Who owns the connection.
    pub terminal: Terminal,
    /// Begins when no version of the listener has this chain any more.
    pub drain: Arc<Drain>,
}

/// The last network filter.
pub enum Terminal {
    /// HTTP.
    Http(Arc<ConnectionManager>),
    /// Bytes.
    Tcp(Arc<TcpProxy>),
    /// Bytes come back.
    Echo,
    /// These bytes are the answer.
    Direct(Bytes),
    /// None: the connection is closed at once.
    None,
}

impl FilterChain {
    pub(super) fn compile(
        config: &config::listener::FilterChain,
        listener: &config::listener::Listener,
        at: &At<'_>,
        deps: &CompileDeps<'_>,
        slots: &dyn RouteSlots,
    ) -> Result<FilterChain, Rejection> {
        let exchange = config.filters.iter().find_map(|filter| match &filter.config {
            NetworkFilterConfig::MetadataExchange(config) => Some(MetadataExchange::compile(config, deps.stats)),
            _ => None,
        });
        let tls = match &config.transport {
            DownstreamTransport::Raw => None,
            DownstreamTransport::Tls(tls) => Some(
                ServerContext::new(&taken(tls, exchange.is_some()), deps.secrets, &listener.name)
                    .map_err(|reason| at.field("transport_socket").reject(reason))?,
            ),
        };
        let terminal = match &config.terminal {
            TerminalFilter::Http(manager) => {
                let (filters, last) = (at.field("filters"), config.filters.len());
                let filter = filters.index(last);
                let of_listener = OfListener {
                    direction: listener.direction,
                    buffer_limit: listener.buffer_limit,
                    stats: &stat_prefix(listener),
                };
                let manager = ConnectionManager::compile(manager, of_listener, deps, slots)
                    .map_err(|rejection| rejection.below(&filter.field("typed_config")))?;
                Terminal::Http(manager)
            }
            TerminalFilter::Tcp(proxy) => {
                Terminal::Tcp(TcpProxy::compile(proxy, &config.filters, listener.direction, deps))
            }
            TerminalFilter::Answers(filter) => match &filter.config {
                NetworkFilterConfig::Echo(_) => Terminal::Echo,
                NetworkFilterConfig::DirectResponse(direct) => Terminal::Direct(direct.response.clone()),
                // The others are no last filters: `config` has told them apart.
                _ => Terminal::None,
            },
            TerminalFilter::None => Terminal::None,
        };
        Ok(FilterChain {
            name: config.name.clone(),
            metadata: config.metadata.clone(),
            tls,
            connect_timeout: config.transport_connect_timeout,
            filters: Filters::compile(&config.filters, &at.field("filters"), deps)?,
            exchange,
            terminal,
            drain: Drain::new(deps.drain),
        })
    }
}

/// A chain that exchanges no metadata does not agree to.
fn taken(tls: &DownstreamTls, exchanges: bool) -> Cow<'_, DownstreamTls> {
    match peer_exchange::protocols(&tls.common.alpn, exchanges) {
        None => Cow::Borrowed(tls),
        Some(alpn) => {
            let mut tls = tls.clone();
            tls.common.alpn = alpn;
            Cow::Owned(tls)
        }
    }
}
