//! Network filters whose config is discovered (ECDS): what was discovered, or else `default_config`. Called when a list is compiled. Where
//! there is neither, the list as a whole is not there, and connections are closed at once, as by Envoy.

use config::Rejection;
use config::filters::NetworkFilterConfig;
use config::filters::discovery::Discovery;
use config::listener::NetworkFilter as Config;

use super::Filter;
use super::filter::FilterDeps;
use crate::discoveries::{Discoveries, Found};

/// The filter of this name as it is now; `None` if that never acts, or is missing.
///
/// # Errors
/// The field of what was discovered that cannot be honoured, or of its default.
pub(super) fn compile(
    name: &str,
    discovery: &Discovery<NetworkFilterConfig>,
    deps: &FilterDeps<'_>,
) -> Result<Option<Filter>, Rejection> {
    let found = deps.discoveries.network(name, discovery);
    found.compile(discovery, |config| Filter::compile(config, deps)).map(Option::flatten)
}

/// Whether there is no config for one of these.
pub(super) fn is_missing(list: &[Config], discoveries: &Discoveries) -> bool {
    list.iter().any(|config| {
        let NetworkFilterConfig::Discovered(discovery) = &config.config else { return false };
        matches!(discoveries.network(&config.name, discovery), Found::Nothing)
    })
}
