//! Network filters before the last one, for chains of TCP and of HTTP alike. The list below is all there are; the contract is
//! [`filter`], and who calls the hooks [`run`] and [`first`]. `listener` compiles them with a chain and starts them with a connection.
//!
//! To add one: a file, a line here, its line in `config/src/filters/network/mod.rs`, and its tests over real connections in
//! `listener/tests/network_filters.rs`.

mod client;
pub(crate) mod filter;
mod first;
mod list;
mod more;
mod run;

mod connection_limit;
mod discovered;
mod ext_authz;
mod local_ratelimit;
mod ratelimit;
mod rbac;
mod set_filter_state;
mod sni_cluster;
mod sni_dynamic_forward_proxy;

use self::filter::{FilterDeps, Hooks, NetworkFilter as _, Step, Turn};
use self::list::network_filters;

use crate::telemetry::access_log::LogEntry;
use crate::telemetry::stream_info::{ConnectionInfo, StreamInfo};

pub use first::First;
pub use run::{Closed, Filters, Missing, Started};

network_filters! {
    ConnectionLimit connection_limit;
    ExtAuthz ext_authz;
    LocalRateLimit local_ratelimit;
    RateLimit ratelimit;
    Rbac rbac;
    SetFilterState set_filter_state;
    SniCluster sni_cluster;
    SniDynamicForwardProxy sni_dynamic_forward_proxy;
}

/// Writes formats of what is known of a connection so far.
fn render(connection: &std::rc::Rc<ConnectionInfo>) -> impl FnMut(&config::access_log::Format, &mut Vec<u8>) {
    let info = StreamInfo::begin(connection.clone(), None);
    move |format, out| {
        crate::telemetry::format::write(format, &LogEntry::of(&info), out);
    }
}
