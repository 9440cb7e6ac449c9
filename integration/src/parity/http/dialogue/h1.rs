//! Reads HTTP/1 messages of a proxy, which are well-formed, part by part as their octets come. Used by both sides of a dialogue.

use bytes::{Buf, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::Part;
use crate::parity::http::Failure;

/// A message that is being read.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: BytesMut,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Head,
    Length(usize),
    ChunkLine,
    Chunk(usize),
    ChunkEnd,
    Trailers,
    UntilClose,
    Done,
}

impl Reader {
    /// Takes octets; `None` is the end of the connection.
    ///
    /// # Errors
    /// The octets are no HTTP/1.
    pub fn read(&mut self, octets: Option<&[u8]>) -> Result<Vec<Part>, Failure> {
        let mut parts = Vec::new();
        self.buffer.extend_from_slice(octets.unwrap_or_default());
        while let Some(part) = self.next()? {
            parts.extend(part);
        }
        if octets.is_none() && !matches!(self.state, State::Done) {
            parts.push(Part::End(matches!(self.state, State::UntilClose)));
            self.state = State::Done;
        }
        Ok(parts)
    }

    /// The next part, if it is here; some progress is no part.
    fn next(&mut self) -> Result<Option<Option<Part>>, Failure> {
        match self.state {
            State::Done => Ok(None),
            State::Head => {
                let Some(end) = find(&self.buffer, b"\r\n\r\n") else { return Ok(None) };
                let head = self.buffer.split_to(end + 4);
                self.head(&head).map(|part| Some(Some(part)))
            }
            State::Length(0) => Ok(Some(Some(self.end()))),
            State::Length(left) => self.data(left, State::Length),
            State::Chunk(left) => self.data(left, |left| if left == 0 { State::ChunkEnd } else { State::Chunk(left) }),
            State::UntilClose => self.data(usize::MAX, |_| State::UntilClose),
            State::ChunkEnd if self.buffer.len() < 2 => Ok(None),
            State::ChunkEnd => {
                self.buffer.advance(2);
                self.state = State::ChunkLine;
                Ok(Some(None))
            }
            State::ChunkLine => {
                let Some(end) = find(&self.buffer, b"\r\n") else { return Ok(None) };
                let line = self.buffer.split_to(end + 2);
                let size = usize::from_str_radix(std::str::from_utf8(&line[..end])?, 16)?;
                self.state = if size == 0 { State::Trailers } else { State::Chunk(size) };
                Ok(Some(None))
            }
            State::Trailers if self.buffer.starts_with(b"\r\n") => {
                self.buffer.advance(2);
                Ok(Some(Some(self.end())))
            }
            State::Trailers => {
                let Some(end) = find(&self.buffer, b"\r\n\r\n") else { return Ok(None) };
                let lines = self.buffer.split_to(end + 2);
                Ok(Some(Some(Part::Trailers(headers(&lines)?))))
            }
        }
    }

    fn data(&mut self, left: usize, then: impl Fn(usize) -> State) -> Result<Option<Option<Part>>, Failure> {
        let count = left.min(self.buffer.len());
        if count == 0 {
            return Ok(None);
        }
        let data = self.buffer.split_to(count).freeze();
        self.state = then(left - count);
        Ok(Some(Some(Part::Data(data))))
    }

    fn end(&mut self) -> Part {
        self.state = State::Done;
        Part::End(true)
    }

    fn head(&mut self, head: &[u8]) -> Result<Part, Failure> {
        let (line, rest) = head.split_at(find(head, b"\r\n").ok_or("a head has a line")?);
        let line = String::from_utf8_lossy(line).into_owned();
        let headers = headers(&rest[2..])?;
        let status: Option<u16> = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let length = headers.get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
        let chunked = headers.get("transfer-encoding").is_some_and(|value| value == "chunked");
        self.state = match (status, length) {
            (Some(100..200), _) => State::Head,
            (Some(204 | 304), _) => State::Length(0),
            _ if chunked => State::ChunkLine,
            (_, Some(length)) => State::Length(length),
            (Some(_), None) => State::UntilClose,
            (None, None) => State::Length(0),
        };
        match status {
            Some(status @ 100..200) => Ok(Part::Informational(status)),
            Some(status) => Ok(Part::Head(status.to_string(), headers)),
            None => Ok(Part::Head(line.trim_end_matches(" HTTP/1.1").to_owned(), headers)),
        }
    }
}

fn find(octets: &[u8], what: &[u8]) -> Option<usize> {
    octets.windows(what.len()).position(|window| window == what)
}

fn headers(lines: &[u8]) -> Result<HeaderMap, Failure> {
    let mut map = HeaderMap::new();
    for line in lines.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()) {
        let colon = find(line, b":").ok_or("a header has a colon")?;
        map.append(HeaderName::from_bytes(&line[..colon])?, HeaderValue::from_bytes(line[colon + 1..].trim_ascii())?);
    }
    Ok(map)
}

#[cfg(test)]
mod tests;
