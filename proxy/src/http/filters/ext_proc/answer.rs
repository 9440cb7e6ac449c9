//! What becomes of the processor's answers: heads, bodies and trailers are changed, the route is chosen again, or it answers itself. Called by
//! `heard`, for the part that was asked about.

use bytes::Bytes;
use config::filters::ext_proc::RouteCache;
use config::services::ext_proc::{BodyMutation, Common, HeaderMutation, Immediate};

use super::changes::{self, Head};
use super::session::{Asked, Side};
use super::{ExtProc, Turned};
use crate::http::filters::filter::{Out, Step, Way};
use crate::http::filters::rules::OURS;
use crate::http::local_reply::LocalReply;
use crate::wire::headers::Headers;
use crate::wire::message::Frame;

impl ExtProc {
    pub(super) fn headers_answered(&self, side: &mut Side<'_, '_, '_>, common: Common, body: &mut Out<'_>) -> Step {
        if let Err(why) = self.change_head(side, &common) {
            return self.refused(side, why, body);
        }
        self.stats.stream_msgs_received.inc();
        let part = side.session.part(side.way);
        part.asked = Asked::Nothing;
        if common.replace {
            // Nothing more is told of this direction.
            (part.mode.body, part.mode.trailers) = (Default::default(), false);
            if let Some(mutation) = common.body.filter(|_| may_have_body(side.turn, side.way)) {
                let octets = if let BodyMutation::Replace(octets) = mutation { octets } else { Bytes::new() };
                part.replaced = (part.has_body || !octets.is_empty()).then_some(octets);
            }
        }
        self.after_headers(side)
    }

    pub(super) fn body_answered(&self, side: &mut Side<'_, '_, '_>, common: Common, body: &mut Out<'_>) -> Step {
        let part = side.session.part(side.way);
        let (in_head, has_length) = (part.in_head, part.complete && !changes::loses_length(part.mode));
        if in_head {
            if let Err(why) = self.change_head(side, &common) {
                return self.refused(side, why, body);
            }
            if has_length && !changes::agrees(side.turn.stream, side.way, &common) {
                let why = "mismatch between content length and the length of the mutated body";
                return self.refused(side, why, body);
            }
        } else {
            self.choose_route(side.turn, &common, side.way, false);
        }
        self.stats.stream_msgs_received.inc();
        let part = side.session.part(side.way);
        part.asked = Asked::Nothing;
        if in_head {
            match common.body {
                Some(BodyMutation::Replace(octets)) => body.replace_data(octets),
                Some(BodyMutation::Clear) => body.replace_data(Bytes::new()),
                _ => {}
            }
            return self.after_body(side, body);
        }
        let held = part.held.take();
        let ends = matches!(held, Some(Frame::End));
        let (before, after) = match (held, common.body) {
            (Some(Frame::Data(_)), Some(BodyMutation::Replace(octets))) => (Some(octets), None),
            (Some(Frame::Data(_)), Some(BodyMutation::Clear)) => (None, None),
            (Some(Frame::Data(octets)), _) => (Some(octets), None),
            (held, Some(BodyMutation::Replace(octets))) => (Some(octets), held),
            (held, _) => (None, held),
        };
        before.filter(|octets| !octets.is_empty()).into_iter().for_each(|octets| body.push(Frame::Data(octets)));
        after.into_iter().for_each(|frame| body.push(frame));
        if ends {
            self.part_ends(side.session, side.way);
        }
        Step::Continue
    }

    pub(super) fn trailers_answered(
        &self,
        side: &mut Side<'_, '_, '_>,
        mutation: Option<&HeaderMutation>,
        body: &mut Out<'_>,
    ) -> Step {
        let in_head = side.part().in_head;
        let mut held = side.part().held.take();
        let trailers = if in_head { body.last_mut() } else { held.as_mut() };
        if let (Some(Frame::Trailers(trailers)), Some(mutation)) = (trailers, mutation)
            && let Err(why) = self.change(side.turn.stream, Head::Fields(trailers), mutation, [false; 2])
        {
            return self.refused(side, why, body);
        }
        self.stats.stream_msgs_received.inc();
        if in_head {
            return self.after_body(side, body);
        }
        side.part().asked = Asked::Nothing;
        held.into_iter().for_each(|frame| body.push(frame));
        self.part_ends(side.session, side.way);
        Step::Continue
    }

    /// The changes to a head that is held back, and whether the route is chosen again.
    fn change_head(&self, side: &mut Side<'_, '_, '_>, common: &Common) -> Result<(), &'static str> {
        if let Some(mutation) = &common.headers {
            let mode = side.part().mode;
            let flags = [common.replace, changes::loses_length(mode)];
            changes::with_head(side.turn.stream, side.way, |stream, head| self.change(stream, head, mutation, flags))?;
        }
        self.choose_route(side.turn, common, side.way, true);
        Ok(())
    }

    fn choose_route(&self, turn: &mut Turned<'_, '_>, common: &Common, way: Way, in_head: bool) {
        if way == Way::Response {
            return;
        }
        if common.headers.is_none() {
            if common.clear_route_cache {
                self.stats.clear_route_cache_ignored.inc();
            }
            return;
        }
        match self.config.route_cache {
            RouteCache::Default if !common.clear_route_cache => {}
            RouteCache::Default | RouteCache::Clear if in_head => turn.stream.plan.rare().reroute = true,
            RouteCache::Default | RouteCache::Clear => {}
            RouteCache::Retain if common.clear_route_cache => self.stats.clear_route_cache_disabled.inc(),
            RouteCache::Retain => {}
        }
    }

    /// The processor answers in the application's place.
    pub(super) fn reply(&self, turn: &Turned<'_, '_>, said: Immediate) -> LocalReply {
        let status = match said.status {
            Some(status @ 200..600) => u16::try_from(status).unwrap_or(500),
            // What is none of a final answer is no success either.
            Some(600..) => 500,
            _ => 200,
        };
        self.stats.immediate_responses_sent.inc();
        let mut reply = LocalReply::new(status, without_spaces(&said.details)).body(said.body);
        reply.grpc_status = said.grpc_status;
        let Some(mutation) = &said.headers else { return reply };
        let mut headers = Headers::new();
        // As with Envoy what was changed before a change that is none stays so.
        let stream = &*turn.stream;
        let _ = self.change(stream, Head::Fields(&mut headers), mutation, [false; 2]);
        let said = headers.iter().filter(|header| !OURS.contains(&header.name));
        reply.headers.extend(said.map(|header| (header.name.clone(), header.value.clone())));
        reply
    }
}

fn may_have_body(turn: &Turned<'_, '_>, way: Way) -> bool {
    let Some(head) = turn.stream.response.as_ref().filter(|_| way == Way::Response) else { return true };
    !(turn.stream.asked.head || head.status == 204 || head.status == 304 || head.status < 200)
}

/// As logs have it: a word.
pub(super) fn without_spaces(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_whitespace() { '_' } else { c }).collect()
}
