//! Which of a chain's compressors compresses a response: what they offer, what the client accepts (RFC 9110 section 12.5.3), decided once
//! and known to all of them. Must never look at the body.

use bytes::Bytes;
use config::filters::compressor as plain;
use smallvec::SmallVec;

use super::heads::tokens;
use super::stats::Stats;
use crate::wire::headers::Name;
use crate::wire::message::ResponseHead;

/// What the compressors of a request know of each other, in the order of the chain.
#[derive(Debug, Default)]
pub(in crate::http) struct Encodings<'s> {
    offered: SmallVec<[(&'static str, &'s plain::Compressor); 3]>,
    decision: Option<Decision>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    NotValid,
    Identity,
    Wildcard(&'static str),
    Named(&'static str),
}

impl<'s> Encodings<'s> {
    /// One more is there.
    pub(super) fn offer(&mut self, encoding: &'static str, config: &'s plain::Compressor) {
        self.offered.push((encoding, config));
    }
}

/// Whether the compressor of this encoding is the one.
pub(super) fn wants(
    encodings: Option<&mut Encodings<'_>>,
    accepted: Option<&Bytes>,
    encoding: &'static str,
    head: &ResponseHead,
    stats: &Stats,
) -> bool {
    let (Some(encodings), Some(accepted)) = (encodings, accepted) else {
        stats.choice.no_accept_header.inc();
        return false;
    };
    let Encodings { offered, decision } = encodings;
    match *decision.get_or_insert_with(|| choose(offered, accepted, head)) {
        Decision::NotValid => {
            stats.choice.header_not_valid.inc();
            false
        }
        Decision::Identity => {
            stats.choice.header_identity.inc();
            false
        }
        Decision::Wildcard(chosen) => {
            stats.choice.header_wildcard.inc();
            chosen == encoding
        }
        Decision::Named(chosen) if chosen == encoding => {
            stats.choice.header_compressor_used.inc();
            true
        }
        Decision::Named(_) => {
            stats.choice.header_compressor_overshadowed.inc();
            false
        }
    }
}

fn choose(offered: &[(&'static str, &plain::Compressor)], accepted: &[u8], head: &ResponseHead) -> Decision {
    let mut allowed = SmallVec::<[(&'static str, bool); 3]>::new();
    let kind = head.headers.get(&Name::CONTENT_TYPE);
    for (encoding, config) in offered {
        let kind = kind.map(|value| value.split(|octet| *octet == b';').next().unwrap_or(value).trim_ascii());
        let types = &config.response.common.content_types;
        let meant = kind.is_none_or(|kind| types.iter().any(|matcher| matcher.matches(kind)));
        if meant && !allowed.iter().any(|(known, _)| known == encoding) {
            allowed.push((encoding, config.choose_first));
        }
    }
    let wishes: SmallVec<[(&[u8], f32); 8]> = tokens(accepted).filter_map(wish).collect();
    // A wish of zero is a refusal, and still a wish: `*` does not mean what was refused.
    let refused = |encoding: &str| wishes.iter().any(|(name, weight)| *weight == 0.0 && *name == encoding.as_bytes());
    allowed.retain(|(encoding, _)| !refused(encoding));
    if wishes.is_empty() || allowed.is_empty() {
        return Decision::NotValid;
    }
    let mut best = (Decision::NotValid, 0.0);
    for (name, weight) in &wishes {
        let known = allowed.iter().find(|(encoding, _)| encoding.as_bytes() == *name);
        let decision = match (known, *name) {
            (Some((encoding, _)), _) => Decision::Named(encoding),
            (None, b"identity") => Decision::Identity,
            (None, b"*") => Decision::Wildcard(allowed[0].0),
            (None, _) => continue,
        };
        let first = known.is_some_and(|(_, first)| *first);
        if *weight > best.1 || (*weight == best.1 && first) {
            best = (decision, *weight);
        }
    }
    if best.1 > 0.0 { best.0 } else { Decision::NotValid }
}

/// A name and its weight; `None` for nothing, and for a weight that is no number.
fn wish(token: &[u8]) -> Option<(&[u8], f32)> {
    if token.is_empty() {
        return None;
    }
    let Some(end) = token.iter().position(|octet| *octet == b';') else { return Some((token, 1.0)) };
    let (name, parameter) = (token[..end].trim_ascii(), &token[end + 1..]);
    let Some(equals) = parameter.iter().position(|octet| *octet == b'=') else { return Some((name, 1.0)) };
    if !parameter[..equals].trim_ascii().eq_ignore_ascii_case(b"q") {
        return Some((name, 1.0));
    }
    let weight = std::str::from_utf8(parameter[equals + 1..].trim_ascii()).ok()?.parse::<f32>().ok()?;
    weight.is_finite().then_some((name, weight))
}
