//! How a cluster speaks to its endpoints, and who each side has to be.

use serde_json::Value;

use super::steps::Steps;
use crate::commands::config::secrets;
use crate::commands::dump::{Dump, State, items, text};

const CONTEXT: &str = "UpstreamTlsContext";

/// For tables: `plain`, `TLS`, `mTLS`, or by endpoint.
pub fn of_cluster(cluster: &Value) -> String {
    let matches = items(&cluster["transport_socket_matches"]);
    if matches.clone().next().is_none() {
        return word(&cluster["transport_socket"]).to_owned();
    }
    let words: Vec<&str> = matches.map(|one| word(&one["transport_socket"])).collect();
    format!("{} (by endpoint)", words.join(" or "))
}

fn word(socket: &Value) -> &'static str {
    match context(socket) {
        None => "plain",
        Some(context) if own_secret(context).is_some() => "mTLS",
        Some(_) => "TLS",
    }
}

/// The TLS context in a transport socket, which may stand in another one.
fn context(socket: &Value) -> Option<&Value> {
    let config = &socket["typed_config"];
    if text(&config["@type"]).ends_with(CONTEXT) {
        return Some(config);
    }
    let inner = &config["transport_socket"];
    if inner.is_object() { context(inner) } else { None }
}

/// The transport socket for an endpoint of these labels.
pub fn socket<'a>(cluster: &'a Value, labels: &Value) -> &'a Value {
    let fits = |one: &&Value| {
        let wanted = one["match"].as_object();
        wanted.is_none_or(|wanted| wanted.iter().all(|(name, value)| labels[name] == *value))
    };
    let chosen = items(&cluster["transport_socket_matches"]).find(fits);
    chosen.map_or(&cluster["transport_socket"], |one| &one["transport_socket"])
}

fn own_secret(context: &Value) -> Option<&str> {
    let common = &context["common_tls_context"];
    let by_sds = items(&common["tls_certificate_sds_secret_configs"]).next().map(|config| text(&config["name"]));
    by_sds.or_else(|| items(&common["tls_certificates"]).next().map(|_| ""))
}

fn roots(context: &Value) -> Option<&str> {
    let common = &context["common_tls_context"];
    let combined = &common["combined_validation_context"]["validation_context_sds_secret_config"];
    [combined, &common["validation_context_sds_secret_config"]].into_iter().find_map(|config| config["name"].as_str())
}

/// Names that a peer must show one of.
fn wanted_names(context: &Value) -> Vec<String> {
    let common = &context["common_tls_context"];
    let combined = &common["combined_validation_context"]["default_validation_context"];
    let words = |matcher: &Value| {
        let kinds = [("exact", ""), ("prefix", "begins with "), ("suffix", "ends with "), ("contains", "contains ")];
        let plain = kinds.iter().find_map(|(kind, words)| Some(format!("{words}{}", matcher[kind].as_str()?)));
        plain.unwrap_or_else(|| format!("is like {}", text(&matcher["safe_regex"]["regex"])))
    };
    let validations = [combined, &common["validation_context"]].into_iter();
    validations
        .flat_map(|validation| {
            let typed = items(&validation["match_typed_subject_alt_names"]).map(|one| &one["matcher"]);
            typed.chain(items(&validation["match_subject_alt_names"]))
        })
        .map(words)
        .collect()
}

/// Sentences on the handshake with an endpoint, and what stands in its way.
pub struct Told {
    /// One line each.
    pub lines: Vec<String>,
    /// Why it would fail.
    pub wrong: Vec<String>,
}

/// Tells who each side has to be; false where something is wrong. `before` says for whom.
pub fn tell(socket: &Value, before: &str, dump: &Dump, steps: &mut Steps) -> bool {
    let Told { lines, wrong } = told(socket, dump);
    let is_good = wrong.is_empty();
    lines.into_iter().for_each(|line| steps.good("identity", format!("{before}{line}")));
    for why in wrong {
        steps.wrong("identity", format!("{before}{why}"));
    }
    is_good
}

/// Who each side has to be where this socket is used.
fn told(socket: &Value, dump: &Dump) -> Told {
    let Some(context) = context(socket) else {
        return Told { lines: vec!["plain text: nobody shows a certificate".to_owned()], wrong: Vec::new() };
    };
    let mut told = Told { lines: Vec::new(), wrong: Vec::new() };
    match own_secret(context) {
        Some("") => told.lines.push("we show the certificate of the cluster's own configuration".to_owned()),
        Some(name) => told.own(name, dump),
        None => told.lines.push("we show no certificate".to_owned()),
    }
    let names = wanted_names(context);
    match &names[..] {
        [] => told.lines.push("the peer may be anyone whom the roots vouch for".to_owned()),
        names => told.lines.push(format!("the peer must be {}", names.join(" or "))),
    }
    if let Some(name) = roots(context)
        && !is_there(name, dump)
    {
        told.wrong.push(format!("the roots '{name}' have not come, and without them no peer is believed"));
    }
    if let Some(name) = context["sni"].as_str() {
        told.lines.push(format!("server name (SNI) {name}"));
    }
    told
}

fn is_there(name: &str, dump: &Dump) -> bool {
    dump.secrets().iter().any(|secret| secret.name == name && secret.state == State::Active)
}

impl Told {
    fn own(&mut self, name: &str, dump: &Dump) {
        let secrets = dump.secrets();
        let Some(secret) = secrets.iter().find(|secret| secret.name == name && secret.state == State::Active) else {
            self.wrong.push(format!("our certificate '{name}' has not come; the agent or istiod gives it"));
            return;
        };
        let facts = secrets::facts(secret.body);
        let Some(leaf) = facts.first() else {
            self.lines.push(format!("we show the certificate '{name}'"));
            return;
        };
        let left = secrets::left(leaf.expires, std::time::SystemTime::now());
        self.lines.push(format!("we are {} (certificate '{name}', {left} left)", secrets::names(leaf)));
        if left == "EXPIRED" {
            self.wrong.push(format!("our certificate '{name}' is past its time; peers refuse it"));
        }
    }
}
