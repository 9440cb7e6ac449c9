//! Key sets: those that stand in the configuration, and those that are fetched, by the request that needs one or by the control thread
//! beforehand. What was fetched is for all workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use config::filters::jwt_authn::{Keys as Config, RemoteKeys};
use config::secret::DataSource;
use config::{At, Rejection};
use tokio::time::Instant;

use super::Counts;
use crate::call::{CallFailure, HttpCall, Reply};
use crate::discoveries::Discoveries;
use crate::fetches::{Alive, Fetch};
use crate::http::filters::filter::FilterDeps;
use crate::policy::jwt::{KeySet, Status};
use crate::sources;
use crate::wire::headers::Name;

/// The keys of a provider.
#[derive(Debug)]
pub(super) enum Keys {
    /// From the configuration; `None`: an empty one, by which nothing is verified.
    Local(Option<Arc<KeySet>>),
    /// Fetched.
    Remote(Arc<Remote>),
}

/// A key set that is fetched.
#[derive(Debug)]
pub(super) struct Remote {
    config: RemoteKeys,
    newest: ArcSwapOption<Fetched>,
    /// There was an answer, or none.
    settled: AtomicBool,
    counts: Counts,
    /// Ends the control thread's fetching.
    _alive: Option<Alive>,
}

#[derive(Debug)]
struct Fetched {
    keys: Arc<KeySet>,
    /// `None`: until the next one.
    until: Option<Instant>,
}

/// Octets of a key set that are taken when it is fetched. Envoy takes 32 MiB, and reads them between two requests.
const LONGEST: usize = 1 << 20;
/// How long before its end a set is fetched anew.
const AHEAD: Duration = Duration::from_secs(5);

impl Keys {
    pub fn compile(
        at: &At<'_>,
        provider: &str,
        config: &Config,
        counts: Counts,
        deps: &FilterDeps<'_>,
    ) -> Result<Keys, Rejection> {
        match config {
            Config::Local(source) => local(&at.field("local_jwks"), provider, source).map(Keys::Local),
            Config::Remote(config) => Ok(Keys::Remote(Remote::new(config, counts, deps))),
        }
    }

    /// The newest, good or not.
    pub fn newest(&self) -> Option<Arc<KeySet>> {
        match self {
            Keys::Local(keys) => keys.clone(),
            Keys::Remote(remote) => remote.newest.load().as_ref().map(|fetched| fetched.keys.clone()),
        }
    }

    /// Those that may be used now.
    pub fn current(&self) -> Option<Arc<KeySet>> {
        match self {
            Keys::Local(keys) => keys.clone(),
            Keys::Remote(remote) => remote.current(),
        }
    }

    /// The set that can be fetched.
    pub fn remote(&self) -> Option<&Remote> {
        match self {
            Keys::Local(_) => None,
            Keys::Remote(remote) => Some(remote),
        }
    }
}

fn local(at: &At<'_>, provider: &str, source: &DataSource) -> Result<Option<Arc<KeySet>>, Rejection> {
    let refused = |at: &At<'_>, reason: String| at.reject(reason).withholding_policy();
    let text = sources::read(source).map_err(|reason| refused(&at.field(source.specifier()), reason))?;
    if text.is_empty() {
        return Ok(None);
    }
    let keys = KeySet::parse(&text).map_err(|status| {
        let why = status.text();
        refused(at, format!("Provider '{provider}' in jwt_authn config has invalid local jwks: {why}"))
    })?;
    tell_weak(provider, &keys);
    Ok(Some(Arc::new(keys)))
}

fn tell_weak(provider: &str, keys: &KeySet) {
    if keys.weak() > 0 {
        tracing::warn!(
            target: "config",
            "jwt_authn: {} RSA key(s) of provider '{}' have less than 2048 bits; tokens that they sign are refused (RFC 7518), so the \
             issuer needs longer ones",
            keys.weak(),
            config::discreet::shown(provider)
        );
    }
}

