//! Actions that are extensions. Called by [`super::decode`].

use std::sync::Arc;

use super::Action;
use crate::cel;
use crate::extension;
use crate::field_rules;
use crate::options::Options;
use crate::proto::core::v3 as core;
use crate::proto::extensions::rate_limit_descriptors::expr::v3 as expr;
use crate::proto::types::matcher::v3::HttpRequestHeaderMatchInput;
use crate::registry::{self, Kind};
use crate::rejection::{At, Rejection};

const HEADER: &str = "envoy.type.matcher.v3.HttpRequestHeaderMatchInput";
const EXPRESSION: &str = "envoy.extensions.rate_limit_descriptors.expr.v3.Descriptor";

pub(super) fn action(at: &At<'_>, proto: &core::TypedExtensionConfig, options: &Options) -> Result<Action, Rejection> {
    let key = field_rules::not_empty(&at.field("name"), &proto.name)?;
    let at = at.field("typed_config");
    let extension = extension::open_required(&at, &proto.typed_config)?;
    match &*extension.type_name {
        HEADER => {
            let input: HttpRequestHeaderMatchInput = extension.decode(&at, options)?;
            let name = field_rules::header_name(&at.field("header_name"), &input.header_name)?;
            Ok(Action::HeaderInput { name, key })
        }
        EXPRESSION => expression(&at, &extension.decode(&at, options)?),
        other => Err(match registry::find(Kind::RateLimitDescriptor, other) {
            Some(entry) => registry::refused(&at, &proto.name, entry),
            None => registry::not_registered(&at, &proto.name, other),
        }),
    }
}

fn expression(at: &At<'_>, proto: &expr::Descriptor) -> Result<Action, Rejection> {
    use expr::descriptor::ExprSpecifier as Kind;
    let key: Arc<str> = field_rules::not_empty(&at.field("descriptor_key"), &proto.descriptor_key)?;
    let value = match &proto.expr_specifier {
        None => return Err(at.reject("expression specifier is not set; give text or parsed")),
        Some(Kind::Text(text)) => {
            let at = at.field("text");
            field_rules::not_empty(&at, text)?;
            cel::of_text(text, None, cel::Place::Request).map_err(|reason| at.reject(reason))?
        }
        Some(Kind::Parsed(parsed)) => cel::condition(&at.field("parsed"), parsed, None, cel::Place::Request)?,
    };
    Ok(Action::Expression { key, value: Box::new(value), skip_if_error: proto.skip_if_error })
}
