//! The audit trail: one line of the logger `audit` for each change of policy, of certificates, of roots and of revocation lists that took
//! effect. Called by those who put resources in use. It must never tell what stands in a policy or a key, for either may be a secret.

use std::fmt::Write as _;

use config::discreet::shown;
use config::policy::Record;

use crate::telemetry::clock::strftime;
use crate::tls::{CertificateFacts, Material, Renewed};

/// What kind of resource carries policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    Listener,
    Routes,
    Extension,
    Cluster,
}

impl Carrier {
    fn noun(self) -> &'static str {
        match self {
            Carrier::Listener => "listener",
            Carrier::Routes => "route table",
            Carrier::Extension => "extension config",
            Carrier::Cluster => "cluster",
        }
    }

    fn type_name(self) -> &'static str {
        match self {
            Carrier::Listener => "envoy.config.listener.v3.Listener",
            Carrier::Routes => "envoy.config.route.v3.RouteConfiguration",
            Carrier::Extension => "envoy.config.core.v3.TypedExtensionConfig",
            Carrier::Cluster => "envoy.config.cluster.v3.Cluster",
        }
    }
}

/// A version of a resource has taken the place of another; either may be missing.
pub fn policy(carrier: Carrier, name: &str, version: &str, before: Option<&[u8]>, after: Option<&[u8]>) {
    if let Some(change) = change(carrier, before, after) {
        tracing::info!(target: "audit", "{} '{}'{}: policy {change}", carrier.noun(), shown(name), of_version(version));
    }
}

/// What the bootstrap names, and what went, has none.
fn of_version(version: &str) -> String {
    if version.is_empty() { String::new() } else { format!(" version '{version}'") }
}

fn change(carrier: Carrier, before: Option<&[u8]>, after: Option<&[u8]>) -> Option<String> {
    let is_one = before.is_none() || after.is_none();
    let record = |bytes: Option<&[u8]>| Record::of(carrier.type_name(), bytes.unwrap_or_default());
    let (before, after) = (record(before), record(after));
    // Nearly every cluster has a TLS context: that one comes or goes is no news, that it changes is.
    if carrier == Carrier::Cluster && is_one && !before.is_more_than_tls() && !after.is_more_than_tls() {
        return None;
    }
    match (before.is_empty(), after.is_empty()) {
        // Which chains a table is for is not known here.
        (true, false) if carrier == Carrier::Routes => {
            Some(format!("is in force where chains have the filters: {after}"))
        }
        (true, false) => Some(format!("is in force: {after}")),
        (false, true) => Some(format!("is in force no more: {before}")),
        (false, false) if before != after => Some(format!("has changed: {after}; before: {before}")),
        _ => None,
    }
}

/// A secret has come into use.
pub fn secret(name: &str, version: &str, material: &Material) {
    tracing::info!(target: "audit", "secret '{}'{} is in use: {}", shown(name), of_version(version), said(material));
}

/// A secret is used no more.
pub fn secret_forgotten(name: &str) {
    tracing::info!(target: "audit", "secret '{}' is used no more", shown(name));
}

/// Files were read again and are in use.
pub fn files(whose: &Renewed, material: &Material) {
    let (what, name) = match whose {
        Renewed::Secret(name) => ("secret", name),
        Renewed::Context(scope) => ("TLS context of", scope),
    };
    tracing::info!(target: "audit", "{what} '{}' was read again from its files: {}", shown(name), said(material));
}

fn said(material: &Material) -> String {
    let mut parts = Vec::new();
    for leaf in &material.chain {
        parts.push(format!("certificate {}", of_certificate(leaf)));
    }
    if let Some(trust) = &material.trust {
        let mut text =
            format!("{} roots, {} revocation lists, sha256 {}", trust.roots.len(), trust.lists, trust.digest);
        for root in trust.roots.iter().take(MOST_ROOTS) {
            // A string takes all that is written to it.
            let _ = write!(text, "; root {}", of_certificate(root));
        }
        if let Some(more) = trust.roots.len().checked_sub(MOST_ROOTS).filter(|more| *more > 0) {
            let _ = write!(text, "; and {more} more");
        }
        parts.push(text);
    }
    if material.ticket_keys > 0 {
        parts.push(format!("{} ticket keys", material.ticket_keys));
    }
    if material.is_generic {
        parts.push("a generic secret".to_owned());
    }
    match parts.is_empty() {
        true => "nothing that is used here".to_owned(),
        false => parts.join("; "),
    }
}

/// Roots that are named; a bundle of a system has hundreds.
const MOST_ROOTS: usize = 8;

fn of_certificate(facts: &CertificateFacts) -> String {
    let names = facts.uri_sans.iter().chain(&facts.dns_sans).chain(&facts.ip_sans);
    let names: Vec<_> = names.map(|name| shown(name)).collect();
    format!("serial {} until {} names [{}]", facts.serial, until(facts.expires), names.join(", "))
}

fn until(moment: std::time::SystemTime) -> String {
    let mut out = Vec::with_capacity(24);
    strftime("%Y-%m-%dT%H:%M:%SZ", moment, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests;
