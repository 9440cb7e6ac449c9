//! Text of a gRPC-Web request: base64, cut anywhere. Used by the filter alone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};

use crate::http::filters::filter::Out;
use crate::wire::message::Frame;

/// Why text is none.
const SIZE: &str = "grpc_base_64_decode_failed_bad_size";
const DATA: &str = "grpc_base_64_decode_failed";

/// Decodes text as it comes. Several texts, each padded, may follow each other: clients write one for each message.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// Octets that do not make a quad yet.
    rest: [u8; 4],
    length: usize,
}

impl Decoder {
    /// Puts out what a frame stands for, or says why it stands for nothing.
    pub fn frame(&mut self, frame: Frame, out: &mut Out<'_>) -> Result<(), &'static str> {
        match frame {
            Frame::Data(data) => {
                let decoded = self.decode(&data)?;
                if !decoded.is_empty() {
                    out.push(Frame::Data(decoded));
                }
            }
            last if self.length == 0 => out.push(last),
            Frame::Trailers(_) | Frame::End => return Err(SIZE),
        }
        Ok(())
    }

    fn decode(&mut self, mut data: &[u8]) -> Result<Bytes, &'static str> {
        let mut decoded = BytesMut::with_capacity(data.len() / 4 * 3 + 3);
        if self.length > 0 {
            let (head, tail) = data.split_at(data.len().min(4 - self.length));
            self.rest[self.length..self.length + head.len()].copy_from_slice(head);
            self.length += head.len();
            data = tail;
            if self.length < 4 {
                return Ok(Bytes::new());
            }
            self.length = 0;
            whole(&self.rest, &mut decoded)?;
        }
        let (quads, rest) = data.split_at(data.len() / 4 * 4);
        whole(quads, &mut decoded)?;
        self.rest[..rest.len()].copy_from_slice(rest);
        self.length = rest.len();
        Ok(decoded.freeze())
    }
}

/// Decodes quads, up to each that is padded.
fn whole(mut quads: &[u8], out: &mut BytesMut) -> Result<(), &'static str> {
    while !quads.is_empty() {
        let padded = memchr::memchr(b'=', quads).map_or(quads.len(), |at| at / 4 * 4 + 4);
        let (text, rest) = quads.split_at(padded);
        let from = out.len();
        out.resize(from + text.len() / 4 * 3, 0);
        let made = STANDARD.decode_slice(text, &mut out[from..]).map_err(|_| DATA)?;
        out.truncate(from + made);
        quads = rest;
    }
    Ok(())
}
