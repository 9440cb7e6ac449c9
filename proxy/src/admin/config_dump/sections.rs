//! The sections of a dump (`envoy.admin.v3.*ConfigDump`) from what the runtime holds.

use std::collections::HashMap;
use std::sync::Arc;

use super::outline::{Field, Leaf, List, Mask, Node};
use super::tree::Tree;
use super::{endpoints, inline};
use crate::admin::Admin;
use crate::admin::source::ClusterEndpoints;
use crate::status::Shown;
use crate::store::{Entry, Kind, Refused, Stored};

const PREFIX: &str = "type.googleapis.com/envoy.admin.v3.";
const BOOTSTRAP: &str = "type.googleapis.com/envoy.config.bootstrap.v3.Bootstrap";
const NODE: &str = "type.googleapis.com/envoy.config.core.v3.Node";
const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const ENDPOINTS: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
const ROUTES: &str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
const EXTENSION: &str = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";
const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

/// A section.
pub struct Section {
    /// Short type, e.g. `ClustersConfigDump`.
    kind: &'static str,
    parts: Vec<Part>,
}

enum Part {
    Single(&'static str, Node),
    /// A list, the short type of its elements, and they.
    List(&'static str, &'static str, Vec<Leaf>),
}

/// Every section, in Envoy's order.
pub fn all(admin: &Admin, told: &Shown, endpoints: bool) -> Vec<Section> {
    let shown = &told.resources;
    let clusters = shown.resources(Kind::Cluster);
    let listeners = shown.resources(Kind::Listener);
    let secrets = shown.resources(Kind::Secret);
    let mut sections = vec![bootstrap(admin, clusters, listeners, secrets)];
    sections.push(cluster_section(shown.version(Kind::Cluster), clusters));
    let extensions = shown.resources(Kind::Extension);
    if !extensions.is_empty() {
        sections.push(extension_section(extensions));
    }
    if endpoints {
        sections.push(endpoint_section(admin, told));
    }
    sections.push(listener_section(shown.version(Kind::Listener), listeners));
    sections.push(Section { kind: "ScopedRoutesConfigDump", parts: Vec::new() });
    sections.push(route_section(shown.resources(Kind::Route), listeners));
    sections.push(secret_section(secrets));
    sections
}

impl Section {
    /// Drops elements of other names.
    pub fn keep_names(&mut self, keep: impl Fn(&str) -> bool) {
        for part in &mut self.parts {
            if let Part::List(_, _, leaves) = part {
                leaves.retain(|leaf| keep(&leaf.name));
            }
        }
    }

    /// Keeps what the mask names; false when something in the mask is nothing of this section.
    pub fn trim(&mut self, mask: &Mask) -> bool {
        let known = mask.fits(&format!("envoy.admin.v3.{}", self.kind), None);
        let keep = |part| match part {
            Part::Single(field, node) => mask.trim_field(field, node).map(|node| Part::Single(field, node)),
            Part::List(field, ..) => mask.names(field, true).then_some(part),
        };
        self.parts = std::mem::take(&mut self.parts).into_iter().filter_map(keep).collect();
        known
    }

    /// Whether it has a field of this name that is no list, or could have.
    pub fn has_single(&self, name: &str) -> bool {
        let has_version = matches!(self.kind, "ClustersConfigDump" | "ListenersConfigDump");
        (has_version && name == "version_info")
            || self.parts.iter().any(|part| matches!(part, Part::Single(field, _) if *field == name))
    }

    /// The elements of a list.
    pub fn into_list(self, name: &str) -> Option<List> {
        let list = self.parts.into_iter().find_map(|part| match part {
            Part::List(field, element, leaves) if field == name => Some((element, leaves)),
            _ => None,
        });
        let (element, leaves) = list?;
        Some(List { of: format!("envoy.admin.v3.{}.{element}", self.kind), leaves })
    }

