//! `VirtualHost.matcher`: a tree that says which routes are tried. Called by [`decode`](super::decode).

use std::sync::Arc;

use super::Route;
use super::decode::{Table, route};
use crate::extension;
use crate::match_tree::{self, Matcher, Place};
use crate::proto::{core::v3 as core, route::v3 as pb};
use crate::registry;
use crate::rejection::{At, Rejection};

/// What a place in the tree says: routes in order.
pub(super) fn routes(
    at: &At<'_>,
    tree: &envoy_types::pb::xds::r#type::matcher::v3::Matcher,
    host: &pb::VirtualHost,
    table: &Table<'_>,
) -> Result<Matcher<Vec<Arc<Route>>>, Rejection> {
    let read = |at: &At<'_>, action: &core::TypedExtensionConfig| {
        let at = at.field("typed_config");
        let extension = extension::open_required(&at, &action.typed_config)?;
        match &*extension.type_name {
            "envoy.config.route.v3.Route" => {
                let proto: pb::Route = extension.decode(&at, table.options)?;
                Ok(vec![Arc::new(route(&at, &proto, host, table)?)])
            }
            "envoy.config.route.v3.RouteList" => {
                let list: pb::RouteList = extension.decode(&at, table.options)?;
                let at = at.field("routes");
                let each = list.routes.iter().enumerate();
                each.map(|(index, one)| Ok(Arc::new(route(&at.index(index), one, host, table)?))).collect()
            }
            other => Err(registry::not_registered(&at, &action.name, other)),
        }
    };
    // The tree is asked when the request's head is there, and never again.
    match_tree::xds(at, tree, Place::Rbac, table.options, &read)
}
