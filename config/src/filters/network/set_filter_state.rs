//! `envoy.extensions.filters.network.set_filter_state.v3.Config`. Called by the list of network filters.

use crate::extension::Extension;
use crate::filters::set_filter_state::{FilterStateValue, values};
use crate::options::Options;
use crate::proto::extensions::filters::network::set_filter_state::v3 as pb;
use crate::rejection::{At, Rejection};

/// The filter: values of the connection, each list in order.
#[derive(Debug, Clone)]
pub struct SetFilterState {
    /// `on_new_connection`.
    pub on_new_connection: Vec<FilterStateValue>,
    /// `on_downstream_tls_handshake`: when it is done.
    pub on_tls_handshake: Vec<FilterStateValue>,
    /// `on_downstream_data`: when the first octets have come.
    pub on_data: Vec<FilterStateValue>,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<SetFilterState, Rejection> {
    let proto: pb::Config = extension.decode(at, options)?;
    let list = |field: &str, list| values(&at.field(field), list, options);
    Ok(SetFilterState {
        on_new_connection: list("on_new_connection", &proto.on_new_connection)?,
        on_tls_handshake: list("on_downstream_tls_handshake", &proto.on_downstream_tls_handshake)?,
        on_data: list("on_downstream_data", &proto.on_downstream_data)?,
    })
}
