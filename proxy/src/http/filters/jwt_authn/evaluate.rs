//! A request's way through a tree of requirements. Every part that can be judged is judged at once; what waits for keys is come back to,
//! and what was judged is not judged again. As in Envoy headers are changed as soon as a token proves good, metadata at the end.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use smallvec::SmallVec;

use super::extract::{Found, Tokens};
use super::provider::Provider;
use super::requirement::{Leaf, Mode, Node};
use super::{Compiled, NAMESPACE, Which};
use crate::http::filters::filter::Step;
use crate::http::filters::wait::{First, Wait};
use crate::http::reason;
use crate::http::stream::Stream;
use crate::policy::jwt::{Audiences, KeySet, Status, Token};
use crate::wire::headers::Name;
use crate::wire::message::RequestHead;

/// What came of a part; `None`: it waits.
type Verdict = Option<Result<(), Status>>;

/// What is known of a request so far.
#[derive(Debug)]
pub(crate) struct Progress {
    which: Which,
    /// As the client asked, for the realm.
    path: Bytes,
    leaves: SmallVec<[State; 2]>,
    /// Providers whose keys are fetched for this request, in the order of the calls under way.
    fetched: SmallVec<[usize; 2]>,
    /// Calls that are under way.
    calls: Vec<crate::call::Pending>,
    /// What came of the last one: the provider, and its keys.
    came: Option<(usize, Result<Arc<KeySet>, Status>)>,
    told: Vec<(Arc<str>, Value)>,
    reroute: bool,
}

/// A leaf's.
#[derive(Debug, Default)]
enum State {
    #[default]
    Fresh,
    Waiting(Box<Waiting>),
    Done(Result<(), Status>),
}

/// A leaf that waits for the keys of a provider.
#[derive(Debug)]
struct Waiting {
    provider: usize,
    found: Found,
    token: Arc<Token>,
    rest: Rest,
}

/// The tokens of a leaf that are not judged yet, and what came of the others.
#[derive(Debug)]
struct Rest {
    tokens: Tokens,
    failed: Option<Status>,
}

impl Progress {
    /// Nothing yet.
    pub(super) fn begin(which: Which, request: &RequestHead) -> Progress {
        Progress {
            which,
            path: request.headers.get(&Name::X_ENVOY_ORIGINAL_PATH).unwrap_or(&request.path).clone(),
            leaves: SmallVec::new(),
            fetched: SmallVec::new(),
            calls: Vec::new(),
            came: None,
            told: Vec::new(),
            reroute: false,
        }
    }

    /// Goes as far as it can; `None`: keys are missing.
    pub(super) fn advance(&mut self, filter: &Compiled, stream: &mut Stream<'_>) -> Verdict {
        let Some(requirement) = filter.requirement(self.which) else { return Some(Err(Status::VerificationFails)) };
        self.leaves.resize_with(requirement.leaves, State::default);
        let verdict = self.node(&requirement.root, filter, stream);
        self.came = None;
        verdict
    }

    fn node(&mut self, node: &Node, filter: &Compiled, stream: &mut Stream<'_>) -> Verdict {
        match node {
            Node::Nothing => Some(Ok(())),
            Node::Leaf(leaf) => self.leaf(leaf, filter, stream),
            Node::All(of) => {
                let mut waits = false;
                for one in of {
                    match self.node(one, filter, stream) {
                        Some(Ok(())) => {}
                        None => waits = true,
                        failed => return failed,
                    }
                }
                (!waits).then_some(Ok(()))
            }
            Node::Any { of, or_missing, or_failed } => {
                let (mut waits, mut last) = (false, Status::Missing);
                for one in of {
                    match self.node(one, filter, stream) {
                        Some(Ok(())) => return Some(Ok(())),
                        None => waits = true,
                        // A bad token says more than one of another issuer, and that more than none.
                        Some(Err(Status::Missing | Status::UnknownIssuer)) if last != Status::Missing => {}
                        Some(Err(status)) => last = status,
                    }
                }
                let passes = *or_failed || (*or_missing && last == Status::Missing);
                (!waits).then_some(if passes { Ok(()) } else { Err(last) })
            }
        }
    }

