//! `x-forwarded-client-cert`: what the next hop learns of the client's certificate. Called once a request by `exchange`.

use std::fmt::Write;

use bytes::Bytes;
use config::hcm::{ClientCertDetails, ForwardClientCert};

use super::context::Context;
use crate::tls::info::{PeerCertificate, TlsInfo};
pub(super) use crate::tls::url_encoded_pem;
use crate::wire::headers::{Headers, Name};

/// Removes, keeps, appends or sets the header, as `forward_client_cert_details` says.
pub(super) fn apply(context: &Context, headers: &mut Headers) {
    const NAME: Name = Name::X_FORWARDED_CLIENT_CERT;
    let mode = context.manager.config.forward_client_cert;
    let element = match mode {
        ForwardClientCert::AlwaysForwardOnly => return join(headers, None),
        ForwardClientCert::Sanitize => None,
        _ => context.xfcc(),
    };
    let Some(element) = element else {
        headers.remove(&NAME);
        return;
    };
    match mode {
        ForwardClientCert::AppendForward if headers.contains(&NAME) => join(headers, Some(element)),
        ForwardClientCert::AppendForward | ForwardClientCert::SanitizeSet => headers.set(NAME, element.clone()),
        _ => join(headers, None),
    }
}

/// Makes one line of all, our own element last: a second line of the client's must not stand after it.
fn join(headers: &mut Headers, element: Option<&Bytes>) {
    const NAME: Name = Name::X_FORWARDED_CLIENT_CERT;
    if element.is_none() && headers.get_all(&NAME).nth(1).is_none() {
        return;
    }
    let mut joined = Vec::new();
    for value in headers.get_all(&NAME).chain(element).filter(|value| !value.is_empty()) {
        if !joined.is_empty() {
            joined.push(b',');
        }
        joined.extend_from_slice(value);
    }
    headers.set(NAME, joined);
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

#[cfg(test)]
mod tests;
