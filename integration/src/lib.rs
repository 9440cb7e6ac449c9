//! What the end-to-end tests stand on: a real mesh in network namespaces ([`lab`]) and the applications in it ([`apps`]),
//! and what a real istiod sent, recorded ([`recordings`]).
//!
//! Nothing of the product depends on this crate.

pub mod apps;
pub mod lab;
pub mod recorder;
pub mod recordings;
