//! `envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig`: the client's server name is resolved before TCP goes to a cluster that is a
//! dynamic forward proxy. Without a server name it does nothing, as in Envoy; one that has no address finds no endpoint.

use std::sync::Arc;

use config::Rejection;
use config::filters::network::sni_dynamic_forward_proxy as plain;

use super::filter::{FilterDeps, Hooks, NetworkFilter, Step, Turn};
use crate::call::wait::{Wait, Waited};
use crate::cluster::{CachedName, DYNAMIC_HOST, DYNAMIC_PORT, Load, Waits};
use crate::failure::ResponseFlags;
use crate::telemetry::dynamic::{Form, Shared, StateObject};
use crate::telemetry::lines::take_line;
use crate::telemetry::stream_info::ConnectionInfo;

/// The filter.
pub(super) struct SniDynamicForwardProxy {
    cache: Arc<str>,
    port: u16,
}

/// What a connection waits for.
pub(super) struct Waiting {
    name: Arc<CachedName>,
    _place: Waits,
}

impl NetworkFilter for SniDynamicForwardProxy {
    type Config = plain::SniDynamicForwardProxy;
    type State = Option<Waiting>;

    fn compile(
        config: &plain::SniDynamicForwardProxy,
        _deps: &FilterDeps<'_>,
    ) -> Result<SniDynamicForwardProxy, Rejection> {
        Ok(SniDynamicForwardProxy { cache: Arc::clone(&config.cache.name), port: config.port })
    }

    fn wants(&self) -> Hooks {
        Hooks::CONNECTED
    }

    fn connected(&self, turn: &mut Turn<'_, Option<Waiting>>) -> Step {
        let connection = turn.view.connection;
        let said = |key: &str| connection.filter_state.borrow().text(key).map(str::to_owned);
        let host = said(DYNAMIC_HOST).or_else(|| {
            let name = connection.requested_server_name.as_ref()?;
            Some(String::from_utf8_lossy(name.as_bytes()).into_owned())
        });
        let Some(host) = host.filter(|host| !host.is_empty()) else { return Step::Continue };
        let Some(cache) = turn.view.calls.names(&self.cache) else { return Step::Continue };
        let Some(place) = cache.wait() else {
            tell(&host, "too many connections wait for names; see circuit_breakers of the DNS cache");
            return Step::Close(ResponseFlags::NONE);
        };
        let told = said(DYNAMIC_PORT).and_then(|port| port.parse().ok()).filter(|port| *port > 0);
        let port = told.unwrap_or_else(|| {
            tell_port(connection, self.port);
            self.port
        });
        match cache.load(&host, port) {
            Load::Known(name) => judge(turn, &name),
            Load::Coming(name) => {
                *turn.state = Some(Waiting { name: Arc::clone(&name), _place: place });
                Step::Wait(Wait::Event(Box::pin(name.settles())))
            }
            Load::Overflow => {
                tell(&host, "the DNS cache holds as many names as it may; see max_hosts of it");
                Step::Close(ResponseFlags::NONE)
            }
            Load::NoName => Step::Continue,
        }
    }

    fn resumed(&self, turn: &mut Turn<'_, Option<Waiting>>, _waited: Waited) -> Step {
        match turn.state.take() {
            Some(waiting) => judge(turn, &waiting.name),
            None => Step::Close(ResponseFlags::NONE),
        }
    }
}

/// A name that leads back to where the client has come in is closed at once; one without an address finds no endpoint later.
fn judge(turn: &Turn<'_, Option<Waiting>>, name: &CachedName) -> Step {
    if name.leads_back(turn.view.connection) {
        tell(name.key(), "it leads back here; see where its DNS name points");
        return Step::Close(ResponseFlags::DNS_RESOLUTION_FAILED);
    }
    Step::Continue
}

/// Says why a connection is closed, with the name that it asks for.
fn tell(host: &str, why: &str) {
    if let Some(left_out) = take_line() {
        let host = host.escape_default().to_string();
        tracing::warn!(host, left_out, "connection closed: {why}");
    }
}

/// The cluster looks there for the port.
fn tell_port(connection: &ConnectionInfo, port: u16) {
    let object = StateObject {
        key: DYNAMIC_PORT.into(),
        value: port.to_string().into(),
        form: Form::Plain,
        read_only: false,
        shared: Shared::None,
    };
    connection.filter_state.borrow_mut().set(object);
}
