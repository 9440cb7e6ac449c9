//! What is told of bodies that flow: each piece, and trailers. A piece goes on when the processor has answered; the next one is read then.
//! Called by the filter's hook of frames.

use super::ExtProc;
use super::question::Told;
use super::session::{Part, Session, Side};
use crate::http::filters::filter::{Out, Step, Way};
use crate::wire::message::Frame;

impl ExtProc {
    /// A piece of a body has come.
    pub(super) fn piece(&self, side: &mut Side<'_, '_, '_>, frame: Frame, out: &mut Out<'_>) -> Step {
        let over = side.session.over;
        let part = side.session.part(side.way);
        if part.replaced.is_some() {
            replace(part, frame, out);
            return Step::Continue;
        }
        if over || part.done {
            out.push(frame);
            return Step::Continue;
        }
        match frame {
            Frame::Data(octets) if part.streams() && !octets.is_empty() => {
                part.held = Some(Frame::Data(octets.clone()));
                self.tell(side, Told::Body { octets: &octets, end: false })
            }
            Frame::End if part.streams() => {
                part.body_told = true;
                part.held = Some(Frame::End);
                self.tell(side, Told::Body { octets: &[], end: true })
            }
            Frame::Trailers(trailers) if part.mode.trailers => {
                (part.body_told, part.trailers_told) = (true, true);
                part.held = Some(Frame::Trailers(trailers.clone()));
                self.tell(side, Told::Trailers(&trailers))
            }
            frame => {
                let ends = !matches!(frame, Frame::Data(_));
                out.push(frame);
                if ends {
                    self.part_ends(side.session, side.way);
                }
                Step::Continue
            }
        }
    }

    /// Nothing more is told of this direction.
    pub(super) fn part_ends(&self, session: &mut Session, way: Way) {
        session.part(way).done = true;
        self.close_if_done(session);
    }
}

/// The processor's body comes first, and nothing of the one that was; trailers stay.
fn replace(part: &mut Part, frame: Frame, out: &mut Out<'_>) {
    if let Some(octets) = part.replaced.as_mut().map(std::mem::take).filter(|octets| !octets.is_empty()) {
        out.push(Frame::Data(octets));
    }
    if !matches!(frame, Frame::Data(_)) {
        out.push(frame);
    }
}
