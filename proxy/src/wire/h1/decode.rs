//! The core without I/O: bytes in, heads and body frames out. `server` and `client` feed it from their streams; fuzzing feeds it directly.
//!
//! Each call takes what it understands off the front of the buffer and leaves the rest. After an error the decoder must not be used.

use bytes::BytesMut;

use super::body::{Body, Framing};
use super::head::{Cut, Finder, Kind};
use super::{ParseError, Settings, lenient, meter, request, response};
use crate::wire::message::{Frame, RequestHead, ResponseHead};

pub use super::response::Asked;

/// Reads requests.
#[derive(Debug)]
pub struct RequestDecoder {
    settings: Settings,
    finder: Finder,
    /// So many octets of a head that is not complete hold no end of its first line; [`JUDGED`] once that has been judged.
    looked: usize,
    body: Body,
    lines: u32,
}

impl RequestDecoder {
    /// Ready for the first head.
    pub fn new(settings: Settings) -> RequestDecoder {
        RequestDecoder { settings, finder: Finder::default(), looked: 0, body: Body::Done, lines: 0 }
    }

    /// The next head, and whether the client would keep the connection afterwards; `None` when more must be read.
    /// Only between messages.
    pub fn head(&mut self, buffer: &mut BytesMut) -> Result<Option<(RequestHead, bool)>, ParseError> {
        let limit = self.settings.max_headers as usize;
        let found = self.finder.find(Kind::Request, buffer, limit).map_err(|error| self.first_fault(buffer, error));
        let cut = match found? {
            Some(cut) => cut,
            None => match self.first_line(buffer)? {
                Some(cut) => cut,
                None => return Ok(None),
            },
        };
        self.looked = 0;
        self.lines = meter::octets(&cut.lines);
        let request = request::take(buffer, cut, &self.settings)?;
        self.body = Body::new(request.framing);
        Ok(Some((request.head, request.keep_alive)))
    }

    /// What is wrong with a head, the first line first: the rest of it may have come with it, or not.
    #[cold]
    fn first_fault(&self, buffer: &[u8], error: ParseError) -> ParseError {
        if buffer.first().is_none_or(|first| *first <= b' ') {
            return error;
        }
        let Some((words, true)) = lenient::first_line(buffer) else { return error };
        request::check_first_line(buffer, &words, &self.settings).err().unwrap_or(error)
    }

    /// Judges the first line of a head that is not complete, once it is there; one without a version is all of a request.
    #[cold]
    fn first_line(&mut self, buffer: &[u8]) -> Result<Option<Cut>, ParseError> {
        if self.looked == JUDGED {
            return Ok(None);
        }
        let is_there = memchr::memchr(b'\n', &buffer[self.looked.min(buffer.len())..]).is_some();
        self.looked = if is_there { JUDGED } else { buffer.len() };
        if !is_there {
            return Ok(None);
        }
        let Some((words, is_clean)) = lenient::first_line(buffer) else { return Ok(None) };
        if is_clean {
            request::check_first_line(buffer, &words, &self.settings)?;
        }
        if !words[2].is_empty() {
            return Ok(None);
        }
        self.finder = Finder::default();
        lenient::cut(Kind::Request, buffer)
    }

    /// The next piece of the body, [`Frame::End`] (again and again) after it; `None` when more must be read.
    pub fn body(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, ParseError> {
        self.body.next(buffer, &self.settings)
    }

    /// Octets of the last head's lines.
    pub(super) fn lines(&self) -> u32 {
        self.lines
    }

    /// Whether the message has been taken to its end.
    pub fn is_done(&self) -> bool {
        self.body.is_done()
    }

    /// Whether octets of a head have been seen.
    pub fn head_started(&self) -> bool {
        self.finder.started()
    }

    /// From here on everything is body until the peer closes.
    pub fn tunnel(&mut self) {
        self.body = Body::UntilClose;
    }

    /// Whether everything is body until the peer closes.
    pub fn is_tunnel(&self) -> bool {
        matches!(self.body, Body::UntilClose)
    }
}

const JUDGED: usize = usize::MAX;

/// Reads responses.
#[derive(Debug)]
pub struct ResponseDecoder {
    settings: Settings,
    finder: Finder,
    body: Body,
    lines: u32,
}

/// A response head as decoded.
#[derive(Debug)]
pub struct Decoded {
    /// The head.
    pub head: ResponseHead,
    /// Whether the server would keep the connection after the body.
    pub keep_alive: bool,
    /// Whether it said that it would not.
    pub says_close: bool,
    /// An informational head: another one follows.
    pub interim: bool,
}

impl ResponseDecoder {
    /// Ready for the first head.
    pub fn new(settings: Settings) -> ResponseDecoder {
        ResponseDecoder { settings, finder: Finder::default(), body: Body::Done, lines: 0 }
    }

    /// The next head of the answer to what was asked; `None` when more must be read. Only between messages.
    pub fn head(&mut self, buffer: &mut BytesMut, asked: Asked) -> Result<Option<Decoded>, ParseError> {
        let limit = self.settings.max_headers as usize;
        let Some(cut) = self.finder.find(Kind::Response, buffer, limit)? else { return Ok(None) };
        self.lines = meter::octets(&cut.lines);
        let response = response::take(buffer, cut, asked, &self.settings)?;
        self.body = Body::new(response.framing);
        let response::Response { head, keep_alive, says_close, interim, .. } = response;
        Ok(Some(Decoded { head, keep_alive, says_close, interim }))
    }

    /// There is no head: everything is body until the peer closes.
    pub(super) fn raw(&mut self) {
        self.body = Body::UntilClose;
    }

    /// The next piece of the body, [`Frame::End`] (again and again) after it; `None` when more must be read.
    pub fn body(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, ParseError> {
        self.body.next(buffer, &self.settings)
    }

    /// Octets of the last head's lines.
    pub(super) fn lines(&self) -> u32 {
        self.lines
    }

    /// Whether the message has been taken to its end.
    pub fn is_done(&self) -> bool {
        self.body.is_done()
    }

    /// Whether octets of a head have been seen.
    pub fn head_started(&self) -> bool {
        self.finder.started()
    }

    /// Whether everything is body until the peer closes: then its closing ends the message in good order.
    pub fn is_until_close(&self) -> bool {
        matches!(self.body, Body::UntilClose)
    }

    /// Stops expecting a body, e.g. after a message was given up.
    pub fn abandon(&mut self) {
        self.body = Body::new(Framing::None);
        self.finder = Finder::default();
    }
}

#[cfg(test)]
mod tests;
