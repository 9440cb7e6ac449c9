//! `envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication`: requests show the tokens that are required, or are answered 401 (403
//! where their audiences are not allowed). Carries policy.
//!
//! Fields honoured: all. As in Envoy a rule's match goes by path, headers and query alone; a key set in a file is read once.
//! `extract` finds tokens, `provider` says whether one is good and what becomes of it, `keys` has the key sets, `requirement` and
//! `evaluate` are the trees. Where keys have to be fetched first the request waits, and all fetches that it waits for run side by side.

mod cache;
mod evaluate;
mod extract;
mod keys;
mod provider;
mod requirement;
mod rules;

use std::sync::Arc;

use bytes::Bytes;
use config::filters::jwt_authn::{JwtAuthn as Config, JwtAuthnPerRoute};
use config::{At, Rejection};

use self::evaluate::Progress;
use self::provider::Provider;
use self::requirement::Requirement;
use self::rules::Rule;
use super::filter::{FilterDeps, Hooks, HttpFilter, Out, Step, Turn, Way};
use super::wait::Waited;
use crate::failure::ResponseFlags;
use crate::http::local_reply::LocalReply;
use crate::http::stream::Stream;
use crate::policy::jwt::Status;
use crate::wire::headers::Name;
use crate::wire::message::{Method, RequestHead};

/// Where payloads and failures stand in the metadata.
const NAMESPACE: &str = "envoy.filters.http.jwt_authn";

/// The filter.
#[derive(Debug)]
pub(crate) struct JwtAuthn(Box<Compiled>);

/// All of it.
#[derive(Debug)]
struct Compiled {
    providers: Box<[Arc<Provider>]>,
    rules: Box<[Rule]>,
    /// The key of the object, and requirements by its value.
    filter_state: Option<(Arc<str>, Named)>,
    named: Named,
    /// Headers that only this filter writes: clients' own are taken off every request.
    own_headers: Box<[Name]>,
    requested_method: Name,
    bypasses_preflight: bool,
    strips_failure: bool,
    counts: Counts,
}

/// Requirements, sorted by name.
type Named = Box<[(Arc<str>, Requirement)]>;

crate::stats::counters! {
    struct Counts {
        allowed cors_preflight_bypassed denied jwks_fetch_failed jwks_fetch_success jwt_cache_hit jwt_cache_miss
    }
}

/// What is required of a request.
enum Demand<'s> {
    Nothing,
    This(Which),
    /// A name that there is none of.
    Unknown(&'s str),
}

/// Where a requirement stands.
#[derive(Debug, Clone, Copy)]
enum Which {
    Rule(usize),
    State(usize),
    Named(usize),
}

impl HttpFilter for JwtAuthn {
    type Config = Config;
    type ScopedConfig = JwtAuthnPerRoute;
    type Scoped = JwtAuthnPerRoute;
    /// What is known of a request that waits for keys.
    type State = Option<Box<Progress>>;

    fn compile(config: &Config, deps: &FilterDeps<'_>) -> Result<JwtAuthn, Rejection> {
        let mut prefix = format!("{}jwt_authn.", deps.scope);
        if let Some(own) = &config.stat_prefix {
            prefix.push_str(own.trim_end_matches('.'));
            prefix.push('.');
        }
        let counts = Counts::new(deps.stats, &prefix);
        let root = At::root();
        let at = root.field("providers");
        let compile = |one| Provider::compile(&at, one, counts, deps).map(Arc::new);
        let providers = config.providers.iter().map(compile).collect::<Result<Box<[_]>, _>>()?;
        let named = |list: &[(Arc<str>, _)]| -> Named {
            list.iter().map(|(name, one)| (name.clone(), Requirement::compile(one, config))).collect()
        };
        let mut own_headers: Vec<Name> = providers.iter().flat_map(|one| one.own_headers()).cloned().collect();
        own_headers.dedup();
        Ok(JwtAuthn(Box::new(Compiled {
            rules: config.rules.iter().map(|rule| Rule::compile(rule, config)).collect(),
            filter_state: config.filter_state.as_ref().map(|rules| (rules.key.clone(), named(&rules.requires))),
            named: named(&config.named),
            own_headers: own_headers.into(),
            requested_method: Name::new("access-control-request-method"),
            bypasses_preflight: config.bypasses_preflight,
            strips_failure: config.strips_failure,
            counts,
            providers,
        })))
    }

    fn scope(config: &JwtAuthnPerRoute, _deps: &FilterDeps<'_>) -> Result<JwtAuthnPerRoute, Rejection> {
        Ok(config.clone())
    }

    fn acts(&self, _scope: Option<&JwtAuthnPerRoute>) -> Hooks {
        // Where nothing is required it counts, and takes off what clients must not say.
        Hooks::REQUEST
    }

