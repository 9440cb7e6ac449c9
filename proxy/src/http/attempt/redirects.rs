//! Internal redirects (`internal_redirect_policy`): a redirect that the upstream answers with is followed here, and the client sees only
//! where it leads. Judged by the loop in [`super`] before an answer counts; `exchange` then begins again with the new head, as for a
//! request that has just come.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use config::route::{InternalRedirect, RedirectPredicate};

use crate::http::exchange::Exchange;
use crate::http::route::RouteTable;
use crate::http::router;
use crate::http::stats::HttpStats;
use crate::http::stream::{Chosen, Stream};
use crate::http::upload::Upload;
use crate::http::upstreams::UpstreamCluster;
use crate::stats::Counter;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Method, RequestHead, ResponseHead};
use crate::wire::url::Url;

/// The request that takes the place of one that was redirected.
#[derive(Debug)]
pub(in crate::http) struct Elsewhere {
    pub head: RequestHead,
    pub body: Bytes,
    pub trailers: Option<Headers>,
    pub history: History,
    /// What was found out about the caller, whose word for it is gone.
    pub caller: (bool, Option<SocketAddr>),
}

/// What is remembered of a request over its redirects.
#[derive(Debug, Default, Clone)]
pub(in crate::http) struct History {
    /// Redirects that were followed.
    followed: u32,
    /// From which route to which.
    routes: Vec<(Arc<str>, Arc<str>)>,
}

/// Where a `location` leads.
struct Target {
    /// `http` or `https`.
    known: bool,
    https: bool,
    authority: Bytes,
    path: Bytes,
}

/// Follows a redirect, if the policy lets it: the stream's head and route are then the new ones. Otherwise all is as before, and the
/// redirect is the client's.
pub(super) fn follow(
    exchange: &mut Exchange<'_>,
    policy: &InternalRedirect,
    answer: &ResponseHead,
    upload: &mut Upload,
    cluster: &UpstreamCluster,
) -> Option<Box<Elsewhere>> {
    let elsewhere = attempt(&mut exchange.stream, policy, answer, upload);
    cluster.count(|stats| match &elsewhere {
        Some(_) => stats.upstream_internal_redirect_succeeded_total,
        None => stats.upstream_internal_redirect_failed_total,
    });
    elsewhere
}

fn attempt(
    stream: &mut Stream<'_>,
    policy: &InternalRedirect,
    answer: &ResponseHead,
    upload: &mut Upload,
) -> Option<Box<Elsewhere>> {
    let (body, trailers) = upload.take_whole()?;
    let location = answer.headers.get(&Name::LOCATION)?;
    match judge(stream, policy, answer, location) {
        Ok(history) => {
            let head = stream.request.clone();
            let (body, trailers) = if head.body == BodyLength::Empty { (Bytes::new(), None) } else { (body, trailers) };
            stream.info.response_code = answer.status;
            stream.info.response_code_details = Some("internal_redirect".into());
            let caller = (stream.internal, stream.info.downstream_remote);
            Some(Box::new(Elsewhere { head, body, trailers, history, caller }))
        }
        Err(refused) => {
            refused(&stream.context.manager.stats).inc();
            None
        }
    }
}

type Refused = fn(&HttpStats) -> Counter;

/// Changes head and route to the new ones, or leaves them and says what counts that.
fn judge(
    stream: &mut Stream<'_>,
    policy: &InternalRedirect,
    answer: &ResponseHead,
    location: &[u8],
) -> Result<History, Refused> {
    let target = Target::parse(location).ok_or::<Refused>(|stats| stats.passthrough_internal_redirect_bad_location)?;
    let from_https = &stream.request.scheme[..] == b"https";
    if !target.known || !policy.crosses_schemes && from_https != target.https {
        return Err(|stats| stats.passthrough_internal_redirect_unsafe_scheme);
    }
    let mut history = stream.history.as_deref().cloned().unwrap_or_default();
    if history.followed >= policy.most {
        return Err(|stats| stats.passthrough_internal_redirect_too_many_redirects);
    }
    let head = new_head(&stream.request, policy, answer, &target);
    let before = (std::mem::replace(&mut stream.request, head), stream.route);
    let table: Option<&RouteTable> = before.1.map(|chosen| chosen.table);
    router::choose(stream, table);
    let verdict = allowed(stream, policy, before.1, (from_https, target.https), &mut history);
    if verdict.is_err() {
        (stream.request, stream.route) = before;
        stream.to_tls = false;
    }
    verdict.map(|()| history)
}

/// Whether the new route may be gone to.
fn allowed(
    stream: &Stream<'_>,
    policy: &InternalRedirect,
    from: Option<Chosen<'_>>,
    (from_https, to_https): (bool, bool),
    history: &mut History,
) -> Result<(), Refused> {
    if stream.route.is_none() {
        return Err(|stats| stats.passthrough_internal_redirect_no_route);
    }
    let name = |chosen: Option<Chosen<'_>>| chosen.map(|chosen| chosen.route.config.name.clone()).unwrap_or_default();
    let step = (name(from), name(stream.route));
    let agrees = |predicate: &RedirectPredicate| match predicate {
        RedirectPredicate::PreviousRoutes => !history.routes.contains(&step),
        RedirectPredicate::AllowListedRoutes(routes) => routes.contains(&step.1),
        RedirectPredicate::SafeCrossScheme => from_https || !to_https,
        RedirectPredicate::FilterState { key, if_absent } => {
            stream.state(key).map_or(*if_absent, |value| &value[..] == b"true")
        }
    };
    if !policy.predicates.iter().all(agrees) {
        return Err(|stats| stats.passthrough_internal_redirect_predicate);
    }
    history.routes.push(step);
    history.followed += 1;
    Ok(())
}

fn new_head(request: &RequestHead, policy: &InternalRedirect, answer: &ResponseHead, target: &Target) -> RequestHead {
    let mut head = request.clone();
    for name in &policy.copied {
        let name = Name::new(name);
        head.headers.remove(&name);
        for value in answer.headers.iter().filter(|header| header.name == name).map(|header| header.value.clone()) {
            head.headers.append_said(name.clone(), value);
        }
    }
    let scheme = |https: bool| if https { "https" } else { "http" };
    let from = scheme(&request.scheme[..] == b"https");
    let original = [from.as_bytes(), b"://", &request.authority, &request.path].concat();
    head.scheme = Bytes::from_static(scheme(target.https).as_bytes());
    head.authority = target.authority.clone();
    (head.path, head.about_server) = (target.path.clone(), false);
    // RFC 9110 section 15.4.4: what is seen elsewhere is asked for by GET.
    if answer.status == 303 && !matches!(head.method, Method::Get | Method::Head) {
        head.method = Method::Get;
        head.headers.remove(&Name::CONTENT_LENGTH);
        head.body = BodyLength::Empty;
    }
    head.headers.set(Name::X_ENVOY_ORIGINAL_URL, original);
    head
}

impl Target {
    /// An absolute URL; a fragment is the client's own matter, and so is a user.
    fn parse(location: &[u8]) -> Option<Target> {
        let url = Url::parse(location)?;
        let path = url.path_and_rest;
        let path = &path[..memchr::memchr(b'#', path).unwrap_or(path.len())];
        let path =
            if path.first() == Some(&b'/') { Bytes::copy_from_slice(path) } else { [b"/", path].concat().into() };
        let https = url.scheme.eq_ignore_ascii_case(b"https");
        let known = https || url.scheme.eq_ignore_ascii_case(b"http");
        Some(Target { known, https, authority: Bytes::copy_from_slice(url.host_and_port), path })
    }
}

#[cfg(test)]
mod tests;
