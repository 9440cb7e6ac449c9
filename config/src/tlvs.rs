//! Type-length-values of the PROXY protocol's second version: what is added to headers, and which of a client's are passed on. Called by upstream
//! transports, endpoints, listener filters and TCP proxies.

use std::sync::Arc;

use crate::access_log::{self, LogFormat};
use crate::options::Options;
use crate::proto::{self, core::v3 as core};
use crate::rejection::{At, Rejection};

/// What a header's length leaves beside two addresses of the longer family.
pub const MOST: usize = 65_535 - 36;

/// `ProxyProtocolPassThroughTLVs`: which of those that a client's header has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Passed {
    /// None: nothing is said.
    #[default]
    Nothing,
    /// `INCLUDE_ALL`.
    All,
    /// `INCLUDE`: those of these types.
    These(Box<[u8]>),
}

impl Passed {
    /// Whether those of that type are.
    pub fn has(&self, kind: u8) -> bool {
        match self {
            Passed::Nothing => false,
            Passed::All => true,
            Passed::These(kinds) => kinds.contains(&kind),
        }
    }
}

/// Entries of a list that says what is the same for every connection, and what is not.
#[derive(Debug, Clone, Default)]
pub struct Added {
    /// `value`: type, length and value of each.
    pub fixed: Arc<[u8]>,
    /// `format_string`: the type of each, and its value's format.
    pub formats: Vec<(u8, LogFormat)>,
}

/// Each of them whole, type and length included. Ends before what is none.
pub fn each(mut octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let [_, high, low] = *octets.first_chunk()?;
        let (one, rest) = octets.split_at_checked(3 + usize::from(u16::from_be_bytes([high, low])))?;
        octets = rest;
        Some(one)
    })
}

/// Those whose type is wanted, one after the other; `None` where the octets are something else.
pub fn those(octets: &[u8], wanted: impl Fn(u8) -> bool) -> Option<Vec<u8>> {
    let (mut kept, mut length) = (Vec::new(), 0);
    for one in each(octets) {
        length += one.len();
        if one.first().is_some_and(|kind| wanted(*kind)) {
            kept.extend_from_slice(one);
        }
    }
    (length == octets.len()).then_some(kept)
}

/// Whether there is one of that type.
pub fn have(octets: &[u8], kind: u8) -> bool {
    each(octets).any(|one| one.first() == Some(&kind))
}

/// Those of a client's.
pub(crate) fn passed(at: &At<'_>, proto: &Option<core::ProxyProtocolPassThroughTlVs>) -> Result<Passed, Rejection> {
    use core::proxy_protocol_pass_through_tl_vs::PassTlVsMatchType;
    let Some(proto) = proto else { return Ok(Passed::Nothing) };
    let at_kinds = at.field("tlv_type");
    let kinds = proto.tlv_type.iter().enumerate().map(|(index, one)| kind(&at_kinds.index(index), *one));
    let kinds = kinds.collect::<Result<Box<[u8]>, Rejection>>()?;
    Ok(match proto::defined::<PassTlVsMatchType>(&at.field("match_type"), proto.match_type)? {
        PassTlVsMatchType::IncludeAll => Passed::All,
        PassTlVsMatchType::Include => Passed::These(kinds),
    })
}

/// Entries whose values are given: type, length and value of each.
pub(crate) fn fixed(at: &At<'_>, list: &[core::TlvEntry]) -> Result<Arc<[u8]>, Rejection> {
    let mut octets = Vec::new();
    for (index, one) in list.iter().enumerate() {
        let at = at.index(index);
        if one.format_string.is_some() {
            return Err(at
                .field("format_string")
                .unsupported("is not supported: this TLV is the same for every connection; set value"));
        }
        if one.value.is_empty() {
            return Err(at
                .field("value")
                .reject("Invalid TLV configuration: one of 'value' or 'format_string' must be set; set value"));
        }
        push(&at, one, &mut octets)?;
    }
    Ok(octets.into())
}

/// Entries of which some may be different for each connection.
pub(crate) fn added(at: &At<'_>, list: &[core::TlvEntry], options: &Options) -> Result<Added, Rejection> {
    let (mut octets, mut formats) = (Vec::new(), Vec::new());
    for (index, one) in list.iter().enumerate() {
        let at = at.index(index);
        match (&one.format_string, one.value.is_empty()) {
            (Some(_), false) => {
                return Err(at.field("format_string").reject(
                    "Invalid TLV configuration: only one of 'value' or 'format_string' may be set; take one away",
                ));
            }
            (None, true) => {
                return Err(at
                    .field("value")
                    .reject("Invalid TLV configuration: one of 'value' or 'format_string' must be set; set one"));
            }
            (None, false) => push(&at, one, &mut octets)?,
            (Some(format), true) => {
                let format = access_log::decode::substitution(&at.field("format_string"), format, options)?;
                formats.push((kind(&at.field("type"), one.r#type)?, format));
            }
        }
    }
    Ok(Added { fixed: octets.into(), formats })
}

fn push(at: &At<'_>, one: &core::TlvEntry, octets: &mut Vec<u8>) -> Result<(), Rejection> {
    let kind = kind(&at.field("type"), one.r#type)?;
    let length = u16::try_from(one.value.len()).ok().filter(|_| octets.len() + 3 + one.value.len() <= MOST);
    let Some(length) = length else {
        return Err(at.field("value").reject("all of them together do not fit a header of 65535 octets"));
    };
    octets.push(kind);
    octets.extend_from_slice(&length.to_be_bytes());
    octets.extend_from_slice(&one.value);
    Ok(())
}

fn kind(at: &At<'_>, kind: u32) -> Result<u8, Rejection> {
    u8::try_from(kind).map_err(|_| at.reject(format!("{kind} is no octet")))
}

#[cfg(test)]
mod tests;
