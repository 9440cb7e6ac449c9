//! A mesh, translated for one workload into the resources that istiod sends: same names, filters, chains and fields.
//!
//! Called by the ADS server whenever the mesh changed. Resources are protobuf-JSON here, as documentation and
//! config dumps show them, and become bytes at the end. Must never send what istiod would not, unless a test edits it
//! in.

mod clusters;
mod endpoints;
mod filters;
mod listeners;
mod routes;
mod tls;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::Value;

use super::model::{Mesh, Workload};

/// Type URLs, in the order in which istiod pushes them.
pub mod types {
    /// CDS.
    pub const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
    /// EDS.
    pub const ENDPOINT: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
    /// LDS.
    pub const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
    /// RDS.
    pub const ROUTE: &str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
    /// SDS.
    pub const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
    /// ECDS.
    pub const EXTENSION: &str = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";
    /// RTDS.
    pub const RUNTIME: &str = "type.googleapis.com/envoy.service.runtime.v3.Runtime";
    /// ADS types in push order; extensions and layers of the runtime come after the rest.
    pub const PUSHED: [&str; 6] = [CLUSTER, ENDPOINT, LISTENER, ROUTE, EXTENSION, RUNTIME];
}

/// One resource: JSON that is encoded when it is sent, or bytes that are sent as they are.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Protobuf-JSON without `@type`.
    Json(Value),
    /// Anything, also what is no protobuf.
    Raw(Bytes),
}

/// All resources of one workload, by type URL and name. Tests edit it before it is sent.
#[derive(Debug, Clone, Default)]
pub struct ResourceSet {
    by_type: BTreeMap<String, BTreeMap<String, Body>>,
    withheld: BTreeSet<String>,
}

impl ResourceSet {
    /// What istiod would send to this workload.
    pub fn of(mesh: &Mesh, workload: &Workload) -> Self {
        let mut set = Self::default();
        for cluster in clusters::all(mesh, workload) {
            set.put_named(types::CLUSTER, "name", cluster);
        }
        for assignment in endpoints::all(mesh) {
            set.put_named(types::ENDPOINT, "cluster_name", assignment);
        }
        for listener in listeners::all(mesh, workload) {
            set.put_named(types::LISTENER, "name", listener);
        }
        for table in routes::all(mesh, workload) {
            set.put_named(types::ROUTE, "name", table);
        }
        set
    }

    fn put_named(&mut self, type_url: &str, field: &str, json: Value) {
        let name = json[field].as_str().expect("generated resources have names").to_owned();
        self.put(type_url, &name, json);
    }

    /// Adds or replaces a resource.
    pub fn put(&mut self, type_url: &str, name: &str, json: Value) {
        self.by_type.entry(type_url.to_owned()).or_default().insert(name.to_owned(), Body::Json(json));
    }

    /// Adds or replaces a resource by bytes that need not be a protobuf.
    pub fn put_raw(&mut self, type_url: &str, name: &str, bytes: &[u8]) {
        let body = Body::Raw(Bytes::copy_from_slice(bytes));
        self.by_type.entry(type_url.to_owned()).or_default().insert(name.to_owned(), body);
    }

    /// Takes a resource out.
    pub fn remove(&mut self, type_url: &str, name: &str) {
        if let Some(resources) = self.by_type.get_mut(type_url) {
            resources.remove(name);
        }
    }

    /// A resource's JSON, to be changed in place.
    ///
    /// # Panics
    /// If there is no such resource, or it is raw.
    pub fn edit(&mut self, type_url: &str, name: &str) -> &mut Value {
        let body = self.by_type.get_mut(type_url).and_then(|resources| resources.get_mut(name));
        match body {
            Some(Body::Json(json)) => json,
            other => panic!("no JSON resource {name} of {type_url}: {other:?}"),
        }
    }

    /// Leaves requests for a type without an answer, for as long as the edit stands.
    pub fn withhold(&mut self, type_url: &str) {
        self.withheld.insert(type_url.to_owned());
    }

    /// Whether a type is withheld.
    pub fn withholds(&self, type_url: &str) -> bool {
        self.withheld.contains(type_url)
    }

    /// The resources of a type.
    pub fn of_type(&self, type_url: &str) -> impl Iterator<Item = (&str, &Body)> {
        self.by_type.get(type_url).into_iter().flatten().map(|(name, body)| (name.as_str(), body))
    }

    /// A resource as the server answers a request for its name: istiod answers every name of routes and endpoints, with
    /// an empty resource if it knows nothing.
    pub fn answer(&self, type_url: &str, name: &str) -> Option<Body> {
        if let Some(body) = self.by_type.get(type_url).and_then(|resources| resources.get(name)) {
            return Some(body.clone());
        }
        match type_url {
            types::ENDPOINT => Some(Body::Json(serde_json::json!({ "cluster_name": name }))),
            types::ROUTE => Some(Body::Json(routes::table(name, Vec::new()))),
            _ => None,
        }
    }
}

#[cfg(test)]
pub(in crate::control_plane) mod tests;
