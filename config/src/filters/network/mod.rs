//! Network filters as plain data: one line a filter in the list below, one file a filter beside it. Called by the translation of filter
//! chains (`listener/chain.rs`). The last filters of chains that are protocols of their own (HTTP, TCP) are not here.

use std::sync::Arc;

use super::discovery::Discovery;
use crate::extension::Extension;
use crate::options::Options;
use crate::registry::{self, Entry, Kind, State, policy};
use crate::rejection::{At, Rejection};

pub mod connection_limit;
pub mod direct_response;
pub mod echo;
pub mod ext_authz;
pub mod istio_stats;
pub mod local_ratelimit;
pub mod metadata_exchange;
pub mod ratelimit;
pub mod rbac;
pub mod set_filter_state;
pub mod sni_cluster;
pub mod sni_dynamic_forward_proxy;

/// One line a filter: variant, module, state, `Policy` where it carries any, type, what it does to traffic.
macro_rules! network_filters {
    ($($variant:ident $module:ident $state:ident $($policy:ident)? $type_name:literal $traffic:literal;)*) => {
        /// Network filters that are known. What each does to traffic today stands in `config/EXTENSIONS.md`.
        #[derive(Debug, Clone)]
        pub enum NetworkFilterConfig {
            $(#[doc = concat!("`", $type_name, "`.")] $variant(Arc<$module::$variant>),)*
            /// `config_discovery`.
            Discovered(Arc<Discovery<NetworkFilterConfig>>),
            /// A filter that is parsed and does not act yet, by type; it is none that carries policy.
            Inert(Arc<str>),
        }

        /// The rows of the registry.
        pub(crate) static ENTRIES: &[Entry] = &[
            $(Entry::new(Kind::NetworkFilter, $type_name, State::$state, policy!($($policy)?), $traffic),)*
        ];

        /// The config of a filter that has a line, whatever its state.
        pub(super) fn read(
            at: &At<'_>,
            extension: &Extension<'_>,
            options: &Options,
        ) -> Option<Result<NetworkFilterConfig, Rejection>> {
            Some(match &*extension.type_name {
                $($type_name => $module::decode(at, extension, options)
                    .map(|config| NetworkFilterConfig::$variant(Arc::new(config))),)*
                _ => return None,
            })
        }
    };
}

network_filters! {
    MetadataExchange metadata_exchange Works "envoy.tcp.metadataexchange.config.MetadataExchange" "both ends of the ALPN send a frame that says what they are, on chains and on clusters; workloads are asked for of peers that do not say what they are, over ADS (workload_discovery of the bootstrap); not over config_discovery";
    IstioStats istio_stats Works "stats.PluginConfig" "Istio's metrics of connections that are proxied as TCP; not over config_discovery";
    LocalRateLimit local_ratelimit Works "envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit" "connections that find no token are closed";
    ConnectionLimit connection_limit Works "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit" "connections above the limit of a chain are closed, after the delay if there is one";
    ExtAuthz ext_authz Works Policy "envoy.extensions.filters.network.ext_authz.v3.ExtAuthz" "a gRPC service is asked when the first octets come; no TLS alert is sent";
    RateLimit ratelimit Works "envoy.extensions.filters.network.ratelimit.v3.RateLimit" "a service says whether connections are above a limit; without its answer they go on, unless failure_mode_deny";
    Rbac rbac Works Policy "envoy.extensions.filters.network.rbac.v3.RBAC" "connections are judged by their first octets, HTTP's among them, and with CONTINUOUS enforcement by each read";
    SniCluster sni_cluster Works "envoy.extensions.filters.network.sni_cluster.v3.SniCluster" "TCP goes to the cluster that has the server name for its name";
    SniDynamicForwardProxy sni_dynamic_forward_proxy Works "envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig" "the server name is resolved, and TCP goes there over a dynamic forward proxy; save_upstream_address is refused";
    SetFilterState set_filter_state Works "envoy.extensions.filters.network.set_filter_state.v3.Config" "objects that name the cluster, the server name, the ALPN or the idle timeout of TCP proxying, switch its tunnels off, or name the host and port of a dynamic forward proxy act; other texts and addresses are kept; upstream subject names are rejected";
    DirectResponse direct_response Works "envoy.extensions.filters.network.direct_response.v3.Config" "what is configured is sent, and the connection is closed";
    Echo echo Works "envoy.extensions.filters.network.echo.v3.Echo" "bytes come back as they were sent";
}

/// A filter of a chain that is known. One that acts has been read; one that does not is checked and named to the operator.
pub(crate) fn network(
    at: &At<'_>,
    name: &str,
    entry: &Entry,
    extension: &Extension<'_>,
    options: &Options,
) -> Result<NetworkFilterConfig, Rejection> {
    match super::acting(at, name, entry, || read(at, extension, options))? {
        Some(config) => Ok(config),
        None => {
            registry::inert(at, Kind::NetworkFilter, name, extension, options)?;
            Ok(NetworkFilterConfig::Inert(Arc::from(&*extension.type_name)))
        }
    }
}

impl NetworkFilterConfig {
    /// Whether it answers by itself, so that it must be the last of its chain.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::DirectResponse(_) | Self::Echo(_))
    }
}
