//! Which route of a table takes a request, by what the table says, and why those before it do not.

use config::matcher::re2;
use serde_json::Value;

use crate::commands::dump::{items, text};

/// A request, as far as routes look at it.
pub struct Request<'a> {
    /// `:authority`, lower case.
    pub authority: String,
    /// `:path`.
    pub path: &'a str,
    /// `:method`.
    pub method: &'a str,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Names are lower case.
    pub headers: &'a [(String, String)],
}

impl Request<'_> {
    /// A header; pseudo headers, too.
    pub fn header(&self, name: &str) -> Option<&str> {
        match name {
            ":authority" | "host" => Some(&self.authority),
            ":path" => Some(self.path),
            ":method" => Some(self.method),
            ":scheme" => Some(self.scheme),
            name => self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str()),
        }
    }

    fn bare_path(&self) -> &str {
        self.path.split(['?', '#']).next().unwrap_or_default()
    }

    fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.path.split_once('?')?;
        let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.into_iter().find(|(have, _)| *have == name).map(|(_, value)| value)
    }
}

/// The virtual host for an authority, and the domain that says so: exact, then the longest `*.x`, the longest `x.*`, `*`.
pub fn virtual_host<'a>(table: &'a Value, authority: &str) -> Option<(&'a Value, &'a str)> {
    let strips = table["ignore_port_in_host_matching"] == true;
    let host = if strips { without_port(authority) } else { authority };
    let mut best: Option<(usize, &Value, &str)> = None;
    for vhost in items(&table["virtual_hosts"]) {
        for domain in items(&vhost["domains"]).map(text) {
            let rank = rank(domain, host);
            if rank > best.map_or(0, |(rank, ..)| rank) {
                best = Some((rank, vhost, domain));
            }
        }
    }
    best.map(|(_, vhost, domain)| (vhost, domain))
}

/// 0 is no match.
fn rank(domain: &str, host: &str) -> usize {
    const KIND: usize = 1 << 20;
    let domain = domain.to_ascii_lowercase();
    match (domain.strip_prefix('*'), domain.strip_suffix('*')) {
        (Some(""), _) => 1,
        (Some(end), _) if host.len() > end.len() && host.ends_with(end) => 2 * KIND + end.len(),
        (_, Some(start)) if host.len() > start.len() && host.starts_with(start) => KIND + start.len(),
        _ if domain == host => 3 * KIND,
        _ => 0,
    }
}

/// A host without its port.
pub fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|byte| byte.is_ascii_digit()) && (!host.contains(':') || host.ends_with(']')) =>
        {
            host
        }
        _ => authority,
    }
}

/// What there is to say of a route before the request's own.
pub struct Passed {
    /// The route.
    pub route: String,
    /// Why it does not take the request.
    pub why: String,
}

/// The first route that takes the request, and those before it. What cannot be judged from outside counts as met, and is said.
pub fn choose<'a>(host: &'a Value, request: &Request<'_>) -> (Option<(&'a Value, Vec<String>)>, Vec<Passed>) {
    let mut passed = Vec::new();
    for (index, route) in items(&host["routes"]).enumerate() {
        let mut conditions = Vec::new();
        match takes(&route["match"], request, &mut conditions) {
            Ok(()) => return (Some((route, conditions)), passed),
            Err(why) => passed.push(Passed { route: called(route, index), why }),
        }
    }
    (None, passed)
}

/// Its name, or its place.
fn called(route: &Value, index: usize) -> String {
    match text(&route["name"]) {
        "" => format!("number {}", index + 1),
        name => name.to_owned(),
    }
}

fn takes(demands: &Value, request: &Request<'_>, conditions: &mut Vec<String>) -> Result<(), String> {
    path(demands, request)?;
    for demand in items(&demands["headers"]) {
        header(demand, request)?;
    }
    for demand in items(&demands["query_parameters"]) {
        let name = text(&demand["name"]);
        let value = request.query(name);
        let is_met = match (value, demand["string_match"].is_object()) {
            (Some(value), true) => string(&demand["string_match"], value)?,
            (value, _) => value.is_some(),
        };
        if !is_met {
            return Err(format!("it wants the query parameter {name}{}", string_words(&demand["string_match"])));
        }
    }
    if demands["grpc"].is_object()
        && !request.header("content-type").is_some_and(|kind| kind.starts_with("application/grpc"))
    {
        return Err("it wants gRPC".to_owned());
    }
    if demands["runtime_fraction"].is_object() {
        conditions.push("it takes a share of requests only (runtime_fraction)".to_owned());
    }
    for (field, words) in [
        ("tls_context", "the client's certificate"),
        ("dynamic_metadata", "what filters have found out (dynamic_metadata)"),
        ("filter_state", "filter state"),
        ("cookies", "cookies"),
    ] {
        if demands[field].is_object() || items(&demands[field]).next().is_some() {
            conditions.push(format!("it looks at {words}, too, which cannot be judged from here"));
        }
    }
    Ok(())
}

