//! `envoy.extensions.filters.http.stateful_session.v3.StatefulSession` and where it keeps the endpoint. Called by the list of filters.

use std::sync::Arc;
use std::time::Duration;

use crate::extension::{self, Extension};
use crate::field_rules;
use crate::options::Options;
use crate::proto::{
    self,
    core::v3::TypedExtensionConfig,
    extensions::{filters::http::stateful_session::v3 as pb, http::stateful_session as states},
    types::http::v3 as http,
};
use crate::registry;
use crate::rejection::{At, Rejection};

/// The filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatefulSession {
    /// `session_state`; without it the filter does nothing.
    pub state: Option<SessionState>,
    /// `strict`: where the endpoint is gone, 503 and no other.
    pub strict: bool,
    /// `stat_prefix`: statistics below it, if any.
    pub stat_prefix: Option<Arc<str>>,
    /// `status_on_strict_destination_not_found`; default 503.
    pub status_when_gone: u16,
}

/// Where the endpoint's address is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionState {
    /// A cookie, made when there is none.
    Cookie {
        /// Its name.
        name: Arc<str>,
        /// Its lifetime; unset: that of the browser's session.
        ttl: Option<Duration>,
        /// Its path; requests to others have no session.
        path: Arc<str>,
        /// Further attributes, in order.
        attributes: Vec<(Arc<str>, Arc<str>)>,
    },
    /// A header of requests and responses, lower case.
    Header(Arc<str>),
}

/// `StatefulSessionPerRoute`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatefulSessionPerRoute {
    /// `disabled`.
    Disabled,
    /// `stateful_session`.
    Session(StatefulSession),
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<StatefulSession, Rejection> {
    session(at, &extension.decode(at, options)?, options)
}

pub(super) fn scoped(
    at: &At<'_>,
    extension: &Extension<'_>,
    options: &Options,
) -> Result<StatefulSessionPerRoute, Rejection> {
    use pb::stateful_session_per_route::Override;
    let proto: pb::StatefulSessionPerRoute = extension.decode(at, options)?;
    match &proto.r#override {
        None => Err(at.reject("says nothing; give disabled or stateful_session")),
        Some(Override::Disabled(disabled)) => {
            field_rules::only_true(&at.field("disabled"), *disabled)?;
            Ok(StatefulSessionPerRoute::Disabled)
        }
        Some(Override::StatefulSession(one)) => {
            Ok(StatefulSessionPerRoute::Session(session(&at.field("stateful_session"), one, options)?))
        }
    }
}

fn session(at: &At<'_>, proto: &pb::StatefulSession, options: &Options) -> Result<StatefulSession, Rejection> {
    let at_status = at.field("status_on_strict_destination_not_found");
    let status_when_gone = match proto.status_on_strict_destination_not_found {
        0 => 503,
        status => {
            field_rules::within(&at_status, u64::from(status), 200, 599)?;
            // Within 200 to 599 by the test above.
            status as u16
        }
    };
    Ok(StatefulSession {
        state: proto
            .session_state
            .as_ref()
            .map(|one| session_state(&at.field("session_state"), one, options))
            .transpose()?,
        strict: proto.strict,
        stat_prefix: proto::text(&proto.stat_prefix),
        status_when_gone,
    })
}

fn session_state(at: &At<'_>, proto: &TypedExtensionConfig, options: &Options) -> Result<SessionState, Rejection> {
    let at = at.field("typed_config");
    let extension = extension::open_required(&at, &proto.typed_config)?;
    match &*extension.type_name {
        "envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState" => {
            let state: states::cookie::v3::CookieBasedSessionState = extension.decode(&at, options)?;
            let at = at.field("cookie");
            cookie(&at, field_rules::required(&at, &state.cookie)?)
        }
        "envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState" => {
            let state: states::header::v3::HeaderBasedSessionState = extension.decode(&at, options)?;
            Ok(SessionState::Header(field_rules::header_name(&at.field("name"), &state.name)?))
        }
        other => Err(match registry::find(registry::Kind::SessionState, other) {
            Some(entry) => registry::refused(&at, &proto.name, entry),
            None => registry::not_registered(&at, &proto.name, other),
        }),
    }
}

fn cookie(at: &At<'_>, proto: &http::Cookie) -> Result<SessionState, Rejection> {
    let at_attributes = at.field("attributes");
    let attribute = |(index, one): (usize, &http::CookieAttribute)| {
        let at = at_attributes.index(index);
        field_rules::cookie_text(&at.field("name"), &one.name)?;
        field_rules::cookie_text(&at.field("value"), &one.value)?;
        Ok((field_rules::not_empty(&at.field("name"), &one.name)?, Arc::from(one.value.as_str())))
    };
    field_rules::cookie_text(&at.field("name"), &proto.name)?;
    field_rules::cookie_text(&at.field("path"), &proto.path)?;
    Ok(SessionState::Cookie {
        name: field_rules::not_empty(&at.field("name"), &proto.name)?,
        ttl: proto::timeout(&at.field("ttl"), &proto.ttl, None)?,
        path: Arc::from(proto.path.as_str()),
        attributes: proto.attributes.iter().enumerate().map(attribute).collect::<Result<_, Rejection>>()?,
    })
}
