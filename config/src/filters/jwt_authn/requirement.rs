//! `JwtRequirement`: trees of what a request must show. Called by the filter's translation.

use std::sync::Arc;

use super::Provider;
use crate::field_rules;
use crate::proto::extensions::filters::http::jwt_authn::v3 as pb;
use crate::rejection::{At, Rejection};

/// What a request must show.
#[derive(Debug, Clone)]
pub enum Requirement {
    /// Nothing: an empty message.
    Nothing,
    /// `provider_name` or `provider_and_audiences`: a token of this provider (its place among the filter's).
    Provider {
        /// Which.
        provider: usize,
        /// In place of the provider's; empty: the provider's.
        audiences: Vec<Arc<str>>,
    },
    /// `requires_any`.
    Any(Vec<Requirement>),
    /// `requires_all`.
    All(Vec<Requirement>),
    /// `allow_missing_or_failed`: nothing; good tokens of all providers are taken.
    MissingOrFailed,
    /// `allow_missing`: no bad token of any provider.
    Missing,
    /// `extract_only_without_validation`: nothing, and a header tells of tokens that are no good. What these say is not passed on: in Envoy
    /// 1.40 neither, whatever its files say.
    Unverified {
        /// `verification_status_header`, lower case: set to `false` where a token is not good.
        header: Arc<str>,
    },
}

/// Deeper trees are refused: the request path walks them.
const DEEPEST: usize = 32;

pub(super) fn decode(
    at: &At<'_>,
    proto: &pb::JwtRequirement,
    providers: &[Provider],
    depth: usize,
) -> Result<Requirement, Rejection> {
    use pb::jwt_requirement::RequiresType as Type;
    if depth > DEEPEST {
        return Err(at.reject(format!("requirements stand inside {DEEPEST} others; that is too deep")));
    }
    let list = |field: &str, list: &[pb::JwtRequirement]| {
        let at = at.field(field);
        let at = at.field("requirements");
        if list.len() < 2 {
            return Err(at.reject("must have at least two elements"));
        }
        let one = |(index, one)| decode(&at.index(index), one, providers, depth + 1);
        list.iter().enumerate().map(one).collect::<Result<Vec<_>, _>>()
    };
    Ok(match &proto.requires_type {
        None => Requirement::Nothing,
        Some(Type::ProviderName(name)) => Requirement::Provider {
            provider: find(&at.field("provider_name"), name, providers)?,
            audiences: Vec::new(),
        },
        Some(Type::ProviderAndAudiences(one)) => {
            let at = at.field("provider_and_audiences");
            Requirement::Provider {
                provider: find(&at.field("provider_name"), &one.provider_name, providers)?,
                audiences: one.audiences.iter().map(|audience| Arc::from(audience.as_str())).collect(),
            }
        }
        Some(Type::RequiresAny(any)) => Requirement::Any(list("requires_any", &any.requirements)?),
        Some(Type::RequiresAll(all)) => Requirement::All(list("requires_all", &all.requirements)?),
        Some(Type::AllowMissingOrFailed(_)) => Requirement::MissingOrFailed,
        Some(Type::AllowMissing(_)) => Requirement::Missing,
        Some(Type::ExtractOnlyWithoutValidation(one)) => {
            let at = at.field("extract_only_without_validation");
            let header = match one.verification_status_header.as_str() {
                "" => Arc::from("x-jwt-signature-verified"),
                name => field_rules::mutable_header_name(&at.field("verification_status_header"), name)?,
            };
            Requirement::Unverified { header }
        }
    })
}

fn find(at: &At<'_>, name: &str, providers: &[Provider]) -> Result<usize, Rejection> {
    providers
        .iter()
        .position(|provider| *provider.name == *name)
        .ok_or_else(|| at.reject(format!("Required provider ['{name}'] is not configured.")))
}
