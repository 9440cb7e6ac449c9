//! `local_reply_config`: what answers of our own become. Compiled with the connection manager; [`super::build`] asks it once an answer,
//! whoever gave it. It sees heads and what is known of the request, and sends nothing.

use bytes::Bytes;
use config::hcm::{self, ReplyFormat, ReplyMapper};
use config::route::HeaderChanges;

use crate::http::stream::Stream;
use crate::logs::{Filter, Line, filter_wants_times, format_wants_times};
use crate::mutate::Mutation;
use crate::telemetry::format;
use crate::wire::message::ResponseHead;

/// All of it.
pub(in crate::http) struct LocalReplies {
    mappers: Box<[Mapper]>,
    format: Option<Body>,
}

/// Changes the answers that its filter takes.
struct Mapper {
    filter: Filter,
    status: Option<u16>,
    body: Option<Bytes>,
    format: Option<Body>,
    headers: Mutation,
}

/// How a body is written, and what it is then.
struct Body {
    line: Line,
    content_type: Bytes,
}

impl LocalReplies {
    pub(in crate::http) fn compile(config: &hcm::LocalReplies) -> LocalReplies {
        LocalReplies {
            mappers: config.mappers.iter().map(Mapper::compile).collect(),
            format: config.format.as_ref().map(Body::compile),
        }
    }

    /// Changes the head (its status is the answer's, whatever gRPC makes of it) and the body; gives what the body is, where it was written
    /// by a format.
    pub(super) fn rewrite(&self, stream: &mut Stream<'_>, head: &mut ResponseHead, body: &mut Bytes) -> Option<Bytes> {
        // Filters and formats see the status that it has by now.
        stream.info.response_code = head.status;
        let mut format = self.format.as_ref();
        if let Some(mapper) = self.mappers.iter().find(|mapper| mapper.takes(stream, head)) {
            mapper.apply(stream, head, body);
            format = mapper.format.as_ref().or(format);
        }
        let format = format?;
        let mut entry = stream.entry(Some(head), None);
        entry.more.reply = Some(body);
        let mut written = Vec::new();
        format.line.write(&entry, &mut written);
        // As with Envoy the end of an object's line is no part of what gRPC is told.
        if stream.asked.grpc && matches!(format.line, Line::Json(_)) {
            written.pop();
        }
        *body = Bytes::from(written);
        Some(format.content_type.clone())
    }
}

impl Mapper {
    fn compile(config: &ReplyMapper) -> Mapper {
        Mapper {
            filter: Filter::compile(&config.filter),
            status: config.status,
            body: config.body.clone(),
            format: config.format.as_ref().map(Body::compile),
            headers: Mutation::compile(&HeaderChanges {
                response_add: config.headers.clone(),
                ..HeaderChanges::default()
            }),
        }
    }

    fn takes(&self, stream: &Stream<'_>, head: &ResponseHead) -> bool {
        self.filter.takes(&stream.entry(Some(head), None))
    }

    /// As with Envoy its headers are written before its status is, and never see a body.
    fn apply(&self, stream: &mut Stream<'_>, head: &mut ResponseHead, body: &mut Bytes) {
        if let Some(own) = &self.body {
            *body = own.clone();
        }
        if !self.headers.leaves_responses() {
            let values = {
                let entry = stream.entry(Some(head), None);
                self.headers.response_values(|format, out| format::write(format, &entry, out))
            };
            self.headers.apply_to_response(&mut head.headers, values);
        }
        if let Some(status) = self.status {
            head.status = status;
            stream.info.response_code = status;
        }
    }
}

impl Body {
    fn compile(config: &ReplyFormat) -> Body {
        Body {
            line: Line::compile(&config.format),
            content_type: Bytes::copy_from_slice(config.content_type.as_bytes()),
        }
    }
}

/// Whether some of it tells of moments that are not kept otherwise.
pub(in crate::http) fn wants_times(config: &hcm::LocalReplies) -> bool {
    let format = |format: &Option<ReplyFormat>| format.as_ref().is_some_and(|one| format_wants_times(&one.format));
    format(&config.format)
        || config.mappers.iter().any(|mapper| filter_wants_times(&mapper.filter) || format(&mapper.format))
}

#[cfg(test)]
mod tests;
