//! gzip, brotli and zstd, a piece at a time, for the compressor and decompressor filters. The libraries are other people's: this is what
//! the configuration says to them, and how octets go in and out. Must never hold more than a piece.

mod decode;
mod encode;

pub(super) use decode::{Broken, Decoder, Unpacker};

pub(in crate::http) use encode::{Encoder, Packer};

/// Octets that are given on at a time where the configuration does not say.
const PIECE: usize = 16 * 1024;

#[cfg(test)]
mod tests;
