//! What one request remembers of its talk with the processor: the stream, which parts are told, and what each direction waits for.
//! Owned by the filter's state; it decides nothing.

use std::rc::Rc;

use bytes::Bytes;
use config::filters::ext_proc::{BodyMode, HeaderMode, ProcessingMode};
use tokio::time::Instant;

use super::{Turned, levels};
use crate::call::GrpcStream;
use crate::http::filters::filter::Way;
use crate::wire::message::Frame;

/// The talk.
#[derive(Debug)]
pub(super) struct Session {
    /// Once something was told, while both sides want to talk.
    pub talk: Option<Rc<GrpcStream>>,
    /// Nothing is told any more, and nothing is heard.
    pub over: bool,
    /// Without the processor what passes goes on as it is.
    pub allow: bool,
    /// It has been told in which modes bodies come.
    pub introduced: bool,
    /// Of the request, and of the response.
    pub parts: [Part; 2],
}

/// The request or the response of it, and all that may be changed.
pub(super) struct Side<'a, 't, 's> {
    pub turn: &'a mut Turned<'t, 's>,
    pub session: &'a mut Session,
    pub way: Way,
}

impl Side<'_, '_, '_> {
    pub fn part(&mut self) -> &mut Part {
        self.session.part(self.way)
    }
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// What is told of it.
    pub mode: Mode,
    /// What the processor has not answered yet.
    pub asked: Asked,
    /// Until when that is waited for.
    pub until: Option<Instant>,
    /// It has taken more time for that.
    pub extended: bool,
    /// It knows the attributes.
    pub has_attributes: bool,
    pub has_body: bool,
    /// The head is held back.
    pub in_head: bool,
    /// All of the body has been held back with the head.
    pub complete: bool,
    /// It has been told of the body.
    pub body_told: bool,
    /// And of the trailers.
    pub trailers_told: bool,
    /// Nothing more is told of it.
    pub done: bool,
    /// The processor's own body comes in place of this one: what is left of it.
    pub replaced: Option<Bytes>,
    /// A piece that it is asked about.
    pub held: Option<Frame>,
}

/// What is told of one direction.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mode {
    pub headers: bool,
    pub body: BodyMode,
    pub trailers: bool,
}

/// A part that the processor is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Asked {
    #[default]
    Nothing,
    Headers,
    Body,
    Trailers,
}

impl Mode {
    fn of(mode: &ProcessingMode, way: Way) -> Mode {
        let (headers, body, trailers) = match way {
            Way::Request => (mode.request_headers, mode.request_body, mode.request_trailers),
            Way::Response => (mode.response_headers, mode.response_body, mode.response_trailers),
        };
        Mode { headers: headers != HeaderMode::Skip, body, trailers: trailers == HeaderMode::Send }
    }

    /// Nothing is told of it.
    fn is_silent(self) -> bool {
        !self.headers && self.body == BodyMode::None && !self.trailers
    }
}

impl Part {
    /// The body is told piece by piece, and not at its end yet.
    pub fn streams(&self) -> bool {
        self.mode.body == BodyMode::Streamed && !self.body_told
    }

    /// The whole body is told while the head is held back, or as much as may be held.
    pub fn collects(&self) -> bool {
        matches!(self.mode.body, BodyMode::Buffered | BodyMode::BufferedPartial) && self.has_body && !self.body_told
    }
}

impl Session {
    /// As the request's levels have it, the most specific first.
    pub fn begin(turn: &Turned<'_, '_>) -> Box<Session> {
        let config = &turn.filter.config;
        let (mut mode, mut allow) = (None, None);
        if turn.scope.is_some() {
            allow = levels(turn).find_map(|level| level.config.failure_mode_allow);
            // Beyond a level that switches it off, modes do not count.
            let mut counting = levels(turn).take_while(|level| !level.config.disabled);
            mode = counting.find_map(|level| level.config.mode);
        }
        let mut session = Session {
            talk: None,
            over: false,
            allow: allow.unwrap_or(config.failure_mode_allow),
            introduced: false,
            parts: Default::default(),
        };
        let mode = mode.unwrap_or(config.mode);
        session.set_mode(Way::Request, &mode);
        session.set_mode(Way::Response, &mode);
        Box::new(session)
    }

    pub fn part(&mut self, way: Way) -> &mut Part {
        &mut self.parts[way as usize]
    }

    pub fn set_mode(&mut self, way: Way, mode: &ProcessingMode) {
        self.part(way).mode = Mode::of(mode, way);
    }

    /// Nothing more will be told: the response is done with, and so is the request.
    pub fn is_done(&self) -> bool {
        let [request, response] = &self.parts;
        request.done && (response.done || response.mode.is_silent())
    }
}
