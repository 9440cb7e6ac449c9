//! The TCP proxy: bytes from one connection to another. `listener` compiles it and hands it connections.
//! It never looks at what passes.

mod lane;
mod pipes;
mod proxy;
mod relay;
mod stats;

#[cfg(test)]
mod tests;

pub use proxy::{TcpProxy, proxy};
