//! What a request tells the balancer, and why it may get no host. Made by `http` and `tcp`. Plain data.

use config::metadata::Criteria;

use super::Destination;
use super::retry::Again;
use crate::failure::ResponseFlags;

/// What one attempt asks of the balancer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pick<'a> {
    /// Hash of the request, for ring hash and maglev. Without one they choose at random.
    pub hash: Option<u64>,
    /// It is a retry, whose policy has wishes about its host.
    pub again: Option<Again<'a>>,
    /// The host that a filter has chosen.
    pub prefer: Option<&'a OverrideHost>,
    /// `metadata_match` of the route, with what filters have said: which subset, where the cluster has any.
    pub metadata: Option<&'a Criteria>,
    /// Where a request goes that says so itself. Never the address that the client connected to.
    pub destination: Option<&'a Destination>,
}

/// A host that a filter has chosen, whatever the balancer would say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverrideHost {
    /// Its address, as [`Host::address`] prints it.
    pub address: Box<str>,
    /// No other will do: the status of the answer where it is not there, or not in one of the cluster's `override_host_status`.
    pub strict: Option<u16>,
}

/// The one of a list that a number falls on, by weight; `None` when all weights are zero.
pub fn by_weight<T>(list: &[T], weight: impl Fn(&T) -> u64, total: u64, number: u64) -> Option<&T> {
    let mut left = number.checked_rem(total)?;
    list.iter().find(|one| match left.checked_sub(weight(one)) {
        Some(rest) => {
            left = rest;
            false
        }
        None => true,
    })
}

/// Why there is no host. All of them are `UH`, `no_healthy_upstream`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PickFailure {
    /// The cluster has no endpoint.
    #[error("the cluster has no endpoints")]
    NoEndpoints,
    /// It has some; none is healthy, and the panic threshold forbids the others.
    #[error("no endpoint of the cluster is healthy")]
    NoHealthyEndpoint,
    /// DNS has not answered yet, or its last answer was empty.
    #[error("the cluster's DNS name has no address (yet)")]
    Unresolved,
    /// `ORIGINAL_DST`, and no original destination is known.
    #[error(
        "the cluster forwards to the original destination of a redirected connection; \
         without interception there is none (make the host known to the mesh, or send the request to its listener)"
    )]
    NoOriginalDestination,
    /// `ORIGINAL_DST`, and more destinations are connected to than one worker keeps.
    #[error("too many original destinations are connected to at once")]
    TooManyDestinations,
    /// A dynamic forward proxy, and the name has no address, or leads back here.
    #[error("the host that was asked for does not resolve, or leads back to the proxy")]
    NobodyResolves,
    /// A kind of cluster that is accepted but not acted on.
    #[error("clusters of this type are accepted but hold no endpoints here")]
    Inert,
    /// The host that the request insists on, and the status of the answer.
    #[error("the endpoint that the request insists on is gone or not healthy")]
    OverrideHost(u16),
}

impl PickFailure {
    /// Envoy's response flag.
    pub fn flags(self) -> ResponseFlags {
        ResponseFlags::NO_HEALTHY_UPSTREAM
    }

    /// Status of the answer.
    pub fn status(self) -> u16 {
        match self {
            PickFailure::OverrideHost(status) => status,
            _ => 503,
        }
    }

    /// Envoy's response code details.
    pub fn details(self) -> &'static str {
        "no_healthy_upstream"
    }

    /// Envoy's local reply body.
    pub fn body(self) -> &'static str {
        "no healthy upstream"
    }
}
