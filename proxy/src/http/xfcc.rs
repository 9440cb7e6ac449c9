//! `x-forwarded-client-cert`: what the next hop learns of the client's certificate. Called once a request by `exchange`.

use std::fmt::Write;

use bytes::Bytes;
use config::hcm::{ClientCertDetails, ForwardClientCert};

use super::context::Context;
use super::headers::{Headers, Name};
use crate::tls::info::{PeerCertificate, TlsInfo};

/// Removes, keeps, appends or sets the header, as `forward_client_cert_details` says.
pub(super) fn apply(context: &Context, headers: &mut Headers) {
    const NAME: Name = Name::X_FORWARDED_CLIENT_CERT;
    let mode = context.manager.config.forward_client_cert;
    if mode == ForwardClientCert::AlwaysForwardOnly {
        return;
    }
    let element = match mode {
        ForwardClientCert::Sanitize => None,
        _ => context.xfcc(),
    };
    let Some(element) = element else {
        headers.remove(&NAME);
        return;
    };
    match mode {
        ForwardClientCert::AppendForward => match headers.get(&NAME) {
            Some(earlier) if !earlier.is_empty() => {
                let mut joined = Vec::with_capacity(earlier.len() + 1 + element.len());
                joined.extend_from_slice(earlier);
                joined.push(b',');
                joined.extend_from_slice(element);
                replace_first(headers, &NAME, joined.into());
            }
            _ => headers.set(NAME, element.clone()),
        },
        ForwardClientCert::SanitizeSet => headers.set(NAME, element.clone()),
        ForwardClientCert::ForwardOnly | ForwardClientCert::Sanitize | ForwardClientCert::AlwaysForwardOnly => {}
    }
}

/// The element of this hop. The order is fixed: By, Hash, Cert, Chain, Subject, URI, DNS.
pub(super) fn element(details: ClientCertDetails, tls: &TlsInfo, peer: &PeerCertificate) -> Bytes {
    let mut text = String::new();
    let mut pair = |key: &str, value: &str, quoted: bool| {
        if !text.is_empty() {
            text.push(';');
        }
        // Writing to a String cannot fail.
        let _ = if quoted { write!(text, "{key}=\"{value}\"") } else { write!(text, "{key}={value}") };
    };
    for uri in tls.local_uri_sans.iter() {
        pair("By", uri, false);
    }
    if !peer.sha256.is_empty() {
        pair("Hash", &peer.sha256, false);
    }
    if details.cert
        && let Some(leaf) = peer.chain.first()
    {
        pair("Cert", &url_encoded_pem(std::slice::from_ref(leaf)), true);
    }
    if details.chain && !peer.chain.is_empty() {
        pair("Chain", &url_encoded_pem(&peer.chain), true);
    }
    if details.subject {
        // The key is there even if the subject is empty, as it is with SPIFFE certificates.
        pair("Subject", &peer.subject, true);
    }
    if details.uri {
        if peer.uri_sans.is_empty() {
            pair("URI", "", false);
        }
        for uri in &peer.uri_sans {
            pair("URI", uri, false);
        }
    }
    if details.dns {
        for dns in &peer.dns_sans {
            pair("DNS", dns, false);
        }
    }
    Bytes::from(text)
}

/// Replaces the first value and keeps further lines of the name.
fn replace_first(headers: &mut Headers, name: &Name, value: Bytes) {
    if let Some(header) = headers.iter_mut().find(|header| header.name == *name) {
        header.value = value;
    }
}

/// PEM of the certificates, with the octets escaped that Envoy escapes.
fn url_encoded_pem(certificates: &[Bytes]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for der in certificates {
        text.push_str("-----BEGIN%20CERTIFICATE-----%0A");
        // A line of PEM holds 64 digits: 48 octets.
        for line in der.chunks(48) {
            for group in line.chunks(3) {
                let octet = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
                let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
                for digit in 0..4usize {
                    if digit > group.len() {
                        text.push_str("%3D");
                        continue;
                    }
                    match ALPHABET[(bits >> (18 - 6 * digit) & 63) as usize] {
                        b'+' => text.push_str("%2B"),
                        b'/' => text.push_str("%2F"),
                        other => text.push(char::from(other)),
                    }
                }
            }
            text.push_str("%0A");
        }
        text.push_str("-----END%20CERTIFICATE-----%0A");
    }
    text
}

#[cfg(test)]
mod tests;
