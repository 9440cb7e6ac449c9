//! `x-forwarded-client-cert`: what the next hop learns of the client's certificate. Called once a request by `exchange`.

use bytes::Bytes;
use serde_json::Value;

use config::hcm::{ClientCertDetails, ForwardClientCert};

use super::context::Context;
use super::stream::Stream;
use crate::policy::match_tree::Verdict;
use crate::telemetry::facts::Known;
use crate::tls::info::{PeerCertificate, PeerName, TlsInfo};
pub(super) use crate::tls::url_encoded_pem;
use crate::tls::{self, Described};
use crate::wire::headers::{Headers, Name, is_value};

/// Removes, keeps, appends or sets the header, as `forward_client_cert_details` says, or the matcher.
pub(super) fn apply(stream: &mut Stream<'_>) {
    const NAME: Name = Name::X_FORWARDED_CLIENT_CERT;
    let context = stream.context;
    let rule = chosen(stream);
    let mode = rule.map_or(context.manager.config.forward_client_cert, |(mode, _)| mode);
    let headers = &mut stream.request.headers;
    match mode {
        ForwardClientCert::AlwaysForwardOnly => return join(headers, None),
        ForwardClientCert::Sanitize => {
            headers.remove(&NAME);
            return;
        }
        ForwardClientCert::ForwardOnly if context.peer().is_some() => return join(headers, None),
        ForwardClientCert::ForwardOnly | ForwardClientCert::AppendForward | ForwardClientCert::SanitizeSet => {}
    }
    if context.peer().is_none() {
        headers.remove(&NAME);
        return;
    }
    let appends = mode == ForwardClientCert::AppendForward && headers.contains(&NAME);
    let details = rule.map_or(context.manager.config.client_cert_details, |(_, details)| details);
    if appends {
        join(headers, None);
        let there = headers.get(&NAME).cloned().unwrap_or_default();
        // What is there says how it goes on.
        if there.starts_with(b"[") && there.ends_with(b"]") {
            let (own, sound) = element(context, ClientCertDetails { json: true, ..details }, rule.is_none());
            headers.doubt_unless(sound);
            let joined = [&there[..there.len() - 1], b",", &own, b"]"].concat();
            headers.set(NAME, joined);
        } else {
            let (own, sound) = element(context, ClientCertDetails { json: false, ..details }, rule.is_none());
            headers.doubt_unless(sound);
            join(headers, Some(&own));
        }
        return;
    }
    let (own, sound) = element(context, details, rule.is_none());
    headers.doubt_unless(sound);
    headers.set(NAME, if details.json { Bytes::from([b"[", &own[..], b"]"].concat()) } else { own });
}

/// What the matcher says of this request.
fn chosen(stream: &Stream<'_>) -> Option<(ForwardClientCert, ClientCertDetails)> {
    let tree = stream.context.manager.client_cert.as_ref()?;
    match tree.judge(&Known::of(&stream.entry(None, None))) {
        Verdict::Action(rule) => Some(*rule),
        Verdict::Nothing | Verdict::Later => None,
    }
}

/// This hop's element, and whether it may stand in a header. What the connection manager says of all requests is the same for a whole
/// connection.
fn element(context: &Context, details: ClientCertDetails, usual: bool) -> (Bytes, bool) {
    let made = || {
        let made = match (context.connection.tls.as_deref(), context.peer()) {
            (Some(tls), Some(peer)) if details.json => json(details, tls, peer),
            (Some(tls), Some(peer)) => text(details, tls, peer),
            _ => Bytes::new(),
        };
        let sound = is_value(&made);
        (made, sound)
    };
    if usual && details == context.manager.config.client_cert_details { context.xfcc(made).clone() } else { made() }
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

/// The element of this hop. The order is fixed: By, Hash, Cert, Chain, Subject, URI, DNS, Issuer.
pub(super) fn text(details: ClientCertDetails, tls: &TlsInfo, peer: &PeerCertificate) -> Bytes {
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
    if details.issuer {
        pair("Issuer", issuer(peer).as_bytes(), true);
    }
    Bytes::from(text)
}

/// The same as a JSON object.
fn json(details: ClientCertDetails, local: &TlsInfo, peer: &PeerCertificate) -> Bytes {
    let (mut out, mut first) = (vec![b'{'], true);
    let mut member = |key: &str, value: Value| {
        if !std::mem::replace(&mut first, false) {
            out.push(b',');
        }
        out.extend_from_slice(format!("\"{key}\":{value}").as_bytes());
    };
    let list = |names: &[PeerName]| Value::from(names.iter().map(|name| &**name.text()).collect::<Vec<_>>());
    if !local.local_uri_sans.is_empty() {
        member("by", Value::from(local.local_uri_sans.iter().map(|name| &**name).collect::<Vec<_>>()));
    }
    if !peer.sha256.is_empty() {
        member("hash", Value::from(&*peer.sha256));
    }
    if details.cert
        && let Some(leaf) = peer.chain.first()
    {
        member("cert", tls::pem(leaf).into());
    }
    if details.chain && !peer.chain.is_empty() {
        let each = peer.chain.iter().map(|one| tls::pem(one));
        member("chain", Value::from(each.collect::<Vec<_>>()));
    }
    if details.subject {
        member("subject", Value::from(&*peer.subject));
    }
    if details.uri {
        member("uri", list(&peer.uri_sans));
    }
    if details.dns && !peer.dns_sans.is_empty() {
        member("dns", list(&peer.dns_sans));
    }
    if details.issuer {
        member("issuer", Value::from(issuer(peer)));
    }
    out.push(b'}');
    Bytes::from(out)
}

/// RFC 2253.
fn issuer(peer: &PeerCertificate) -> String {
    let described = peer.chain.first().and_then(|leaf| Described::of(leaf));
    described.map_or_else(String::new, |described| described.issuer().to_owned())
}

#[cfg(test)]
mod tests;
