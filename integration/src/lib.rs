//! What the end-to-end tests stand on: a real mesh in network namespaces ([`lab`]) and the applications in it ([`apps`]).
//!
//! Nothing of the product depends on this crate.

pub mod apps;
pub mod lab;
