//! How the forwarding of a request ends when it does not end well. Decided where it happens, carried out by `exchange`.

use std::borrow::Cow;

use super::attempt::Elsewhere;
use super::local_reply::LocalReply;
use crate::failure::ResponseFlags;
use crate::wire::codec::{ResetReason, StreamError};

/// Why the exchange stops.
#[derive(Debug)]
pub(super) enum Stop {
    /// Nothing was sent to the client yet: it gets this answer.
    Reply(Box<LocalReply>),
    /// The response has begun and cannot be finished: the stream is reset.
    Abort {
        /// Added to the log.
        flags: ResponseFlags,
        /// Response-code details.
        details: Cow<'static, str>,
        /// What the client is told.
        reason: ResetReason,
    },
    /// The client is gone, or broke the protocol.
    Gone(StreamError),
    /// The upstream sends the request elsewhere, and is followed: it begins again.
    Elsewhere(Box<Elsewhere>),
}

impl From<LocalReply> for Stop {
    fn from(reply: LocalReply) -> Stop {
        Stop::Reply(Box::new(reply))
    }
}

/// Errors of the downstream's codec; those of an upstream never convert by themselves.
impl From<StreamError> for Stop {
    fn from(error: StreamError) -> Stop {
        Stop::Gone(error)
    }
}
