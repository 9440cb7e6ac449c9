//! A request's share of a match_delegate or composite filter. [`meet`] asks its tree whenever more of the request is known, until it is
//! decided; called by `run` for heads and by `frames` for trailers. A request whose tree skips the filter allocates nothing.

use serde_json::Value;

use super::{Act, Base, Delegate, DelegateScope, Execute, MATCHED_ACTIONS, What};
use crate::failure::ResponseFlags;
use crate::http::filters::chain::{RunningFilters, Slot};
use crate::http::filters::filter::{Hooks, Out, Step, Way};
use crate::http::filters::wait::Waited;
use crate::http::filters::{Filter, Running, Scope};
use crate::http::stream::Stream;
use crate::policy::falls_into;
use crate::policy::match_tree::{Comes, Tree, Verdict};
use crate::telemetry::dynamic::{Form, Shared, StateObject};
use crate::telemetry::facts::Known;
use crate::wire::headers::Headers;
use crate::wire::message::Frame;

/// A place in a request's list of filters that is taken once the tree is decided.
pub(in crate::http) struct Delegated<'s> {
    delegate: &'s Delegate,
    slot: &'s Slot,
    /// What the most specific level tells the place: a tree, or settings of the filter inside.
    scope: Option<&'s Scope>,
    /// That tree, of the outermost.
    told: Option<&'s DelegateScope>,
    /// The tree that decides. Without one there is nothing to decide: skipped.
    tree: Option<&'s Tree<Act>>,
    inner: Option<Box<Running<'s>>>,
    /// The request's, where a later moment needs them.
    trailers: Option<Box<Headers>>,
    /// Which of the filter's places, and how many there are.
    place: u16,
    width: u16,
    state: State,
    seen: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// What is inside acts meanwhile: as in Envoy, a filter is skipped only once its tree has said so.
    Undecided,
    Decided,
    Skipped,
}

/// What has come.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) enum Moment<'m> {
    Request,
    Response,
    Trailers(Way, &'m Headers),
}

/// What was decided.
enum Decision<'s> {
    /// Nothing yet.
    Later,
    /// The filter inside does not see the request from here on.
    Skip,
    /// It acts.
    Act,
    /// The composite filter becomes this.
    Become(&'s Execute),
}

impl Delegate {
    /// Takes its places in a request's list.
    pub(in crate::http::filters) fn start<'s>(
        &'s self,
        slot: &'s Slot,
        scope: Option<&'s Scope>,
        running: &mut RunningFilters<'s>,
    ) {
        let told = self.told(scope);
        if self.tree.is_none() && told.is_none() {
            return;
        }
        let width = match (&self.base, told) {
            (Base::Composite(_), Some(told)) => self.width.max(told.width),
            _ => self.width,
        };
        running.extend((0..width).map(|place| Running::Delegated(self.at(place, width, slot, (scope, told)))));
    }

    /// One of its places.
    fn at<'s>(
        &'s self,
        place: u16,
        width: u16,
        slot: &'s Slot,
        (scope, told): (Option<&'s Scope>, Option<&'s DelegateScope>),
    ) -> Delegated<'s> {
        Delegated {
            delegate: self,
            slot,
            scope,
            told,
            tree: self.tree.as_ref(),
            inner: None,
            trailers: None,
            place,
            width,
            state: State::Undecided,
            seen: false,
        }
    }

    fn told<'s>(&self, scope: Option<&'s Scope>) -> Option<&'s DelegateScope> {
        match scope {
            Some(Scope::MatchDelegate(told)) if self.wraps => Some(told),
            Some(Scope::Composite(told)) if !self.wraps => Some(told),
            _ => None,
        }
    }
}

/// Asks the trees of the filter at `index`, the outermost first, as far as it has any that are undecided. What is decided counts for all
/// places of the filter whose tree it is.
pub(in crate::http) fn meet<'s>(
    filters: &mut RunningFilters<'s>,
    index: usize,
    stream: &mut Stream<'s>,
    moment: Moment<'_>,
) {
    for depth in 0.. {
        let Some(this) = inside(filters, index, depth).filter(|this| this.state != State::Skipped) else { return };
        if this.state != State::Undecided {
            continue;
        }
        let decision = this.decide(stream, moment);
        let (first, width) = (index.saturating_sub(usize::from(this.place)), usize::from(this.width));
        if let (Decision::Become(execute), Base::Composite(composite)) = (&decision, &this.delegate.base) {
            composite.success.inc();
            note(stream, execute);
        }
        for place in first..first + width {
            if let Some(place) = inside(filters, place, depth) {
                place.take(&decision);
            }
        }
    }
}

