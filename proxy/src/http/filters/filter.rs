//! The contract of an HTTP filter: a value in a chain, with synchronous hooks. Filters implement [`HttpFilter`]; `run` and `frames`
//! call it. A filter never names another filter, the exchange or a socket: what it may see and change is in its [`Turn`].

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use config::Rejection;
use config::filters::HttpFilterConfig;
use config::filters::discovery::Discovery;

use super::chain::Slot;
use super::wait::{Wait, Waited};
use crate::discoveries::{Discoveries, Found, Kind};
use crate::failure::ResponseFlags;
use crate::http::local_reply::LocalReply;
use crate::http::stream::{Chosen, Stream};
use crate::stats::Stats;
use crate::tls::Secrets;
use crate::wire::headers::Headers;
use crate::wire::message::Frame;

/// A filter. Made once on the control thread and shared by all workers.
pub(crate) trait HttpFilter: Sized + Send + Sync + 'static {
    /// Plain data of `config::filters::<name>`.
    type Config;
    /// Plain data of what a table, host, route or weighted cluster tells it; `Infallible` where they tell nothing.
    type ScopedConfig;
    /// That, compiled.
    type Scoped: Send + Sync + 'static;
    /// What one request remembers. Boxes what only few requests need: see [`super::list::STATE`].
    type State: Default + 'static;

    /// Compiles the filter of a chain.
    ///
    /// # Errors
    /// The field that cannot be honoured; the path begins at the filter's config.
    fn compile(config: &Self::Config, deps: &FilterDeps<'_>) -> Result<Self, Rejection>;

    /// Compiles what one level tells it.
    ///
    /// # Errors
    /// As [`compile`](HttpFilter::compile).
    fn scope(config: &Self::ScopedConfig, deps: &FilterDeps<'_>) -> Result<Self::Scoped, Rejection>;

    /// Which hooks are called for a request whose route says that. None: the request does not see the filter at all.
    fn acts(&self, scope: Option<&Self::Scoped>) -> Hooks;

    /// The request's head, in the order of the chain.
    fn request(&self, _turn: &mut Turn<'_, '_, Self>) -> Step {
        Step::Continue
    }

    /// The response's head, in reverse order; our own replies too, also those to a request that the filter has not seen.
    fn response(&self, _turn: &mut Turn<'_, '_, Self>) -> Step {
        Step::Continue
    }

    /// One frame of a body: data, trailers and the end are frames. What goes on is put into `out`, now or in a later call; the end
    /// goes on exactly once, after everything else.
    fn frame(&self, _turn: &mut Turn<'_, '_, Self>, _way: Way, frame: Frame, out: &mut Out<'_>) -> Step {
        out.push(frame);
        Step::Continue
    }

    /// What was waited for came. `body` is what [`Step::Collect`] has read (also when a message comes after that), or what [`frame`](HttpFilter::frame) has put out and
    /// nobody took yet; it may be read and changed. The default fails closed.
    fn resumed(&self, _turn: &mut Turn<'_, '_, Self>, _way: Way, _waited: Waited, _body: &mut Out<'_>) -> Step {
        Step::Abort(ResponseFlags::NONE, "filter_not_resumable")
    }

    /// Counts a frame that passes, and never changes it.
    fn sees(&self, _turn: &mut Turn<'_, '_, Self>, _way: Way, _frame: &Frame) {}

    /// The request is over: called exactly once, also when its task is dropped.
    fn end(&self, _turn: &mut Turn<'_, '_, Self>) {}
}

/// What a filter is compiled with.
#[derive(Clone, Copy)]
pub(crate) struct FilterDeps<'a> {
    /// Where its statistics are registered.
    pub stats: &'a std::sync::Arc<Stats>,
    /// `http.<stat_prefix>.` of its connection manager; `cluster.<name>.` of a cluster's; empty for what a route table tells.
    pub scope: &'a str,
    /// Configs that are discovered; `None` where none may be: what a route table tells.
    pub discoveries: Option<&'a Discoveries>,
    /// Secrets that filters show to services; `None` where they may have none: what a route table tells.
    pub secrets: Option<&'a Secrets>,
    /// It stands behind the router.
    pub behind: bool,
}

