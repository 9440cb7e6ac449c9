//! Rules on field values: names, ports, header names and values, percentages. Called by every `decode` module.
//!
//! Envoy's `validate.rules` are checked before (`fields`); here is what a translation needs for itself, and what Envoy's code demands
//! beyond those rules.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::options::Options;
use crate::proto::{self, core, types, wkt};
use crate::rejection::{At, Rejection};
use crate::runtime::Live;
use crate::secret::{DataSource, decode::data_source};

/// A message or wrapper that must be there.
pub(crate) fn required<'a, T>(at: &At<'_>, value: &'a Option<T>) -> Result<&'a T, Rejection> {
    value.as_ref().ok_or_else(|| at.reject("is required and not set; set it"))
}

/// What may stand in a `set-cookie` header without ending the cookie or the header.
pub(crate) fn cookie_text(at: &At<'_>, text: &str) -> Result<(), Rejection> {
    header_value(at, text)?;
    if text.contains(';') { Err(at.reject("holds ';', which ends a part of a cookie")) } else { Ok(()) }
}

/// A back-off's `base_interval`, at least `floor`, and its `max_interval`, ten times the base where it is not given.
pub(crate) fn back_off(
    at: &At<'_>,
    base: &Option<wkt::Duration>,
    max: &Option<wkt::Duration>,
    floor: Duration,
) -> Result<(Duration, Duration), Rejection> {
    let at_base = at.field("base_interval");
    let base = proto::positive(&at_base, base)?;
    let base = (*required(&at_base, &base)?).max(floor);
    let at_max = at.field("max_interval");
    let max = proto::positive(&at_max, max)?.unwrap_or_else(|| base.saturating_mul(10));
    if max < base {
        return Err(at_max.reject("must be greater than or equal to the base_interval"));
    }
    Ok((base, max))
}

/// A string of at least one character.
pub(crate) fn not_empty(at: &At<'_>, value: &str) -> Result<Arc<str>, Rejection> {
    if value.is_empty() { Err(at.reject("must not be empty")) } else { Ok(Arc::from(value)) }
}

/// A list of at least one element.
pub(crate) fn at_least_one<T>(at: &At<'_>, list: &[T]) -> Result<(), Rejection> {
    if list.is_empty() { Err(at.reject("must have at least one element")) } else { Ok(()) }
}

/// A port number, 0 to 65535.
pub(crate) fn port(at: &At<'_>, value: u32) -> Result<u16, Rejection> {
    u16::try_from(value).map_err(|_| at.reject(format!("{value} is not a port; give 0 to 65535")))
}

/// `low <= value <= high`.
pub(crate) fn within(at: &At<'_>, value: u64, low: u64, high: u64) -> Result<(), Rejection> {
    if (low..=high).contains(&value) {
        Ok(())
    } else {
        Err(at.reject(format!("{value} is not within {low} to {high}")))
    }
}

/// A percentage (`type.v3.Percent`), 0 to 100.
pub(crate) fn percent(at: &At<'_>, value: &Option<types::v3::Percent>) -> Result<Option<f64>, Rejection> {
    let Some(value) = value else { return Ok(None) };
    if (0.0..=100.0).contains(&value.value) {
        Ok(Some(value.value))
    } else {
        Err(at.field("value").reject(format!("{} is not a percentage; give 0 to 100", value.value)))
    }
}

/// A percentage as a share, 0 to 1; none is none.
pub(crate) fn share(at: &At<'_>, value: &Option<types::v3::Percent>) -> Result<f64, Rejection> {
    Ok(percent(at, value)?.unwrap_or(0.0) / 100.0)
}

/// A header's name for matching or logging, lower case; a leading `:` is allowed.
pub(crate) fn header_name(at: &At<'_>, name: &str) -> Result<Arc<str>, Rejection> {
    if matches!(name, "" | ":") {
        return Err(at.reject("must name a header"));
    }
    if !is_header_name(name) {
        return Err(at.reject(format!("{name:?} is not a header name; use letters, digits and !#$%&'*+-.^_`|~")));
    }
    Ok(Arc::from(name.to_ascii_lowercase()))
}

/// A header that configuration may set or remove: neither a pseudo header nor `host`, as in Envoy.
pub(crate) fn mutable_header_name(at: &At<'_>, name: &str) -> Result<Arc<str>, Rejection> {
    let name = header_name(at, name)?;
    if name.starts_with(':') || &*name == "host" {
        return Err(
            at.reject(format!("{name:?}: headers that begin with ':' and host may not be modified; use a rewrite"))
        );
    }
    Ok(name)
}

/// A header's value: no CR, LF or NUL, at most 16 KiB.
pub(crate) fn header_value(at: &At<'_>, value: &str) -> Result<(), Rejection> {
    if value.len() > 16_384 {
        return Err(at.reject("is longer than 16384 octets"));
    }
    if value.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        return Err(at.reject("holds a line break or NUL; a header value may not"));
    }
    Ok(())
}

/// A plain header of the control plane's own (`initial_metadata`).
pub(crate) fn plain_header(at: &At<'_>, header: &core::v3::HeaderValue) -> Result<(Arc<str>, Arc<str>), Rejection> {
    let name = header_name(&at.field("key"), &header.key)?;
    header_value(&at.field("value"), &header.value)?;
    Ok((name, Arc::from(header.value.as_str())))
}

/// A flag that may only be set, never set to false.
pub(crate) fn only_true(at: &At<'_>, value: bool) -> Result<(), Rejection> {
    if value { Ok(()) } else { Err(at.reject("must be true; leave it out otherwise")) }
}

/// A `RuntimeFeatureFlag`; `unset` where the flag is not there.
pub(crate) fn feature_flag(
    at: &At<'_>,
    value: &Option<core::v3::RuntimeFeatureFlag>,
    unset: bool,
    options: &Options,
) -> Result<Live<bool>, Rejection> {
    let Some(flag) = value else { return Ok(unset.into()) };
    let default = required(&at.field("default_value"), &flag.default_value)?.value;
    Ok(options.runtime.live(&flag.runtime_key, default))
}

/// The content of a `DataSource`, read when the resource is.
pub(crate) fn content(at: &At<'_>, source: &core::v3::DataSource, options: &Options) -> Result<Bytes, Rejection> {
    let watched = source.watched_directory.is_some();
    match data_source(at, source)? {
        DataSource::Inline(bytes) => Ok(bytes),
        source => {
            if watched {
                options.note(&at.field("watched_directory"), "the file is read once, when the resource arrives");
            }
            (options.read_source)(&source).map_err(|reason| at.field(source.specifier()).reject(reason))
        }
    }
}

/// An `HttpStatus`.
pub(crate) fn http_status(at: &At<'_>, value: &Option<types::v3::HttpStatus>) -> Result<Option<u16>, Rejection> {
    let Some(status) = value else { return Ok(None) };
    let at = at.field("code");
    let code: types::v3::StatusCode = crate::proto::defined(&at, status.code)?;
    match u16::try_from(code as i32) {
        Ok(0) | Err(_) => Err(at.reject("is not a status; give one")),
        Ok(code) => Ok(Some(code)),
    }
}

/// The name of a header, or of a pseudo header.
pub(crate) fn is_header_name(name: &str) -> bool {
    let token = name.strip_prefix(':').unwrap_or(name);
    !token.is_empty() && token.bytes().all(is_token)
}

/// Whether it may stand in a header's name.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
