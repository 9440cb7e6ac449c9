//! What is secret wherever it stands: PEM of private keys, the private members of JSON Web Keys, what follows a scheme of `authorization`,
//! who a URL says that one is, and its parameters that prove it.
//! Called by the dump's writer for each text that it prints, and for free JSON. Nothing here knows what the text is for.

use std::borrow::Cow;

use base64::Engine as _;
use serde_json::Value;

use super::TEXT;

/// A text without what is secret in it.
pub(in crate::json) fn shown(text: &str) -> Cow<'_, str> {
    if let Some(text) = without_credentials(text) {
        return Cow::Owned(text);
    }
    let shown = match without_private_keys(text) {
        Cow::Borrowed(text) => without_private_members(text),
        Cow::Owned(text) => Cow::Owned(without_private_members(&text).into_owned()),
    };
    match shown {
        // Last: a text that is no URL may hold one, beside keys.
        Cow::Borrowed(text) => without_credentials_of_url(text).map_or(Cow::Borrowed(text), Cow::Owned),
        shown => shown,
    }
}

/// The same of octets, where they are text.
pub(in crate::json) fn shown_bytes(bytes: &[u8]) -> Cow<'_, [u8]> {
    match std::str::from_utf8(bytes).map(shown) {
        Ok(Cow::Owned(text)) => Cow::Owned(text.into_bytes()),
        Ok(Cow::Borrowed(_)) => Cow::Borrowed(bytes),
        // Of no known type, and not all of it is text.
        Err(_) if memchr::memmem::find(bytes, PRIVATE.as_bytes()).is_some() => Cow::Borrowed(TEXT.as_bytes()),
        Err(_) if memchr::memmem::find(bytes, b"\"kty\"").is_some() => Cow::Borrowed(TEXT.as_bytes()),
        Err(_) => Cow::Borrowed(bytes),
    }
}

/// Hides it in free JSON.
pub(in crate::json) fn json(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(shown) = shown(text) {
                *text = shown;
            } else if let Some(coded) = of_coded(text) {
                *text = coded;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(json),
        Value::Object(fields) => {
            let private = fields.get("kty").and_then(Value::as_str).map(private_members);
            let is_secret = ["key", "name"]
                .iter()
                .any(|name| fields.get(*name).and_then(Value::as_str).is_some_and(is_secret_header));
            for (name, value) in fields {
                let is_private = private.is_some_and(|private| private.contains(&name.as_str()));
                let is_value = is_secret && matches!(name.as_str(), "value" | "raw_value" | "rawValue");
                if is_private || is_value || is_secret_text(name, value) {
                    *value = Value::String(TEXT.to_owned());
                } else {
                    json(value);
                }
            }
        }
        _ => {}
    }
}

/// Octets, which stand in JSON in base64.
fn of_coded(text: &str) -> Option<String> {
    let base64 = base64::engine::general_purpose::STANDARD;
    let octets = base64.decode(text).ok().filter(|octets| std::str::from_utf8(octets).is_ok())?;
    match shown_bytes(&octets) {
        Cow::Owned(shown) => Some(base64.encode(shown)),
        Cow::Borrowed(_) => None,
    }
}

fn is_secret_text(name: &str, value: &Value) -> bool {
    is_secret_header(name) && value.is_string()
}

/// Whether a header of this name holds what proves who somebody is.
pub(in crate::json) fn is_secret_header(name: &str) -> bool {
    const SECRET: [&str; 6] = ["authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "api-key"];
    SECRET.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// `Bearer` or `Basic` and one word.
fn without_credentials(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once(' ')?;
    let is_scheme = ["bearer", "basic"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let rest = rest.trim();
    // A format takes it from somewhere else.
    let is_word = !rest.is_empty() && !rest.contains(char::is_whitespace) && !rest.starts_with('%');
    (is_scheme && is_word).then(|| format!("{scheme} {TEXT}"))
}

/// `https://user:password@host/path?token=secret`.
fn without_credentials_of_url(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    if text.contains(char::is_whitespace) {
        return None;
    }
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let mut shown = format!("{scheme}://");
    match authority.rsplit_once('@') {
        Some((_, host)) => shown.extend([TEXT, "@", host]),
        None => shown.push_str(authority),
    }
    let (path, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
    shown.push_str(path);
    for parameter in query.split_inclusive(['?', '&', '#']) {
        let (word, end) = parameter.split_at(parameter.trim_end_matches(['?', '&', '#']).len());
        match word.split_once('=') {
            Some((name, _)) if is_secret_parameter(name) => shown.extend([name, "=", TEXT]),
            _ => shown.push_str(word),
        }
        shown.push_str(end);
    }
    (shown != text).then_some(shown)
}

fn is_secret_parameter(name: &str) -> bool {
    const SECRET: [&str; 9] =
        ["token", "key", "apikey", "password", "passwd", "secret", "signature", "sig", "credential"];
    let name = name.to_ascii_lowercase().replace(['-', '_'], "");
    SECRET.iter().any(|known| name.ends_with(known))
}

const PRIVATE: &str = "PRIVATE KEY-----";

/// From where a private key begins to where it ends; one that does not end takes the rest with it.
fn without_private_keys(text: &str) -> Cow<'_, str> {
    if !text.contains(PRIVATE) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(label) = rest.find(PRIVATE) {
        let start = rest[..label].rfind("-----BEGIN").unwrap_or(0);
        kept.push_str(&rest[..start]);
        kept.push_str(TEXT);
        let behind = &rest[label + PRIVATE.len()..];
        let end = behind.find(PRIVATE).filter(|end| behind[..*end].contains("-----END"));
        rest = end.map_or("", |end| &behind[end + PRIVATE.len()..]);
    }
    kept.push_str(rest);
    Cow::Owned(kept)
}

/// A key set, or a text with keys in it that cannot be taken apart, which is not shown at all.
fn without_private_members(text: &str) -> Cow<'_, str> {
    if !text.contains("kty") {
        return Cow::Borrowed(text);
    }
    match serde_json::from_str::<Value>(text) {
        Ok(mut value) => {
            let before = value.clone();
            json(&mut value);
            if value == before { Cow::Borrowed(text) } else { Cow::Owned(value.to_string()) }
        }
        Err(_) if names_a_private_member(text) => Cow::Borrowed(TEXT),
        Err(_) => Cow::Borrowed(text),
    }
}

/// RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1; RFC 8037, section 2. Of other kinds nobody knows.
fn private_members(kind: &str) -> &'static [&'static str] {
    match kind {
        "oct" => &["k"],
        "EC" | "OKP" => &["d"],
        _ => &["d", "p", "q", "dp", "dq", "qi", "oth", "k"],
    }
}

/// In JSON, in JSON with other quotes, or in YAML.
fn names_a_private_member(text: &str) -> bool {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    let mut words = words.filter(|word| !word.is_empty());
    words.any(|word| ["k", "d", "p", "q", "dp", "dq", "qi", "oth"].contains(&word))
}

#[cfg(test)]
mod tests;
