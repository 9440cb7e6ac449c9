//! `LocalReplyConfig`: what answers of our own become. Called by [`decode`](super::decode).

use std::sync::Arc;

use bytes::Bytes;

use crate::access_log::{self, LogFilter, LogFormat};
use crate::field_rules;
use crate::options::Options;
use crate::proto::{self, core::v3 as core, extensions::filters::network::http_connection_manager::v3 as pb, uint32};
use crate::rejection::{At, Rejection};
use crate::route::HeaderAdd;
use crate::route::headers;

/// `local_reply_config`.
#[derive(Debug, Clone)]
pub struct LocalReplies {
    /// `mappers`: the first whose filter takes the answer changes it.
    pub mappers: Vec<ReplyMapper>,
    /// `body_format`; unset: the body as it is.
    pub format: Option<ReplyFormat>,
}

/// `ResponseMapper`.
#[derive(Debug, Clone)]
pub struct ReplyMapper {
    /// `filter`.
    pub filter: LogFilter,
    /// `status_code`.
    pub status: Option<u16>,
    /// `body`.
    pub body: Option<Bytes>,
    /// `body_format_override`.
    pub format: Option<ReplyFormat>,
    /// `headers_to_add`.
    pub headers: Vec<HeaderAdd>,
}

/// How a body is written.
#[derive(Debug, Clone)]
pub struct ReplyFormat {
    /// Text or JSON.
    pub format: LogFormat,
    /// `content_type`, else that of the format.
    pub content_type: Arc<str>,
}

pub(super) fn local_replies(
    at: &At<'_>,
    proto: &pb::LocalReplyConfig,
    options: &Options,
) -> Result<LocalReplies, Rejection> {
    let list = at.field("mappers");
    let each = proto.mappers.iter().enumerate();
    Ok(LocalReplies {
        mappers: each.map(|(index, one)| mapper(&list.index(index), one, options)).collect::<Result<_, _>>()?,
        format: format(&at.field("body_format"), proto.body_format.as_ref(), options)?,
    })
}

fn mapper(at: &At<'_>, proto: &pb::ResponseMapper, options: &Options) -> Result<ReplyMapper, Rejection> {
    let at_filter = at.field("filter");
    let at_status = at.field("status_code");
    let status = uint32(&proto.status_code);
    if let Some(status) = status {
        field_rules::within(&at_status, u64::from(status), 200, 599)?;
    }
    let body = proto.body.as_ref();
    Ok(ReplyMapper {
        filter: access_log::filter::decode(&at_filter, field_rules::required(&at_filter, &proto.filter)?, options, 0)?,
        // Within 200 to 599 by the test above.
        status: status.map(|status| status as u16),
        body: body.map(|body| field_rules::content(&at.field("body"), body, options)).transpose()?,
        format: format(&at.field("body_format_override"), proto.body_format_override.as_ref(), options)?,
        headers: headers::additions(&at.field("headers_to_add"), &proto.headers_to_add, 1000)?,
    })
}

/// A body's format.
pub(crate) fn format(
    at: &At<'_>,
    proto: Option<&core::SubstitutionFormatString>,
    options: &Options,
) -> Result<Option<ReplyFormat>, Rejection> {
    let Some(proto) = proto else { return Ok(None) };
    let format = access_log::decode::substitution(at, proto, options)?;
    field_rules::header_value(&at.field("content_type"), &proto.content_type)?;
    let usual = match &format {
        LogFormat::Text(_) => "text/plain",
        LogFormat::Json(_) => "application/json",
    };
    let content_type = proto::text(&proto.content_type).unwrap_or_else(|| Arc::from(usual));
    Ok(Some(ReplyFormat { format, content_type }))
}