fn path(demands: &Value, request: &Request<'_>) -> Result<(), String> {
    if request.method == "CONNECT" {
        return match demands["connect_matcher"].is_object() {
            true => Ok(()),
            false => Err(format!("it wants {}, and CONNECT has none", path_words(demands))),
        };
    }
    let bare = request.bare_path();
    let folded = demands["case_sensitive"] == false;
    let fold = |text: &str| if folded { text.to_ascii_lowercase() } else { text.to_owned() };
    let is_met = if let Some(prefix) = demands["prefix"].as_str() {
        fold(request.path).starts_with(&fold(prefix))
    } else if let Some(exact) = demands["path"].as_str() {
        fold(bare) == fold(exact)
    } else if let Some(prefix) = demands["path_separated_prefix"].as_str() {
        let (bare, prefix) = (fold(bare), fold(prefix));
        bare.strip_prefix(&*prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    } else if let Some(pattern) = demands["safe_regex"]["regex"].as_str() {
        re2::full_match(pattern)?.is_match(bare.as_bytes())
    } else if demands["connect_matcher"].is_object() {
        false
    } else {
        return Err("its path matcher is not known to this command".to_owned());
    };
    if is_met { Ok(()) } else { Err(format!("it wants {}", path_words(demands))) }
}

fn path_words(demands: &Value) -> String {
    for (field, words) in
        [("prefix", "a path that begins with"), ("path", "the path"), ("path_separated_prefix", "a path below")]
    {
        if let Some(value) = demands[field].as_str() {
            return format!("{words} {value}");
        }
    }
    match demands["safe_regex"]["regex"].as_str() {
        Some(pattern) => format!("a path like {pattern}"),
        None => "CONNECT".to_owned(),
    }
}

fn header(demand: &Value, request: &Request<'_>) -> Result<(), String> {
    let name = text(&demand["name"]).to_ascii_lowercase();
    let value = request.header(&name);
    let inverted = demand["invert_match"] == true;
    let is_met = match value.or_else(|| (demand["treat_missing_header_as_empty"] == true).then_some("")) {
        _ if demand["present_match"].is_boolean() => value.is_some() == (demand["present_match"] == true),
        None => {
            return if inverted { Ok(()) } else { Err(format!("it wants the header {name}{}", header_words(demand))) };
        }
        Some(value) if demand["string_match"].is_object() => string(&demand["string_match"], value)?,
        Some(value) => string(demand, value)?,
    };
    let not = if inverted { " not" } else { "" };
    match is_met != inverted {
        true => Ok(()),
        false => Err(format!("it wants the header {name}{not}{}", header_words(demand))),
    }
}

fn header_words(demand: &Value) -> String {
    let matcher = if demand["string_match"].is_object() { &demand["string_match"] } else { demand };
    string_words(matcher)
}

/// `exact`, `prefix` and so on, of a `StringMatcher` or of the older fields.
fn string(matcher: &Value, value: &str) -> Result<bool, String> {
    let folded = matcher["ignore_case"] == true;
    let fold = |text: &str| if folded { text.to_ascii_lowercase() } else { text.to_owned() };
    let value = fold(value);
    let get = |one: &str, other: &str| matcher[one].as_str().or_else(|| matcher[other].as_str()).map(fold);
    if let Some(want) = get("exact", "exact_match") {
        return Ok(value == want);
    }
    if let Some(want) = get("prefix", "prefix_match") {
        return Ok(value.starts_with(&want));
    }
    if let Some(want) = get("suffix", "suffix_match") {
        return Ok(value.ends_with(&want));
    }
    if let Some(want) = get("contains", "contains_match") {
        return Ok(value.contains(&want));
    }
    let regex = ["safe_regex", "safe_regex_match"].iter().find_map(|field| matcher[field]["regex"].as_str());
    if let Some(pattern) = regex {
        return Ok(re2::full_match(pattern)?.is_match(value.as_bytes()));
    }
    let range = &matcher["range_match"];
    if range.is_object() {
        let number = |field: &str| range[field].as_str().and_then(|text| text.parse().ok()).unwrap_or(0_i64);
        return Ok(value.parse().is_ok_and(|value: i64| (number("start")..number("end")).contains(&value)));
    }
    // No matcher at all: it is there.
    Ok(true)
}

fn string_words(matcher: &Value) -> String {
    for (fields, words) in [
        (["exact", "exact_match"], "to be"),
        (["prefix", "prefix_match"], "to begin with"),
        (["suffix", "suffix_match"], "to end with"),
        (["contains", "contains_match"], "to contain"),
    ] {
        if let Some(value) = fields.iter().find_map(|field| matcher[field].as_str()) {
            return format!(" {words} {value}");
        }
    }
    let regex = ["safe_regex", "safe_regex_match"].iter().find_map(|field| matcher[field]["regex"].as_str());
    regex.map_or(String::new(), |pattern| format!(" to be like {pattern}"))
}

/// What a route takes, for tables.
pub fn condition(demands: &Value) -> String {
    let mut words = match (demands["prefix"].as_str(), demands["path"].as_str()) {
        (Some(prefix), _) => format!("{prefix}*"),
        (None, Some(path)) => path.to_owned(),
        (None, None) => path_words(demands),
    };
    for demand in items(&demands["headers"]) {
        let not = if demand["invert_match"] == true { "not " } else { "" };
        words.push_str(&format!(", {not}{}{}", text(&demand["name"]), header_words(demand)));
    }
    for demand in items(&demands["query_parameters"]) {
        words.push_str(&format!(", ?{}{}", text(&demand["name"]), string_words(&demand["string_match"])));
    }
    words
}

/// Clusters of a route's action, with their share of a hundred where there are several.
pub fn clusters(route: &Value) -> Vec<(&str, Option<u64>)> {
    clusters_of(&route["route"])
}

/// The same of whatever names a cluster, or several with their weights.
pub fn clusters_of(action: &Value) -> Vec<(&str, Option<u64>)> {
    if let Some(name) = action["cluster"].as_str() {
        return vec![(name, None)];
    }
    let weighted = items(&action["weighted_clusters"]["clusters"]);
    let weight = |one: &Value| one["weight"].as_u64().unwrap_or(0);
    let total: u64 = weighted.clone().map(weight).sum();
    weighted.map(|one| (text(&one["name"]), Some(weight(one) * 100 / total.max(1)))).collect()
}

/// Where a redirect leads; what it leaves as it was stands in brackets.
fn target_of(redirect: &Value) -> String {
    let part = |field: &str, otherwise: &'static str| match text(&redirect[field]) {
        "" => otherwise.to_owned(),
        part => part.to_owned(),
    };
    let scheme =
        if redirect["https_redirect"] == true { "https".to_owned() } else { part("scheme_redirect", "<scheme>") };
    let port = redirect["port_redirect"].as_u64().map_or(String::new(), |port| format!(":{port}"));
    let path = match (text(&redirect["path_redirect"]), text(&redirect["prefix_rewrite"])) {
        ("", "") => "<path>".to_owned(),
        ("", prefix) => format!("{prefix}<rest of the path>"),
        (path, _) => path.to_owned(),
    };
    format!("{scheme}://{}{port}{path}", part("host_redirect", "<host>"))
}

/// What a route does, for tables.
pub fn leads_to(route: &Value) -> String {
    let redirect = &route["redirect"];
    let answer = &route["direct_response"];
    if redirect.is_object() {
        return format!("redirect to {}", target_of(redirect));
    }
    if answer.is_object() {
        return format!("answers {}", answer["status"].as_u64().unwrap_or(0));
    }
    if let Some(name) = route["route"]["cluster_header"].as_str() {
        return format!("the cluster that the header {name} names");
    }
    let share = |(name, share): &(&str, Option<u64>)| match share {
        Some(share) => format!("{name} ({share} %)"),
        None => (*name).to_owned(),
    };
    clusters(route).iter().map(share).collect::<Vec<_>>().join(", ")
}