    fn leaf(&mut self, leaf: &Leaf, filter: &Compiled, stream: &mut Stream<'_>) -> Verdict {
        let state = std::mem::take(&mut self.leaves[leaf.number]);
        let state = match state {
            State::Fresh => {
                for name in &leaf.own_headers {
                    stream.request.headers.remove(name);
                }
                let tokens = leaf.places.find(&stream.request);
                if tokens.is_empty() {
                    State::Done(self.without_token(leaf, filter))
                } else {
                    self.tokens(leaf, Rest { tokens, failed: None }, filter, stream)
                }
            }
            State::Waiting(waiting) => match &self.came {
                Some((provider, keys)) if *provider == waiting.provider => {
                    let keys = keys.clone();
                    let Waiting { provider, found, token, mut rest } = *waiting;
                    let judged = self.verify(leaf, provider, &found, &token, keys, filter, stream);
                    self.judged(judged, Some(provider), &mut rest, filter);
                    self.tokens(leaf, rest, filter, stream)
                }
                _ => State::Waiting(waiting),
            },
            done @ State::Done(_) => done,
        };
        let verdict = match &state {
            State::Done(verdict) => Some(*verdict),
            _ => None,
        };
        self.leaves[leaf.number] = state;
        verdict
    }

    fn without_token(&mut self, leaf: &Leaf, filter: &Compiled) -> Result<(), Status> {
        self.tell_failure(Status::Missing, None, filter);
        match leaf.mode {
            Mode::Provider(..) => Err(Status::Missing),
            Mode::Missing | Mode::MissingOrFailed | Mode::Unverified(_) => Ok(()),
        }
    }

    /// Judges token after token, from the last to the first. All of them must be good: whoever gets the request may take any of them.
    fn tokens(&mut self, leaf: &Leaf, mut rest: Rest, filter: &Compiled, stream: &mut Stream<'_>) -> State {
        while let Some(found) = rest.tokens.pop() {
            let (provider, judged) = match self.token(leaf, &found, filter, stream) {
                (Some(provider), Judged::Waits(token)) => {
                    return State::Waiting(Box::new(Waiting { provider, found, token, rest }));
                }
                (provider, Judged::Waits(_)) => (provider, Err(Status::NoValidKeys)),
                (provider, Judged::Done(judged)) => (provider, judged),
            };
            self.judged(judged, provider, &mut rest, filter);
            if rest.failed.is_some() && matches!(leaf.mode, Mode::Provider(..)) {
                break;
            }
        }
        State::Done(match (&leaf.mode, rest.failed) {
            (_, None) | (Mode::MissingOrFailed, Some(_)) => Ok(()),
            (Mode::Unverified(header), Some(_)) => {
                stream.request.headers.set(header.clone(), Bytes::from_static(b"false"));
                Ok(())
            }
            (Mode::Provider(..) | Mode::Missing, Some(status)) => Err(status),
        })
    }

    fn judged(&mut self, judged: Result<(), Status>, provider: Option<usize>, rest: &mut Rest, filter: &Compiled) {
        if let Err(status) = judged {
            rest.failed.get_or_insert(status);
            self.tell_failure(status, provider, filter);
        }
    }

    /// Judges a token; whose it would be.
    fn token(
        &mut self,
        leaf: &Leaf,
        found: &Found,
        filter: &Compiled,
        stream: &mut Stream<'_>,
    ) -> (Option<usize>, Judged) {
        let mut place = None;
        let mut remembered = None;
        if let Mode::Provider(provider, _) = leaf.mode {
            place = Some(provider);
            remembered = filter.providers.get(provider).and_then(|provider| provider.remembered(&found.token));
            match remembered {
                Some(_) => filter.counts.jwt_cache_hit.inc(),
                None => filter.counts.jwt_cache_miss.inc(),
            }
        }
        let is_remembered = remembered.is_some();
        let token = match remembered {
            Some(token) => token,
            None => match Token::parse(found.token.clone()) {
                Ok(token) => Arc::new(token),
                Err(status) => return (place, Judged::Done(Err(status))),
            },
        };
        let issuer = token.issuer();
        let place = place.or_else(|| filter.provider_of(issuer));
        let Some((at, provider)) = place.and_then(|at| Some((at, filter.providers.get(at)?))) else {
            return (None, Judged::Done(Err(Status::UnknownIssuer)));
        };
        if !leaf.places.may_hold(found, issuer) {
            // As in Envoy it is nobody's, unless the requirement names a provider.
            let named = matches!(leaf.mode, Mode::Provider(..)).then_some(at);
            return (named, Judged::Done(Err(Status::UnknownIssuer)));
        }
        if let Err(status) = provider.check(&token, leaf.audiences()) {
            return (Some(at), Judged::Done(Err(status)));
        }
        if is_remembered {
            self.good(leaf, provider, found, &token, stream);
            return (Some(at), Judged::Done(Ok(())));
        }
        match (provider.keys.current(), provider.keys.remote()) {
            (Some(keys), _) => (Some(at), Judged::Done(self.verify(leaf, at, found, &token, Ok(keys), filter, stream))),
            (None, Some(_)) => (Some(at), Judged::Waits(token)),
            (None, None) => (Some(at), Judged::Done(Err(Status::NoValidKeys))),
        }
    }