impl Remote {
    fn new(config: &RemoteKeys, counts: Counts, deps: &FilterDeps<'_>) -> Arc<Remote> {
        let fetches = deps.discoveries.map(Discoveries::fetches).filter(|_| config.early.is_some());
        let (alive, watched) = Alive::new();
        let remote = Arc::new(Remote {
            config: config.clone(),
            newest: ArcSwapOption::empty(),
            settled: AtomicBool::new(false),
            counts,
            _alive: fetches.is_some().then_some(alive),
        });
        if let Some(fetches) = fetches {
            let is_waited_for = config.early.is_some_and(|early| !early.fast_listener);
            let fetch: Arc<dyn Fetch> = remote.clone();
            fetches.register(&fetch, watched, is_waited_for);
        }
        remote
    }

    fn current(&self) -> Option<Arc<KeySet>> {
        let fetched = self.newest.load();
        let fetched = fetched.as_ref()?;
        // The clock is read where there is something to compare it with.
        let is_good = fetched.until.is_none_or(|until| Instant::now() < until);
        is_good.then(|| fetched.keys.clone())
    }

    /// The question for it.
    pub fn question(&self) -> HttpCall {
        let mut call = HttpCall::get(&self.config.uri);
        // As Envoy calls itself here: there are servers that want a name.
        call.head.headers.append(Name::USER_AGENT, Bytes::from_static(b"Go-browser"));
        if self.config.is_https {
            call.head.scheme = Bytes::from_static(b"https");
        }
        HttpCall { retry: self.config.retry.clone(), longest: LONGEST, ..call }
    }

    /// Takes an answer that a request has asked for.
    ///
    /// # Errors
    /// There is none, or no key set in it; why, for the log.
    pub fn take(&self, answer: Result<Reply, CallFailure>) -> Result<Arc<KeySet>, String> {
        let until = Instant::now() + self.config.cache;
        self.store(answer, Some(until))
    }

    fn store(&self, answer: Result<Reply, CallFailure>, until: Option<Instant>) -> Result<Arc<KeySet>, String> {
        let read = read_answer(answer);
        match &read {
            Ok(keys) => {
                self.counts.jwks_fetch_success.inc();
                tell_weak(&self.config.uri.uri, keys);
                self.newest.store(Some(Arc::new(Fetched { keys: keys.clone(), until })));
            }
            Err(_) => self.counts.jwks_fetch_failed.inc(),
        }
        read.map_err(|why| format!("the key set cannot be fetched from {}: {why}", self.config.uri.uri))
    }
}

fn read_answer(answer: Result<Reply, CallFailure>) -> Result<Arc<KeySet>, String> {
    let Reply::Http(reply) = answer.map_err(|failure| failure.to_string())? else {
        return Err("the answer is of another kind".to_owned());
    };
    if reply.head.status != 200 {
        return Err(format!("the status is {}", reply.head.status));
    }
    if reply.body.is_empty() {
        return Err("the answer is empty".to_owned());
    }
    KeySet::parse(&reply.body).map(Arc::new).map_err(|status: Status| status.text().to_owned())
}

/// By the control thread.
impl Fetch for Remote {
    fn question(&self) -> HttpCall {
        Remote::question(self)
    }

    fn came(&self, answer: Result<Reply, CallFailure>) -> Duration {
        let stored = self.store(answer, None);
        self.settled.store(true, Ordering::Release);
        match stored {
            Ok(_) if self.config.cache > AHEAD => self.config.cache - AHEAD,
            Ok(_) => self.config.cache.max(Duration::from_millis(1)),
            Err(why) => {
                let again = self.config.early.map_or(Duration::from_secs(1), |early| early.again_after_failure);
                tracing::warn!(target: "config", "jwt_authn: {why}; next attempt in {} ms", again.as_millis());
                again
            }
        }
    }

    fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Acquire)
    }
}
