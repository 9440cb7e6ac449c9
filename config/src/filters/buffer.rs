//! `envoy.extensions.filters.http.buffer.v3.Buffer`. Called by the list of filters.

use crate::extension::Extension;
use crate::field_rules;
use crate::options::Options;
use crate::proto::{extensions::filters::http::buffer::v3 as pb, uint32};
use crate::rejection::{At, Rejection};

/// The filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buffer {
    /// `max_request_bytes`.
    pub max_request_bytes: u32,
}

/// `BufferPerRoute`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BufferPerRoute {
    /// `disabled`.
    Disabled,
    /// `buffer`.
    Buffer(Buffer),
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<Buffer, Rejection> {
    buffer(at, &extension.decode(at, options)?)
}

pub(super) fn scoped(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<BufferPerRoute, Rejection> {
    use pb::buffer_per_route::Override;
    let proto: pb::BufferPerRoute = extension.decode(at, options)?;
    match &proto.r#override {
        None => Err(at.reject("says nothing; give disabled or buffer")),
        Some(Override::Disabled(disabled)) => {
            field_rules::only_true(&at.field("disabled"), *disabled)?;
            Ok(BufferPerRoute::Disabled)
        }
        Some(Override::Buffer(one)) => Ok(BufferPerRoute::Buffer(buffer(&at.field("buffer"), one)?)),
    }
}

fn buffer(at: &At<'_>, proto: &pb::Buffer) -> Result<Buffer, Rejection> {
    let at = at.field("max_request_bytes");
    let most = *field_rules::required(&at, &uint32(&proto.max_request_bytes))?;
    if most == 0 {
        return Err(at.reject("must be at least 1"));
    }
    Ok(Buffer { max_request_bytes: most })
}