    #[allow(clippy::too_many_arguments)] // What is judged, by what, and for whom.
    fn verify(
        &mut self,
        leaf: &Leaf,
        provider: usize,
        found: &Found,
        token: &Arc<Token>,
        keys: Result<Arc<KeySet>, Status>,
        filter: &Compiled,
        stream: &mut Stream<'_>,
    ) -> Result<(), Status> {
        let keys = keys?;
        let provider = filter.providers.get(provider).ok_or(Status::NoValidKeys)?;
        keys.verify(token)?;
        if matches!(leaf.mode, Mode::Provider(..)) {
            provider.remember(&found.token, token, &keys);
        }
        self.good(leaf, provider, found, token, stream);
        Ok(())
    }

    fn good(&mut self, leaf: &Leaf, provider: &Provider, found: &Found, token: &Token, stream: &mut Stream<'_>) {
        self.reroute |= provider.write_headers(token, &mut stream.request.headers);
        if !provider.config.forwarding.token {
            leaf.places.remove(found, &mut stream.request);
        }
        for (key, value) in provider.told(token) {
            self.note(key, value);
        }
    }

    fn tell_failure(&mut self, status: Status, provider: Option<usize>, filter: &Compiled) {
        let only = || filter.providers.first().filter(|_| filter.providers.len() == 1);
        let provider = provider.and_then(|at| filter.providers.get(at)).or_else(only);
        if let Some(key) = provider.and_then(|provider| provider.config.metadata.failure.as_ref()) {
            self.note(key, json!({ "code": status.code(), "message": status.text() }));
        }
    }

    fn note(&mut self, key: &Arc<str>, value: Value) {
        self.told.retain(|(known, _)| known != key);
        self.told.push((key.clone(), value));
    }

    /// Fetches what is waited for and not fetched yet.
    pub(super) fn wait(&mut self, filter: &Compiled, stream: &Stream<'_>) -> Step {
        for state in &self.leaves {
            let State::Waiting(waiting) = state else { continue };
            let remote = filter.providers.get(waiting.provider).and_then(|provider| provider.keys.remote());
            let Some(remote) = remote.filter(|_| !self.fetched.contains(&waiting.provider)) else { continue };
            self.fetched.push(waiting.provider);
            self.calls.push(stream.context.upstreams.calls().http(remote.question()));
        }
        Step::Wait(Wait::First(std::mem::take(&mut self.calls)))
    }

    /// An answer came.
    pub(super) fn arrived(&mut self, filter: &Compiled, stream: &Stream<'_>, first: First) {
        let First { which, came, others } = first;
        self.calls = others;
        if which >= self.fetched.len() {
            return;
        }
        let provider = self.fetched.remove(which);
        let Some(remote) = filter.providers.get(provider).and_then(|provider| provider.keys.remote()) else { return };
        let keys = remote.take(came).map_err(|why| {
            reason::tell(stream, "jwt_authn_access_denied{Jwks_remote_fetch_is_failed}", &why);
            Status::FetchFails
        });
        self.came = Some((provider, keys));
    }

    /// What is known at the end goes where others see it.
    pub(super) fn tell(&mut self, stream: &mut Stream<'_>) {
        for (key, value) in self.told.drain(..) {
            stream.info.metadata.add(NAMESPACE, &key, value);
        }
        if self.reroute {
            stream.plan.rare().reroute = true;
        }
    }

    /// The URI that was asked for, as far as Envoy tells it.
    pub(super) fn realm(&self, stream: &Stream<'_>) -> String {
        const LONGEST: usize = 256;
        if self.path.is_empty() {
            return String::new();
        }
        let request = &stream.request;
        let scheme = request.headers.get(&Name::X_FORWARDED_PROTO).map_or(&b""[..], |value| value);
        let path = &self.path[..self.path.len().min(LONGEST)];
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        format!("{}://{}{}", text(scheme), text(&request.authority), text(path))
    }
}

/// What came of a token.
enum Judged {
    Done(Result<(), Status>),
    /// Its provider's keys are not here.
    Waits(Arc<Token>),
}

impl Leaf {
    fn audiences(&self) -> Option<&Audiences> {
        match &self.mode {
            Mode::Provider(_, audiences) => audiences.as_ref(),
            _ => None,
        }
    }
}

impl Compiled {
    /// Whose tokens of this issuer are: the first provider that has it, else the first that has none.
    fn provider_of(&self, issuer: &str) -> Option<usize> {
        let with = |wanted: Option<&str>| self.providers.iter().position(|one| one.config.issuer.as_deref() == wanted);
        let named = Some(issuer).filter(|issuer| !issuer.is_empty());
        with(named).or_else(|| named.and_then(|_| with(None)))
    }
}
