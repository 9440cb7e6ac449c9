//! What is told while a head is held back: the headers, then the body as a whole with the trailers, where that is wanted. Called by the
//! filter's hooks of heads, and by `answer` for what comes next.

use config::filters::ext_proc::BodyMode;

use super::ExtProc;
use super::question::{self, Told};
use super::session::{Asked, Side};
use crate::http::filters::buffer::{response_too_large, too_large};
use crate::http::filters::filter::{Collect, Hooks, Out, Step, Way};
use crate::http::stream::{Stream, asks_for_tunnel};
use crate::wire::headers::{Headers, Name};
use crate::wire::message::BodyLength;

impl ExtProc {
    /// A head has come.
    pub(super) fn head(&self, side: &mut Side<'_, '_, '_>) -> Step {
        let has_body = has_body(side.turn.stream, side.way);
        let over = side.session.over;
        let part = side.session.part(side.way);
        (part.in_head, part.has_body) = (true, has_body);
        if part.mode.headers && !over {
            return self.tell(side, Told::Headers { end: !has_body });
        }
        self.after_headers(side)
    }

    /// The headers have been told, or are not to be.
    pub(super) fn after_headers(&self, side: &mut Side<'_, '_, '_>) -> Step {
        if side.session.over || !side.part().collects() {
            return self.head_ends(side, None);
        }
        Step::Collect(Collect { limit: side.turn.stream.may_hold(side.way) })
    }

    /// The body is here, or as much of it as may be held.
    pub(super) fn collected(&self, side: &mut Side<'_, '_, '_>, complete: bool, body: &mut Out<'_>) -> Step {
        let part = side.session.part(side.way);
        part.complete = complete;
        if !complete && part.mode.body == BodyMode::Buffered {
            part.done = true;
            return match side.way {
                Way::Request => too_large(side.turn.stream),
                Way::Response => response_too_large(side.turn.stream),
            }
            .into();
        }
        part.body_told = true;
        let (octets, has_trailers) = (body.data(), body.trailers().is_some());
        if octets.is_empty() && has_trailers {
            return self.after_body(side, body);
        }
        self.tell(side, Told::Body { octets: &octets, end: complete && !has_trailers })
    }

    /// The body has been told, or is not to be; it stands in `body` as it is now.
    pub(super) fn after_body(&self, side: &mut Side<'_, '_, '_>, body: &mut Out<'_>) -> Step {
        let part = side.session.part(side.way);
        if let Some(trailers) = body.trailers().filter(|_| part.mode.trailers && !part.trailers_told) {
            part.trailers_told = true;
            return self.tell(side, Told::Trailers(trailers));
        }
        self.head_ends(side, Some(body.len()))
    }

    /// The head goes on; `held`: octets of a body that was held back with it.
    pub(super) fn head_ends(&self, side: &mut Side<'_, '_, '_>, held: Option<usize>) -> Step {
        let over = side.session.over;
        let part = side.session.part(side.way);
        (part.in_head, part.asked) = (false, Asked::Nothing);
        let pieces = !over && part.has_body && part.streams();
        let trailers = !over && part.has_body && part.mode.trailers && !part.complete;
        let length = match (&part.replaced, held) {
            (Some(_), _) => Some(None),
            _ if over => None,
            // What is not all told while the head waits may become longer or shorter.
            _ if pieces || (part.body_told && !part.complete) => Some(None),
            (None, Some(held)) => Some(Some(held).filter(|_| part.mode.headers)),
            (None, None) => None,
        };
        if let Some(length) = length {
            set_length(side.turn.stream, side.way, length, part.replaced.is_some());
        }
        if !pieces && !trailers && part.replaced.is_none() {
            side.turn.skip(match side.way {
                Way::Request => Hooks::REQUEST_FRAMES,
                Way::Response => Hooks::RESPONSE_FRAMES,
            });
            part.done = true;
        }
        self.close_if_done(side.session);
        Step::Continue
    }

    /// Tells the processor something, and waits for what it says to it.
    pub(super) fn tell(&self, side: &mut Side<'_, '_, '_>, told: Told<'_>) -> Step {
        let asked = told.asked();
        let message = question::encode(side, &told);
        self.send(side, asked, &message)
    }
}

fn has_body(stream: &Stream<'_>, way: Way) -> bool {
    match way {
        Way::Request => stream.request.body != BodyLength::Empty || asks_for_tunnel(&stream.request),
        Way::Response => stream.response.as_ref().is_some_and(|head| head.body != BodyLength::Empty),
    }
}

/// What follows the head is so long; `None`: that is not known. `anew`: where nothing followed it before, something does now.
fn set_length(stream: &mut Stream<'_>, way: Way, length: Option<usize>, anew: bool) {
    let (headers, body): (&mut Headers, &mut BodyLength) = match (way, &mut stream.response) {
        (Way::Request, _) => (&mut stream.request.headers, &mut stream.request.body),
        (Way::Response, Some(head)) => (&mut head.headers, &mut head.body),
        (Way::Response, None) => return,
    };
    // A length that the head does not say is not said for it.
    let said = length.filter(|_| headers.contains(&Name::CONTENT_LENGTH));
    if said.is_none() {
        headers.remove(&Name::CONTENT_LENGTH);
    }
    match (*body, said) {
        (BodyLength::Empty, _) if !anew => {}
        (_, Some(octets)) => *body = BodyLength::Exact(octets as u64),
        (BodyLength::UntilClose, None) => {}
        (_, None) => *body = BodyLength::Unknown,
    }
}
