//! `x-forwarded-client-cert`: what the next hop learns of the client's certificate. Called once a request by `exchange`.

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
    let mut text = Vec::new();
    let mut pair = |key: &str, value: &[u8], quoted: bool| {
        let (start, end) = if quoted { (&b"=\""[..], &b"\""[..]) } else { (&b"="[..], &b""[..]) };
        let between = if text.is_empty() { &b""[..] } else { b";" };
        [between, key.as_bytes(), start, value, end].iter().for_each(|piece| text.extend_from_slice(piece));
    };
    for uri in tls.local_uri_sans.iter() {
        pair("By", uri.as_bytes(), false);
    }
    if !peer.sha256.is_empty() {
        pair("Hash", peer.sha256.as_bytes(), false);
    }
    if details.cert
        && let Some(leaf) = peer.chain.first()
    {
        pair("Cert", url_encoded_pem(std::slice::from_ref(leaf)).as_bytes(), true);
    }
    if details.chain && !peer.chain.is_empty() {
        pair("Chain", url_encoded_pem(&peer.chain).as_bytes(), true);
    }
    if details.subject {
        // The key is there even if the subject is empty, as it is with SPIFFE certificates.
        pair("Subject", peer.subject.as_bytes(), true);
    }
    if details.uri {
        if peer.uri_sans.is_empty() {
            pair("URI", b"", false);
        }
        for uri in &peer.uri_sans {
            pair("URI", uri.as_bytes(), false);
        }
    }
    if details.dns {
        for dns in &peer.dns_sans {
            pair("DNS", dns.as_bytes(), false);
        }
    }
    Bytes::from(text)
}

#[cfg(test)]
mod tests;
