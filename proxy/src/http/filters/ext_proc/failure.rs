//! What happens without an answer, or with one that is none: what passes is refused, or goes on as it is where that is wanted; and how a
//! talk ends. Called by the filter and by `answer`.

use super::ExtProc;
use super::answer::without_spaces;
use super::session::{Session, Side};
use crate::call::{CallFailure, Why};
use crate::http::filters::filter::{Out, Step};
use crate::http::local_reply::LocalReply;
use crate::http::reason;

/// What went wrong, as details and statistics have it.
pub(super) enum Fault<'f> {
    /// The stream ended with this status and message.
    Grpc(u8, &'f str),
    /// No answer in time.
    Late,
    /// A word that was not asked for: the details.
    Spurious(&'f str),
    /// What it wants may not be: the details.
    Refused(&'f str),
}

impl ExtProc {
    /// The stream has failed.
    pub(super) fn failed(&self, side: &mut Side<'_, '_, '_>, failure: &CallFailure, body: &mut Out<'_>) -> Step {
        // As Envoy has it: where the stream came from in its own braces.
        let said = match &failure.why {
            Why::Status(_, message) if !message.is_empty() => format!("{message}{{via_upstream}}"),
            Why::Status(..) | Why::HttpStatus(_) | Why::NoStatus | Why::Malformed(_) => "via_upstream".to_owned(),
            _ => String::new(),
        };
        if !said.is_empty() {
            self.stats.server_half_closed.inc();
        }
        self.broken(side, Fault::Grpc(failure.grpc_status(), &said), &failure.to_string(), body)
    }

    /// The processor has ended the stream in order: it has nothing to say any more, and what passes goes on without it.
    pub(super) fn left(&self, side: &mut Side<'_, '_, '_>, body: &mut Out<'_>) -> Step {
        self.stats.streams_closed.inc();
        self.stats.server_half_closed.inc();
        side.session.talk = None;
        side.session.over = true;
        self.goes_on(side, body)
    }

    /// There was no answer in time.
    pub(super) fn late(&self, side: &mut Side<'_, '_, '_>, body: &mut Out<'_>) -> Step {
        self.broken(side, Fault::Late, "no answer in time", body)
    }

    pub(super) fn spurious(&self, side: &mut Side<'_, '_, '_>, why: &str, body: &mut Out<'_>) -> Step {
        self.broken(side, Fault::Spurious("spurious_message"), why, body)
    }

    pub(super) fn refused(&self, side: &mut Side<'_, '_, '_>, why: &str, body: &mut Out<'_>) -> Step {
        self.broken(side, Fault::Refused(why), why, body)
    }

    /// The talk is over, and not as it should be.
    pub(super) fn broken(&self, side: &mut Side<'_, '_, '_>, fault: Fault<'_>, why: &str, body: &mut Out<'_>) -> Step {
        match fault {
            Fault::Grpc(..) => self.stats.streams_failed.inc(),
            Fault::Late => self.stats.message_timeouts.inc(),
            Fault::Spurious(_) => self.stats.spurious_msgs_received.inc(),
            Fault::Refused(_) => self.stats.stream_msgs_received.inc(),
        }
        // A stream that has ended is closed by the one who goes on without it.
        if let (Fault::Grpc(..), Some(talk)) = (&fault, &side.session.talk) {
            talk.cancel();
            side.session.talk = None;
            if side.session.allow {
                self.stats.streams_closed.inc();
            }
        }
        self.close(side.session);
        side.session.over = true;
        // What may not be is an error of the processor's, and not that it is missing.
        if side.session.allow && !matches!(fault, Fault::Refused(_)) {
            self.stats.failure_mode_allowed.inc();
            self.opened.failed(format_args!("ext_proc '{}'", side.turn.slot.name), why);
            return self.goes_on(side, body);
        }
        self.stats.immediate_responses_sent.inc();
        let reply = self.refusal(&fault);
        reason::tell(side.turn.stream, &reply.details, format_args!("the processor: {why}"));
        reply.into()
    }

    fn refusal(&self, fault: &Fault<'_>) -> LocalReply {
        let status = self.config.status_on_error;
        match fault {
            Fault::Grpc(code, said) => {
                LocalReply::new(status, format!("ext_proc_error_gRPC_error_{code}{{{}}}", without_spaces(said)))
            }
            Fault::Late => LocalReply::new(504, "ext_proc_error_per-message_timeout_exceeded"),
            Fault::Spurious(why) | Fault::Refused(why) => LocalReply::new(status, without_spaces(why)),
        }
    }

    /// What waited goes on as it is.
    pub(super) fn goes_on(&self, side: &mut Side<'_, '_, '_>, body: &mut Out<'_>) -> Step {
        if side.part().in_head {
            return self.head_ends(side, None);
        }
        side.part().held.take().into_iter().for_each(|frame| body.push(frame));
        Step::Continue
    }

    /// Nothing is told any more: the processor hears so, and may end the stream itself.
    pub(super) fn ends(&self, session: &mut Session) {
        session.over = true;
        if let Some(talk) = session.talk.take() {
            self.stats.streams_closed.inc();
            talk.leave();
        }
    }

    /// The same, once both directions have been told of.
    pub(super) fn close_if_done(&self, session: &mut Session) {
        if session.talk.is_some() && session.is_done() {
            self.ends(session);
        }
    }

    /// The stream is reset, if it is still there.
    pub(super) fn close(&self, session: &mut Session) {
        if let Some(talk) = session.talk.take() {
            self.stats.streams_closed.inc();
            talk.cancel();
        }
    }
}
