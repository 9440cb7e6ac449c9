//! What the service's answer says in headers. Called by [`super`]. Nothing that the service sends is believed to be a header: it is
//! written as said, and looked at where it is sent.

use std::fmt::Write as _;

use bytes::Bytes;
use config::filters::ratelimit::RateLimit as Config;
use config::services::ratelimit::{Answer, Status};

use crate::wire::headers::{Name, NameSet, is_value};
use crate::wire::message::RequestHead;

/// Headers that only this filter knows, interned.
#[derive(Debug)]
pub(super) struct Names {
    rate_limited: Name,
    limit: Name,
    remaining: Name,
    reset: Name,
    retry_after: Name,
}

impl Names {
    pub fn new() -> Names {
        Names {
            rate_limited: Name::new("x-envoy-ratelimited"),
            limit: Name::new("x-ratelimit-limit"),
            remaining: Name::new("x-ratelimit-remaining"),
            reset: Name::new("x-ratelimit-reset"),
            retry_after: Name::new("retry-after"),
        }
    }
}

/// What a message says of its framing and of its connection.
const OURS: NameSet = NameSet::of([
    Name::CONNECTION,
    Name::CONTENT_LENGTH,
    Name::HOST,
    Name::KEEP_ALIVE,
    Name::PROXY_CONNECTION,
    Name::TE,
    Name::TRANSFER_ENCODING,
    Name::UPGRADE,
]);

/// Adds a header to a request that may pass. Where it goes is one value, to which it is appended, as in Envoy.
pub(super) fn add(request: &mut RequestHead, name: &str, value: &Bytes) {
    let name = Name::new(name);
    let one = match name.as_bytes() {
        b"host" | b":authority" => &mut request.authority,
        b":path" => &mut request.path,
        // A scheme or a method with a comma in it is none.
        [b':', ..] => return,
        _ if OURS.contains(&name) => return,
        _ => return request.headers.append_said(name, value.clone()),
    };
    *one = [&one[..], b",", value].concat().into();
    request.headers.doubt_unless(is_value(value));
}

/// Those that a service may say. Whether they are headers is looked at where they are sent.
pub(super) fn sayable(list: &[(String, Bytes)]) -> impl Iterator<Item = (Name, Bytes)> {
    list.iter().filter_map(|(name, value)| {
        let name = Name::new(name);
        (!OURS.contains(&name)).then(|| (name, value.clone()))
    })
}

/// What the response is told.
pub(super) fn response_headers(config: &Config, names: &Names, answer: &Answer) -> Vec<(Name, Bytes)> {
    let mut told: Vec<_> = sayable(&answer.response_headers).collect();
    if answer.over_limit && config.x_envoy_ratelimited {
        told.retain(|(name, _)| *name != names.rate_limited);
        told.push((names.rate_limited.clone(), Bytes::from_static(b"true")));
    }
    if config.x_ratelimit_headers {
        quota(names, &answer.statuses, &mut told);
    }
    told
}

/// `x-ratelimit-*` of the third draft: of the limit that is closest to being reached, and the windows of all.
fn quota(names: &Names, statuses: &[Status], told: &mut Vec<(Name, Bytes)>) {
    let limits = || statuses.iter().filter_map(|status| Some((status, status.limit.as_ref()?)));
    // Of several that are as close the first.
    let Some((closest, limit)) = limits().min_by_key(|(status, _)| status.remaining) else { return };
    let mut text = limit.requests.to_string();
    for (_, limit) in limits() {
        let Some(window) = limit.window else { continue };
        let _ = write!(text, ", {};w={window}", limit.requests);
        if !limit.name.is_empty() {
            let _ = write!(text, ";name=\"{}\"", limit.name);
        }
    }
    let reset = closest.until_reset.map_or(0, |duration| duration.as_secs());
    told.push((names.limit.clone(), Bytes::from(text)));
    told.push((names.remaining.clone(), Bytes::from(closest.remaining.to_string())));
    told.push((names.reset.clone(), Bytes::from(reset.to_string())));
}

/// When it is worth trying again, unless the service has said that.
pub(super) fn retry_after(
    config: &Config,
    names: &Names,
    answer: &Answer,
    told: &[(Name, Bytes)],
) -> Option<(Name, Bytes)> {
    if !config.retry_after || config.status != 429 || told.iter().any(|(name, _)| *name == names.retry_after) {
        return None;
    }
    let over = answer.statuses.iter().filter(|status| status.over_limit);
    let longest = over.map(|status| status.until_reset.map_or(0, |duration| duration.as_secs())).max()?;
    Some((names.retry_after.clone(), Bytes::from(longest.max(1).to_string())))
}
