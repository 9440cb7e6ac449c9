//! `/ui`: a page for people, complete in itself. The server writes all of it; a script adds rates. Nothing is asked of any other
//! host, which its Content-Security-Policy says, too.

mod html;
mod names;

use std::time::SystemTime;

use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use config::endpoint::HealthStatus;

use self::html::{Cell, cell};
pub use self::html::{Html, escaped};
use super::query::Query;
use super::source::ClusterStatus;
use super::{Admin, certs, reply};
use crate::cli::version;
use crate::status::{HostStatus, ListenerStatus, Shown};
use crate::store::{Entry, Kind};

const STYLE: &str = include_str!("ui/style.css");
const SCRIPT: &str = include_str!("ui/script.js");

/// Rows of a long list; `?all` shows all.
const MOST: usize = 100;
/// What the rates are of.
const RATES: &str = "(downstream_rq_total|downstream_rq_5xx|downstream_cx_total|downstream_cx_active)$";

/// The style sheet.
pub fn style() -> Response {
    typed(STYLE, "text/css; charset=UTF-8")
}

/// The script.
pub fn script() -> Response {
    typed(SCRIPT, "text/javascript; charset=UTF-8")
}

fn typed(text: &'static str, kind: &'static str) -> Response {
    let mut response = reply::text(text);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// HTML that may ask nobody but this host, and that no other page may frame.
pub fn page(html: String) -> Response {
    const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    let mut response = reply::text(html);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=UTF-8"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
    response
}

/// The beginning of a page, up to its own parts.
pub fn begin(html: &mut Html, title: &str) {
    html.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    html.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    html.raw(&format!("<title>{}</title>\n", escaped(title)));
    html.raw("<link rel=\"icon\" href=\"data:,\">\n<link rel=\"stylesheet\" href=\"/ui/style.css\">\n");
    html.raw("<script src=\"/ui/script.js\" defer></script>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">To the content</a>\n");
}

/// The page.
pub fn show(admin: &Admin, query: &Query, shown: &Shown) -> Response {
    let most = if query.has("all") { usize::MAX } else { MOST };
    let mut html = Html::default();
    begin(&mut html, "Outrigger");
    header(&mut html, admin);
    html.raw("<main id=\"main\">\n");
    stale(&mut html, shown);
    refused(&mut html, shown);
    identity(&mut html, admin);
    listeners(&mut html, shown, most);
    served(&mut html, shown, most);
    clusters(&mut html, &admin.source.clusters(shown), most);
    failures(&mut html, admin);
    rates(&mut html, admin);
    html.raw("</main>\n</body>\n</html>\n");
    page(html.finish())
}

fn header(html: &mut Html, admin: &Admin) {
    let state = admin.source.state();
    let tone = if state == "LIVE" { "good" } else { "odd" };
    let uptime = admin.started.elapsed().as_secs();
    html.raw("<header><h1>Outrigger ");
    html.raw(&format!("<span class=\"{tone}\">{state}</span></h1>\n"));
    html.paragraph("dim", &format!("version {}, up for {}", version::NUMBER, spelt(uptime)));
    html.raw("<nav aria-label=\"Other pages\"><a href=\"/ui\">Look again</a><a href=\"/\">All admin pages</a><a href=\"/config_dump\">Configuration</a></nav></header>\n");
}

/// `3 d 4 h`, `5 min`.
fn spelt(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

fn all(shown: &Shown) -> impl Iterator<Item = (&'static str, &Entry)> {
    let kinds = [
        (Kind::Listener, "listener"),
        (Kind::Cluster, "cluster"),
        (Kind::Route, "route table"),
        (Kind::Endpoints, "endpoints"),
        (Kind::Extension, "filter"),
        (Kind::Secret, "secret"),
    ];
    kinds.into_iter().flat_map(|(kind, word)| shown.resources.resources(kind).iter().map(move |entry| (word, entry)))
}

fn stale(html: &mut Html, shown: &Shown) {
    let Some(since) = shown.stale_since else { return };
    html.section("stale", "The control plane is away");
    let words = format!(
        "What is served was accepted before this proxy began, and kept {}. It is stale until the control plane is back.",
        certs::timestamp(since)
    );
    html.paragraph("odd", &words);
    html.end_section();
}

fn refused(html: &mut Html, shown: &Shown) {
    html.section("refused", "Refused configuration");
    let rows: Vec<_> = all(shown)
        .filter_map(|(word, entry)| {
            let refused = entry.refused.as_ref()?;
            let serves = match entry.active {
                Some(_) => Cell::Toned("odd", "the one before".to_owned()),
                None => Cell::Toned("bad", "nothing".to_owned()),
            };
            Some([
                cell(format!("{word} {}", entry.name)),
                cell(&refused.reason),
                serves,
                Cell::Time(certs::timestamp(refused.resource.last_updated)),
            ])
        })
        .take(MOST)
        .collect();
    if rows.is_empty() {
        html.paragraph("dim", "Nothing: all that the control plane sent is in use.");
    } else {
        html.table(["What", "Why", "In use", "When"], &rows);
    }
    html.end_section();
}

fn identity(html: &mut Html, admin: &Admin) {
    html.section("identity", "Who we are");
    let now = SystemTime::now();
    let mut leaves: Vec<_> = admin.source.certificates().into_iter().flat_map(|context| context.chain).collect();
    leaves.sort_by_key(|one| one.expires);
    leaves.dedup_by(|one, other| one.serial == other.serial);
    let rows: Vec<_> = leaves
        .iter()
        .take(MOST)
        .map(|leaf| {
            let names: Vec<&str> =
                leaf.uri_sans.iter().chain(&leaf.dns_sans).chain(&leaf.ip_sans).map(|name| &**name).collect();
            let left = leaf.expires.duration_since(now).map(|left| left.as_secs());
            let left = match left {
                Err(_) => Cell::Toned("bad", "expired".to_owned()),
                Ok(left @ 0..3_600) => Cell::Toned("odd", spelt(left)),
                Ok(left) => cell(spelt(left)),
            };
            [cell(names.join(", ")), left, Cell::Time(certs::timestamp(leaf.expires)), cell(&leaf.serial)]
        })
        .collect();
    if rows.is_empty() {
        html.paragraph("dim", "No certificate is in use.");
    } else {
        html.table(["Names", "Left", "Until", "Serial number"], &rows);
    }
    html.end_section();
}

fn listeners(html: &mut Html, shown: &Shown, most: usize) {
    html.section("listeners", "Listeners");
    let rows: Vec<_> = shown
        .resources
        .resources(Kind::Listener)
        .iter()
        .take(most)
        .map(|entry| {
            let bound = shown.listeners.iter().find(|listener| listener.name == entry.name);
            let places: Vec<String> = bound.into_iter().flat_map(places).collect();
            let state = match (&entry.active, &entry.warming, &entry.refused, places.is_empty()) {
                (Some(_), ..) if bound.is_some_and(|listener| listener.stopped) => {
                    Cell::Toned("odd", "accepts no more (drain_listeners)".to_owned())
                }
                (Some(_), _, None, false) => Cell::Toned("good", "bound".to_owned()),
                (Some(_), _, Some(refused), _) => {
                    Cell::Toned("odd", format!("serves the version before; the update is refused: {}", refused.reason))
                }
                (Some(_), ..) => Cell::Toned("odd", "in use, and bound nowhere".to_owned()),
                (None, Some(_), ..) => Cell::Toned("odd", "waits for its routes or certificates".to_owned()),
                (None, None, Some(refused), _) => Cell::Toned("bad", refused.reason.to_string()),
                (None, None, None, _) => Cell::Toned("odd", "not in use".to_owned()),
            };
            [cell(&entry.name), cell(places.join(", ")), state]
        })
        .collect();
    html.table(["Listener", "Bound on", "State"], &rows);
    more(html, shown.resources.resources(Kind::Listener).len(), most);
    html.end_section();
}

fn places(listener: &ListenerStatus) -> impl Iterator<Item = String> {
    let path = listener.path.iter().map(|path| format!("unix:{}", path.display()));
    listener.addresses.iter().map(ToString::to_string).chain(path)
}

fn more(html: &mut Html, count: usize, most: usize) {
    if count > most {
        html.raw(&format!("<p class=\"dim\">{} more: <a href=\"/ui?all\">show all</a></p>\n", count - most));
    }
}

fn served(html: &mut Html, shown: &Shown, most: usize) {
    html.section("names", "Which names are served where");
    let served = names::served(&shown.resources);
    let rows: Vec<_> = served
        .iter()
        .filter(|served| !served.names.is_empty())
        .take(most)
        .map(|served| {
            let places: Vec<String> =
                shown.listeners.iter().filter(|listener| *listener.name == served.listener).flat_map(places).collect();
            let mut names = served.names.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
            if served.names.len() > most {
                names.push_str(&format!(" and {} more", served.names.len() - most));
            }
            [cell(places.join(", ")), cell(served.direction), cell(names)]
        })
        .collect();
    html.table(["Address", "Direction", "Names"], &rows);
    html.end_section();
}

fn is_healthy(host: &HostStatus) -> bool {
    matches!(host.health, HealthStatus::Unknown | HealthStatus::Healthy | HealthStatus::Degraded)
        && !host.flags.is_failed()
}

fn clusters(html: &mut Html, clusters: &[ClusterStatus], most: usize) {
    html.section("clusters", "Clusters and the health of their endpoints");
    let healthy = |cluster: &ClusterStatus| cluster.hosts.iter().filter(|host| is_healthy(host)).count();
    let trouble = |cluster: &&ClusterStatus| {
        let down = cluster.hosts.len() - healthy(cluster);
        let failed: u64 = cluster.hosts.iter().map(|host| host.counts.cx_connect_fail).sum();
        std::cmp::Reverse((down, failed))
    };
    let mut sorted: Vec<&ClusterStatus> = clusters.iter().collect();
    sorted.sort_by_key(trouble);
    let rows: Vec<_> = sorted
        .iter()
        .take(most)
        .map(|cluster| {
            let (up, all) = (healthy(cluster), cluster.hosts.len());
            let words = format!("{up} of {all}");
            let state = match (up, all) {
                (_, 0) => Cell::Toned("dim", "none".to_owned()),
                (0, _) => Cell::Toned("bad", words),
                (up, all) if up < all => Cell::Toned("odd", words),
                _ => Cell::Toned("good", words),
            };
            let sum = |count: fn(&crate::status::HostCounts) -> u64| {
                cluster.hosts.iter().map(|host| count(&host.counts)).sum()
            };
            [
                cell(&cluster.name),
                state,
                Cell::Number(sum(|counts| counts.rq_total)),
                Cell::Number(sum(|counts| counts.rq_error)),
                Cell::Number(sum(|counts| counts.cx_connect_fail)),
            ]
        })
        .collect();
    html.table(["Cluster", "Healthy endpoints", "Requests", "Errors", "Failed connects"], &rows);
    more(html, clusters.len(), most);
    html.end_section();
}

fn failures(html: &mut Html, admin: &Admin) {
    html.section("failures", "Last failures");
    let rows: Vec<_> = admin
        .log
        .recent()
        .into_iter()
        .map(|line| {
            let tone = if line.level == "warning" { "odd" } else { "bad" };
            [
                Cell::Time(certs::timestamp(line.time)),
                Cell::Toned(tone, format!("{} ({})", line.level, line.logger)),
                cell(line.message),
            ]
        })
        .collect();
    if rows.is_empty() {
        html.paragraph("dim", "None: no warning and no error since the start, or the log's level hides them.");
    } else {
        html.table(["When", "Level", "Reason"], &rows);
    }
    html.end_section();
}

fn rates(html: &mut Html, admin: &Admin) {
    html.section("traffic", "Traffic");
    admin.source.refresh_stats();
    let mut samples = super::stats::plain(admin, RATES);
    samples.retain(|(_, value)| *value != 0);
    samples.truncate(MOST);
    if samples.is_empty() {
        html.paragraph(
            "dim",
            "No connection and no request yet, or the configuration (stats_matcher) leaves out the statistics of them.",
        );
        return html.end_section();
    }
    html.raw(&format!("<div class=\"scroll\"><table id=\"rates\" data-filter=\"{}\"><thead><tr><th scope=\"col\">Statistic</th><th scope=\"col\" class=\"number\">Now</th><th scope=\"col\" class=\"number\">Each second</th></tr></thead><tbody>\n", escaped(RATES)));
    for (name, value) in samples {
        let name = escaped(&name);
        html.raw(&format!(
            "<tr><th scope=\"row\">{name}</th><td class=\"number\" data-label=\"Now\" data-stat=\"{name}\">{value}</td><td class=\"number\" data-label=\"Each second\" data-kind=\"rate\"></td></tr>\n"
        ));
    }
    html.raw("</tbody></table></div>\n");
    html.end_section();
}

#[cfg(test)]
mod tests;
