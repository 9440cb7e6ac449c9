//! Compression: a [`Packer`] is what the configuration wants, an [`Encoder`] one body's.

use brotli::enc::backward_references::BrotliEncoderMode;
use brotli::enc::encode::{BrotliEncoderOperation, BrotliEncoderStateStruct};
use brotli::enc::interface::{PredictionModeContextMap, StaticCommand};
use brotli::enc::{BrotliEncoderParams, StandardAlloc};
use brotli::{InputPair, InputReferenceMut};
use bytes::BytesMut;
use config::filters::compression::{BrotliMode, Compression, CompressorLibrary, GzipStrategy};
use config::{At, Rejection};
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Status, Strategy};
use zstd_safe::zstd_sys::ZSTD_EndDirective as End;
use zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer};

use super::PIECE;

/// A configured library.
#[derive(Debug)]
pub(in crate::http) struct Packer {
    library: CompressorLibrary,
    piece: usize,
}

/// One body's compressor. Boxed: they are large, and bodies few.
pub(in crate::http) struct Encoder {
    state: State,
    piece: usize,
    /// The end was written.
    ended: bool,
}

enum State {
    Gzip(Box<Deflate>),
    Brotli(Box<BrotliEncoderStateStruct<StandardAlloc>>),
    Zstd(Box<CCtx<'static>>),
}

impl Packer {
    /// Compiles.
    ///
    /// # Errors
    /// The library does not take what the configuration says.
    pub fn compile(config: &Compression) -> Result<Packer, Rejection> {
        let piece = config.chunk_size.map_or(PIECE, |size| size as usize);
        let packer = Packer { library: config.library.clone(), piece };
        if matches!(config.library, CompressorLibrary::Zstd { .. }) && packer.encoder().is_none() {
            let at = At::root();
            let at = at.field("compressor_library");
            return Err(at.field("typed_config").reject("zstd does not take these settings; give others"));
        }
        Ok(packer)
    }

    /// As `content-encoding` says it.
    pub fn encoding(&self) -> &'static str {
        match self.library {
            CompressorLibrary::Gzip { .. } => "gzip",
            CompressorLibrary::Brotli { .. } => "br",
            CompressorLibrary::Zstd { .. } => "zstd",
        }
    }

    /// As names of statistics say it.
    pub fn name(&self) -> &'static str {
        match self.library {
            CompressorLibrary::Brotli { .. } => "brotli",
            _ => self.encoding(),
        }
    }

    /// For one body; `None` where the library has no memory for it.
    pub fn encoder(&self) -> Option<Encoder> {
        let state = match &self.library {
            CompressorLibrary::Gzip { level, strategy, memory_level, window_bits } => {
                State::Gzip(Box::new(Deflate::new_with_config(DeflateConfig {
                    level: level.map_or(-1, i32::from),
                    // 16 more: with gzip's header and checksum.
                    window_bits: 16 + i32::from(*window_bits),
                    mem_level: i32::from(*memory_level),
                    strategy: match strategy {
                        GzipStrategy::Default => Strategy::Default,
                        GzipStrategy::Filtered => Strategy::Filtered,
                        GzipStrategy::HuffmanOnly => Strategy::HuffmanOnly,
                        GzipStrategy::Rle => Strategy::Rle,
                        GzipStrategy::Fixed => Strategy::Fixed,
                    },
                    ..DeflateConfig::default()
                })))
            }
            CompressorLibrary::Brotli {
                quality,
                mode,
                window_bits,
                input_block_bits,
                disable_literal_context_modeling,
            } => {
                let mut state = Box::new(BrotliEncoderStateStruct::new(StandardAlloc::default()));
                state.params = BrotliEncoderParams {
                    quality: i32::from(*quality),
                    mode: match mode {
                        BrotliMode::Generic => BrotliEncoderMode::BROTLI_MODE_GENERIC,
                        BrotliMode::Text => BrotliEncoderMode::BROTLI_MODE_TEXT,
                        BrotliMode::Font => BrotliEncoderMode::BROTLI_MODE_FONT,
                    },
                    lgwin: i32::from(*window_bits),
                    lgblock: i32::from(*input_block_bits),
                    disable_literal_context_modeling: i32::from(*disable_literal_context_modeling),
                    ..state.params.clone()
                };
                State::Brotli(state)
            }
            CompressorLibrary::Zstd { level, checksum, strategy, dictionary } => {
                let mut context = Box::new(CCtx::try_create()?);
                let mut set = |parameter| context.set_parameter(parameter).ok();
                set(CParameter::CompressionLevel(i32::try_from(*level).ok()?))?;
                set(CParameter::ChecksumFlag(*checksum))?;
                if let Some(strategy) = strategy {
                    set(CParameter::Strategy(zstd_strategy(*strategy)?))?;
                }
                if let Some(dictionary) = dictionary {
                    context.load_dictionary(dictionary).ok()?;
                }
                State::Zstd(context)
            }
        };
        Some(Encoder { state, piece: self.piece, ended: false })
    }
}

