//! `envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth`: a request shows the key of a client, or is answered with 401. Carries
//! policy.
//!
//! Fields honoured: all of the filter and of what routes set. A key is never logged.

use bytes::Bytes;
use config::Rejection;
use config::filters::api_key_auth::{ApiKeyAuth as Config, Forwarding as ForwardingConfig, Source as SourceConfig};

use super::filter::{FilterDeps, Hooks, HttpFilter, Step, Turn};
use crate::http::cookie;
use crate::http::local_reply::LocalReply;
use crate::policy::headers::Field;
use crate::wire::headers::Name;
use crate::wire::message::RequestHead;
use crate::wire::query;

/// The filter.
#[derive(Debug)]
pub(crate) struct ApiKeyAuth {
    own: Settings,
    counts: Counts,
}

crate::stats::counters! {
    struct Counts { allowed unauthorized forbidden }
}

/// What the filter says, or a route.
#[derive(Debug)]
pub(crate) struct Settings {
    config: Config,
    sources: Box<[Source]>,
    forwarding: Option<Forwarding>,
}

#[derive(Debug)]
enum Source {
    Header(Field),
    Query(Box<[u8]>),
    Cookie(Box<[u8]>),
}

#[derive(Debug)]
struct Forwarding {
    header: Option<Name>,
    hides: bool,
}

impl HttpFilter for ApiKeyAuth {
    type Config = Config;
    type ScopedConfig = Config;
    type Scoped = Settings;
    type State = ();

    fn compile(config: &Config, deps: &FilterDeps<'_>) -> Result<ApiKeyAuth, Rejection> {
        let counts = Counts::new(deps.stats, &format!("{}api_key_auth.", deps.scope));
        Ok(ApiKeyAuth { own: Settings::compile(config), counts })
    }

    fn scope(config: &Config, _deps: &FilterDeps<'_>) -> Result<Settings, Rejection> {
        Ok(Settings::compile(config))
    }

    fn acts(&self, _scope: Option<&Settings>) -> Hooks {
        Hooks::REQUEST
    }

    fn request(&self, turn: &mut Turn<'_, '_, ApiKeyAuth>) -> Step {
        let (own, route) = (&self.own, turn.scope);
        let request = &mut turn.stream.request;
        let credentials = route.and_then(|route| route.config.credentials.as_ref()).or(own.config.credentials.as_ref());
        let sources = route.map(|route| &route.sources).filter(|sources| !sources.is_empty()).unwrap_or(&own.sources);
        // As in Envoy a route that says anything says this, too.
        let forwarding = route.unwrap_or(own).forwarding.as_ref();
        if sources.is_empty() {
            return self.unauthorized("missing_key_sources");
        }
        let Some(credentials) = credentials else { return self.unauthorized("missing_credentials") };
        let Some(key) = sources.iter().find_map(|source| source.key(request)) else {
            return self.unauthorized("missing_api_key");
        };
        let Some(client) = credentials.client(&key) else { return self.unauthorized("unknown_api_key") };
        let allowed = route.map_or(&[][..], |route| &route.config.allowed_clients);
        if !allowed.is_empty() && !allowed.contains(client) {
            self.counts.forbidden.inc();
            return LocalReply::new(403, "client_not_allowed").body(&b"Client is forbidden."[..]).into();
        }
        if let Some(forwarding) = forwarding {
            if let Some(name) = &forwarding.header {
                request.headers.set_said(name.clone(), Bytes::copy_from_slice(client.as_bytes()));
            }
            if forwarding.hides {
                sources.iter().for_each(|source| source.hide(request));
            }
        }
        self.counts.allowed.inc();
        Step::Continue
    }
}

impl ApiKeyAuth {
    fn unauthorized(&self, details: &'static str) -> Step {
        self.counts.unauthorized.inc();
        LocalReply::new(401, details).body(&b"Client authentication failed."[..]).into()
    }
}

impl Settings {
    fn compile(config: &Config) -> Settings {
        let source = |source: &SourceConfig| match source {
            SourceConfig::Header(name) => Source::Header(Field::compile(name)),
            SourceConfig::Query(name) => Source::Query(name.as_bytes().into()),
            SourceConfig::Cookie(name) => Source::Cookie(name.as_bytes().into()),
        };
        let forwarding = |forwarding: &ForwardingConfig| Forwarding {
            header: forwarding.header.as_ref().map(|name| Name::new(name)),
            hides: forwarding.hide_credentials,
        };
        Settings {
            config: config.clone(),
            sources: config.sources.iter().map(source).collect(),
            forwarding: config.forwarding.as_ref().map(forwarding),
        }
    }
}

impl Source {
    /// What is shown here; nothing is no key.
    fn key(&self, request: &RequestHead) -> Option<Vec<u8>> {
        let key = match self {
            Source::Header(field) => {
                let value = field.first(request)?;
                value.strip_prefix(b"Bearer ").unwrap_or(value).to_vec()
            }
            Source::Query(name) => query::decoded(query::of(&request.path), name)?.into_owned(),
            Source::Cookie(name) => cookie::value(&request.headers, name)?.to_vec(),
        };
        (!key.is_empty()).then_some(key)
    }

    /// Takes it out. Pseudo headers stay: a request without its path or host is none.
    fn hide(&self, request: &mut RequestHead) {
        match self {
            Source::Header(Field::Header(name)) => drop(request.headers.remove(name)),
            Source::Header(_) => {}
            Source::Query(name) => {
                let (path, query) = query::split(&request.path);
                let mut parameters = query::Parameters::decoded(query);
                parameters.remove(name);
                request.path = Bytes::from(parameters.write(path));
            }
            Source::Cookie(name) => cookie::remove(&mut request.headers, name),
        }
    }
}

#[cfg(test)]
mod tests;
