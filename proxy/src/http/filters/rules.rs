//! What services may do to the headers of a request: Envoy's rules of it, and the one place where a name that they say becomes a header or a
//! pseudo header. Called by ext_authz and ext_proc. Nothing that a service sends is believed to be a header.

use bytes::Bytes;
use config::header_mutation::MutationRules;

use crate::http::stream::Stream;
use crate::wire::headers::{Name, NameSet, is_value};
use crate::wire::message::{Method, RequestHead};

/// What rules say of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permit {
    /// It is made.
    Yes,
    /// It is left out.
    No,
    /// It is an error of who wants it.
    Error,
}

/// What the rules say of a header, lower case.
pub(super) fn permits(rules: Option<&MutationRules>, name: &str) -> Permit {
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
    if allowed { Permit::Yes } else { refused(rules) }
}

/// What becomes of a change that they do not allow.
pub(super) fn refused(rules: &MutationRules) -> Permit {
    if rules.disallow_is_error { Permit::Error } else { Permit::No }
}

/// What routes a request, of which there is always one.
pub(super) fn is_routing(name: &str) -> bool {
    name.starts_with(':') || name == "host"
}

/// Sets one header or pseudo header of the request.
pub(super) fn set(request: &mut RequestHead, name: &str, value: Bytes) -> bool {
    if !is_routing(name) {
        request.headers.set_said(Name::new(name), value);
        return true;
    }
    request.headers.doubt_unless(is_value(&value));
    match name {
        ":authority" | "host" => request.authority = value,
        ":path" => request.path = value,
        ":scheme" => request.scheme = value,
        ":method" => request.method = Method::from_token(&value, || value.clone()),
        _ => return false,
    }
    true
}

/// Whether the head is no larger now than a client's may be.
pub(super) fn fits(stream: &Stream<'_>) -> bool {
    let (config, request) = (&stream.context.manager.config, &stream.request);
    let pseudo = [&request.authority[..], request.method.as_bytes(), &request.path, &request.scheme];
    let octets = |name: usize, value: &[u8]| name + value.len();
    let of_pseudo: usize = pseudo.iter().zip([10, 7, 5, 7]).map(|(value, name)| octets(name, value)).sum();
    let plain: usize = request.headers.iter().map(|one| octets(one.name.as_bytes().len(), &one.value)).sum();
    request.headers.len() + pseudo.len() <= config.max_headers_count as usize
        && of_pseudo + plain <= config.max_request_headers as usize
}

/// What an answer says of its framing and of its connection.
pub(super) const OURS: NameSet = NameSet::of([
    Name::CONNECTION,
    Name::CONTENT_LENGTH,
    Name::KEEP_ALIVE,
    Name::PROXY_CONNECTION,
    Name::TRANSFER_ENCODING,
    Name::UPGRADE,
]);
