//! The libraries of the compressor and decompressor filters: gzip, brotli and zstd, with Envoy's defaults. Called by these two.

use std::sync::Arc;

use bytes::Bytes;

use crate::extension;
use crate::field_rules;
use crate::options::Options;
use crate::proto::{self, core::v3 as core, extensions::compression as ext, uint32, wkt};
use crate::registry;
use crate::rejection::{At, Rejection};

/// `compressor_library`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compression {
    /// Its name: a part of the names of statistics.
    pub name: Arc<str>,
    /// Which.
    pub library: CompressorLibrary,
    /// `chunk_size`: octets that are given on at a time; `None`: the library's own.
    pub chunk_size: Option<u32>,
}

/// A compressor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompressorLibrary {
    /// `compression.gzip.compressor.v3.Gzip`.
    Gzip {
        /// 0 to 9; `None`: zlib's default.
        level: Option<u8>,
        /// `compression_strategy`.
        strategy: GzipStrategy,
        /// 1 to 9; default 5.
        memory_level: u8,
        /// 9 to 15; default 12.
        window_bits: u8,
    },
    /// `compression.brotli.compressor.v3.Brotli`.
    Brotli {
        /// 0 to 11; default 3.
        quality: u8,
        /// `encoder_mode`.
        mode: BrotliMode,
        /// 10 to 24; default 18.
        window_bits: u8,
        /// 16 to 24; default 24.
        input_block_bits: u8,
        /// `disable_literal_context_modeling`.
        disable_literal_context_modeling: bool,
    },
    /// `compression.zstd.compressor.v3.Zstd`.
    Zstd {
        /// Default 3.
        level: u32,
        /// `enable_checksum`.
        checksum: bool,
        /// 1 to 9 as zstd numbers them; `None`: by the level.
        strategy: Option<u8>,
        /// `dictionary`.
        dictionary: Option<Bytes>,
    },
}

/// zlib's strategies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GzipStrategy {
    /// For any data.
    Default,
    /// For data of a filter or predictor.
    Filtered,
    /// No matching of strings.
    HuffmanOnly,
    /// Matches of distance one.
    Rle,
    /// No dynamic codes.
    Fixed,
}

/// Brotli's modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrotliMode {
    /// For any data.
    Generic,
    /// For UTF-8.
    Text,
    /// For WOFF 2.
    Font,
}

/// `decompressor_library`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decompression {
    /// Its name: a part of the names of statistics.
    pub name: Arc<str>,
    /// Which.
    pub library: DecompressorLibrary,
    /// `chunk_size`.
    pub chunk_size: Option<u32>,
}

/// A decompressor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecompressorLibrary {
    /// `compression.gzip.decompressor.v3.Gzip`.
    Gzip {
        /// 9 to 15; default 15.
        window_bits: u8,
        /// Output by input that is taken for a bomb; default 100.
        max_inflate_ratio: u32,
    },
    /// `compression.brotli.decompressor.v3.Brotli`.
    Brotli {
        /// `disable_ring_buffer_reallocation`.
        disable_ring_buffer_reallocation: bool,
    },
    /// `compression.zstd.decompressor.v3.Zstd`.
    Zstd {
        /// `dictionaries`; which one a frame wants stands in it.
        dictionaries: Vec<Bytes>,
    },
}

/// A `compressor_library`.
pub(super) fn compressor(
    at: &At<'_>,
    proto: &core::TypedExtensionConfig,
    options: &Options,
) -> Result<Compression, Rejection> {
    let name = field_rules::not_empty(&at.field("name"), &proto.name)?;
    let at = at.field("typed_config");
    let extension = extension::open_required(&at, &proto.typed_config)?;
    let (library, chunk) = match &*extension.type_name {
        registry::GZIP_COMPRESSOR => {
            let gzip: ext::gzip::compressor::v3::Gzip = extension.decode(&at, options)?;
            (gzip_compressor(&at, &gzip)?, gzip.chunk_size)
        }
        registry::BROTLI_COMPRESSOR => {
            let brotli: ext::brotli::compressor::v3::Brotli = extension.decode(&at, options)?;
            (brotli_compressor(&at, &brotli)?, brotli.chunk_size)
        }
        registry::ZSTD_COMPRESSOR => {
            let zstd: ext::zstd::compressor::v3::Zstd = extension.decode(&at, options)?;
            (zstd_compressor(&at, &zstd, options)?, zstd.chunk_size)
        }
        other => return Err(registry::not_registered(&at, &name, other)),
    };
    Ok(Compression { name, library, chunk_size: chunk_size(&at, &chunk)? })
}

