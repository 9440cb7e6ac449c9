//! The side-by-side run against Envoy, HAProxy and nginx. `src/bin/load.rs` is the command; nothing imports this crate.

pub mod load;
