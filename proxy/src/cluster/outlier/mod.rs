//! Outlier detection: hosts that fail are left out for a while.
//!
//! Workers count what becomes of requests and connections, in a [`Monitor`] for each host that all workers share, and report a suspect. The
//! control thread alone decides, in a [`Detector`] for each cluster that [`Ejections`] runs: it marks the host, and publishes the
//! endpoints anew. A cluster without `outlier_detection` has none of this: its requests look at one empty pointer.

mod detector;
mod events;
mod monitor;
mod rates;
mod run;
mod shared;
mod stats;
#[cfg(test)]
mod tests;

pub use monitor::{Monitor, Outcome};
pub use run::Ejections;
pub use shared::Watch;