/// A `decompressor_library`.
pub(super) fn decompressor(
    at: &At<'_>,
    proto: &core::TypedExtensionConfig,
    options: &Options,
) -> Result<Decompression, Rejection> {
    let name = field_rules::not_empty(&at.field("name"), &proto.name)?;
    let at = at.field("typed_config");
    let extension = extension::open_required(&at, &proto.typed_config)?;
    let (library, chunk) = match &*extension.type_name {
        registry::GZIP_DECOMPRESSOR => {
            let gzip: ext::gzip::decompressor::v3::Gzip = extension.decode(&at, options)?;
            let library = DecompressorLibrary::Gzip {
                window_bits: small(&at.field("window_bits"), &gzip.window_bits, 9, 15, 15)?,
                max_inflate_ratio: ranged(&at.field("max_inflate_ratio"), &gzip.max_inflate_ratio, 1, 1032)?
                    .unwrap_or(100),
            };
            (library, gzip.chunk_size)
        }
        registry::BROTLI_DECOMPRESSOR => {
            let brotli: ext::brotli::decompressor::v3::Brotli = extension.decode(&at, options)?;
            let disable_ring_buffer_reallocation = brotli.disable_ring_buffer_reallocation;
            (DecompressorLibrary::Brotli { disable_ring_buffer_reallocation }, brotli.chunk_size)
        }
        registry::ZSTD_DECOMPRESSOR => {
            let zstd: ext::zstd::decompressor::v3::Zstd = extension.decode(&at, options)?;
            let at_list = at.field("dictionaries");
            let list = zstd.dictionaries.iter().enumerate();
            let dictionaries =
                list.map(|(index, one)| dictionary(&at_list.index(index), one, options)).collect::<Result<_, _>>()?;
            (DecompressorLibrary::Zstd { dictionaries }, zstd.chunk_size)
        }
        other => return Err(registry::not_registered(&at, &name, other)),
    };
    Ok(Decompression { name, library, chunk_size: chunk_size(&at, &chunk)? })
}

fn gzip_compressor(at: &At<'_>, proto: &ext::gzip::compressor::v3::Gzip) -> Result<CompressorLibrary, Rejection> {
    use ext::gzip::compressor::v3::gzip::{CompressionLevel, CompressionStrategy as Strategy};
    let at_level = at.field("compression_level");
    proto::defined::<CompressionLevel>(&at_level, proto.compression_level)?;
    Ok(CompressorLibrary::Gzip {
        // The enum's numbers are zlib's levels, with 0 for its default.
        level: u8::try_from(proto.compression_level).ok().filter(|level| *level > 0),
        strategy: match proto::defined::<Strategy>(&at.field("compression_strategy"), proto.compression_strategy)? {
            Strategy::DefaultStrategy => GzipStrategy::Default,
            Strategy::Filtered => GzipStrategy::Filtered,
            Strategy::HuffmanOnly => GzipStrategy::HuffmanOnly,
            Strategy::Rle => GzipStrategy::Rle,
            Strategy::Fixed => GzipStrategy::Fixed,
        },
        memory_level: small(&at.field("memory_level"), &proto.memory_level, 1, 9, 5)?,
        window_bits: small(&at.field("window_bits"), &proto.window_bits, 9, 15, 12)?,
    })
}

fn brotli_compressor(at: &At<'_>, proto: &ext::brotli::compressor::v3::Brotli) -> Result<CompressorLibrary, Rejection> {
    use ext::brotli::compressor::v3::brotli::EncoderMode as Mode;
    Ok(CompressorLibrary::Brotli {
        quality: small(&at.field("quality"), &proto.quality, 0, 11, 3)?,
        mode: match proto::defined::<Mode>(&at.field("encoder_mode"), proto.encoder_mode)? {
            Mode::Default | Mode::Generic => BrotliMode::Generic,
            Mode::Text => BrotliMode::Text,
            Mode::Font => BrotliMode::Font,
        },
        window_bits: small(&at.field("window_bits"), &proto.window_bits, 10, 24, 18)?,
        input_block_bits: small(&at.field("input_block_bits"), &proto.input_block_bits, 16, 24, 24)?,
        disable_literal_context_modeling: proto.disable_literal_context_modeling,
    })
}

fn zstd_compressor(
    at: &At<'_>,
    proto: &ext::zstd::compressor::v3::Zstd,
    options: &Options,
) -> Result<CompressorLibrary, Rejection> {
    use ext::zstd::compressor::v3::zstd::Strategy;
    proto::defined::<Strategy>(&at.field("strategy"), proto.strategy)?;
    // Zstandard takes more than its most for that.
    let level = uint32(&proto.compression_level).unwrap_or(3).min(22);
    Ok(CompressorLibrary::Zstd {
        level,
        checksum: proto.enable_checksum,
        // The enum's numbers are the library's own, with 0 for its default.
        strategy: u8::try_from(proto.strategy).ok().filter(|strategy| *strategy > 0),
        dictionary: proto
            .dictionary
            .as_ref()
            .map(|one| dictionary(&at.field("dictionary"), one, options))
            .transpose()?,
    })
}

fn dictionary(at: &At<'_>, proto: &core::DataSource, options: &Options) -> Result<Bytes, Rejection> {
    const MAGIC: [u8; 4] = [0x37, 0xa4, 0x30, 0xec];
    let bytes = field_rules::content(at, proto, options)?;
    match bytes.get(..8) {
        Some([head @ .., _, _, _, _]) if *head == MAGIC && bytes[4..8] != [0; 4] => Ok(bytes),
        _ => Err(at.reject("is not a Zstandard dictionary with an id; give one that zstd --train made")),
    }
}

fn chunk_size(at: &At<'_>, value: &Option<wkt::UInt32Value>) -> Result<Option<u32>, Rejection> {
    ranged(&at.field("chunk_size"), value, 4096, 65_536)
}

fn ranged(at: &At<'_>, value: &Option<wkt::UInt32Value>, low: u32, high: u32) -> Result<Option<u32>, Rejection> {
    let value = uint32(value);
    if let Some(value) = value {
        field_rules::within(at, u64::from(value), u64::from(low), u64::from(high))?;
    }
    Ok(value)
}

fn small(at: &At<'_>, value: &Option<wkt::UInt32Value>, low: u8, high: u8, default: u8) -> Result<u8, Rejection> {
    let value = ranged(at, value, u32::from(low), u32::from(high))?;
    // Within a range of u8 by the test above.
    Ok(value.and_then(|value| u8::try_from(value).ok()).unwrap_or(default))
}
