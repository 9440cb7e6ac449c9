//! Certificates taken apart: names for matchers, XFCC and logs. Called once per handshake for the peer, once per secret for our own.
//! It never decides whether a certificate is trusted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use config::tls::SanKind;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};
use x509_parser::x509::X509Name;

/// A subject alternative name, printed as Envoy prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct San {
    pub kind: SanKind,
    pub value: Arc<str>,
    /// Of an otherName: its object identifier.
    pub oid: Option<Arc<str>>,
}

/// What is read from a certificate.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub sans: Vec<San>,
    /// RFC 2253.
    pub subject: Arc<str>,
    /// Lower-case hex.
    pub serial: Arc<str>,
    pub not_before: SystemTime,
    pub not_after: SystemTime,
}

impl Facts {
    /// Reads a DER certificate.
    ///
    /// # Errors
    /// The parser's reason.
    pub fn parse(der: &[u8]) -> Result<Facts, String> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
        Ok(Facts {
            sans: sans(&certificate),
            subject: subject(certificate.subject()),
            serial: hex(certificate.raw_serial().strip_prefix(&[0]).unwrap_or(certificate.raw_serial())),
            not_before: moment(certificate.validity().not_before.timestamp()),
            not_after: moment(certificate.validity().not_after.timestamp()),
        })
    }

    /// Values of one kind.
    pub fn of_kind(&self, kind: SanKind) -> impl Iterator<Item = Arc<str>> {
        self.sans.iter().filter(move |san| san.kind == kind).map(|san| san.value.clone())
    }
}

/// Subject alternative names of a DER certificate; empty when there are none or it does not parse.
pub(super) fn subject_alt_names(der: &[u8]) -> Vec<San> {
    X509Certificate::from_der(der).map(|(_, certificate)| sans(&certificate)).unwrap_or_default()
}

/// DER of the subject public key info.
pub(super) fn public_key_info(der: &[u8]) -> Option<Vec<u8>> {
    X509Certificate::from_der(der).ok().map(|(_, certificate)| certificate.public_key().raw.to_vec())
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> Arc<str> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out.into()
}

fn moment(seconds: i64) -> SystemTime {
    match u64::try_from(seconds) {
        Ok(after) => SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(after)),
        Err(_) => SystemTime::UNIX_EPOCH.checked_sub(Duration::from_secs(seconds.unsigned_abs())),
    }
    .unwrap_or(SystemTime::UNIX_EPOCH)
}

fn sans(certificate: &X509Certificate<'_>) -> Vec<San> {
    let mut sans = Vec::new();
    for extension in certificate.extensions() {
        if let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() {
            sans.extend(names.general_names.iter().filter_map(san));
        }
    }
    sans
}

fn san(name: &GeneralName<'_>) -> Option<San> {
    let oid = match name {
        GeneralName::OtherName(oid, _) => Some(oid.to_id_string().into()),
        _ => None,
    };
    let (kind, value): (SanKind, Arc<str>) = match name {
        GeneralName::RFC822Name(value) => (SanKind::Email, (*value).into()),
        GeneralName::DNSName(value) => (SanKind::Dns, (*value).into()),
        GeneralName::URI(value) => (SanKind::Uri, (*value).into()),
        GeneralName::IPAddress(octets) => (SanKind::IpAddress, ip(octets)?.to_string().into()),
        GeneralName::OtherName(_, value) => (SanKind::OtherName, other_name(value)?.into()),
        _ => return None,
    };
    Some(San { kind, value, oid })
}

fn ip(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(|octets| Ipv4Addr::from(octets).into()),
        16 => <[u8; 16]>::try_from(octets).ok().map(|octets| Ipv6Addr::from(octets).into()),
        _ => None,
    }
}

/// The string inside `[0] EXPLICIT`: a short-form DER string of any character type that is UTF-8.
fn other_name(value: &[u8]) -> Option<&str> {
    let inner = match value {
        [0xa0, length, rest @ ..] if usize::from(*length) == rest.len() => rest,
        _ => value,
    };
    match inner {
        [_, length, text @ ..] if *length < 0x80 && usize::from(*length) == text.len() => {
            std::str::from_utf8(text).ok()
        }
        _ => None,
    }
}

/// RFC 2253 as OpenSSL's `XN_FLAG_RFC2253` writes it: last RDN first, no spaces, octets above 127 as `\XX`.
fn subject(name: &X509Name<'_>) -> Arc<str> {
    let mut out = String::new();
    let rdns: Vec<_> = name.iter_rdn().collect();
    for rdn in rdns.iter().rev() {
        if !out.is_empty() {
            out.push(',');
        }
        for (index, attribute) in rdn.iter().enumerate() {
            if index > 0 {
                out.push('+');
            }
            let oid = attribute.attr_type().to_id_string();
            out.push_str(short_name(&oid).unwrap_or(&oid));
            out.push('=');
            match attribute.as_str() {
                Ok(text) => escape(text, &mut out),
                Err(_) => {
                    out.push('#');
                    out.push_str(&hex(attribute.as_slice()));
                }
            }
        }
    }
    out.into()
}

fn short_name(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "street",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "title",
        "2.5.4.42" => "GN",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        _ => return None,
    })
}

fn escape(text: &str, out: &mut String) {
    let last = text.len().saturating_sub(1);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b'#' | b' ' if index == 0 => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b' ' if index == last => out.push_str("\\ "),
            0x20..=0x7e => out.push(char::from(byte)),
            _ => {
                out.push('\\');
                out.push_str(&hex(&[byte]).to_ascii_uppercase());
            }
        }
    }
}

#[cfg(test)]
mod tests;
