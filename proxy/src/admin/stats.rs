//! `/stats` and `/stats/prometheus`.

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use config::matcher::re2;
use regex::bytes::Regex;

use super::query::Query;
use super::{Admin, reply};
use crate::stats::expose::{self, Buckets, Exposition};
use crate::stats::{Kind, Sample};

/// Text, JSON or Prometheus, as `format` says.
pub fn show(admin: &Admin, query: &Query) -> Response {
    // Which values there are says the table of pages, and nothing else gets here.
    let format = query.get("format").unwrap_or_default();
    if format == "prometheus" {
        return prometheus(admin, query);
    }
    let buckets = match query.get("histogram_buckets").unwrap_or_default() {
        "cumulative" => Buckets::Cumulative,
        "disjoint" => Buckets::Disjoint,
        "detailed" => Buckets::Detailed,
        _ => Buckets::Quantiles,
    };
    // None is hidden.
    let wanted = samples(admin, query).map(|all| if query.get("hidden") == Some("only") { Vec::new() } else { all });
    match wanted {
        Ok(samples) if format == "json" => reply::json(expose::json(&samples, buckets)),
        // There are no pages for browsers: they show text well enough.
        Ok(samples) => reply::text(expose::text(&samples, buckets)),
        Err(reason) => reply::failure(StatusCode::BAD_REQUEST, reason),
    }
}

/// Prometheus' text format. Label sets come piece by piece, for there may be many.
pub fn prometheus(admin: &Admin, query: &Query) -> Response {
    let samples = match Wanted::of(query) {
        Ok(wanted) => wanted.samples(admin),
        Err(reason) => return reply::failure(StatusCode::BAD_REQUEST, reason),
    };
    let shape =
        Exposition { summaries: query.get("histogram_buckets") == Some("summary"), texts: query.has("text_readouts") };
    let text = expose::prometheus(&admin.stats, &samples, shape);
    let (sets, wanted) = (admin.stats.label_sets(), Wanted::of(query));
    if sets.is_empty() {
        return reply::text(text);
    }
    let pieces = sets.prometheus(move |name, kind| wanted.as_ref().is_ok_and(|wanted| wanted.takes(name, kind)));
    let all = std::iter::once(text).chain(pieces).map(Ok::<_, std::convert::Infallible>);
    reply::text(Body::from_stream(futures_util::stream::iter(all)))
}

/// Names and values of counters and gauges that match.
pub fn plain(admin: &Admin, filter: &str) -> Vec<(String, u64)> {
    let Ok(filter) = re2::asked(filter) else { return Vec::new() };
    let wanted =
        |name: &str, kind: Kind| matches!(kind, Kind::Counter | Kind::Gauge) && filter.is_match(name.as_bytes());
    let samples = admin.stats.samples(wanted);
    samples.into_iter().map(|sample| (sample.name.to_string(), sample.value)).collect()
}

/// `/stats/recentlookups`. Envoy counts look-ups of names that requests make; here none does.
pub fn lookups(admin: &Admin) -> Response {
    let total = admin.stats.samples(|_, _| true).len();
    reply::text(format!(
        "Lookup tracking is not enabled: names are looked up when configuration comes, and by no request.\n\ntotal: {total}\n"
    ))
}

/// All that is asked for, in order of the names.
fn samples(admin: &Admin, query: &Query) -> Result<Vec<Sample>, String> {
    let wanted = Wanted::of(query)?;
    let mut samples = wanted.samples(admin);
    let sets = admin.stats.label_sets();
    if !sets.is_empty() {
        samples.extend(sets.samples(false, &mut |name, kind| wanted.takes(name, kind)));
        samples.sort_by(|one, other| one.name.cmp(&other.name));
    }
    Ok(samples)
}

/// What a query asks for.
struct Wanted {
    kinds: &'static [Kind],
    filter: Option<Regex>,
    inverted: bool,
    used: bool,
}

impl Wanted {
    fn of(query: &Query) -> Result<Wanted, String> {
        let kinds: &'static [Kind] = match query.get("type").unwrap_or_default() {
            "Counters" => &[Kind::Counter],
            "Gauges" => &[Kind::Gauge],
            "Histograms" => &[Kind::Histogram],
            "TextReadouts" => &[Kind::Text],
            _ => &[Kind::Text, Kind::Counter, Kind::Gauge, Kind::Histogram],
        };
        let filter = query.get("filter").filter(|filter| !filter.is_empty()).map(re2::asked).transpose();
        let filter = filter.map_err(|reason| format!("Invalid re2 regex: {reason}"))?;
        Ok(Wanted { kinds, filter, inverted: query.has("invert_filter"), used: query.has("usedonly") })
    }

    fn takes(&self, name: &str, kind: Kind) -> bool {
        self.kinds.contains(&kind)
            && self.filter.as_ref().is_none_or(|filter| filter.is_match(name.as_bytes()) != self.inverted)
    }

    /// Readings of what has fixed names.
    fn samples(&self, admin: &Admin) -> Vec<Sample> {
        admin.source.refresh_stats();
        let mut samples = admin.stats.samples(|name, kind| self.takes(name, kind));
        if self.used {
            samples.retain(|sample| sample.used);
        }
        samples
    }
}
