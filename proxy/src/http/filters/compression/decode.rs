//! Decompression: an [`Unpacker`] is what the configuration wants, a [`Decoder`] one body's. It gives as much as there is room for and
//! is asked again, so that a small body which stands for a large one costs no memory.

use std::sync::Arc;

use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use bytes::{Bytes, BytesMut};
use config::filters::compression::{Decompression, DecompressorLibrary};
use zlib_rs::{Inflate, InflateError, InflateFlush, Status};
use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use super::PIECE;

/// What brotli and zstd may give for an octet, as in Envoy; gzip's is configured.
const RATIO: u64 = 100;
/// zstd's windows: 8 MiB, as RFC 9659 has it for HTTP. The library would take 128 MiB from who asks for it.
const WINDOW_LOG: u32 = 23;
/// A frame of zstd says in its first octets which dictionary it wants.
const ZSTD_HEAD: usize = 18;

/// A configured library.
#[derive(Debug)]
pub(in crate::http::filters) struct Unpacker {
    library: Library,
    piece: usize,
}

#[derive(Debug)]
enum Library {
    Gzip { window_bits: u8, ratio: u64 },
    Brotli { whole_window: bool },
    Zstd { dictionaries: Arc<[Bytes]> },
}

/// One body's decompressor.
pub(in crate::http::filters) struct Decoder {
    state: State,
    /// Octets to give at a time.
    pub piece: usize,
    /// Octets that one octet may give.
    pub ratio: u64,
    ended: bool,
}

enum State {
    Gzip(Box<Inflate>),
    Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
    Zstd(Box<Zstd>),
}

struct Zstd {
    context: DCtx<'static>,
    /// Until the dictionary is chosen.
    choose: Option<Arc<[Bytes]>>,
    head: BytesMut,
}

/// Why a body cannot be decompressed; the names are those of Envoy's statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http::filters) enum Broken {
    ZlibData,
    ZlibStream,
    ZlibMemory,
    Brotli,
    Zstd,
    ZstdDictionary,
    ZstdChecksum,
    ZstdMemory,
    /// So little stands for so much that it is an attack.
    Excess,
}

impl Unpacker {
    /// Compiles.
    pub fn compile(config: &Decompression) -> Unpacker {
        let library = match &config.library {
            DecompressorLibrary::Gzip { window_bits, max_inflate_ratio } => {
                Library::Gzip { window_bits: *window_bits, ratio: u64::from(*max_inflate_ratio) }
            }
            DecompressorLibrary::Brotli { disable_ring_buffer_reallocation } => {
                Library::Brotli { whole_window: *disable_ring_buffer_reallocation }
            }
            DecompressorLibrary::Zstd { dictionaries } => Library::Zstd { dictionaries: dictionaries[..].into() },
        };
        Unpacker { library, piece: config.chunk_size.map_or(PIECE, |size| size as usize) }
    }