/// What stands at a place, so deep inside.
fn inside<'f, 's>(filters: &'f mut RunningFilters<'s>, index: usize, depth: usize) -> Option<&'f mut Delegated<'s>> {
    let mut running = filters.get_mut(index)?;
    for _ in 0..depth {
        let Running::Delegated(this) = running else { return None };
        running = this.inner.as_deref_mut()?;
    }
    if let Running::Delegated(this) = running { Some(this) } else { None }
}

impl<'s> Delegated<'s> {
    fn decide(&mut self, stream: &Stream<'s>, moment: Moment<'_>) -> Decision<'s> {
        // A composite filter with a tree of its own finds the request's head wherever it is asked; in a match_delegate an answer to a
        // request that the filter has not seen is judged without it.
        if matches!(moment, Moment::Request) || !self.delegate.wraps {
            self.seen = true;
            if let Some(told) = self.told {
                self.tree = Some(&told.tree);
            }
        }
        let Some(tree) = self.tree else { return Decision::Skip };
        let (request_trailers, response_trailers) = match moment {
            Moment::Trailers(Way::Request, trailers) => (Some(trailers), None),
            Moment::Trailers(Way::Response, trailers) => (self.trailers.as_deref(), Some(trailers)),
            Moment::Request | Moment::Response => (self.trailers.as_deref(), None),
        };
        let known = Known {
            info: &stream.info,
            request: self.seen.then_some(&stream.request),
            request_trailers,
            response: stream.response.as_ref(),
            response_trailers,
            route_name: stream.route.map(|chosen| &*chosen.route.config.name),
            route: stream.route.map(|chosen| &*chosen.route.config.metadata),
            virtual_host: None,
        };
        let composite = match &self.delegate.base {
            Base::Filter(_) => None,
            Base::Composite(composite) => Some(composite),
        };
        match (tree.judge(&known), composite) {
            (Verdict::Later, _) => {
                if let Moment::Trailers(Way::Request, trailers) = moment
                    && tree.comes().has(Comes::WITH_REQUEST_TRAILERS)
                {
                    self.trailers = Some(Box::new(trailers.clone()));
                }
                Decision::Later
            }
            (Verdict::Action(Act::Skip), _) | (Verdict::Nothing, Some(_)) => Decision::Skip,
            (Verdict::Nothing | Verdict::Action(Act::Execute { .. }), None) => Decision::Act,
            (Verdict::Action(Act::Execute { sample, what }), Some(composite)) => {
                let meant = sample.as_ref().is_none_or(|sample| falls_into(sample.get(), fastrand::u64(..)));
                let execute = match what {
                    What::These(execute) => Some(execute),
                    What::Named(name) => composite.chain(name),
                };
                execute.filter(|_| meant).map_or(Decision::Skip, Decision::Become)
            }
        }
    }

    fn take(&mut self, decision: &Decision<'s>) {
        match decision {
            Decision::Later => self.begin(),
            Decision::Skip => self.state = State::Skipped,
            Decision::Act => {
                self.state = State::Decided;
                self.begin();
            }
            Decision::Become(execute) => self.become_one_of(execute),
        }
    }

    /// Begins what is inside, unless that waits for the tree.
    fn begin(&mut self) {
        if let Base::Filter(slot) = &self.delegate.base
            && self.inner.is_none()
        {
            self.inner = self.running(slot, self.place);
        }
    }

    fn become_one_of(&mut self, execute: &'s Execute) {
        let mut place = self.place;
        self.inner = None;
        for slot in &execute.filters {
            match place.checked_sub(slot.width()) {
                Some(rest) => place = rest,
                None => {
                    self.inner = self.running(slot, place);
                    break;
                }
            }
        }
        self.state = if self.inner.is_some() { State::Decided } else { State::Skipped };
    }

    /// One of the places of what is inside.
    fn running(&self, slot: &'s Slot, place: u16) -> Option<Box<Running<'s>>> {
        let running = match &slot.filter {
            // Without a tree it is skipped.
            Filter::Delegate(delegate) => delegate
                .tree
                .as_ref()
                .map(|_| Running::Delegated(delegate.at(place, delegate.width, slot, (self.scope, None)))),
            filter => filter.start(slot, self.scope),
        };
        running.map(Box::new)
    }

    /// Which entry of the chain has the places.
    pub(in crate::http::filters) fn slot_place(&self) -> usize {
        self.slot.place()
    }

    /// The hooks that are called.
    pub(in crate::http::filters) fn hooks(&self) -> Hooks {
        let inner = self.inner.as_ref().map_or(Hooks::NONE, |inner| inner.hooks());
        match self.state {
            State::Skipped => Hooks::NONE,
            State::Decided => inner,
            State::Undecided => inner.with(self.awaits()),
        }
    }

    /// Those without which it would miss what decides.
    fn awaits(&self) -> Hooks {
        const FRAMES: Hooks = Hooks::REQUEST_FRAMES.with(Hooks::RESPONSE_FRAMES);
        if !self.seen {
            return Hooks::REQUEST.with(Hooks::RESPONSE).with(FRAMES);
        }
        let comes = self.tree.map_or(Comes::NOTHING_LATER, |tree| tree.comes());
        let mut hooks = Hooks::RESPONSE;
        if comes.has(Comes::WITH_REQUEST_TRAILERS) {
            hooks = hooks.with(FRAMES);
        }
        if comes.has(Comes::WITH_RESPONSE.with(Comes::WITH_RESPONSE_TRAILERS)) {
            hooks = hooks.with(Hooks::RESPONSE_FRAMES);
        }
        hooks
    }

    fn acting(&mut self) -> Option<&mut Running<'s>> {
        self.inner.as_deref_mut().filter(|_| self.state != State::Skipped)
    }

    /// The request's head.
    pub(in crate::http::filters) fn request(&mut self, stream: &mut Stream<'s>) -> Step {
        match self.acting() {
            Some(inner) if inner.hooks().has(Hooks::REQUEST) => inner.request(stream),
            _ => Step::Continue,
        }
    }

    /// The response's head.
    pub(in crate::http::filters) fn response(&mut self, stream: &mut Stream<'s>) -> Step {
        match self.acting() {
            Some(inner) if inner.hooks().has(Hooks::RESPONSE) => inner.response(stream),
            _ => Step::Continue,
        }
    }

    /// A frame of a body, that of a filter which only counts among them: this place may have been taken for another's sake.
    pub(in crate::http::filters) fn frame(
        &mut self,
        stream: &mut Stream<'s>,
        way: Way,
        frame: Frame,
        out: &mut Out<'_>,
    ) -> Step {
        let (changes, sees) = way.hooks();
        if let Some(inner) = self.acting() {
            let hooks = inner.hooks();
            if hooks.has(changes) {
                return inner.frame(stream, way, frame, out);
            }
            if hooks.has(sees) {
                inner.sees(stream, way, &frame);
            }
        }
        out.push(frame);
        Step::Continue
    }

    /// What was waited for came.
    pub(in crate::http::filters) fn resumed(
        &mut self,
        stream: &mut Stream<'s>,
        way: Way,
        waited: Waited,
        body: &mut Out<'_>,
    ) -> Step {
        match &mut self.inner {
            Some(inner) => inner.resumed(stream, way, waited, body),
            None => Step::Abort(ResponseFlags::NONE, "filter_not_resumable"),
        }
    }

    /// A frame passes.
    pub(in crate::http::filters) fn sees(&mut self, stream: &mut Stream<'s>, way: Way, frame: &Frame) {
        if let Some(inner) = self.acting() {
            inner.sees(stream, way, frame);
        }
    }

    /// The request is over, also for a filter that was skipped halfway.
    pub(in crate::http::filters) fn end(&mut self, stream: &mut Stream<'s>) {
        if let Some(inner) = &mut self.inner {
            inner.end(stream);
        }
    }
}

/// Leaves in the filter state what a composite filter became.
fn note(stream: &mut Stream<'_>, execute: &Execute) {
    let read = |text: &[u8]| serde_json::from_slice::<Value>(text).ok();
    let value =
        match stream.info.filter_state.get(MATCHED_ACTIONS).map(|object| (read(&object.value), read(&execute.note))) {
            Some((Some(Value::Object(mut all)), Some(Value::Object(mut new)))) => {
                all.append(&mut new);
                Value::Object(all).to_string().into()
            }
            _ => execute.note.clone(),
        };
    stream.info.set_state(StateObject {
        key: MATCHED_ACTIONS.into(),
        value,
        form: Form::Json,
        read_only: false,
        shared: Shared::None,
    });
}