fn zstd_strategy(number: u8) -> Option<zstd_safe::Strategy> {
    use zstd_safe::Strategy::*;
    let all = [
        ZSTD_fast,
        ZSTD_dfast,
        ZSTD_greedy,
        ZSTD_lazy,
        ZSTD_lazy2,
        ZSTD_btlazy2,
        ZSTD_btopt,
        ZSTD_btultra,
        ZSTD_btultra2,
    ];
    all.into_iter().nth(usize::from(number).checked_sub(1)?)
}

/// How far what comes out must go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// As the library likes.
    Full,
    Flushed,
    Ended,
}

impl Encoder {
    /// Compresses a piece, more of which follows at once. `None` as in [`flush`](Encoder::flush).
    pub fn add(&mut self, data: &[u8]) -> Option<BytesMut> {
        self.write(data, Until::Full)
    }

    /// Compresses a piece, so that what comes out says all of it. `None` where the library fails, which it does not.
    pub fn flush(&mut self, data: &[u8]) -> Option<BytesMut> {
        self.write(data, Until::Flushed)
    }

    /// The last data, and the end. Nothing comes out of an end that was there already.
    pub fn finish(&mut self, data: &[u8]) -> Option<BytesMut> {
        if std::mem::replace(&mut self.ended, true) {
            return Some(BytesMut::new());
        }
        self.write(data, Until::Ended)
    }

    fn write(&mut self, data: &[u8], until: Until) -> Option<BytesMut> {
        let mut out = BytesMut::new();
        let piece = self.piece;
        match &mut self.state {
            State::Gzip(deflate) => gzip(deflate, data, until, piece, &mut out)?,
            State::Brotli(state) => brotli(state, data, until, piece, &mut out)?,
            State::Zstd(context) => zstd(context, data, until, piece, &mut out)?,
        }
        Some(out)
    }
}

fn gzip(deflate: &mut Deflate, mut data: &[u8], until: Until, piece: usize, out: &mut BytesMut) -> Option<()> {
    let flush = match until {
        Until::Full => DeflateFlush::NoFlush,
        Until::Flushed => DeflateFlush::SyncFlush,
        Until::Ended => DeflateFlush::Finish,
    };
    loop {
        let start = out.len();
        out.resize(start + piece, 0);
        let (read, written) = (deflate.total_in(), deflate.total_out());
        let status = deflate.compress(data, out.get_mut(start..)?, flush).ok()?;
        let made = usize::try_from(deflate.total_out() - written).ok()?;
        data = data.get(usize::try_from(deflate.total_in() - read).ok()?..)?;
        out.truncate(start + made);
        if status == Status::StreamEnd || (data.is_empty() && made < piece) || status == Status::BufError {
            return Some(());
        }
    }
}

fn brotli(
    state: &mut BrotliEncoderStateStruct<StandardAlloc>,
    data: &[u8],
    until: Until,
    piece: usize,
    out: &mut BytesMut,
) -> Option<()> {
    use BrotliEncoderOperation::{BROTLI_OPERATION_FINISH, BROTLI_OPERATION_FLUSH, BROTLI_OPERATION_PROCESS};
    let operation = match until {
        Until::Full => BROTLI_OPERATION_PROCESS,
        Until::Flushed => BROTLI_OPERATION_FLUSH,
        Until::Ended => BROTLI_OPERATION_FINISH,
    };
    let mut ignore = |_: &mut PredictionModeContextMap<InputReferenceMut<'_>>,
                      _: &mut [StaticCommand],
                      _: InputPair<'_>,
                      _: &mut StandardAlloc| ();
    let (mut left, mut read) = (data.len(), 0);
    loop {
        let start = out.len();
        out.resize(start + piece, 0);
        let (mut room, mut made) = (piece, 0);
        let room_for = out.get_mut(start..)?;
        let worked = state.compress_stream(
            operation,
            &mut left,
            data,
            &mut read,
            &mut room,
            room_for,
            &mut made,
            &mut None,
            &mut ignore,
        );
        out.truncate(start + made);
        if !worked {
            return None;
        }
        if left == 0 && !state.has_more_output() && (until != Until::Ended || state.is_finished()) {
            return Some(());
        }
    }
}

fn zstd(context: &mut CCtx<'static>, data: &[u8], until: Until, piece: usize, out: &mut BytesMut) -> Option<()> {
    let end = match until {
        Until::Full => End::ZSTD_e_continue,
        Until::Flushed => End::ZSTD_e_flush,
        Until::Ended => End::ZSTD_e_end,
    };
    let mut input = InBuffer::around(data);
    loop {
        let start = out.len();
        out.resize(start + piece, 0);
        let mut output = OutBuffer::around(out.get_mut(start..)?);
        let left = context.compress_stream2(&mut output, &mut input, end).ok()?;
        let made = output.pos();
        out.truncate(start + made);
        // What the library likes to keep is no remainder.
        if (left == 0 || until == Until::Full) && input.pos() == data.len() {
            return Some(());
        }
    }
}
