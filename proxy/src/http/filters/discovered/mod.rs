//! A filter whose config is discovered (ECDS). Made by the chain: what was discovered takes the place, or else `default_config`. Where there
//! is neither, this filter stands there, and answers every request with 500, flag NFCF, as Envoy does.

use std::convert::Infallible;
use std::sync::Arc;

use config::Rejection;
use config::filters::HttpFilterConfig;
use config::filters::discovery::Discovery;

use super::Filter;
use super::filter::{FilterDeps, Hooks, HttpFilter, Step, Turn};
use crate::failure::ResponseFlags;
use crate::http::local_reply::LocalReply;

/// There is no config.
#[derive(Debug)]
pub(crate) struct Discovered;

impl HttpFilter for Discovered {
    type Config = Discovery<HttpFilterConfig>;
    type ScopedConfig = Infallible;
    type Scoped = Infallible;
    type State = ();

    fn compile(_config: &Self::Config, _deps: &FilterDeps<'_>) -> Result<Discovered, Rejection> {
        Ok(Discovered)
    }

    fn scope(config: &Infallible, _deps: &FilterDeps<'_>) -> Result<Infallible, Rejection> {
        match *config {}
    }

    fn acts(&self, _scope: Option<&Infallible>) -> Hooks {
        Hooks::REQUEST
    }

    fn request(&self, _turn: &mut Turn<'_, '_, Discovered>) -> Step {
        LocalReply::new(500, "").flags(ResponseFlags::NO_FILTER_CONFIG_FOUND).into()
    }
}

/// The filter of this name as it is now; `None` if what was discovered never acts.
///
/// # Errors
/// The field of what was discovered that cannot be honoured, or of its default.
pub(super) fn compile(
    name: &Arc<str>,
    discovery: &Discovery<HttpFilterConfig>,
    deps: &FilterDeps<'_>,
) -> Result<Option<Filter>, Rejection> {
    let compile = |config: &HttpFilterConfig| Filter::compile(config, name, deps);
    Ok(deps.found(name, discovery).compile(discovery, compile)?.unwrap_or(Some(Filter::Discovered(Discovered))))
}

#[cfg(test)]
mod tests;
