//! A gRPC answer as gRPC-Web writes it, and other answers as what is to be known of them. Used by the filter alone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};

use super::PROTO;
use crate::http::filters::filter::Out;
use crate::wire::grpc::{self, frames::Follow};
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Frame, ResponseHead};

/// Marks the message that the trailers become.
const TRAILERS: u8 = 0x80;

/// Whether an answer of status 200 has the content type of gRPC, or of gRPC-Web already.
pub(super) fn is_meant(headers: &Headers) -> bool {
    grpc::has_content_type(headers)
        || headers.get(&Name::CONTENT_TYPE).is_some_and(|value| {
            let kind = value.split(|octet| *octet == b';').next().unwrap_or(value).trim_ascii_end();
            kind.eq_ignore_ascii_case(b"application/grpc-web") || kind.eq_ignore_ascii_case(PROTO)
        })
}

/// Writes the body.
#[derive(Debug)]
pub(super) struct Encoder {
    text: Option<Text>,
}

impl Encoder {
    pub fn new(text: bool) -> Encoder {
        Encoder { text: text.then(Text::default) }
    }

    /// Puts out what a frame becomes.
    pub fn frame(&mut self, frame: Frame, out: &mut Out<'_>) {
        match frame {
            Frame::Data(data) => self.data(data, out),
            Frame::Trailers(trailers) => {
                self.data(message_of(&trailers), out);
                self.end(out);
            }
            Frame::End => self.end(out),
        }
    }

    fn data(&mut self, data: Bytes, out: &mut Out<'_>) {
        let data = match &mut self.text {
            Some(text) => text.encode(&data),
            None => data,
        };
        if !data.is_empty() {
            out.push(Frame::Data(data));
        }
    }

    fn end(&mut self, out: &mut Out<'_>) {
        let rest = self.text.as_mut().map(Text::finish).unwrap_or_default();
        if !rest.is_empty() {
            out.push(Frame::Data(rest));
        }
        out.push(Frame::End);
    }
}

/// Trailers as a message: a line for each.
fn message_of(trailers: &Headers) -> Bytes {
    let length: usize = trailers.iter().map(|line| line.name.as_str().len() + line.value.len() + 3).sum();
    let mut message = BytesMut::with_capacity(grpc::frames::PREFIX + length);
    message.put_u8(TRAILERS);
    // A codec has limited what trailers may take.
    message.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    for line in trailers.iter() {
        message.put_slice(line.name.as_str().as_bytes());
        message.put_u8(b':');
        message.put_slice(&line.value);
        message.put_slice(b"\r\n");
    }
    message.freeze()
}

/// Base64 of messages as they pass; each is padded where it ends.
#[derive(Debug, Default)]
struct Text {
    follow: Follow,
    /// Octets that do not make a quad yet.
    rest: [u8; 3],
    length: usize,
}

impl Text {
    fn encode(&mut self, mut data: &[u8]) -> Bytes {
        let mut out = String::with_capacity((data.len() + self.length) / 3 * 4 + 8);
        while !data.is_empty() {
            let passed = self.follow.pass(data);
            let (piece, after) = data.split_at(passed.taken);
            self.push(piece, &mut out);
            if passed.ended {
                self.flush(&mut out);
            }
            data = after;
        }
        Bytes::from(out)
    }

    /// What is left where the body ends within a message.
    fn finish(&mut self) -> Bytes {
        let mut out = String::new();
        self.flush(&mut out);
        Bytes::from(out)
    }

    fn push(&mut self, mut piece: &[u8], out: &mut String) {
        if self.length > 0 {
            let (head, tail) = piece.split_at(piece.len().min(3 - self.length));
            self.rest[self.length..self.length + head.len()].copy_from_slice(head);
            self.length += head.len();
            piece = tail;
            if self.length < 3 {
                return;
            }
            self.flush(out);
        }
        let (threes, rest) = piece.split_at(piece.len() / 3 * 3);
        STANDARD.encode_string(threes, out);
        self.rest[..rest.len()].copy_from_slice(rest);
        self.length = rest.len();
    }

    fn flush(&mut self, out: &mut String) {
        STANDARD.encode_string(&self.rest[..self.length], out);
        self.length = 0;
    }
}

/// An answer that is no gRPC, as its client can read it: a head alone.
pub(super) struct Translated {
    message: Bytes,
}

impl Translated {
    /// Of what was read of its body.
    pub fn of(body: &Out<'_>, most: usize) -> Translated {
        let mut text = body.data();
        text.truncate(most);
        Translated { message: grpc::message(&text) }
    }

    pub fn apply(self, head: &mut ResponseHead) {
        head.headers.set(Name::GRPC_MESSAGE, self.message);
        head.headers.set(Name::GRPC_STATUS, super::status_of(head.status));
        head.headers.set(Name::CONTENT_LENGTH, Bytes::from_static(b"0"));
        head.body = BodyLength::Empty;
    }
}
