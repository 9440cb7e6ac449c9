//! What the processor is told, message by message, and the stream that it is told over. Called by `heads` and `bodies`.

use std::rc::Rc;

use bytes::Bytes;
use config::services::ext_authz::MetadataContext;
use config::services::ext_proc as message;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::session::{Asked, Session, Side};
use super::{ExtProc, Turned, levels, namespaces};
use crate::call::wait::{Awaited, Wait};
use crate::call::{GrpcCall, GrpcStream};
use crate::http::filters::ext_authz::question::metadata;
use crate::http::filters::filter::{Step, Way};
use crate::http::trace::called;
use crate::telemetry::facts::Known;
use crate::telemetry::format;
use crate::wire::grpc::frames::Framed;
use crate::wire::headers::{Headers, Name};

/// A part that is told.
pub(super) enum Told<'q> {
    /// The headers of the head that the stream has; `end`: nothing follows.
    Headers {
        end: bool,
    },
    /// Octets of the body; `end`: all of it has been told then, and no trailers follow.
    Body {
        octets: &'q [u8],
        end: bool,
    },
    Trailers(&'q Headers),
}

impl Told<'_> {
    pub fn asked(&self) -> Asked {
        match self {
            Told::Headers { .. } => Asked::Headers,
            Told::Body { .. } => Asked::Body,
            Told::Trailers(_) => Asked::Trailers,
        }
    }
}

/// The bytes of a message.
pub(super) fn encode(side: &mut Side<'_, '_, '_>, told: &Told<'_>) -> Vec<u8> {
    let attributes = attributes(side.turn, side.session, side.way);
    let (turn, way) = (&*side.turn, side.way);
    let stream = &*turn.stream;
    let of_connection = stream.context.connection.metadata.borrow();
    let mut context = MetadataContext::default();
    if let Some(names) = namespaces(turn, |of| of.told.as_ref()) {
        metadata([&names.untyped, &names.typed], stream, &of_connection, &mut context);
    }
    let mut status = itoa::Buffer::new();
    let part = match told {
        Told::Headers { end } => message::Part::Headers(headers(turn, way, &mut status), *end),
        Told::Body { octets, end } => message::Part::Body(octets, *end),
        Told::Trailers(trailers) => message::Part::Trailers(plain(turn, trailers).collect()),
    };
    let first = !std::mem::replace(&mut side.session.introduced, true);
    let [request, response] = &side.session.parts;
    message::encode(&message::ProcessingRequest {
        of: if way == Way::Request { message::Of::Request } else { message::Of::Response },
        part,
        metadata: &context,
        attributes: attributes.as_ref(),
        modes: first.then_some((request.mode.body, response.mode.body)),
    })
}

/// What is known of the stream, in the first message of each direction.
fn attributes(turn: &Turned<'_, '_>, session: &mut Session, way: Way) -> Option<Value> {
    let list = &turn.filter.attributes[way as usize];
    if list.is_empty() || std::mem::replace(&mut session.part(way).has_attributes, true) {
        return None;
    }
    let stream = &*turn.stream;
    let facts = Known::of(&stream.entry(stream.response.as_ref(), stream.trailers.as_ref()));
    let told = list.iter().filter_map(|(name, expression)| Some((name.to_string(), expression.told(&facts)?)));
    Some(Value::Object(told.collect::<Map<_, _>>()))
}

/// The headers that are told, pseudo headers first.
fn headers<'q>(turn: &'q Turned<'_, '_>, way: Way, status: &'q mut itoa::Buffer) -> Vec<(&'q str, &'q [u8])> {
    let stream = &*turn.stream;
    let is_told = |(name, _): &(&str, &[u8])| turn.filter.tells(name);
    match (way, &stream.response) {
        (Way::Response, Some(head)) => {
            let pseudo = std::iter::once((":status", status.format(head.status).as_bytes()));
            pseudo.filter(is_told).chain(plain(turn, &head.headers)).collect()
        }
        _ => {
            let request = &stream.request;
            let pseudo: [(&str, &[u8]); 4] = [
                (":authority", &request.authority),
                (":path", &request.path),
                (":method", request.method.as_bytes()),
                (":scheme", &request.scheme),
            ];
            let pseudo = pseudo.into_iter().filter(|(_, value)| !value.is_empty());
            pseudo.filter(is_told).chain(plain(turn, &request.headers)).collect()
        }
    }
}

fn plain<'q>(turn: &'q Turned<'_, '_>, headers: &'q Headers) -> impl Iterator<Item = (&'q str, &'q [u8])> {
    let all = headers.iter().map(|header| (header.name.as_str(), &header.value[..]));
    all.filter(|(name, _)| turn.filter.tells(name))
}

impl ExtProc {
    /// Sends a message, and waits for the answer: so much time as the processor has for each.
    pub(super) fn send(&self, side: &mut Side<'_, '_, '_>, asked: Asked, message: &[u8]) -> Step {
        let talk = side.session.talk.get_or_insert_with(|| self.open(side.turn));
        // Why it takes none any more is told to who waits.
        let _ = talk.send(Framed::of(message));
        self.stats.stream_msgs_sent.inc();
        let until = Instant::now() + self.config.message_timeout;
        let step = wait(talk, side.way, until);
        let part = side.session.part(side.way);
        (part.asked, part.until, part.extended) = (asked, Some(until), false);
        step
    }

    fn open(&self, turn: &Turned<'_, '_>) -> Rc<GrpcStream> {
        self.stats.streams_started.inc();
        let levels: Vec<_> = turn.scope.iter().flat_map(|_| levels(turn)).collect();
        let target = levels.iter().find_map(|level| level.target.as_ref()).unwrap_or(&turn.filter.target);
        let mut told = Headers::new();
        let stream = &*turn.stream;
        called::without_span(stream, &mut told);
        let entry = stream.entry(None, None);
        let mut render = |format: &config::access_log::Format, out: &mut Vec<u8>| format::write(format, &entry, out);
        let mut call = GrpcCall::stream(target, message::PROCESS, told, &mut render);
        for add in levels.iter().rev().flat_map(|level| &level.config.initial_metadata) {
            let mut value = Vec::new();
            render(&add.value, &mut value);
            call.set(Name::new(&add.name), Bytes::from(value));
        }
        stream.context.upstreams.calls().stream(call)
    }

    /// Whether the processor is told a header.
    fn tells(&self, name: &str) -> bool {
        let listed =
            |list: &[config::matcher::StringMatcher]| list.iter().any(|matcher| matcher.matches(name.as_bytes()));
        let allowed = &self.config.allowed_headers;
        !listed(&self.config.disallowed_headers) && (allowed.is_empty() || listed(allowed))
    }
}

/// Waits for what the processor says of this direction.
pub(super) fn wait(talk: &Rc<GrpcStream>, way: Way, until: Instant) -> Step {
    Step::Wait(Wait::Message(Awaited::new(talk.clone(), way as usize, until)))
}
