//! `io.istio.http.peer_metadata.Config`, Istio's metadata exchange over HTTP. Called by the list of filters.

use std::sync::Arc;

use crate::extension::Extension;
use crate::istio::{self, DiscoveryMethod, PropagationMethod};
use crate::options::Options;
use crate::rejection::{At, Rejection};

/// The filter. What it tells is made here, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerMetadata {
    /// How the client is found out, in this order.
    pub downstream_discovery: Vec<Discovery>,
    /// How the server is found out.
    pub upstream_discovery: Vec<Discovery>,
    /// How clients are told.
    pub downstream_propagation: Vec<Propagation>,
    /// How servers are told.
    pub upstream_propagation: Vec<Propagation>,
    /// `additional_labels` that are told and kept.
    pub labels: Arc<[Arc<str>]>,
    /// The node's id.
    pub id: Arc<str>,
    /// The value of the header that tells this workload.
    pub header: Arc<str>,
    /// The same as baggage.
    pub baggage: Arc<str>,
}

/// A way to find out who a peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discovery {
    /// `istio_headers`.
    Headers,
    /// `baggage`.
    Baggage,
    /// `workload_discovery`: by its address, as the control plane tells of workloads.
    Workloads,
}

/// A way to tell a peer who this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// `istio_headers`.
    Headers {
        /// Not to what is outside of the mesh.
        skip_external: bool,
    },
    /// `baggage`.
    Baggage,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<PeerMetadata, Rejection> {
    let proto: istio::PeerMetadata = extension.decode(at, options)?;
    let labels: Arc<[Arc<str>]> = proto.additional_labels.iter().map(|label| Arc::from(label.as_str())).collect();
    let workload = options.workload(&labels);
    Ok(PeerMetadata {
        downstream_discovery: proto.downstream_discovery.iter().filter_map(discovery).collect(),
        upstream_discovery: upstream(&at.field("upstream_discovery"), &proto.upstream_discovery, options),
        downstream_propagation: proto.downstream_propagation.iter().filter_map(propagation).collect(),
        upstream_propagation: proto.upstream_propagation.iter().filter_map(propagation).collect(),
        id: options.node_id.clone(),
        header: Arc::from(workload.header()),
        baggage: Arc::from(workload.baggage()),
        labels,
    })
}

/// What servers tell in baggage Istio's filter does not read either.
fn upstream(at: &At<'_>, methods: &[istio::Discovery], options: &Options) -> Vec<Discovery> {
    let one = |(index, method): (usize, &istio::Discovery)| {
        let found = discovery(method);
        if found == Some(Discovery::Baggage) {
            options.note(&at.index(index).field("baggage"), "baggage of responses is not read, as in Istio's proxy");
            return None;
        }
        found
    };
    methods.iter().enumerate().filter_map(one).collect()
}

fn discovery(method: &istio::Discovery) -> Option<Discovery> {
    match method.method.as_ref()? {
        DiscoveryMethod::IstioHeaders(_) => Some(Discovery::Headers),
        DiscoveryMethod::Baggage(_) => Some(Discovery::Baggage),
        DiscoveryMethod::WorkloadDiscovery(_) => Some(Discovery::Workloads),
        // Named by the table of fields.
        DiscoveryMethod::UpstreamFilterState(_) => None,
    }
}

fn propagation(method: &istio::Propagation) -> Option<Propagation> {
    Some(match method.method.as_ref()? {
        PropagationMethod::IstioHeaders(headers) => {
            Propagation::Headers { skip_external: headers.skip_external_clusters }
        }
        PropagationMethod::Baggage(_) => Propagation::Baggage,
    })
}