impl FilterDeps<'_> {
    /// What a filter that is discovered is now.
    pub fn found(&self, name: &str, discovery: &Discovery<HttpFilterConfig>) -> Found<HttpFilterConfig> {
        let kind = if self.behind { Kind::UpstreamHttp } else { Kind::Http };
        self.discoveries.map_or(Found::Nothing, |discoveries| discoveries.http(kind, name, discovery))
    }
}

/// A set of hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Hooks(u8);

#[allow(missing_docs)]
impl Hooks {
    pub const NONE: Hooks = Hooks(0);
    pub const REQUEST: Hooks = Hooks(1);
    pub const RESPONSE: Hooks = Hooks(2);
    pub const REQUEST_FRAMES: Hooks = Hooks(4);
    pub const RESPONSE_FRAMES: Hooks = Hooks(8);
    pub const REQUEST_SEES: Hooks = Hooks(16);
    pub const RESPONSE_SEES: Hooks = Hooks(32);
    /// A tree decides, as more becomes known, what else it has.
    pub const DELEGATED: Hooks = Hooks(64);
    /// Before a frame of what is here already is given, the next one is looked at: [`Out::follows`].
    pub const AHEAD: Hooks = Hooks(128);
    /// Every one.
    pub const ALL: Hooks = Hooks(255);
    /// Those of a request's body.
    pub const REQUEST_BODY: Hooks = Hooks::REQUEST_FRAMES.with(Hooks::REQUEST_SEES);
    /// Those of a response's body.
    pub const RESPONSE_BODY: Hooks = Hooks::RESPONSE_FRAMES.with(Hooks::RESPONSE_SEES);

    /// Both.
    pub const fn with(self, other: Hooks) -> Hooks {
        Hooks(self.0 | other.0)
    }

    /// Those that are not among the others.
    pub const fn without(self, other: Hooks) -> Hooks {
        Hooks(self.0 & !other.0)
    }

    /// Any of these.
    pub const fn has(self, any: Hooks) -> bool {
        self.0 & any.0 != 0
    }
}

/// A direction of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the client.
    Request,
    /// To the client.
    Response,
}

impl Way {
    /// The hooks of those that change its body, and of those that count it.
    pub(super) const fn hooks(self) -> (Hooks, Hooks) {
        match self {
            Way::Request => (Hooks::REQUEST_FRAMES, Hooks::REQUEST_SEES),
            Way::Response => (Hooks::RESPONSE_FRAMES, Hooks::RESPONSE_SEES),
        }
    }
}

/// What a hook wants next.
#[derive(Debug)]
pub(crate) enum Step {
    /// The next filter.
    Continue,
    /// This answer, now; the filters that follow do not see the request. In a response: instead of it, past the other filters.
    Reply(Box<LocalReply>),
    /// [`HttpFilter::resumed`] when it has come.
    Wait(Wait),
    /// The body of this way first, then [`HttpFilter::resumed`]. From the hooks of heads only.
    Collect(Collect),
    /// The stream is reset, with this in the log.
    Abort(ResponseFlags, &'static str),
}

impl From<LocalReply> for Step {
    fn from(reply: LocalReply) -> Step {
        Step::Reply(Box::new(reply))
    }
}

/// How much of a body is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Collect {
    /// Octets. With more than that, what was read is handed over as it is: [`Waited::Collected`] says so.
    pub limit: usize,
}

