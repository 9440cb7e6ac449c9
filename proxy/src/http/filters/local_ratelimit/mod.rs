//! `envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit`: a request that finds no token in its bucket is refused. The buckets
//! are those of the process: all workers take from them.
//!
//! Fields honoured: all.

mod bucket;
mod limiter;
mod stats;
mod wildcard;

use std::sync::Arc;

use bytes::Bytes;
use config::Rejection;
use config::filters::local_ratelimit::{LocalRateLimit as Config, VirtualHostLimits};
use config::matcher::Fraction;
use config::route::HeaderChanges;
use config::runtime::Live;
use smallvec::SmallVec;

use self::bucket::Bucket;
pub(in crate::http) use self::limiter::Limiter;
use self::stats::Counts;
use super::filter::{FilterDeps, Hooks, HttpFilter, Step, Turn};
use crate::failure::ResponseFlags;
use crate::http::attempt;
use crate::http::grpc;
use crate::http::local_reply::LocalReply;
use crate::http::rate_limit::{Descriptor, RateLimit};
use crate::http::respond;
use crate::http::stream::Stream;
use crate::mutate::Mutation;
use crate::policy::falls_into;
use crate::wire::headers::Name;

/// The filter, compiled.
#[derive(Debug)]
pub(crate) struct LocalRateLimit {
    // Boxed, so that a place in a chain is as small as those of other filters.
    settings: Box<Settings>,
    limit: Name,
    remaining: Name,
    reset: Name,
    retry_after: Name,
}

/// What the chain or a level limits by.
#[derive(Debug)]
pub(crate) struct Settings {
    config: Config,
    limiter: Limiter,
    /// In place of the route's.
    rate_limits: Box<[RateLimit]>,
    /// Requests above a limit that is not enforced, and answers to those above one that is.
    mutation: Mutation,
    counts: Counts,
}

/// What one request remembers: the bucket that its response tells of.
#[derive(Debug, Default)]
pub(crate) struct State(Option<Arc<Bucket>>);

/// The descriptors of a request: seldom more than one or two.
type Descriptors = SmallVec<[Descriptor; 2]>;

impl HttpFilter for LocalRateLimit {
    type Config = Config;
    type ScopedConfig = Config;
    type Scoped = Settings;
    type State = State;

    fn compile(config: &Config, deps: &FilterDeps<'_>) -> Result<LocalRateLimit, Rejection> {
        Ok(LocalRateLimit {
            settings: Box::new(Settings::compile(config, deps)),
            limit: Name::new("x-ratelimit-limit"),
            remaining: Name::new("x-ratelimit-remaining"),
            reset: Name::new("x-ratelimit-reset"),
            retry_after: Name::new("retry-after"),
        })
    }

    fn scope(config: &Config, deps: &FilterDeps<'_>) -> Result<Settings, Rejection> {
        Ok(Settings::compile(config, deps))
    }

    fn acts(&self, scope: Option<&Settings>) -> Hooks {
        match &scope.unwrap_or(&self.settings).config.enabled {
            Some(share) if share.settled().is_none_or(|share| share.numerator > 0) => {
                Hooks::REQUEST.with(Hooks::RESPONSE)
            }
            _ => Hooks::NONE,
        }
    }

    fn request(&self, turn: &mut Turn<'_, '_, LocalRateLimit>) -> Step {
        let settings = turn.scope.unwrap_or(&turn.filter.settings);
        if !is_meant(settings.config.enabled.as_ref()) {
            turn.skip(Hooks::RESPONSE);
            return Step::Continue;
        }
        settings.counts.enabled.inc();
        let descriptors = settings.describe(turn.stream);
        let verdict = settings.limiter(turn.stream).take(&descriptors, settings.members(turn.stream));
        let (allowed, shadow) = (verdict.allowed, verdict.bucket.as_ref().is_some_and(|bucket| bucket.shadow));
        let wait = verdict.bucket.as_ref().filter(|_| !allowed).map(|bucket| bucket.seconds_to_next());
        if verdict.headers.unwrap_or(settings.config.x_ratelimit_headers) {
            turn.state.0 = verdict.bucket.map(Arc::from);
        }
        if turn.state.0.is_none() {
            turn.skip(Hooks::RESPONSE);
        }
        if allowed {
            settings.counts.ok.inc();
            return Step::Continue;
        }
        settings.counts.rate_limited.inc();
        if shadow {
            settings.counts.shadow_mode.inc();
            return Step::Continue;
        }
        if !is_meant(settings.config.enforced.as_ref()) {
            attempt::name_cluster(turn.stream);
            respond::change_request(turn.stream, &settings.mutation);
            return Step::Continue;
        }
        settings.counts.enforced.inc();
        attempt::name_cluster(turn.stream);
        // Headers that are added may tell of it.
        turn.stream.info.response_code_details = Some("local_rate_limited".into());
        self.refusal(settings, turn.stream, wait).into()
    }

