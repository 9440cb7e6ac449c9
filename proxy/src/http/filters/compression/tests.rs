//! Tests of `compression`: what is packed is what is unpacked, whatever the pieces; strangers' octets neither panic nor cost memory.

use bytes::Bytes;
use config::filters::compression::*;

use super::*;

fn packers() -> Vec<Packer> {
    let gzip = |strategy, level, window_bits| CompressorLibrary::Gzip { level, strategy, memory_level: 5, window_bits };
    let zstd = |strategy, dictionary| CompressorLibrary::Zstd { level: 3, checksum: true, strategy, dictionary };
    let brotli = |mode, quality| CompressorLibrary::Brotli {
        quality,
        mode,
        window_bits: 18,
        input_block_bits: 24,
        disable_literal_context_modeling: quality == 0,
    };
    [
        gzip(GzipStrategy::Default, None, 12),
        gzip(GzipStrategy::HuffmanOnly, Some(9), 15),
        gzip(GzipStrategy::Rle, Some(1), 9),
        brotli(BrotliMode::Generic, 3),
        brotli(BrotliMode::Text, 0),
        zstd(None, None),
        zstd(Some(1), None),
        zstd(Some(9), None),
    ]
    .map(|library| Packer::compile(&Compression { name: "x".into(), library, chunk_size: Some(4096) }).unwrap())
    .into()
}

fn unpacker(encoding: &str) -> Unpacker {
    let library = match encoding {
        "gzip" => DecompressorLibrary::Gzip { window_bits: 15, max_inflate_ratio: 100 },
        "br" => DecompressorLibrary::Brotli { disable_ring_buffer_reallocation: false },
        _ => DecompressorLibrary::Zstd { dictionaries: Vec::new() },
    };
    Unpacker::compile(&Decompression { name: "x".into(), library, chunk_size: None })
}

/// All that comes of these octets.
fn unpacked(decoder: &mut Decoder, mut data: &[u8], last: bool) -> Result<Vec<u8>, Broken> {
    let mut all = Vec::new();
    let mut room = vec![0; 1000];
    loop {
        let (read, made) = decoder.read(data, &mut room, last)?;
        data = &data[read..];
        all.extend_from_slice(&room[..made]);
        if made == 0 && (read == 0 || data.is_empty()) {
            return Ok(all);
        }
    }
}

fn text() -> Bytes {
    let mut dice = fastrand::Rng::with_seed(7);
    let words = ["alpha", "beta", "gamma", " ", "\n", "\u{fc}"];
    (0..5000).map(|_| words[dice.usize(..words.len())]).collect::<String>().into()
}

#[test]
fn every_piece_comes_out_before_the_next_goes_in() {
    for packer in packers() {
        for step in [1, 7, 4096, 100_000] {
            let (mut encoder, mut decoder) =
                (packer.encoder().unwrap(), unpacker(packer.encoding()).decoder().unwrap());
            let text = text().slice(..if step == 1 { 300 } else { 15_000 });
            for piece in text.chunks(step) {
                let packed = encoder.flush(piece).unwrap();
                assert_eq!(unpacked(&mut decoder, &packed, false).unwrap(), piece, "{packer:?} {step}");
            }
            let packed = encoder.finish(&[]).unwrap();
            assert_eq!(unpacked(&mut decoder, &packed, true).unwrap(), b"", "{packer:?} {step}");
        }
    }
}

#[test]
fn what_comes_octet_by_octet_is_the_same() {
    for packer in packers() {
        let mut encoder = packer.encoder().unwrap();
        let mut packed = encoder.flush(&text()).unwrap();
        packed.extend_from_slice(&encoder.finish(&[]).unwrap());
        assert!(packed.len() < text().len());
        let mut decoder = unpacker(packer.encoding()).decoder().unwrap();
        let mut all = Vec::new();
        for octet in packed.chunks(1) {
            all.extend(unpacked(&mut decoder, octet, false).unwrap());
        }
        all.extend(unpacked(&mut decoder, b"", true).unwrap());
        assert_eq!(all, text(), "{packer:?}");
    }
}

#[test]
fn octets_of_strangers_are_refused_or_read() {
    let mut dice = fastrand::Rng::with_seed(9);
    for packer in packers() {
        let mut encoder = packer.encoder().unwrap();
        let mut packed = encoder.flush(&text()).unwrap();
        packed.extend_from_slice(&encoder.finish(&[]).unwrap());
        let mut broken = 0;
        for _ in 0..200 {
            let mut wrong = packed.clone();
            let at = dice.usize(..wrong.len());
            wrong[at] ^= 1 << dice.u8(..8);
            let mut decoder = unpacker(packer.encoding()).decoder().unwrap();
            broken += u32::from(unpacked(&mut decoder, &wrong, true).is_err());
        }
        assert!(broken > 0, "{packer:?}");
    }
    for encoding in ["gzip", "br", "zstd"] {
        let mut decoder = unpacker(encoding).decoder().unwrap();
        assert!(unpacked(&mut decoder, b"this is none of them, really not", true).is_err(), "{encoding}");
    }
}

#[test]
fn zstd_finds_its_dictionary_and_refuses_what_wants_another() {
    // The smallest that zstd takes for a dictionary with an identity is trained; raw content has none and is used as it is.
    let library = CompressorLibrary::Zstd { level: 3, checksum: false, strategy: None, dictionary: Some(text()) };
    let packer = Packer::compile(&Compression { name: "x".into(), library, chunk_size: None }).unwrap();
    let mut encoder = packer.encoder().unwrap();
    assert!(encoder.flush(&text()[..2000]).unwrap().len() < 200, "the dictionary is used");
    let mut decoder = unpacker("zstd").decoder().unwrap();
    let mut encoder = packer.encoder().unwrap();
    let packed = encoder.flush(&text()[..2000]).unwrap();
    assert_ne!(unpacked(&mut decoder, &packed, true).ok(), Some(text()[..2000].to_vec()));
}

#[test]
fn zstd_windows_are_bounded() {
    // A frame whose header asks for a window of 128 MiB: magic, descriptor without content size, window descriptor 17 << 3.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 17 << 3, 0x01, 0x00, 0x00];
    let mut decoder = unpacker("zstd").decoder().unwrap();
    assert!(unpacked(&mut decoder, &frame, true).is_err());
}