/// A hook's view of its request.
pub(crate) struct Turn<'t, 's, F: HttpFilter> {
    /// The filter itself, for what outlives the hook.
    pub filter: &'s F,
    /// Its place in the chain.
    pub slot: &'s Slot,
    /// What it remembers of this request.
    pub state: &'t mut F::State,
    /// What the most specific level tells it.
    pub scope: Option<&'s F::Scoped>,
    /// The request.
    pub stream: &'t mut Stream<'s>,
    pub(super) hooks: &'t mut Hooks,
}

impl<'s, F: HttpFilter> Turn<'_, 's, F> {
    /// These hooks need not be called for this request. A filter that says so of frames when it sees the head costs nothing for bodies.
    pub fn skip(&mut self, hooks: Hooks) {
        *self.hooks = self.hooks.without(hooks);
    }

    /// What each level tells it, the most specific first.
    pub fn levels(
        &self,
        of: impl Fn(&'s super::Scope) -> Option<&'s F::Scoped>,
    ) -> impl Iterator<Item = &'s F::Scoped> {
        self.levels_of(&self.slot.name, of)
    }

    /// What each level tells under a name, the most specific first.
    pub fn levels_of(
        &self,
        name: &'s str,
        of: impl Fn(&'s super::Scope) -> Option<&'s F::Scoped>,
    ) -> impl Iterator<Item = &'s F::Scoped> {
        let before = self.slot.asked_at().and_then(|place| self.stream.plan.route_before(place));
        let levels = before.unwrap_or(self.stream.route.as_ref()).map(Chosen::scopes);
        levels
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(move |level| level.find(name)?.1.scope.as_ref())
            .filter_map(of)
    }
}

/// Where a filter puts what goes on.
#[derive(Debug)]
pub(crate) struct Out<'q> {
    queue: &'q mut VecDeque<Frame>,
    follows: Follows,
}

/// What is known to come behind a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follows {
    /// Nothing that is here yet, or trailers.
    Unknown,
    /// More data.
    Data,
    /// The end.
    End,
}

impl<'q> Out<'q> {
    /// Into this queue.
    pub(super) fn new(queue: &'q mut VecDeque<Frame>) -> Out<'q> {
        Out { queue, follows: Follows::Unknown }
    }

    /// What is known to come behind the frame that is given.
    pub(super) fn before(mut self, follows: Follows) -> Out<'q> {
        self.follows = follows;
        self
    }

    /// What comes behind the frame that is given: told to those with [`Hooks::AHEAD`].
    pub fn follows(&self) -> Follows {
        self.follows
    }

    /// At the end.
    pub fn push(&mut self, frame: Frame) {
        self.queue.push_back(frame);
    }

    /// The octets that are there, in one piece.
    pub fn data(&self) -> Bytes {
        let mut pieces = self.queue.iter().filter_map(|frame| match frame {
            Frame::Data(data) => Some(data),
            Frame::Trailers(_) | Frame::End => None,
        });
        let Some(first) = pieces.next() else { return Bytes::new() };
        let Some(second) = pieces.next() else { return first.clone() };
        let mut joined = BytesMut::with_capacity(self.len());
        [first, second].into_iter().chain(pieces).for_each(|piece| joined.extend_from_slice(piece));
        joined.freeze()
    }

    /// The trailers, if they are there.
    pub fn trailers(&self) -> Option<&Headers> {
        match self.queue.back() {
            Some(Frame::Trailers(trailers)) => Some(trailers),
            _ => None,
        }
    }

    /// The last of what is there.
    pub fn last_mut(&mut self) -> Option<&mut Frame> {
        self.queue.back_mut()
    }

    /// Other octets in place of those that are there.
    pub fn replace_data(&mut self, octets: Bytes) {
        self.queue.retain(|frame| !matches!(frame, Frame::Data(_)));
        if !octets.is_empty() {
            self.queue.push_front(Frame::Data(octets));
        }
    }

    /// Octets that are there.
    pub fn len(&self) -> usize {
        self.queue.iter().map(|frame| if let Frame::Data(data) = frame { data.len() } else { 0 }).sum()
    }
}
