//! Cookies of a request, and those that a response sets. Called by hash policies and by filters.

use std::time::Duration;

use crate::wire::headers::{Headers, Name};

/// The value of the first cookie of a name, without its quotes.
pub(super) fn value<'a>(headers: &'a Headers, name: &[u8]) -> Option<&'a [u8]> {
    headers.iter().filter(|header| header.name == Name::COOKIE).find_map(|header| {
        header.value.split(|octet| *octet == b';').find_map(|pair| {
            // As with Envoy a blank behind a value belongs to it.
            let start = pair.iter().position(|octet| *octet != b' ')?;
            let value = pair[start..].strip_prefix(name)?.strip_prefix(b"=")?;
            Some(value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value))
        })
    })
}

/// What a cookie that is set says beside its value.
#[derive(Debug)]
pub(super) struct Attributes<'a> {
    pub path: &'a str,
    /// None: until the browser is closed.
    pub max_age: Option<Duration>,
    /// Name and value; the latter may be empty.
    pub others: &'a [(std::sync::Arc<str>, std::sync::Arc<str>)],
}

/// The value of a `set-cookie` header, as Envoy writes it. Scripts never see the cookie.
pub(super) fn set(name: &str, value: &str, attributes: &Attributes<'_>) -> String {
    let mut text = format!("{name}=\"{value}\"");
    let mut add = |name: &str, value: &str| {
        text.push_str("; ");
        text.push_str(name);
        if !value.is_empty() {
            text.push('=');
            text.push_str(value);
        }
    };
    if let Some(age) = attributes.max_age.filter(|age| !age.is_zero()) {
        add("Max-Age", &age.as_secs().to_string());
    }
    if !attributes.path.is_empty() {
        add("Path", attributes.path);
    }
    attributes.others.iter().for_each(|(name, value)| add(name, value));
    add("HttpOnly", "");
    text
}

/// Takes the cookies of a name out of a request; those that are left stand in one line.
pub(super) fn remove(headers: &mut Headers, name: &[u8]) {
    let pairs = headers.get_all(&Name::COOKIE).flat_map(|value| value.split(|octet| *octet == b';'));
    let is_it = |pair: &&[u8]| pair.strip_prefix(name).is_some_and(|rest| rest.starts_with(b"="));
    let pairs: Vec<&[u8]> = pairs.map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty()).collect();
    if !pairs.iter().any(is_it) {
        return;
    }
    let left: Vec<&[u8]> = pairs.into_iter().filter(|pair| !is_it(pair)).collect();
    let left = left.join(&b"; "[..]);
    headers.remove(&Name::COOKIE);
    if !left.is_empty() {
        headers.append(Name::COOKIE, left);
    }
}

#[cfg(test)]
mod tests;