    /// The section as it stands in `configs`. Empty lists are left out.
    pub fn into_node(self) -> Node {
        let mut fields = vec![("@type".to_owned(), Node::Tree(Tree::text(format!("{PREFIX}{}", self.kind))))];
        for part in self.parts {
            match part {
                Part::Single(field, node) => fields.push((field.to_owned(), node)),
                Part::List(_, _, leaves) if leaves.is_empty() => {}
                Part::List(field, _, leaves) => {
                    fields.push((field.to_owned(), Node::List(leaves.into_iter().map(Node::Leaf).collect())));
                }
            }
        }
        Node::Map(fields)
    }
}

/// The bootstrap, its static resources put in from the lists: they may be many and are printed one by one.
fn bootstrap(admin: &Admin, clusters: &[Entry], listeners: &[Entry], secrets: &[Entry]) -> Section {
    let (body, read) = admin.source.bootstrap();
    let fields = match super::message_tree(BOOTSTRAP, &body) {
        Some(Tree::Map(fields)) => fields,
        _ => Vec::new(),
    };
    let own = |(name, tree): (String, Tree)| {
        (name != "static_resources" && name != "node").then_some((name, Node::Tree(tree)))
    };
    // The node as it is told to the control plane: with our version in it.
    let node = super::message_tree(NODE, &admin.node).map(|node| ("node".to_owned(), Node::Tree(node)));
    let mut fields: Vec<(String, Node)> = node.into_iter().chain(fields.into_iter().filter_map(own)).collect();
    let mut lists = Vec::new();
    for (name, type_url, resources) in
        [("listeners", LISTENER, listeners), ("clusters", CLUSTER, clusters), ("secrets", SECRET, secrets)]
    {
        let of_bootstrap = resources.iter().filter(|resource| resource.is_static);
        let leaf = |resource: &Entry| {
            let value = Field::Message(type_url, resource.active.as_ref().or(resource.warming.as_ref())?.body.clone());
            Some(Node::Leaf(Leaf { name: Arc::clone(&resource.name), value }))
        };
        let leaves: Vec<Node> = of_bootstrap.filter_map(leaf).collect();
        if !leaves.is_empty() {
            lists.push((name.to_owned(), Node::List(leaves)));
        }
    }
    if !lists.is_empty() {
        let after_node = fields.iter().position(|(name, _)| name == "node").map_or(0, |at| at + 1);
        fields.insert(after_node, ("static_resources".into(), Node::Map(lists)));
    }
    let updated = Node::Tree(Tree::text(crate::admin::certs::timestamp(read)));
    let parts = vec![Part::Single("bootstrap", Node::Map(fields)), Part::Single("last_updated", updated)];
    Section { kind: "BootstrapConfigDump", parts }
}

fn version_part(version: Arc<str>) -> Vec<Part> {
    if version.is_empty() {
        return Vec::new();
    }
    vec![Part::Single("version_info", Node::Tree(Tree::text(&*version)))]
}

fn cluster_section(version: Arc<str>, clusters: &[Entry]) -> Section {
    let element = |resource: &Entry, version: &Stored| held(resource, version, "cluster", CLUSTER);
    let dynamic = || clusters.iter().filter(|resource| !resource.is_static);
    let mut parts = version_part(version);
    parts.push(Part::List("static_clusters", "StaticCluster", static_list(clusters, "cluster", CLUSTER)));
    parts.push(Part::List(
        "dynamic_active_clusters",
        "DynamicCluster",
        dynamic().filter_map(|resource| Some(element(resource, resource.active.as_ref()?))).collect(),
    ));
    parts.push(Part::List(
        "dynamic_warming_clusters",
        "DynamicCluster",
        dynamic().filter_map(|resource| Some(element(resource, resource.warming.as_ref()?))).collect(),
    ));
    Section { kind: "ClustersConfigDump", parts }
}

/// As in Envoy endpoints are what they are now. A version of a service's endpoints that was refused stands beside them.
fn endpoint_section(admin: &Admin, shown: &Shown) -> Section {
    let local = endpoints::locality(&admin.node);
    let by_name = |kind| -> HashMap<&str, &Entry> {
        shown.resources.resources(kind).iter().map(|entry| (&*entry.name, entry)).collect()
    };
    let (services, clusters) = (by_name(Kind::Endpoints), by_name(Kind::Cluster));
    let (mut fixed, mut dynamic) = (Vec::new(), Vec::new());
    for ClusterEndpoints { cluster, added_via_api, eds_service_name, now } in admin.source.endpoints(shown) {
        let service = eds_service_name.as_deref().and_then(|name| services.get(name).copied());
        let refused = service.and_then(|entry| error_state(entry, ENDPOINTS));
        let body = |entry: Option<&Entry>| entry.and_then(|entry| Some(entry.active.as_ref()?.body.clone()));
        let received = (body(service), body(clusters.get(&*cluster).copied()));
        let name = eds_service_name.unwrap_or(cluster);
        let (named, local) = (Arc::clone(&name), local.clone());
        let made = move || endpoints::encoded(&named, &now(), &local, || inline::drop_category(&received));
        let fields = [("endpoint_config", Field::Later(ENDPOINTS, Box::new(made)))].into_iter().chain(refused);
        let leaf = Leaf { name, value: Field::Fields(fields.collect()) };
        if added_via_api { dynamic.push(leaf) } else { fixed.push(leaf) }
    }
    let parts = vec![
        Part::List("static_endpoint_configs", "StaticEndpointConfig", fixed),
        Part::List("dynamic_endpoint_configs", "DynamicEndpointConfig", dynamic),
    ];
    Section { kind: "EndpointsConfigDump", parts }
}

fn listener_section(version: Arc<str>, listeners: &[Entry]) -> Section {
    let dynamic = listeners.iter().filter(|resource| !resource.is_static).map(|resource| {
        let state = |version: &Stored| Field::Fields(version_fields(version, "listener", LISTENER));
        let mut fields = vec![("name", Field::Text(Arc::clone(&resource.name)))];
        fields.extend(resource.active.as_ref().map(|version| ("active_state", state(version))));
        fields.extend(resource.warming.as_ref().map(|version| ("warming_state", state(version))));
        fields.extend(error_state(resource, LISTENER));
        leaf(resource, fields)
    });
    let mut parts = version_part(version);
    parts.push(Part::List("static_listeners", "StaticListener", static_list(listeners, "listener", LISTENER)));
    parts.push(Part::List("dynamic_listeners", "DynamicListener", dynamic.collect()));
    Section { kind: "ListenersConfigDump", parts }
}

/// As in Envoy it is there once a filter is to be discovered. One that was refused, with nothing before it, has its name alone.
fn extension_section(extensions: &[Entry]) -> Section {
    let element = |resource: &Entry| match &resource.active {
        Some(version) => Some(held(resource, version, "ecds_filter", EXTENSION)),
        None => {
            let refused = error_state(resource, EXTENSION)?;
            let named = Field::Any(EXTENSION, inline::extension_of_name(&resource.name));
            Some(leaf(resource, vec![("ecds_filter", named), refused]))
        }
    };
    let parts = vec![Part::List("ecds_filters", "EcdsFilterConfig", extensions.iter().filter_map(element).collect())];
    Section { kind: "EcdsConfigDump", parts }
}

fn route_section(routes: &[Entry], listeners: &[Entry]) -> Section {
    let in_listeners = listeners.iter().filter_map(|resource| resource.active.as_ref()).flat_map(|version| {
        inline::routes(&version.body).into_iter().map(|(name, body)| {
            let fields = vec![("route_config", Field::Any(ROUTES, body)), updated(version)];
            Leaf { name, value: Field::Fields(fields) }
        })
    });
    let dynamic =
        routes.iter().filter_map(|resource| Some(held(resource, resource.active.as_ref()?, "route_config", ROUTES)));
    let parts = vec![
        Part::List("static_route_configs", "StaticRouteConfig", in_listeners.collect()),
        Part::List("dynamic_route_configs", "DynamicRouteConfig", dynamic.collect()),
    ];
    Section { kind: "RoutesConfigDump", parts }
}

fn secret_section(secrets: &[Entry]) -> Section {
    let element = |resource: &Entry, version: &Stored| {
        let mut fields = vec![("name", Field::Text(Arc::clone(&resource.name)))];
        fields.extend(version_info(version));
        // As Envoy, which does not say when it read its own file.
        fields.extend((!resource.is_static).then(|| updated(version)));
        fields.push(("secret", Field::Any(SECRET, version.body.clone())));
        // Those of the bootstrap have no field for it.
        fields.extend(error_state(resource, SECRET).filter(|_| !resource.is_static));
        leaf(resource, fields)
    };
    let waiting = |resource: &Entry| match &resource.warming {
        Some(version) => element(resource, version),
        // Asked for, not received.
        None => {
            let mut fields = vec![
                ("name", Field::Text(Arc::clone(&resource.name))),
                ("version_info", Field::Text("uninitialized".into())),
                ("secret", Field::Any(SECRET, inline::secret_of_name(&resource.name))),
            ];
            fields.extend(error_state(resource, SECRET));
            leaf(resource, fields)
        }
    };
    let of_kind = |is_static: bool| secrets.iter().filter(move |resource| resource.is_static == is_static);
    let is_active = |resource: &&Entry| resource.active.is_some();
    let active = |resource: &Entry| Some(element(resource, resource.active.as_ref()?));
    let parts = vec![
        Part::List("static_secrets", "StaticSecret", of_kind(true).filter_map(active).collect()),
        Part::List("dynamic_active_secrets", "DynamicSecret", of_kind(false).filter_map(active).collect()),
        Part::List(
            "dynamic_warming_secrets",
            "DynamicSecret",
            of_kind(false).filter(|resource| !is_active(resource)).map(waiting).collect(),
        ),
    ];
    Section { kind: "SecretsConfigDump", parts }
}

fn static_list(resources: &[Entry], field: &'static str, type_url: &'static str) -> Vec<Leaf> {
    let element = |resource: &Entry| {
        let version = resource.active.as_ref().or(resource.warming.as_ref())?;
        Some(leaf(resource, vec![(field, Field::Any(type_url, version.body.clone())), updated(version)]))
    };
    resources.iter().filter(|resource| resource.is_static).filter_map(element).collect()
}

/// `{version_info, <field>, last_updated, error_state}`.
fn held(resource: &Entry, version: &Stored, field: &'static str, type_url: &'static str) -> Leaf {
    let mut fields = version_fields(version, field, type_url);
    fields.extend(error_state(resource, type_url));
    leaf(resource, fields)
}

fn version_fields(version: &Stored, field: &'static str, type_url: &'static str) -> Vec<(&'static str, Field)> {
    let mut fields: Vec<(&'static str, Field)> = version_info(version).into_iter().collect();
    fields.push((field, Field::Any(type_url, version.body.clone())));
    fields.push(updated(version));
    fields
}

fn version_info(version: &Stored) -> Option<(&'static str, Field)> {
    (!version.version.is_empty()).then(|| ("version_info", Field::Text(Arc::clone(&version.version))))
}

fn updated(version: &Stored) -> (&'static str, Field) {
    ("last_updated", Field::Time(version.last_updated))
}

fn error_state(resource: &Entry, type_url: &'static str) -> Option<(&'static str, Field)> {
    let Refused { resource: version, reason } = resource.refused.as_ref()?;
    let mut fields = vec![
        ("failed_configuration", Field::Any(type_url, version.body.clone())),
        ("last_update_attempt", Field::Time(version.last_updated)),
        ("details", Field::Text(Arc::clone(reason))),
    ];
    fields.extend(version_info(version));
    Some(("error_state", Field::Fields(fields)))
}

fn leaf(resource: &Entry, fields: Vec<(&'static str, Field)>) -> Leaf {
    Leaf { name: Arc::clone(&resource.name), value: Field::Fields(fields) }
}
