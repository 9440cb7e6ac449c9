//! Statistics of a limit, `<stat_prefix>.http_local_rate_limit.*`. Used by the filter alone.

crate::stats::counters! {
    /// What is counted. Envoy leaves out whose listener or route it is.
    pub(super) struct Counts { enabled enforced ok rate_limited shadow_mode }
}
