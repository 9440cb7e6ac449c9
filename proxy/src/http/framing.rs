//! How long a body is, is for the codecs to say: a length that header rules, filters or called services wrote beside it never reaches the
//! wire, where it would cut the body or take the next message for its rest. Called wherever heads have been changed.

use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, RequestHead, ResponseHead};

/// Of a request.
pub(super) fn settle_request(head: &mut RequestHead) {
    settle(&mut head.headers, head.body, false);
}

/// Of a response. `to_head`: to a request for the head alone, whose length is that of the body which is not sent.
pub(super) fn settle_response(head: &mut ResponseHead, to_head: bool) {
    settle(&mut head.headers, head.body, to_head || head.status == 304);
}

fn settle(headers: &mut Headers, body: BodyLength, of_another: bool) {
    if !headers.contains(&Name::CONTENT_LENGTH) {
        return;
    }
    match body {
        BodyLength::Exact(octets) if says(headers, octets) => {}
        BodyLength::Exact(octets) => headers.set(Name::CONTENT_LENGTH, octets.to_string()),
        BodyLength::Empty if of_another => {
            // The first one came with the response.
            if let Some(first) = headers.get(&Name::CONTENT_LENGTH).cloned() {
                headers.set(Name::CONTENT_LENGTH, first);
            }
        }
        BodyLength::Empty if says(headers, 0) => {}
        BodyLength::Empty | BodyLength::Unknown | BodyLength::UntilClose => drop(headers.remove(&Name::CONTENT_LENGTH)),
    }
}

/// One line says so many.
fn says(headers: &Headers, octets: u64) -> bool {
    let mut lengths = headers.get_all(&Name::CONTENT_LENGTH);
    let one = lengths.next().is_some_and(|length| length[..] == *itoa::Buffer::new().format(octets).as_bytes());
    one && lengths.next().is_none()
}

#[cfg(test)]
mod tests;
