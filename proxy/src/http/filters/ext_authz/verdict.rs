//! What the authorizer's answer does to a request and to the responses. Called by [`super`]. Nothing that the service sends is believed
//! to be a header: it is looked at here where that is asked for, and for all where it is sent.

use bytes::Bytes;
use config::filters::ext_authz::ExtAuthz as Config;
use config::route::AppendAction;
use config::services::ext_authz::{Allowed, Denied, HeaderChange};

use crate::http::filters::rules::{OURS, Permit, is_routing, permits, refused, set};
use crate::http::local_reply::LocalReply;
use crate::http::stream::Stream;
use crate::wire::headers::{Headers, Name, is_header, is_value};
use crate::wire::message::RequestHead;
use crate::wire::query::{self, Parameters};

/// Changes a request that may pass; tells whether anything was changed. In Envoy's order: what is set, what is added, what is appended to,
/// what is removed.
///
/// # Errors
/// What is no header or parameter, or what the rules forbid as an error.
pub(super) fn apply(config: &Config, stream: &mut Stream<'_>, allowed: &Allowed) -> Result<bool, String> {
    let request = &mut stream.request;
    let mut changed = false;
    let sets = allowed.headers.iter().filter(|change| change.append != Some(true));
    let appends = allowed.headers.iter().filter(|change| change.append == Some(true));
    for change in sets {
        if let Some(name) = permitted(config, change)? {
            changed |= set(request, &name, change.value.clone());
        }
    }
    for change in &allowed.add {
        if let Some(name) = permitted(config, change)?.filter(|name| !is_routing(name)) {
            request.headers.append_said(Name::new(&name), change.value.clone());
            changed = true;
        }
    }
    for change in appends {
        if let Some(name) = permitted(config, change)? {
            changed |= join(request, &name, &change.value);
        }
    }
    for name in &allowed.remove {
        changed |= remove(config, request, name)?;
    }
    if config.validate_mutations {
        let invalid = |change: &&HeaderChange| !is_valid(&change.name.to_ascii_lowercase(), &change.value);
        if let Some(invalid) = allowed.response_headers.iter().find(invalid) {
            return Err(invalid.name.clone());
        }
    }
    changed |= queries(config, request, allowed)?;
    Ok(changed)
}

/// The name of a header that may be changed, lower case; `None` where the change is to be left out.
fn permitted(config: &Config, change: &HeaderChange) -> Result<Option<String>, String> {
    let name = change.name.to_ascii_lowercase();
    // Where nobody asks for that, it is looked at when the request is sent.
    if config.validate_mutations && !is_valid(&name, &change.value) {
        return Err(change.name.clone());
    }
    let rules = config.mutation_rules.as_ref();
    // As in Envoy rules, whatever they are, forbid values that are none.
    let permit = match rules.filter(|_| !is_value(&change.value)) {
        Some(rules) => refused(rules),
        None => permits(rules, &name),
    };
    match permit {
        Permit::Yes => Ok(Some(name)),
        Permit::No => Ok(None),
        Permit::Error => Err(change.name.clone()),
    }
}

fn remove(config: &Config, request: &mut RequestHead, name: &str) -> Result<bool, String> {
    let permit = permits(config.mutation_rules.as_ref(), name);
    // As with Envoy what routes a request cannot be taken away.
    match permit {
        _ if is_routing(name) => Ok(false),
        Permit::Yes => Ok(request.headers.remove(&Name::new(name))),
        Permit::No => Ok(false),
        Permit::Error => Err(name.to_owned()),
    }
}

/// Appends to a header that is there; to no other.
fn join(request: &mut RequestHead, name: &str, value: &Bytes) -> bool {
    let before = match name {
        ":authority" | "host" => Some(&request.authority),
        ":path" => Some(&request.path),
        // A scheme or a method with a comma in it is none.
        _ if name.starts_with(':') => None,
        _ => request.headers.get(&Name::new(name)),
    };
    let Some(before) = before else { return false };
    // RFC 9113 section 8.2.3: cookies have a separator of their own.
    let separator: &[u8] = if name == "cookie" { b"; " } else { b"," };
    let joined = [&before[..], separator, value].concat();
    set(request, name, Bytes::from(joined))
}