    fn request(&self, turn: &mut Turn<'_, '_, JwtAuthn>) -> Step {
        let this = &*turn.filter.0;
        let stream = &mut *turn.stream;
        for name in &this.own_headers {
            stream.request.headers.remove(name);
        }
        if this.bypasses_preflight && this.is_preflight(&stream.request) {
            this.counts.cors_preflight_bypassed.inc();
            return this.allowed();
        }
        match this.demand(stream, turn.scope) {
            Demand::Nothing => this.allowed(),
            Demand::Unknown(name) => this.unknown(name),
            Demand::This(which) => {
                let progress = Progress::begin(which, &stream.request);
                this.go_on(stream, turn.state, progress)
            }
        }
    }

    fn resumed(&self, turn: &mut Turn<'_, '_, JwtAuthn>, _way: Way, waited: Waited, _body: &mut Out<'_>) -> Step {
        let this = &*turn.filter.0;
        let (Waited::First(first), Some(mut progress)) = (waited, turn.state.take()) else {
            return Step::Abort(ResponseFlags::NONE, "jwt_authn_access_denied");
        };
        progress.arrived(this, turn.stream, first);
        this.go_on(turn.stream, turn.state, *progress)
    }
}

impl Compiled {
    fn is_preflight(&self, request: &RequestHead) -> bool {
        let says = |name: &Name| request.headers.get(name).is_some_and(|value| !value.is_empty());
        request.method == Method::Options && says(&Name::ORIGIN) && says(&self.requested_method)
    }

    /// What a route, or else the first rule, or else filter state says.
    fn demand<'s>(&self, stream: &Stream<'_>, scope: Option<&'s JwtAuthnPerRoute>) -> Demand<'s> {
        match scope {
            Some(JwtAuthnPerRoute::Disabled) => return Demand::Nothing,
            Some(JwtAuthnPerRoute::Requirement(name)) => {
                return find(&self.named, name.as_bytes())
                    .map_or(Demand::Unknown(name), |place| Demand::This(Which::Named(place)));
            }
            None => {}
        }
        if let Some(place) = self.rules.iter().position(|rule| rule.matches(&stream.request)) {
            return match self.rules[place].requires {
                Some(_) => Demand::This(Which::Rule(place)),
                None => Demand::Nothing,
            };
        }
        let Some((key, requirements)) = &self.filter_state else { return Demand::Nothing };
        let said = stream.state(key);
        let place = said.and_then(|value| find(requirements, &value));
        place.map_or(Demand::Nothing, |place| Demand::This(Which::State(place)))
    }

    fn requirement(&self, which: Which) -> Option<&Requirement> {
        match which {
            Which::Rule(place) => self.rules.get(place)?.requires.as_ref(),
            Which::Named(place) => self.named.get(place).map(|(_, one)| one),
            Which::State(place) => self.filter_state.as_ref()?.1.get(place).map(|(_, one)| one),
        }
    }

    /// Judges as far as the keys that are here allow.
    fn go_on(&self, stream: &mut Stream<'_>, state: &mut Option<Box<Progress>>, mut progress: Progress) -> Step {
        let verdict = progress.advance(self, stream);
        let Some(verdict) = verdict else {
            let wait = progress.wait(self, stream);
            *state = Some(Box::new(progress));
            return wait;
        };
        progress.tell(stream);
        match verdict {
            Ok(()) => self.allowed(),
            Err(status) => self.denied(stream, status, &progress),
        }
    }

    fn allowed(&self) -> Step {
        self.counts.allowed.inc();
        Step::Continue
    }

    fn denied(&self, stream: &Stream<'_>, status: Status, progress: &Progress) -> Step {
        self.counts.denied.inc();
        let code = if status == Status::AudienceNotAllowed { 403 } else { 401 };
        let mut reply = LocalReply::new(code, details(status.text()));
        if !self.strips_failure {
            let mut challenge = format!("Bearer realm=\"{}\"", progress.realm(stream));
            if status != Status::Missing {
                challenge.push_str(", error=\"invalid_token\"");
            }
            reply.headers.push((Name::WWW_AUTHENTICATE, Bytes::from(challenge)));
            reply.body = Bytes::from_static(status.text().as_bytes());
        }
        reply.into()
    }

    /// A route names a requirement that the filter does not have.
    fn unknown(&self, name: &str) -> Step {
        self.counts.denied.inc();
        let known: Vec<&str> = self.named.iter().map(|(name, _)| &**name).collect();
        let why = format!("Wrong requirement_name: {name}. It should be one of [{}]", known.join(","));
        let mut reply = LocalReply::new(403, details(&why));
        if !self.strips_failure {
            reply.body = Bytes::from(format!("Failed JWT authentication: {why}"));
        }
        reply.into()
    }
}

/// Spaces would end a field of a log.
fn details(why: &str) -> String {
    let why: String = why.chars().map(|letter| if letter.is_ascii_whitespace() { '_' } else { letter }).collect();
    format!("jwt_authn_access_denied{{{why}}}")
}

fn find(named: &Named, name: &[u8]) -> Option<usize> {
    named.binary_search_by(|(known, _)| known.as_bytes().cmp(name)).ok()
}

#[cfg(test)]
mod tests;