    /// As `content-encoding` says it.
    pub fn encoding(&self) -> &'static str {
        match self.library {
            Library::Gzip { .. } => "gzip",
            Library::Brotli { .. } => "br",
            Library::Zstd { .. } => "zstd",
        }
    }

    /// As names of statistics say it, with those of what may go wrong.
    pub fn names(&self) -> (&'static str, &'static [(Broken, &'static str)]) {
        match self.library {
            Library::Gzip { .. } => (
                "gzip",
                &[
                    (Broken::ZlibData, "zlib_data_error"),
                    (Broken::Excess, "zlib_data_error"),
                    (Broken::ZlibStream, "zlib_stream_error"),
                    (Broken::ZlibMemory, "zlib_mem_error"),
                ],
            ),
            Library::Brotli { .. } => ("brotli", &[(Broken::Brotli, "brotli_error"), (Broken::Excess, "brotli_error")]),
            Library::Zstd { .. } => (
                "zstd",
                &[
                    (Broken::Zstd, "zstd_generic_error"),
                    (Broken::Excess, "zstd_generic_error"),
                    (Broken::ZstdDictionary, "zstd_dictionary_error"),
                    (Broken::ZstdChecksum, "zstd_checksum_wrong_error"),
                    (Broken::ZstdMemory, "zstd_memory_error"),
                ],
            ),
        }
    }

    /// For one body; `None` where the library has no memory for it.
    pub fn decoder(&self) -> Option<Decoder> {
        let (state, ratio) = match &self.library {
            // 16 more: with gzip's header and checksum.
            Library::Gzip { window_bits, ratio } => {
                (State::Gzip(Box::new(Inflate::new(true, 16 + *window_bits))), *ratio)
            }
            Library::Brotli { whole_window } => {
                let alloc = StandardAlloc::default;
                let mut state = Box::new(BrotliState::new_strict(alloc(), alloc(), alloc()));
                if *whole_window {
                    state.set_initial_ring_buffer_size(u32::MAX);
                }
                (State::Brotli(state), RATIO)
            }
            Library::Zstd { dictionaries } => {
                let mut context = DCtx::try_create()?;
                context.set_parameter(DParameter::WindowLogMax(WINDOW_LOG)).ok()?;
                let choose = (!dictionaries.is_empty()).then(|| dictionaries.clone());
                (State::Zstd(Box::new(Zstd { context, choose, head: BytesMut::new() })), RATIO)
            }
        };
        Some(Decoder { state, piece: self.piece, ratio, ended: false })
    }
}

impl Decoder {
    /// Reads some of `data` and fills some of `out`: how much of either. Neither: it wants more, or is at its end. What follows the end is
    /// read and left out, as in Envoy. `last`: nothing more comes.
    pub fn read(&mut self, data: &[u8], out: &mut [u8], last: bool) -> Result<(usize, usize), Broken> {
        if self.ended {
            return Ok((data.len(), 0));
        }
        let (read, made, ended) = match &mut self.state {
            State::Gzip(inflate) => gzip(inflate, data, out)?,
            State::Brotli(state) => brotli(state, data, out)?,
            State::Zstd(zstd) => zstd.read(data, out, last)?,
        };
        self.ended = ended;
        Ok((read, made))
    }
}

fn gzip(inflate: &mut Inflate, data: &[u8], out: &mut [u8]) -> Result<(usize, usize, bool), Broken> {
    let (read, made) = (inflate.total_in(), inflate.total_out());
    let status = inflate.decompress(data, out, InflateFlush::NoFlush).map_err(|error| match error {
        InflateError::MemError => Broken::ZlibMemory,
        InflateError::StreamError => Broken::ZlibStream,
        _ => Broken::ZlibData,
    })?;
    // No more than the slices hold.
    Ok(((inflate.total_in() - read) as usize, (inflate.total_out() - made) as usize, status == Status::StreamEnd))
}

fn brotli(
    state: &mut BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    data: &[u8],
    out: &mut [u8],
) -> Result<(usize, usize, bool), Broken> {
    let (mut left, mut read, mut room, mut made, mut total) = (data.len(), 0, out.len(), 0, 0);
    let result = BrotliDecompressStream(&mut left, &mut read, data, &mut room, &mut made, out, &mut total, state);
    match result {
        BrotliResult::ResultFailure => Err(Broken::Brotli),
        BrotliResult::ResultSuccess => Ok((read, made, true)),
        BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => Ok((read, made, false)),
    }
}

impl Zstd {
    fn read(&mut self, data: &[u8], out: &mut [u8], last: bool) -> Result<(usize, usize, bool), Broken> {
        let mut taken = 0;
        if let Some(dictionaries) = &self.choose {
            taken = data.len().min(ZSTD_HEAD - self.head.len());
            self.head.extend_from_slice(&data[..taken]);
            if self.head.len() < ZSTD_HEAD && !last {
                return Ok((taken, 0, false));
            }
            if let Some(wanted) = zstd_safe::get_dict_id_from_frame(&self.head) {
                let of = |one: &&Bytes| zstd_safe::get_dict_id_from_dict(one) == Some(wanted);
                let dictionary = dictionaries.iter().find(of).ok_or(Broken::ZstdDictionary)?;
                self.context.load_dictionary(dictionary).map_err(|_| Broken::ZstdDictionary)?;
            }
            self.choose = None;
        }
        if self.head.is_empty() {
            let (read, made, ended) = stream(&mut self.context, data, out)?;
            return Ok((read, made, ended));
        }
        let (read, made, ended) = stream(&mut self.context, &self.head, out)?;
        self.head = self.head.split_off(read);
        // Ended in its first octets: the rest is behind the end.
        Ok((taken, made, ended))
    }
}

fn stream(context: &mut DCtx<'static>, data: &[u8], out: &mut [u8]) -> Result<(usize, usize, bool), Broken> {
    use zstd_safe::zstd_sys::ZSTD_ErrorCode as Code;
    let mut input = InBuffer::around(data);
    let mut output = OutBuffer::around(out);
    let result = context.decompress_stream(&mut output, &mut input).map_err(|code| {
        let is = |kind| zstd_safe::is_error_kind(code, kind);
        if is(Code::ZSTD_error_dictionary_wrong) || is(Code::ZSTD_error_dictionary_corrupted) {
            Broken::ZstdDictionary
        } else if is(Code::ZSTD_error_checksum_wrong) {
            Broken::ZstdChecksum
        } else if is(Code::ZSTD_error_memory_allocation) {
            Broken::ZstdMemory
        } else {
            Broken::Zstd
        }
    })?;
    // A frame may follow a frame: the end of one is no end of the body.
    let _ = result;
    Ok((input.pos(), output.pos(), false))
}
