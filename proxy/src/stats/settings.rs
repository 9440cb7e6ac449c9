//! What the bootstrap says about statistics. Read by the registry when a statistic is made.

use std::sync::Arc;

use config::bootstrap::StatsMatcher;

/// Envoy's default histogram buckets (upper bounds); one more bucket takes what is larger.
pub const DEFAULT_BOUNDS: &[f64] = &[
    0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0, 30000.0, 60000.0, 300000.0,
    600000.0, 1800000.0, 3600000.0,
];

/// A label: name and value.
pub type Tag = (Arc<str>, Arc<str>);

/// What the bootstrap says about statistics.
#[derive(Debug, Clone)]
pub struct StatsSettings {
    /// Which names are made at all.
    pub matcher: StatsMatcher,
    /// `stats_tags` with a fixed value: name and value.
    pub fixed: Vec<Tag>,
    /// Envoy's own tags that are named one by one, where not all of them are wanted.
    pub named: Vec<Arc<str>>,
    /// `stats_tags`: tag name and regular expression, for Prometheus.
    pub tags: Vec<Tag>,
    /// `use_all_default_tags`: Envoy's own tags as well.
    pub default_tags: bool,
    /// Histogram buckets by matcher of the name, first match wins; Envoy's defaults otherwise. Bounds ascend.
    pub buckets: Vec<(config::matcher::StringMatcher, Vec<f64>)>,
}

impl Default for StatsSettings {
    /// What holds for a bootstrap without `stats_config`.
    fn default() -> StatsSettings {
        StatsSettings {
            matcher: StatsMatcher::All,
            fixed: Vec::new(),
            named: Vec::new(),
            tags: Vec::new(),
            default_tags: true,
            buckets: Vec::new(),
        }
    }
}

impl StatsSettings {
    /// What a bootstrap asks for.
    pub fn of(bootstrap: &config::bootstrap::Bootstrap) -> StatsSettings {
        StatsSettings {
            matcher: bootstrap.stats_matcher.clone(),
            tags: bootstrap.stats_tags.clone(),
            fixed: bootstrap.fixed_tags.clone(),
            named: bootstrap.named_tags.clone(),
            default_tags: bootstrap.default_tags,
            buckets: bootstrap.histogram_buckets.clone(),
        }
    }
}
