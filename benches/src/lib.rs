//! What a request costs: the side-by-side run against Envoy, HAProxy and nginx (`src/bin/load.rs`), and the count of instructions
//! (`src/bin/instructions.rs`). Nothing imports this crate.

pub mod instructions;
pub mod load;
