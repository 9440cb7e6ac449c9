//! `envoy.extensions.filters.network.set_filter_state.v3.Config`: leaves objects on a connection for the filters after it. Honoured: all
//! three lists, and of a value all but `shared_with_upstream`, for there are no internal connections, and `read_only`, which means
//! nothing. Refused: objects that nothing here reads, and upstream subject names, which nothing here demands yet.

use std::rc::Rc;

use config::filters::network::set_filter_state as plain;
use config::{At, Rejection};

use super::filter::{FilterDeps, Hooks, NetworkFilter, Step, Turn};
use crate::telemetry::access_log::LogEntry;
use crate::telemetry::state_values::StateValues;
use crate::telemetry::stream_info::{ConnectionInfo, StreamInfo};

/// The filter.
pub(super) struct SetFilterState {
    connected: StateValues,
    secured: StateValues,
    first: StateValues,
}

impl NetworkFilter for SetFilterState {
    type Config = plain::SetFilterState;
    type State = ();

    fn compile(config: &plain::SetFilterState, _deps: &FilterDeps<'_>) -> Result<SetFilterState, Rejection> {
        let root = At::root();
        Ok(SetFilterState {
            connected: StateValues::of_connection(&config.on_new_connection, &root.field("on_new_connection"))?,
            secured: StateValues::of_connection(&config.on_tls_handshake, &root.field("on_downstream_tls_handshake"))?,
            first: StateValues::of_connection(&config.on_data, &root.field("on_downstream_data"))?,
        })
    }

    fn wants(&self) -> Hooks {
        let lists = [(&self.connected, Hooks::CONNECTED), (&self.secured, Hooks::SECURED), (&self.first, Hooks::FIRST)];
        let wanted = lists.into_iter().filter(|(values, _)| !values.is_empty());
        wanted.fold(Hooks::default(), |all, (_, hook)| all.with(hook))
    }

    fn connected(&self, turn: &mut Turn<'_, ()>) -> Step {
        set(&self.connected, turn.view.connection);
        Step::Continue
    }

    fn secured(&self, turn: &mut Turn<'_, ()>) -> Step {
        set(&self.secured, turn.view.connection);
        Step::Continue
    }

    fn first(&self, turn: &mut Turn<'_, ()>) -> Step {
        set(&self.first, turn.view.connection);
        Step::Continue
    }
}

fn set(values: &StateValues, connection: &Rc<ConnectionInfo>) {
    let info = StreamInfo::begin(connection.clone(), None);
    for value in values.iter() {
        if let Some(object) = value.object(&LogEntry::of(&info)) {
            connection.filter_state.borrow_mut().set(object);
        }
    }
}
