//! `/certs`: certificates in use, with how long they are good for.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::response::Response;

use super::{Admin, reply};
use crate::telemetry::clock::{digits, strftime};
use crate::tls::CertificateFacts;

#[derive(serde::Serialize)]
struct Certificates {
    certificates: Vec<Certificate>,
}

#[derive(serde::Serialize)]
struct Certificate {
    ca_cert: Vec<Details>,
    cert_chain: Vec<Details>,
}

#[derive(serde::Serialize)]
struct Details {
    path: String,
    serial_number: String,
    subject_alt_names: Vec<serde_json::Value>,
    days_until_expiration: String,
    valid_from: String,
    expiration_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ocsp_details: Option<OcspDetails>,
}

/// Of an OCSP response.
#[derive(serde::Serialize)]
struct OcspDetails {
    valid_from: String,
    expiration: String,
}

/// One entry for each TLS context.
pub fn show(admin: &Admin) -> Response {
    let now = SystemTime::now();
    let all = |facts: &[CertificateFacts]| facts.iter().map(|facts| details(facts, now)).collect();
    let contexts = admin.source.certificates();
    let certificates = contexts
        .iter()
        .map(|context| Certificate { ca_cert: all(&context.authorities), cert_chain: all(&context.chain) })
        .collect();
    reply::pretty(&Certificates { certificates })
}

fn details(facts: &CertificateFacts, now: SystemTime) -> Details {
    let sans = |kind: &'static str, names: &[std::sync::Arc<str>]| -> Vec<serde_json::Value> {
        names.iter().map(|name| serde_json::json!({ kind: &**name })).collect()
    };
    let mut subject_alt_names = sans("dns", &facts.dns_sans);
    subject_alt_names.extend(sans("uri", &facts.uri_sans));
    subject_alt_names.extend(sans("ip_address", &facts.ip_sans));
    Details {
        path: facts.path.as_deref().unwrap_or("<inline>").to_owned(),
        serial_number: facts.serial.to_string(),
        subject_alt_names,
        days_until_expiration: facts.days_left(now).to_string(),
        valid_from: timestamp(facts.valid_from),
        expiration_time: timestamp(facts.expires),
        ocsp_details: facts
            .response
            .map(|(since, until)| OcspDetails { valid_from: timestamp(since), expiration: timestamp(until) }),
    }
}

/// Protobuf-JSON's timestamp: a fraction only when there is one.
pub fn timestamp(time: SystemTime) -> String {
    let nanos = match time.duration_since(UNIX_EPOCH) {
        Ok(since) => since.subsec_nanos(),
        Err(_) => 0,
    };
    let mut out = Vec::with_capacity(24);
    strftime("%Y-%m-%dT%H:%M:%S", time, &mut out);
    if nanos >= 1_000_000 {
        out.push(b'.');
        digits(&mut out, (nanos / 1_000_000).into(), 3);
    }
    out.push(b'Z');
    String::from_utf8_lossy(&out).into_owned()
}
