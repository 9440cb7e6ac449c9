//! What the processor says, sorted: more time, another mode, metadata, or the answer to what it was asked. A word that was not asked for is one
//! too many: it is not believed any more. Called by the filter when a message has come; `answer` does what is said.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use config::services::ext_proc as message;
use config::services::ext_proc::{Answer, BodyMutation, Of, ProcessingResponse};
use tokio::time::Instant;

use super::failure::Fault;
use super::question::wait;
use super::session::{Asked, Session, Side};
use super::{ExtProc, Turned, namespaces};
use crate::http::filters::filter::{Out, Step, Way};
use crate::telemetry::dynamic::TypedValue;
use crate::wire::grpc;

impl ExtProc {
    /// A message has come to who waits for one about this direction.
    pub(super) fn heard(&self, side: &mut Side<'_, '_, '_>, octets: &Bytes, body: &mut Out<'_>) -> Step {
        let said = match message::decode(octets) {
            Ok(said) => said,
            Err(rejection) => {
                let why = format!("what it says cannot be read: {rejection}");
                return self.broken(side, Fault::Grpc(grpc::INTERNAL, ""), &why, body);
            }
        };
        if let Some(timeout) = said.timeout {
            // Who says nothing else does not hold up what its time is over for.
            let over = side.part().until.is_none_or(|until| until <= Instant::now());
            return if over { self.late(side, body) } else { self.takes_time(side.session, side.way, timeout) };
        }
        if let Some(of) = said.answer.as_ref().and_then(of).filter(|of| *of != side.way) {
            // Asked about the other direction, too: that is for who waits for it there.
            let expected = side.session.part(of).asked != Asked::Nothing;
            if let (true, Some(talk), Some(until)) =
                (expected, &side.session.talk, side.session.parts[side.way as usize].until)
                && talk.hand_over(of as usize, octets.clone())
            {
                return wait(talk, side.way, until);
            }
        }
        self.opened.answered(format_args!("ext_proc '{}'", side.turn.slot.name));
        if let Err(why) = self.choose_mode(side.session, side.way, &said) {
            return self.spurious(side, &why, body);
        }
        let (asked, in_head) = (side.part().asked, side.part().in_head);
        let answer = match said.answer {
            Some(answer) if of(&answer).is_none_or(|of| of == side.way) => answer,
            Some(_) => return self.spurious(side, OTHER, body),
            None => {
                let fault = Fault::Spurious("unhandled_message");
                return self.broken(side, fault, "it says nothing that is known", body);
            }
        };
        let metadata = (said.metadata.as_ref(), said.typed_metadata);
        match (asked, answer) {
            (Asked::Headers, Answer::Headers(_, common)) => {
                self.remember(side.turn, metadata);
                self.headers_answered(side, common, body)
            }
            (Asked::Body, Answer::Body(_, common)) if in_head || common.body != Some(BodyMutation::Streamed) => {
                self.remember(side.turn, metadata);
                self.body_answered(side, common, body)
            }
            (Asked::Trailers, Answer::Trailers(_, mutation)) => {
                self.remember(side.turn, metadata);
                self.trailers_answered(side, mutation.as_ref(), body)
            }
            (_, Answer::Immediate(immediate)) if !self.config.disable_immediate_response => {
                self.remember(side.turn, metadata);
                self.stats.stream_msgs_received.inc();
                self.ends(side.session);
                self.reply(side.turn, immediate).into()
            }
            (_, Answer::Immediate(_)) => {
                let fault = Fault::Spurious("unhandled_immediate_response_due_to_config_disabled_it");
                self.broken(side, fault, "it answers itself, which it may not", body)
            }
            _ => self.spurious(side, OTHER, body),
        }
    }

    /// The processor needs longer: once for each answer, and no longer than it may.
    fn takes_time(&self, session: &mut Session, way: Way, wanted: Option<u64>) -> Step {
        let most = u64::try_from(self.config.max_message_timeout.as_millis()).unwrap_or(u64::MAX);
        let part = &mut session.parts[way as usize];
        match wanted.filter(|wanted| (1..=most).contains(wanted) && !part.extended) {
            Some(wanted) => {
                part.extended = true;
                part.until = Some(Instant::now() + Duration::from_millis(wanted));
                self.stats.override_message_timeout_received.inc();
            }
            None => self.stats.override_message_timeout_ignored.inc(),
        }
        match (&session.talk, part.until) {
            (Some(talk), Some(until)) => wait(talk, way, until),
            _ => Step::Continue,
        }
    }

    /// The processor wants to be told other parts, of what has not been told yet.
    fn choose_mode(&self, session: &mut Session, way: Way, said: &ProcessingResponse) -> Result<(), String> {
        let Some(mode) = said.mode.as_ref().filter(|_| self.config.allow_mode_override) else { return Ok(()) };
        if session.part(way).asked != Asked::Headers {
            return Ok(());
        }
        let mode = mode.as_ref().map_err(|rejection| format!("it wants a mode that does not act: {rejection}"))?;
        let mode = self.config.mode.overridden(*mode);
        let allowed = &self.config.allowed_override_modes;
        if allowed.is_empty() || allowed.iter().any(|one| mode.is_like(*one)) {
            session.set_mode(way, &mode);
            if way == Way::Request {
                session.set_mode(Way::Response, &mode);
            }
        }
        Ok(())
    }

    /// Keeps what the processor says for later filters and logs, where it may say that.
    fn remember(
        &self,
        turn: &mut Turned<'_, '_>,
        (plain, typed): (Option<&serde_json::Value>, Vec<(String, String, Bytes)>),
    ) {
        if plain.is_none() && typed.is_empty() {
            return;
        }
        let Some(names) = namespaces(turn, |of| of.received.as_ref()) else { return };
        let kept = &mut turn.stream.info.metadata;
        for (namespace, value) in plain.and_then(serde_json::Value::as_object).into_iter().flatten() {
            if names.untyped.iter().any(|name| **name == **namespace) {
                kept.merge(namespace, value);
            }
        }
        for (namespace, type_url, bytes) in typed {
            if let Some(name) = names.typed.iter().find(|name| ***name == *namespace) {
                kept.set_typed(name, TypedValue { type_url: Arc::from(type_url), bytes });
            }
        }
    }
}

const OTHER: &str = "it says what was not asked";

/// Which direction it speaks of; `None`: of both.
fn of(answer: &Answer) -> Option<Way> {
    let (Answer::Headers(of, _) | Answer::Body(of, _) | Answer::Trailers(of, _)) = answer else { return None };
    Some(if *of == Of::Request { Way::Request } else { Way::Response })
}