/// Sets and removes query parameters.
fn queries(config: &Config, request: &mut RequestHead, allowed: &Allowed) -> Result<bool, String> {
    if allowed.query.is_empty() && allowed.query_remove.is_empty() {
        return Ok(false);
    }
    let (path, query) = query::split(&request.path);
    let mut parameters = Parameters::verbatim(query);
    let valid = |text: &str| text.bytes().all(|octet| octet.is_ascii_graphic() && !matches!(octet, b'&' | b'#' | b'?'));
    for (key, value) in &allowed.query {
        parameters.remove(key.as_bytes());
        if valid(key) && valid(value) {
            parameters.set(key.as_bytes(), value.as_bytes().to_vec());
        } else if config.validate_mutations {
            return Err(key.clone());
        }
    }
    allowed.query_remove.iter().for_each(|key| parameters.remove(key.as_bytes()));
    request.path = Bytes::from(parameters.write(path));
    Ok(true)
}

/// The status that the service wants, if it is one of a final response.
pub(super) fn status(denied: &Denied) -> Option<u16> {
    denied.status.filter(|status| (200..600).contains(status))
}

/// The answer to a request that may not pass.
///
/// # Errors
/// The header that is none.
pub(super) fn denial(config: &Config, mut reply: LocalReply, denied: Denied) -> Result<LocalReply, String> {
    // As in Envoy what is to be appended has nothing to be appended to, and is left out.
    for change in denied.headers.iter().filter(|change| change.append != Some(true)) {
        let name = change.name.to_ascii_lowercase();
        if !is_valid(&name, &change.value) && config.validate_mutations {
            return Err(change.name.clone());
        }
        // The status has a field of its own.
        if name.starts_with(':') {
            continue;
        }
        let name = Name::new(&name);
        // How long the body is and whether the connection goes on are ours to say.
        if !OURS.contains(&name) {
            reply.headers.push((name, change.value.clone()));
        }
    }
    let most = config.max_denied_body.map_or(usize::MAX, |most| most as usize);
    reply.body = denied.body.slice(..denied.body.len().min(most));
    Ok(reply)
}

/// Changes a header of a response to a request that passed; one that is none is left out when it is sent. With `most` lines in the head no other is added.
///
/// # Errors
/// There was no place for it.
pub(super) fn change_response(headers: &mut Headers, change: &HeaderChange, most: Option<usize>) -> Result<(), ()> {
    let name = change.name.to_ascii_lowercase();
    if name.starts_with(':') {
        return Ok(());
    }
    let name = Name::new(&name);
    let action = match change.append {
        Some(true) => Some(AppendAction::AppendOrAdd),
        Some(false) => Some(AppendAction::OverwriteOrAdd),
        None => change.action,
    };
    let is_there = headers.contains(&name);
    match action {
        None => return Ok(()),
        Some(AppendAction::AddIfAbsent) if is_there => return Ok(()),
        Some(AppendAction::OverwriteIfExists) if !is_there => return Ok(()),
        Some(AppendAction::AppendOrAdd | AppendAction::AddIfAbsent) => {}
        Some(_) if is_there => {
            headers.set_said(name, change.value.clone());
            return Ok(());
        }
        Some(_) => {}
    }
    // The status is a line as well.
    if most.is_some_and(|most| headers.len() + 1 >= most) {
        return Err(());
    }
    headers.append_said(name, change.value.clone());
    Ok(())
}

/// Whether it is a header or a pseudo header at all.
fn is_valid(name: &str, value: &[u8]) -> bool {
    is_header(name.strip_prefix(':').unwrap_or(name).as_bytes(), value)
}
