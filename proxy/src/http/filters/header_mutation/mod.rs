//! `envoy.extensions.filters.http.header_mutation.v3.HeaderMutation`: changes headers, trailers and the query, one change after the
//! other. Each field is honoured: the filter's own changes first, then those of the levels, from the weighted cluster to the table, or
//! the other way round with `most_specific_header_mutations_wins`.
//!
//! Pseudo headers are no headers here: `remove` and `remove_on_match` leave them alone.

use bytes::Bytes;
use config::Rejection;
use config::access_log::Format;
use config::filters::header_mutation::{
    HeaderMutation as Config, HeaderMutationPerRoute, Mutations as MutationsConfig,
};
use smallvec::SmallVec;

use self::query::QueryMutations;
use super::Scope;
use super::filter::{FilterDeps, Hooks, HttpFilter, Out, Step, Turn, Way};
use crate::http::attempt;
use crate::http::reason;
use crate::http::stream::Stream;
use crate::mutate::OrderedMutations;
use crate::telemetry::format;
use crate::wire::headers::Headers;
use crate::wire::message::Frame;

mod query;

/// The filter.
#[derive(Debug)]
pub(crate) struct HeaderMutation {
    own: Mutations,
    most_specific_wins: bool,
}

/// `Mutations`, compiled.
#[derive(Debug)]
pub(crate) struct Mutations {
    request: OrderedMutations,
    query: QueryMutations,
    request_trailers: OrderedMutations,
    response: OrderedMutations,
    response_trailers: OrderedMutations,
}

impl Mutations {
    fn compile(config: &MutationsConfig) -> Mutations {
        Mutations {
            request: OrderedMutations::compile(&config.request),
            query: QueryMutations::compile(&config.query),
            request_trailers: OrderedMutations::compile(&config.request_trailers),
            response: OrderedMutations::compile(&config.response),
            response_trailers: OrderedMutations::compile(&config.response_trailers),
        }
    }

    fn hooks(&self) -> Hooks {
        let hook = |set: bool, hook| if set { hook } else { Hooks::NONE };
        hook(!self.request.is_empty() || !self.query.is_empty(), Hooks::REQUEST)
            .with(hook(!self.response.is_empty(), Hooks::RESPONSE))
            .with(hook(!self.request_trailers.is_empty(), Hooks::REQUEST_FRAMES))
            .with(hook(!self.response_trailers.is_empty(), Hooks::RESPONSE_FRAMES))
    }
}

impl HttpFilter for HeaderMutation {
    type Config = Config;
    type ScopedConfig = HeaderMutationPerRoute;
    type Scoped = Mutations;
    type State = ();

    fn compile(config: &Config, _deps: &FilterDeps<'_>) -> Result<HeaderMutation, Rejection> {
        Ok(HeaderMutation { own: Mutations::compile(&config.mutations), most_specific_wins: config.most_specific_wins })
    }

    fn scope(config: &HeaderMutationPerRoute, _deps: &FilterDeps<'_>) -> Result<Mutations, Rejection> {
        Ok(Mutations::compile(&config.mutations))
    }

    fn acts(&self, scope: Option<&Mutations>) -> Hooks {
        match scope {
            None => self.own.hooks(),
            // Less specific levels may change what this one does not.
            Some(_) => Hooks::REQUEST.with(Hooks::RESPONSE).with(Hooks::REQUEST_FRAMES).with(Hooks::RESPONSE_FRAMES),
        }
    }

    fn request(&self, turn: &mut Turn<'_, '_, HeaderMutation>) -> Step {
        let all = self.all(turn);
        // Bodies cost nothing where no trailers are changed.
        if all.iter().all(|mutations| mutations.request_trailers.is_empty()) {
            turn.skip(Hooks::REQUEST_FRAMES);
        }
        attempt::name_cluster(turn.stream);
        for mutations in all {
            mutations.request.apply(&mut *turn.stream, request_headers, in_request);
            if !mutations.query.is_empty() {
                let render = |format: &Format, out: &mut Vec<u8>| in_request(turn.stream, format, out);
                turn.stream.request.path = Bytes::from(mutations.query.apply(&turn.stream.request.path, render));
            }
        }
        Step::Continue
    }

    fn response(&self, turn: &mut Turn<'_, '_, HeaderMutation>) -> Step {
        let all = self.all(turn);
        if all.iter().all(|mutations| mutations.response_trailers.is_empty()) {
            turn.skip(Hooks::RESPONSE_FRAMES);
        }
        for mutations in all {
            mutations.response.apply(&mut *turn.stream, response_headers, in_response);
        }
        Step::Continue
    }

    fn frame(&self, turn: &mut Turn<'_, '_, HeaderMutation>, way: Way, frame: Frame, out: &mut Out<'_>) -> Step {
        let Frame::Trailers(trailers) = frame else {
            out.push(frame);
            return Step::Continue;
        };
        let all = self.all(turn);
        let mut target = (&*turn.stream, trailers);
        for mutations in all {
            let list = match way {
                Way::Request => &mutations.request_trailers,
                Way::Response => &mutations.response_trailers,
            };
            list.apply(
                &mut target,
                |target| Some(&mut target.1),
                |target, format, out| {
                    in_trailers(target.0, &target.1, way, format, out);
                },
            );
        }
        let (stream, mut trailers) = target;
        if trailers.is_doubted() {
            trailers.take_out_unsound(|header| reason::left_out(stream, header));
        }
        out.push(Frame::Trailers(trailers));
        Step::Continue
    }
}

impl HeaderMutation {
    /// Everything that is done, in order.
    fn all<'s>(&self, turn: &Turn<'_, 's, HeaderMutation>) -> SmallVec<[&'s Mutations; 5]> {
        let mut all = SmallVec::from_iter([&turn.filter.own]);
        all.extend(
            turn.levels(|scope| if let Scope::HeaderMutation(mutations) = scope { Some(mutations) } else { None }),
        );
        if self.most_specific_wins
            && let Some(levels) = all.get_mut(1..)
        {
            levels.reverse();
        }
        all
    }
}

fn request_headers<'t>(stream: &'t mut Stream<'_>) -> Option<&'t mut Headers> {
    Some(&mut stream.request.headers)
}

fn response_headers<'t>(stream: &'t mut Stream<'_>) -> Option<&'t mut Headers> {
    stream.response.as_mut().map(|head| &mut head.headers)
}

fn in_request(stream: &Stream<'_>, format: &Format, out: &mut Vec<u8>) {
    format::write(format, &stream.entry(None, None), out);
}

fn in_response(stream: &Stream<'_>, format: &Format, out: &mut Vec<u8>) {
    format::write(format, &stream.entry(stream.response.as_ref(), None), out);
}

fn in_trailers(stream: &Stream<'_>, trailers: &Headers, way: Way, format: &Format, out: &mut Vec<u8>) {
    let trailers = (way == Way::Response).then_some(trailers);
    format::write(format, &stream.entry(stream.response.as_ref(), trailers), out);
}

#[cfg(test)]
mod tests;
