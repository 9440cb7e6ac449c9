//! How a cluster speaks to its endpoints, and who each side has to be.

use serde_json::Value;

use super::steps::Steps;
use crate::commands::config::secrets;
use crate::commands::dump::{Dump, Held, State, items, text};

/// Of clusters, and of filter chains.
const CONTEXTS: [&str; 2] = ["UpstreamTlsContext", "DownstreamTlsContext"];

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
    if CONTEXTS.iter().any(|kind| text(&config["@type"]).ends_with(kind)) {
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
    told(socket, dump).into_steps(before, steps)
}

/// Whether an application gets through to a chain that reads requests, by what both speak; a chain that passes octets on asks for nothing.
pub fn tell_chain(chain: &Value, speaks_tls: bool, reads: bool, dump: &Dump, steps: &mut Steps) -> bool {
    let Some(context) = context(&chain["transport_socket"]) else {
        return !(speaks_tls && reads)
            || steps.wrong(
                "chain",
                "it reads plain text, and the application speaks TLS (--tls): requests are answered 400".to_owned(),
            );
    };
    if !speaks_tls {
        return steps.wrong(
            "chain",
            "it wants TLS, and the application speaks plain text (one that speaks TLS itself: --tls); the connection is closed".to_owned(),
        );
    }
    let mut told = Told { lines: Vec::new(), wrong: Vec::new() };
    match own_secret(context) {
        Some("") => told.lines.push("the proxy shows the certificate of the chain's own configuration".to_owned()),
        Some(name) => told.own(name, dump),
        None => told.wrong.push("the proxy has no certificate to show".to_owned()),
    }
    if context["require_client_certificate"] == true {
        told.lines.push("the application must show a certificate".to_owned());
        if let Some(name) = roots(context) {
            told.roots(name, dump);
        }
    }
    told.into_steps("", steps)
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
    if let Some(name) = roots(context) {
        told.roots(name, dump);
    }
    if let Some(name) = context["sni"].as_str() {
        told.lines.push(format!("server name (SNI) {name}"));
    }
    told
}

/// The secret of a name that is in use, or why there is none.
fn secret<'a>(name: &str, dump: &'a Dump) -> Result<Held<'a>, String> {
    let named: Vec<Held<'a>> = dump.secrets().into_iter().filter(|secret| secret.name == name).collect();
    let is_used = |secret: &&Held<'_>| secret.state == State::Active;
    named.iter().find(is_used).copied().ok_or_else(|| match named.iter().find_map(|secret| secret.refused) {
        Some(why) => format!("refused: {why}"),
        None => String::new(),
    })
}

impl Told {
    fn into_steps(self, before: &str, steps: &mut Steps) -> bool {
        let is_good = self.wrong.is_empty();
        self.lines.into_iter().for_each(|line| steps.good("identity", format!("{before}{line}")));
        for why in self.wrong {
            steps.wrong("identity", format!("{before}{why}"));
        }
        is_good
    }

    fn roots(&mut self, name: &str, dump: &Dump) {
        match secret(name, dump) {
            Ok(_) => {}
            Err(why) if why.is_empty() => {
                self.wrong.push(format!("the roots '{name}' have not come, and without them no peer is believed"));
            }
            Err(why) => self.wrong.push(format!("the roots '{name}' are {why}; without them no peer is believed")),
        }
    }

    fn own(&mut self, name: &str, dump: &Dump) {
        let secret = match secret(name, dump) {
            Ok(secret) => secret,
            Err(why) if why.is_empty() => {
                self.wrong.push(format!("our certificate '{name}' has not come; the agent or istiod gives it"));
                return;
            }
            Err(why) => {
                self.wrong.push(format!("our certificate '{name}' is {why}; handshakes fail until it is mended"));
                return;
            }
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
