//! What the end-to-end tests stand on: a real mesh in network namespaces ([`lab`]) with the applications in it ([`apps`]), what
//! a real istiod sent ([`recordings`]), and an embedded mesh without Go or root ([`embedded`]) under a control plane of
//! our own ([`control_plane`]).
//!
//! Nothing of the product depends on this crate.

pub mod apps;
#[allow(clippy::panic, reason = "a harness: what goes wrong here is a failed test, told where it happened")]
pub mod control_plane;
#[allow(clippy::panic, reason = "a harness: what goes wrong here is a failed test, told where it happened")]
pub mod embedded;
pub mod lab;
#[allow(clippy::panic, reason = "a harness: what goes wrong here is a failed test, told where it happened")]
pub mod parity;
pub mod recorder;
pub mod recordings;
mod serving;
pub mod skip;
