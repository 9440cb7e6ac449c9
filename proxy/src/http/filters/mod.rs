//! HTTP filters, in the order of the configuration. A closed set: an enum and a loop with a `match`.
//!
//! To add one: a folder with its config, code and tests, a variant here, a line in each `match`.

use config::filters::HttpFilterConfig;
use config::hcm::HttpFilter;

pub(super) mod alpn;

/// A filter that acts, compiled.
#[derive(Debug)]
pub(super) enum Filter {
    /// `istio.alpn`.
    Alpn(alpn::Alpn),
}

impl Filter {
    /// Compiles a filter; `None` for those that are disabled or do not act.
    pub fn compile(config: &HttpFilter) -> Option<Filter> {
        match &config.config {
            _ if config.disabled => None,
            HttpFilterConfig::Alpn(lists) => Some(Filter::Alpn(alpn::Alpn::compile(lists))),
            // Others come as inert while the registry does not say that they work.
            _ => None,
        }
    }
}

/// What filters have decided for the attempts of one request.
#[derive(Debug, Default)]
pub(super) struct Decisions<'a> {
    /// ALPN lists that replace the cluster's own.
    pub alpn: Option<&'a alpn::Alpn>,
}

/// Runs the request side of a chain.
pub(super) fn request_headers<'a>(filters: &'a [Filter], decisions: &mut Decisions<'a>) {
    for filter in filters {
        match filter {
            Filter::Alpn(alpn) => decisions.alpn = Some(alpn),
        }
    }
}
