//! `outrigger config secrets`.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::commands::dump::{Held, text};
use crate::commands::paper;
use crate::tls::{CertificateFacts, facts_of};

/// One row each.
pub fn table(resources: &[Held<'_>]) -> String {
    let now = SystemTime::now();
    let rows: Vec<_> = resources.iter().map(|held| row(held, now)).collect();
    paper::table(["NAME", "KIND", "STATE", "NAMES", "LEFT", "SERIAL"], &rows)
}

fn row(held: &Held<'_>, now: SystemTime) -> [String; 6] {
    let kinds = [
        ("tls_certificate", "certificate"),
        ("validation_context", "roots"),
        ("session_ticket_keys", "ticket keys"),
        ("generic_secret", "secret"),
    ];
    let kind = kinds.iter().find(|(field, _)| held.body[field].is_object()).map_or("-", |(_, word)| word);
    let facts = facts(held.body);
    let first = facts.first();
    let names = first.map_or(String::new(), names);
    let left = facts.iter().map(|facts| facts.expires).min().map_or("-".to_owned(), |until| left(until, now));
    let serial = first.map_or("-".to_owned(), |facts| facts.serial.to_string());
    [held.name.to_owned(), kind.to_owned(), held.state_word(), names, left, serial]
}

/// What its certificates say, where the dump has them.
pub fn facts(secret: &Value) -> Vec<CertificateFacts> {
    let chain = &secret["tls_certificate"]["certificate_chain"];
    let roots = &secret["validation_context"]["trusted_ca"];
    [chain, roots].into_iter().flat_map(|source| facts_of(&bytes(source))).collect()
}

/// Whom a certificate names.
pub fn names(facts: &CertificateFacts) -> String {
    let all: Vec<&str> =
        facts.uri_sans.iter().chain(&facts.dns_sans).chain(&facts.ip_sans).map(|name| &**name).collect();
    all.join(", ")
}

/// How long until then: `23h`, `12d`.
pub fn left(until: SystemTime, now: SystemTime) -> String {
    let Ok(left) = until.duration_since(now) else { return "EXPIRED".to_owned() };
    match left.as_secs() {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7_200 => format!("{}m", seconds / 60),
        seconds @ 7_200..172_800 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

fn bytes(source: &Value) -> Vec<u8> {
    if let Some(inline) = source["inline_string"].as_str() {
        return inline.as_bytes().to_vec();
    }
    match source["filename"].as_str() {
        Some(path) => std::fs::read(path).unwrap_or_default(),
        None => STANDARD.decode(text(&source["inline_bytes"])).unwrap_or_default(),
    }
}
