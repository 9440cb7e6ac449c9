//! `envoy.extensions.filters.http.header_mutation.v3.HeaderMutation`. Called by the list of filters.

use std::sync::Arc;

use crate::access_log::{self, Format};
use crate::extension::Extension;
use crate::field_rules;
use crate::header_mutation::{self, HeaderMutation as Mutation};
use crate::options::Options;
use crate::proto::{self, core::v3 as core, extensions::filters::http::header_mutation::v3 as pb, wkt};
use crate::rejection::{At, Rejection};
use crate::route::AppendAction;

/// The filter.
#[derive(Debug, Clone)]
pub struct HeaderMutation {
    /// `mutations`: the filter's own come first.
    pub mutations: Mutations,
    /// `most_specific_header_mutations_wins`: those of levels follow from the least specific to the most, else the other way round.
    pub most_specific_wins: bool,
}

/// What a level adds.
#[derive(Debug, Clone)]
pub struct HeaderMutationPerRoute {
    /// `mutations`.
    pub mutations: Mutations,
}

/// `Mutations`, each list in order.
#[derive(Debug, Clone, Default)]
pub struct Mutations {
    /// `request_mutations`.
    pub request: Vec<Mutation>,
    /// `query_parameter_mutations`, after those of the request's headers.
    pub query: Vec<QueryMutation>,
    /// `request_trailers_mutations`.
    pub request_trailers: Vec<Mutation>,
    /// `response_mutations`.
    pub response: Vec<Mutation>,
    /// `response_trailers_mutations`.
    pub response_trailers: Vec<Mutation>,
}

/// `KeyValueMutation` of a query parameter.
#[derive(Debug, Clone)]
pub enum QueryMutation {
    /// `append`.
    Append {
        /// Parameter.
        key: Arc<str>,
        /// Its value.
        value: Format,
        /// What is done with values that are there.
        action: AppendAction,
    },
    /// `remove`.
    Remove(Arc<str>),
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<HeaderMutation, Rejection> {
    let proto: pb::HeaderMutation = extension.decode(at, options)?;
    Ok(HeaderMutation {
        mutations: mutations(&at.field("mutations"), &proto.mutations)?,
        most_specific_wins: proto.most_specific_header_mutations_wins,
    })
}

pub(super) fn scoped(
    at: &At<'_>,
    extension: &Extension<'_>,
    options: &Options,
) -> Result<HeaderMutationPerRoute, Rejection> {
    let proto: pb::HeaderMutationPerRoute = extension.decode(at, options)?;
    Ok(HeaderMutationPerRoute { mutations: mutations(&at.field("mutations"), &proto.mutations)? })
}

fn mutations(at: &At<'_>, proto: &Option<pb::Mutations>) -> Result<Mutations, Rejection> {
    let Some(proto) = proto else { return Ok(Mutations::default()) };
    let headers = |field: &str, list| header_mutation::decode(&at.field(field), list);
    let at_query = at.field("query_parameter_mutations");
    let query = proto.query_parameter_mutations.iter().enumerate();
    Ok(Mutations {
        request: headers("request_mutations", &proto.request_mutations)?,
        query: query.map(|(index, one)| query_mutation(&at_query.index(index), one)).collect::<Result<_, _>>()?,
        request_trailers: headers("request_trailers_mutations", &proto.request_trailers_mutations)?,
        response: headers("response_mutations", &proto.response_mutations)?,
        response_trailers: headers("response_trailers_mutations", &proto.response_trailers_mutations)?,
    })
}

fn query_mutation(at: &At<'_>, proto: &core::KeyValueMutation) -> Result<QueryMutation, Rejection> {
    use core::key_value_append::KeyValueAppendAction as Action;
    let Some(append) = &proto.append else {
        return match proto.remove.as_str() {
            "" => Err(at.reject("No mutation specified.")),
            key => Ok(QueryMutation::Remove(Arc::from(key))),
        };
    };
    if !proto.remove.is_empty() {
        return Err(at.reject("Only one of 'append'/'remove can be specified."));
    }
    let at = at.field("append");
    let at_record = at.field("record");
    let record = field_rules::required(&at_record, &append.record)?;
    let at_value = at_record.field("value");
    let Some(wkt::value::Kind::StringValue(text)) = record.value.as_ref().and_then(|value| value.kind.as_ref()) else {
        return Err(at_value.reject("Only string value is allowed for record value."));
    };
    let mut value = access_log::decode::text_format(&at_value, text)?;
    value.omit_empty = true;
    Ok(QueryMutation::Append {
        key: field_rules::not_empty(&at_record.field("key"), &record.key)?,
        value,
        action: match proto::defined::<Action>(&at.field("action"), append.action)? {
            Action::AppendIfExistsOrAdd => AppendAction::AppendOrAdd,
            Action::AddIfAbsent => AppendAction::AddIfAbsent,
            Action::OverwriteIfExistsOrAdd => AppendAction::OverwriteOrAdd,
            Action::OverwriteIfExists => AppendAction::OverwriteIfExists,
        },
    })
}
