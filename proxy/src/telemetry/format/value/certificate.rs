//! Fields of certificates, read from their DER when they are printed.

use std::borrow::Cow;

use config::access_log::{CertificateField as Field, CertificateOf};
use config::tls::SanKind;

use super::{Written, list, some, text, upstream_tls};
use crate::telemetry::stream_info::StreamInfo;
use crate::tls::{Described, fingerprint, url_encoded_pem};

/// A field of one side's certificate.
pub fn write(of: CertificateOf, field: Field, info: &StreamInfo, out: &mut Vec<u8>) -> Written {
    let downstream = info.connection.tls.as_deref();
    let tls = match of {
        CertificateOf::DownstreamPeer | CertificateOf::DownstreamLocal => downstream,
        CertificateOf::UpstreamPeer | CertificateOf::UpstreamLocal => upstream_tls(info),
    };
    let Some(tls) = tls else { return Written::Absent };
    let chain: Cow<'_, [bytes::Bytes]> = match of {
        CertificateOf::DownstreamPeer | CertificateOf::UpstreamPeer => match (&tls.peer, field) {
            (None, _) => return Written::Absent,
            // The fields that mesh logs ask for are there.
            (Some(peer), Field::UriSan) => return list(&peer.uri_sans, out),
            (Some(peer), Field::DnsSan) => return list(&peer.dns_sans, out),
            (Some(peer), Field::Subject) => return some(Some(&peer.subject), out),
            (Some(peer), Field::Fingerprint { sha256: true, chain: false }) => return some(Some(&peer.sha256), out),
            (Some(peer), _) => Cow::Borrowed(&peer.chain),
        },
        CertificateOf::DownstreamLocal | CertificateOf::UpstreamLocal if field == Field::UriSan => {
            return list(&tls.local_uri_sans.iter().map(|name| name.as_bytes()).collect::<Vec<_>>(), out);
        }
        CertificateOf::DownstreamLocal | CertificateOf::UpstreamLocal => tls.local.iter().cloned().collect(),
    };
    match field {
        Field::Pem => some(Some(&url_encoded_pem(&chain[..chain.len().min(1)])), out),
        Field::Fingerprint { sha256, chain: whole } => {
            let prints = chain.iter().take(if whole { usize::MAX } else { 1 });
            list(&prints.map(|der| fingerprint(der, sha256).as_bytes().to_vec()).collect::<Vec<_>>(), out)
        }
        Field::Serial { chain: whole } => {
            let described = chain.iter().take(if whole { usize::MAX } else { 1 }).filter_map(|der| Described::of(der));
            list(&described.map(|one| one.serial().to_owned()).collect::<Vec<_>>(), out)
        }
        _ => match chain.first().and_then(|der| Described::of(der)) {
            Some(described) => of_leaf(field, &described, out),
            None => Written::Absent,
        },
    }
}

fn of_leaf(field: Field, leaf: &Described, out: &mut Vec<u8>) -> Written {
    let kind = match field {
        Field::IpSan => SanKind::IpAddress,
        Field::DnsSan => SanKind::Dns,
        Field::UriSan => SanKind::Uri,
        Field::EmailSan => SanKind::Email,
        Field::OtherNameSan => SanKind::OtherName,
        Field::Subject => return some(Some(leaf.subject()), out),
        Field::Issuer => return some(Some(leaf.issuer()), out),
        Field::Fingerprint { .. } | Field::Serial { .. } | Field::Pem => return text(None, out),
    };
    list(&leaf.sans(kind), out)
}