    fn response(&self, turn: &mut Turn<'_, '_, LocalRateLimit>) -> Step {
        if let (Some(bucket), Some(response)) = (&turn.state.0, &mut turn.stream.response) {
            for (name, value) in [
                (&self.limit, u64::from(bucket.most())),
                (&self.remaining, bucket.left()),
                (&self.reset, bucket.seconds_to_next()),
            ] {
                response.headers.append(name.clone(), number(value));
            }
        }
        Step::Continue
    }
}

impl LocalRateLimit {
    fn refusal(&self, settings: &Settings, stream: &Stream<'_>, wait: Option<u64>) -> LocalReply {
        let config = &settings.config;
        let mut reply = LocalReply::new(config.status, "local_rate_limited")
            .body(&b"local_rate_limited"[..])
            .flags(ResponseFlags::RATE_LIMITED);
        reply.grpc_status = config.resource_exhausted.then_some(u32::from(grpc::RESOURCE_EXHAUSTED));
        reply.headers = respond::response_additions(stream, &settings.mutation);
        let told = reply.headers.iter().any(|(name, _)| *name == self.retry_after);
        if let Some(wait) = wait.filter(|_| config.retry_after && config.status == 429 && !told) {
            reply.headers.push((self.retry_after.clone(), number(wait.max(1))));
        }
        reply
    }
}

impl Settings {
    fn compile(config: &Config, deps: &FilterDeps<'_>) -> Settings {
        Settings {
            limiter: Limiter::new(config),
            rate_limits: RateLimit::compile(&config.rate_limits),
            mutation: Mutation::compile(&HeaderChanges {
                request_add: config.request_headers.clone(),
                response_add: config.response_headers.clone(),
                ..HeaderChanges::default()
            }),
            counts: Counts::new(deps.stats, &format!("{}.http_local_rate_limit.", config.stat_prefix)),
            config: config.clone(),
        }
    }

    /// The descriptors of the request; none where no bucket is for any.
    fn describe(&self, stream: &Stream<'_>) -> Descriptors {
        let mut descriptors = Descriptors::new();
        if self.config.descriptors.is_empty() {
            return descriptors;
        }
        if !self.rate_limits.is_empty() {
            descriptors.extend(self.rate_limits.iter().filter_map(|limit| limit.describe_counted(stream)));
            return descriptors;
        }
        // Only a route that forwards limits by descriptors.
        let Some((chosen, forwarding)) = stream.route.and_then(|chosen| Some((chosen, chosen.forwarding?))) else {
            return descriptors;
        };
        let of_host = match self.config.virtual_host {
            _ if forwarding.config.include_host_rate_limits => true,
            VirtualHostLimits::Include => true,
            VirtualHostLimits::Ignore => false,
            VirtualHostLimits::Override => forwarding.rate_limits.is_empty(),
        };
        let of_host = chosen.host.rate_limits.iter().filter(|_| of_host);
        // As in Envoy, how many hits a request is counts for limits of the filter itself, and nowhere else.
        let limits = forwarding.rate_limits.iter().chain(of_host);
        let limits = limits.filter(|limit| limit.stage == self.config.stage && !limit.disabled);
        descriptors.extend(limits.filter_map(|limit| limit.describe(stream)));
        descriptors
    }

    /// The process's buckets, or those of the connection. As in Envoy a connection has but one set of them, whoever asks first.
    fn limiter<'l>(&'l self, stream: &Stream<'l>) -> &'l Limiter {
        match self.config.per_connection {
            true => stream.context.limiter.get_or_init(|| Box::new(Limiter::new(&self.config))),
            false => &self.limiter,
        }
    }

    /// How many proxies share the buckets.
    fn members(&self, stream: &Stream<'_>) -> u64 {
        let Some(name) = &self.config.share_of else { return 1 };
        stream.context.upstreams.get(name).map_or(1, |cluster| cluster.membership().total.max(1))
    }
}

fn is_meant(share: Option<&Live<Fraction>>) -> bool {
    share.is_some_and(|share| falls_into(share.get(), fastrand::u64(..)))
}

fn number(value: u64) -> Bytes {
    let mut digits = itoa::Buffer::new();
    Bytes::copy_from_slice(digits.format(value).as_bytes())
}

#[cfg(test)]
mod tests;
