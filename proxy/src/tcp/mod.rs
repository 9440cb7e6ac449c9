//! The TCP proxy: bytes from one connection to another. `listener` compiles it and hands it connections.
//! It never looks at what passes.

mod connect;
pub mod filters;
mod lane;
mod own;
mod pipes;
mod proxy;
mod relay;
mod reports;
mod stats;
mod tlvs;
mod tunnel;

#[cfg(test)]
mod tests;

pub use own::{direct, echo};
pub use proxy::{TcpProxy, proxy};
