//! What a client is told whose body breaks the protocol. Called by `exchange`.

use super::local_reply::LocalReply;
use crate::failure::ResponseFlags;
use crate::wire::codec::StreamError;
use crate::wire::h1::phrase;

/// The answer to a breach of the protocol; `None` for other errors: then nobody is there to be answered.
pub(super) fn reply(error: &StreamError) -> Option<LocalReply> {
    let StreamError::Protocol { detail, status } = error else { return None };
    Some(LocalReply::new(*status, *detail).body(phrase(*status)).flags(ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR))
}
