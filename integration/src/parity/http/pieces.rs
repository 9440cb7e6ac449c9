//! Pieces of bodies. In a scenario a piece is a text, each character of which is one octet, or an object: `{ "gzip": PIECE }`, `{ "br": PIECE }`,
//! `{ "zstd": PIECE }`, `{ "repeat": PIECE, "times": 3 }` (one piece), `{ "first": 10, "of": PIECE }` (its first octets), `{ "cut": 3, "of":
//! PIECE }` (several pieces of three octets). The other way round [`shown`] writes a body so that two of them can be compared: what is
//! compressed is written decompressed, since no two libraries make the same octets. Used by [`super`] alone.

use std::fmt::Write as _;
use std::io::Read as _;

use bytes::Bytes;
use serde_json::Value;

use super::Failure;

/// The pieces that one piece of a scenario stands for.
pub(super) fn read(value: &Value) -> Result<Vec<Bytes>, Failure> {
    if let Some(text) = value.as_str() {
        return Ok(vec![octets(text)?]);
    }
    let number = |key: &str| usize::try_from(value[key].as_u64().unwrap_or(0));
    let whole = |key: &str| Ok::<_, Failure>(read(&value[key])?.concat());
    let one = if !value["gzip"].is_null() {
        gzip(&whole("gzip")?)?
    } else if !value["br"].is_null() {
        let mut out = Vec::new();
        brotli::BrotliCompress(&mut &whole("br")?[..], &mut out, &brotli::enc::BrotliEncoderParams::default())?;
        out
    } else if !value["zstd"].is_null() {
        zstd(&whole("zstd")?)?
    } else if !value["repeat"].is_null() {
        whole("repeat")?.repeat(number("times")?)
    } else if !value["first"].is_null() {
        let mut whole = whole("of")?;
        whole.truncate(number("first")?);
        whole
    } else if !value["cut"].is_null() {
        return Ok(whole("of")?.chunks(number("cut")?.max(1)).map(Bytes::copy_from_slice).collect());
    } else {
        return Err(format!("{value} is no piece of a body").into());
    };
    Ok(vec![one.into()])
}

fn octets(text: &str) -> Result<Bytes, Failure> {
    let octet = |character: char| u8::try_from(u32::from(character)).map_err(|_| format!("{character:?} is no octet"));
    Ok(text.chars().map(octet).collect::<Result<Vec<_>, _>>()?.into())
}

/// With gzip's header and checksum.
const GZIP: i32 = 16 + 15;

fn gzip(data: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut out = vec![0; zlib_rs::compress_bound(data.len()) + 64];
    let config = zlib_rs::DeflateConfig { window_bits: GZIP, ..zlib_rs::DeflateConfig::default() };
    let length = zlib_rs::compress_slice(&mut out, data, config).0.len();
    out.truncate(length);
    Ok(out)
}

fn zstd(data: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut out = vec![0; zstd_safe::compress_bound(data.len())];
    let length = zstd_safe::compress(&mut out[..], data, 3).map_err(zstd_safe::get_error_name)?;
    out.truncate(length);
    Ok(out)
}

/// More octets than this are written as a beginning and a sum.
const LONG: usize = 600;

/// A body as one line; `encoding` is what its head says.
pub(super) fn shown(body: &[u8], encoding: Option<&str>) -> String {
    let (mut data, mut out) = (body.to_vec(), String::new());
    for name in encoding.unwrap_or_default().rsplit(',').map(str::trim) {
        let (plain, whole) = match name {
            "gzip" => gunzip(&data),
            "br" => unbrotli(&data),
            "zstd" => unzstd(&data),
            _ => continue,
        };
        let _ = write!(out, "({name}{}) ", if whole { "" } else { ", broken off" });
        data = plain;
    }
    if data.len() > LONG {
        let sum = data.iter().fold(0_u32, |sum, octet| sum.rotate_left(5) ^ u32::from(*octet));
        let _ = write!(out, "{}... {} octets, sum {sum:08x}", data[..60].escape_ascii(), data.len());
    } else {
        let _ = write!(out, "{}", data.escape_ascii());
    }
    out
}

/// As much as can be decompressed, and whether that is all.
fn gunzip(data: &[u8]) -> (Vec<u8>, bool) {
    let mut inflate = zlib_rs::Inflate::new(true, 16 + 15);
    let (mut out, mut room) = (Vec::new(), vec![0; 16 * 1024]);
    loop {
        let (read, made) = (inflate.total_in() as usize, inflate.total_out());
        let status = inflate.decompress(&data[read..], &mut room, zlib_rs::InflateFlush::NoFlush);
        let count = (inflate.total_out() - made) as usize;
        out.extend_from_slice(&room[..count]);
        match status {
            Ok(zlib_rs::Status::StreamEnd) => return (out, true),
            Ok(_) if count > 0 || inflate.total_in() as usize > read => {}
            _ => return (out, false),
        }
    }
}

fn unbrotli(mut data: &[u8]) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    let whole = brotli::Decompressor::new(&mut data, 4096).read_to_end(&mut out).is_ok();
    (out, whole)
}

fn unzstd(data: &[u8]) -> (Vec<u8>, bool) {
    let (mut out, mut room) = (Vec::new(), vec![0; 16 * 1024]);
    let mut context = zstd_safe::DCtx::create();
    let mut input = zstd_safe::InBuffer::around(data);
    loop {
        let mut output = zstd_safe::OutBuffer::around(&mut room[..]);
        let left = context.decompress_stream(&mut output, &mut input);
        let count = output.pos();
        out.extend_from_slice(&room[..count]);
        match left {
            Ok(0) => return (out, true),
            Ok(_) if count > 0 || input.pos() < data.len() => {}
            _ => return (out, false),
        }
    }
}

#[cfg(test)]
mod tests;
