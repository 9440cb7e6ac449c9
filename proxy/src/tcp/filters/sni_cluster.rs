//! `envoy.extensions.filters.network.sni_cluster.v3.SniCluster`: TCP goes to the cluster that has the client's server name for its name.
//! It has no fields. Without a server name the TCP proxy's own cluster is taken, as in Envoy.

use config::Rejection;
use config::filters::network::sni_cluster as plain;

use super::filter::{FilterDeps, Hooks, NetworkFilter, Step, Turn};
use crate::telemetry::dynamic::{Form, Shared, StateObject};

/// The filter.
pub(super) struct SniCluster;

impl NetworkFilter for SniCluster {
    type Config = plain::SniCluster;
    type State = ();

    fn compile(_config: &plain::SniCluster, _deps: &FilterDeps<'_>) -> Result<SniCluster, Rejection> {
        Ok(SniCluster)
    }

    fn wants(&self) -> Hooks {
        Hooks::CONNECTED
    }

    fn connected(&self, turn: &mut Turn<'_, ()>) -> Step {
        let connection = turn.view.connection;
        if let Some(name) = connection.requested_server_name.as_ref().filter(|name| !name.as_bytes().is_empty()) {
            let object = StateObject {
                key: "envoy.tcp_proxy.cluster".into(),
                value: bytes::Bytes::copy_from_slice(name.as_bytes()),
                form: Form::Plain,
                read_only: false,
                shared: Shared::None,
            };
            connection.filter_state.borrow_mut().set(object);
        }
        Step::Continue
    }
}
