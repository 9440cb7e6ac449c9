//! `envoy.extensions.filters.network.set_filter_state.v3.Config`: leaves objects on a connection for the filters after it. Honoured: all
//! three lists, and of a value all but `shared_with_upstream`, for there are no internal connections, and `read_only`, which means
//! nothing. Refused: objects that nothing here reads, and upstream subject names, which nothing here demands yet.

use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use config::access_log::LogFormat;
use config::filters::network::set_filter_state as plain;
use config::filters::set_filter_state::{FilterStateValue, Object};
use config::{At, Rejection};

use super::filter::{FilterDeps, Hooks, NetworkFilter, Step, Turn};
use crate::telemetry::access_log::LogEntry;
use crate::telemetry::dynamic::{Shared, StateObject};
use crate::telemetry::format;
use crate::telemetry::stream_info::{ConnectionInfo, StreamInfo};

/// The filter.
pub(super) struct SetFilterState {
    connected: Box<[FilterStateValue]>,
    secured: Box<[FilterStateValue]>,
    first: Box<[FilterStateValue]>,
}

impl NetworkFilter for SetFilterState {
    type Config = plain::SetFilterState;
    type State = ();

    fn compile(config: &plain::SetFilterState, _deps: &FilterDeps<'_>) -> Result<SetFilterState, Rejection> {
        let root = At::root();
        Ok(SetFilterState {
            connected: compiled(&config.on_new_connection, &root.field("on_new_connection"))?,
            secured: compiled(&config.on_tls_handshake, &root.field("on_downstream_tls_handshake"))?,
            first: compiled(&config.on_data, &root.field("on_downstream_data"))?,
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

    fn first(&self, turn: &mut Turn<'_, ()>, _octets: &mut BytesMut) -> Step {
        set(&self.first, turn.view.connection);
        Step::Continue
    }
}

fn compiled(values: &[FilterStateValue], at: &At<'_>) -> Result<Box<[FilterStateValue]>, Rejection> {
    let one = |(index, value): (usize, &FilterStateValue)| {
        let at = at.index(index);
        if value.object == Object::UpstreamSubjectAltNames {
            return Err(at.field("object_key").unsupported("names demanded of upstreams of TCP are not verified yet"));
        }
        let mut value = value.clone();
        match &mut value.value {
            LogFormat::Text(format) => format::settle(format),
            LogFormat::Json(_) => {
                return Err(at.field("format_string").unsupported("objects made of JSON are not supported"));
            }
        }
        Ok(value)
    };
    values.iter().enumerate().map(one).collect()
}

fn set(values: &[FilterStateValue], connection: &Rc<ConnectionInfo>) {
    let info = StreamInfo::begin(connection.clone(), None);
    let entry = LogEntry { info: &info, request: None, response: None, trailers: None, more: Default::default() };
    for value in values {
        let LogFormat::Text(format) = &value.value else { continue };
        let mut text = Vec::new();
        format::write(format, &entry, &mut text);
        if !(value.skip_if_empty && text.is_empty()) {
            let (key, value) = (value.key.clone(), Bytes::from(text));
            let object = StateObject { key, value, read_only: false, shared: Shared::None };
            connection.filter_state.borrow_mut().set(object);
        }
    }
}
