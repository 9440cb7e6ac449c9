//! A filter by the type of its config, wherever it stands: in a chain, discovered, or inside another. Called by these.

use super::{HttpFilterConfig, NetworkFilterConfig, network};
use crate::extension::Extension;
use crate::options::Options;
use crate::proto::extensions as ext;
use crate::registry::{self, Kind, State};
use crate::rejection::{At, Rejection};

/// An HTTP filter other than the router.
pub(crate) fn http(
    at: &At<'_>,
    name: &str,
    extension: &Extension<'_>,
    options: &Options,
) -> Result<HttpFilterConfig, Rejection> {
    let Some(entry) = registry::find(Kind::HttpFilter, &extension.type_name) else {
        return Err(registry::not_registered(at, name, &extension.type_name));
    };
    if extension.type_name == registry::ROUTER {
        return Err(at.reject(format!("filter {name:?} is a router, which may only stand at the end of a chain")));
    }
    if entry.state == State::InertIfFailOpen && !http_may_fail_open(at, extension, options)? {
        return Err(registry::refused(at, name, entry));
    }
    super::http(at, name, entry, extension, options)
}

/// A network filter other than those that are protocols of their own.
pub(crate) fn network(
    at: &At<'_>,
    name: &str,
    extension: &Extension<'_>,
    options: &Options,
) -> Result<NetworkFilterConfig, Rejection> {
    let Some(entry) = registry::find(Kind::NetworkFilter, &extension.type_name) else {
        return Err(registry::not_registered(at, name, &extension.type_name));
    };
    if matches!(&*extension.type_name, registry::HTTP_CONNECTION_MANAGER | registry::TCP_PROXY) {
        return Err(at.reject(format!("filter {name:?} may only stand in a chain itself, at its end")));
    }
    if entry.state == State::InertIfFailOpen && !network_may_fail_open(at, extension, options)? {
        return Err(registry::refused(at, name, entry));
    }
    network::network(at, name, entry, extension, options)
}

/// Whether the config asks to let requests pass when the filter fails, so that its absence is what the operator accepted.
fn http_may_fail_open(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<bool, Rejection> {
    use ext::filters::http as filters;
    Ok(match &*extension.type_name {
        "envoy.extensions.filters.http.wasm.v3.Wasm" => {
            let wasm: filters::wasm::v3::Wasm = extension.decode(at, options)?;
            wasm.config.is_some_and(|plugin| plugin_may_fail_open(&plugin))
        }
        _ => false,
    })
}

fn network_may_fail_open(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<bool, Rejection> {
    use ext::filters::network as filters;
    Ok(match &*extension.type_name {
        "envoy.extensions.filters.network.wasm.v3.Wasm" => {
            let wasm: filters::wasm::v3::Wasm = extension.decode(at, options)?;
            wasm.config.is_some_and(|plugin| plugin_may_fail_open(&plugin))
        }
        "envoy.extensions.filters.network.ext_proc.v3.NetworkExternalProcessor" => {
            let processor: filters::ext_proc::v3::NetworkExternalProcessor = extension.decode(at, options)?;
            processor.failure_mode_allow
        }
        _ => false,
    })
}

/// `fail_open`, or a failure policy that says the same.
fn plugin_may_fail_open(plugin: &ext::wasm::v3::PluginConfig) -> bool {
    plugin.fail_open || plugin.failure_policy == ext::wasm::v3::FailurePolicy::FailOpen as i32
}
