//! `ProcessingMode`: which parts of requests and responses a processor is told. Of the filter's config, of routes, and of what a processor
//! wants instead. Called by the decoders of both. The modes of bodies that do not act are refused.

use crate::proto::{self, extensions::filters::http::ext_proc::v3 as pb};
use crate::rejection::{At, Rejection};

/// Which parts are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProcessingMode {
    /// `request_header_mode`.
    pub request_headers: HeaderMode,
    /// `response_header_mode`.
    pub response_headers: HeaderMode,
    /// `request_body_mode`.
    pub request_body: BodyMode,
    /// `response_body_mode`.
    pub response_body: BodyMode,
    /// `request_trailer_mode`.
    pub request_trailers: HeaderMode,
    /// `response_trailer_mode`.
    pub response_trailers: HeaderMode,
}

/// `HeaderSendMode`. Unset means for headers that they are told, and for trailers that they are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HeaderMode {
    /// Unset.
    #[default]
    Default,
    /// They are told.
    Send,
    /// They are not.
    Skip,
}

/// `BodySendMode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyMode {
    /// It is not told.
    #[default]
    None,
    /// Piece by piece.
    Streamed,
    /// As a whole.
    Buffered,
    /// As a whole, or as much as may be held.
    BufferedPartial,
}

impl ProcessingMode {
    /// What a message says.
    ///
    /// # Errors
    /// The field that does not act.
    pub(crate) fn decode(at: &At<'_>, proto: &pb::ProcessingMode) -> Result<ProcessingMode, Rejection> {
        Ok(ProcessingMode {
            request_headers: headers(&at.field("request_header_mode"), proto.request_header_mode)?,
            response_headers: headers(&at.field("response_header_mode"), proto.response_header_mode)?,
            request_body: body(&at.field("request_body_mode"), proto.request_body_mode)?,
            response_body: body(&at.field("response_body_mode"), proto.response_body_mode)?,
            request_trailers: headers(&at.field("request_trailer_mode"), proto.request_trailer_mode)?,
            response_trailers: headers(&at.field("response_trailer_mode"), proto.response_trailer_mode)?,
        })
    }

    /// What becomes of this one when a processor wants another: where that says nothing of headers and trailers, they stay.
    #[must_use]
    pub fn overridden(self, wanted: ProcessingMode) -> ProcessingMode {
        let either = |wanted: HeaderMode, before| if wanted == HeaderMode::Default { before } else { wanted };
        ProcessingMode {
            request_headers: either(wanted.request_headers, self.request_headers),
            response_headers: either(wanted.response_headers, self.response_headers),
            request_body: wanted.request_body,
            response_body: wanted.response_body,
            request_trailers: either(wanted.request_trailers, self.request_trailers),
            response_trailers: either(wanted.response_trailers, self.response_trailers),
        }
    }

    /// Whether both say the same of everything that comes after a request's headers.
    pub fn is_like(self, other: ProcessingMode) -> bool {
        ProcessingMode { request_headers: other.request_headers, ..self } == other
    }
}

fn headers(at: &At<'_>, mode: i32) -> Result<HeaderMode, Rejection> {
    use pb::processing_mode::HeaderSendMode as Mode;
    Ok(match proto::defined::<Mode>(at, mode)? {
        Mode::Default => HeaderMode::Default,
        Mode::Send => HeaderMode::Send,
        Mode::Skip => HeaderMode::Skip,
    })
}

fn body(at: &At<'_>, mode: i32) -> Result<BodyMode, Rejection> {
    use pb::processing_mode::BodySendMode as Mode;
    match proto::defined::<Mode>(at, mode)? {
        Mode::None => Ok(BodyMode::None),
        Mode::Streamed => Ok(BodyMode::Streamed),
        Mode::Buffered => Ok(BodyMode::Buffered),
        Mode::BufferedPartial => Ok(BodyMode::BufferedPartial),
        mode @ (Mode::FullDuplexStreamed | Mode::Grpc) => {
            Err(at.unsupported(format_args!("{} is not supported; give STREAMED or BUFFERED", mode.as_str_name())))
        }
    }
}
