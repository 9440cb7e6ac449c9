//! What the authorizer's answer does to a request and to the responses. Called by [`super`]. Nothing that the service sends is believed
//! to be a header before it has been looked at.

use bytes::Bytes;
use config::filters::ext_authz::ExtAuthz as Config;
use config::header_mutation::MutationRules;
use config::route::AppendAction;
use config::services::ext_authz::{Allowed, Denied, HeaderChange};

use crate::http::local_reply::LocalReply;
use crate::http::query::{self, Parameters};
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{Method, RequestHead};

/// Changes a request that may pass; tells whether anything was changed.
///
/// # Errors
/// The header that is none, or that the rules forbid as an error.
pub(super) fn apply(config: &Config, request: &mut RequestHead, allowed: &Allowed) -> Result<bool, String> {
    let mut changed = false;
    for change in &allowed.headers {
        let name = change.name.to_ascii_lowercase();
        if !is_valid(&name, &change.value) {
            if config.validate_mutations {
                return Err(change.name.clone());
            }
            continue;
        }
        match permits(config.mutation_rules.as_ref(), &name) {
            Permit::Yes => {}
            Permit::No => continue,
            Permit::Error => return Err(change.name.clone()),
        }
        changed |= set(request, &name, change);
    }
    for name in &allowed.remove {
        // As with Envoy what routes a request cannot be taken away.
        let routing = name.starts_with(':') || name == "host";
        if routing || permits(config.mutation_rules.as_ref(), name) != Permit::Yes {
            continue;
        }
        changed |= request.headers.remove(&Name::new(name));
    }
    changed |= queries(request, allowed);
    Ok(changed)
}

/// Sets one header or pseudo header of the request.
fn set(request: &mut RequestHead, name: &str, change: &HeaderChange) -> bool {
    let value = change.value.clone();
    match name {
        ":authority" | "host" => request.authority = value,
        ":path" => request.path = value,
        ":scheme" => request.scheme = value,
        ":method" => request.method = Method::from_token(&value, || value.clone()),
        _ if name.starts_with(':') => return false,
        _ => {
            let name = Name::new(name);
            if change.append != Some(true) {
                request.headers.set(name, value);
                return true;
            }
            // Only what is there already is appended to.
            let Some(first) = request.headers.get(&name) else { return false };
            let joined = [&first[..], b",", &value].concat();
            request.headers.set(name, Bytes::from(joined));
        }
    }
    true
}

/// Sets and removes query parameters.
fn queries(request: &mut RequestHead, allowed: &Allowed) -> bool {
    if allowed.query.is_empty() && allowed.query_remove.is_empty() {
        return false;
    }
    let (path, query) = query::split(&request.path);
    let mut parameters = Parameters::verbatim(query);
    let valid = |text: &str| text.bytes().all(|octet| octet.is_ascii_graphic() && !matches!(octet, b'&' | b'#' | b'?'));
    for (key, value) in &allowed.query {
        parameters.remove(key.as_bytes());
        if valid(key) && valid(value) {
            parameters.set(key.as_bytes(), value.as_bytes().to_vec());
        }
    }
    allowed.query_remove.iter().for_each(|key| parameters.remove(key.as_bytes()));
    request.path = Bytes::from(parameters.write(path));
    true
}

/// The answer to a request that may not pass.
///
/// # Errors
/// The header that is none.
pub(super) fn denial(config: &Config, mut reply: LocalReply, denied: Denied) -> Result<LocalReply, String> {
    for change in &denied.headers {
        let name = change.name.to_ascii_lowercase();
        if !is_valid(&name, &change.value) || name.starts_with(':') {
            if config.validate_mutations {
                return Err(change.name.clone());
            }
            continue;
        }
        // The body's length is ours to say.
        if name == "content-length" || name == "transfer-encoding" {
            continue;
        }
        reply.headers.push((Name::new(&name), change.value.clone()));
    }
    let most = config.max_denied_body.map_or(usize::MAX, |most| most as usize);
    reply.body = denied.body.slice(..denied.body.len().min(most));
    Ok(reply)
}

/// Changes a header of a response to a request that passed; one that is none is left out. With `most` lines in the head no other is added.
///
/// # Errors
/// There was no place for it.
pub(super) fn change_response(headers: &mut Headers, change: &HeaderChange, most: Option<usize>) -> Result<(), ()> {
    let name = change.name.to_ascii_lowercase();
    if !is_valid(&name, &change.value) || name.starts_with(':') {
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
            headers.set(name, change.value.clone());
            return Ok(());
        }
        Some(_) => {}
    }
    // The status is a line as well.
    if most.is_some_and(|most| headers.len() + 1 >= most) {
        return Err(());
    }
    headers.append(name, change.value.clone());
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Permit {
    Yes,
    No,
    Error,
}

/// What the rules say of a header, lower case.
fn permits(rules: Option<&MutationRules>, name: &str) -> Permit {
    let Some(rules) = rules else { return Permit::Yes };
    let matches =
        |regex: &Option<regex::bytes::Regex>| regex.as_ref().is_some_and(|regex| regex.is_match(name.as_bytes()));
    let allowed = if matches(&rules.disallow) {
        false
    } else if matches(&rules.allow) {
        true
    } else {
        !(rules.disallow_all
            || (rules.disallow_system && name.starts_with(':'))
            || (!rules.allow_envoy && name.starts_with("x-envoy"))
            || (!rules.allow_all_routing && matches!(name, "host" | ":authority" | ":scheme" | ":method")))
    };
    match (allowed, rules.disallow_is_error) {
        (true, _) => Permit::Yes,
        (false, true) => Permit::Error,
        (false, false) => Permit::No,
    }
}

/// Whether it is a header at all: a token, and a value without what would end its line.
fn is_valid(name: &str, value: &[u8]) -> bool {
    let token = name.strip_prefix(':').unwrap_or(name);
    let is_token = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet);
    !token.is_empty() && token.bytes().all(is_token) && !value.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0))
}
