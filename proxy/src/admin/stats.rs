//! `/stats` and `/stats/prometheus`.

use axum::http::StatusCode;
use axum::response::Response;

use super::query::Query;
use super::{Admin, reply};
use crate::stats::expose::{self, Buckets};
use crate::stats::{Kind, Sample, re2};

/// Text, JSON or Prometheus, as `format` says.
pub fn show(admin: &Admin, query: &Query) -> Response {
    let format = query.get("format").unwrap_or("text");
    if format == "prometheus" {
        return prometheus(admin, query);
    }
    if !matches!(format, "text" | "json" | "html" | "active-html") {
        let usage = "usage: /stats?format=(html|active-html|json|prometheus|text)\n\n";
        return reply::failure(StatusCode::BAD_REQUEST, usage);
    }
    let buckets = match query.get("histogram_buckets").unwrap_or("none") {
        "none" | "summary" | "" => Buckets::Quantiles,
        "cumulative" => Buckets::Cumulative,
        "disjoint" | "detailed" => Buckets::Disjoint,
        _ => {
            let usage = "usage: /stats?histogram_buckets=(summary|cumulative|disjoint|detailed)\n";
            return reply::failure(StatusCode::BAD_REQUEST, usage);
        }
    };
    match samples(admin, query) {
        Ok(samples) if format == "json" => reply::json(expose::json(&samples, buckets)),
        // There are no pages for browsers: they show text well enough.
        Ok(samples) => reply::text(expose::text(&samples, buckets)),
        Err(reason) => reply::failure(StatusCode::BAD_REQUEST, reason),
    }
}

/// Prometheus' text format.
pub fn prometheus(admin: &Admin, query: &Query) -> Response {
    match samples(admin, query) {
        Ok(samples) => reply::text(expose::prometheus(&admin.stats, &samples)),
        Err(reason) => reply::failure(StatusCode::BAD_REQUEST, reason),
    }
}

fn samples(admin: &Admin, query: &Query) -> Result<Vec<Sample>, String> {
    let kinds: &[Kind] = match query.get("type").unwrap_or("All") {
        "All" => &[Kind::Text, Kind::Counter, Kind::Gauge, Kind::Histogram],
        "Counters" => &[Kind::Counter],
        "Gauges" => &[Kind::Gauge],
        "Histograms" => &[Kind::Histogram],
        "TextReadouts" => &[Kind::Text],
        _ => return Err("invalid &type= param".into()),
    };
    let filter = query.get("filter").filter(|filter| !filter.is_empty()).map(re2).transpose();
    let filter = filter.map_err(|reason| format!("Invalid re2 regex: {reason}"))?;
    let inverted = query.has("invert_filter");
    admin.source.refresh_stats();
    let mut samples = admin.stats.samples(|name, kind| {
        kinds.contains(&kind) && filter.as_ref().is_none_or(|filter| filter.is_match(name) != inverted)
    });
    if query.has("usedonly") {
        samples.retain(|sample| sample.used);
    }
    Ok(samples)
}
