//! `envoy.extensions.filters.http.decompressor.v3.Decompressor`: bodies that come compressed go on as they were before.
//!
//! Fields honoured: `decompressor_library` with all of its fields; of both directions `enabled` and `ignore_no_transform_header`;
//! `advertise_accept_encoding`. A body that is no compressed body, or stands for more than the library's ratio allows, ends with its
//! stream: 400 or 413 for requests, a reset for responses. Envoy cuts it off there and passes the rest for the whole
//! (`integration/parity/known.md`).

mod stats;

use bytes::{Buf, Bytes, BytesMut};
use config::Rejection;
use config::filters::decompressor::{self as plain, Direction};
use std::convert::Infallible;

use self::stats::{Common, Stats};
use super::compression::{Broken, Decoder, Unpacker};
use super::compressor::{joined, says_no_transform};
use super::filter::{FilterDeps, Hooks, HttpFilter, Out, Step, Turn, Way};
use super::wait::{Wait, Waited};
use crate::failure::ResponseFlags;
use crate::http::local_reply::LocalReply;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Frame};

/// Octets that are put out at a time. The rest waits in its compressed form.
const ROUND: usize = 64 * 1024;

/// The filter, compiled.
#[derive(Debug)]
pub(crate) struct Decompressor {
    unpacker: Unpacker,
    config: plain::Decompressor,
    stats: Stats,
    /// Trailers that tell how much was read and made.
    told: [Name; 2],
}

/// What one request remembers: bodies that are decompressed.
#[derive(Default)]
pub(crate) struct State {
    request: Option<Box<Body>>,
    response: Option<Box<Body>>,
}

struct Body {
    decoder: Decoder,
    /// Not yet decompressed.
    input: Bytes,
    /// What follows it.
    last: Option<Frame>,
    read: u64,
    made: u64,
}

impl HttpFilter for Decompressor {
    type Config = plain::Decompressor;
    type ScopedConfig = Infallible;
    type Scoped = Infallible;
    type State = State;

    fn compile(config: &plain::Decompressor, deps: &FilterDeps<'_>) -> Result<Decompressor, Rejection> {
        let unpacker = Unpacker::compile(&config.library);
        let name = &config.library.name;
        let stats = Stats::new(deps.stats, &format!("{}decompressor.{name}", deps.scope), unpacker.names());
        let trailer = |what: &str| Name::new(&format!("x-envoy-decompressor-{name}-{what}-bytes").to_ascii_lowercase());
        Ok(Decompressor {
            unpacker,
            config: config.clone(),
            stats,
            told: [trailer("compressed"), trailer("uncompressed")],
        })
    }

    fn scope(config: &Infallible, _deps: &FilterDeps<'_>) -> Result<Infallible, Rejection> {
        match *config {}
    }

    fn acts(&self, _scope: Option<&Infallible>) -> Hooks {
        Hooks::REQUEST.with(Hooks::RESPONSE).with(Hooks::REQUEST_FRAMES).with(Hooks::RESPONSE_FRAMES)
    }

    fn request(&self, turn: &mut Turn<'_, '_, Decompressor>) -> Step {
        let request = &mut turn.stream.request;
        if self.config.response.enabled.get() && self.config.advertise {
            let wanted = accept(joined(&request.headers, &Name::ACCEPT_ENCODING), self.unpacker.encoding());
            request.headers.set(Name::ACCEPT_ENCODING, wanted);
        }
        if request.body != BodyLength::Empty {
            turn.state.request = self.begin(&self.config.request, self.stats.request, &mut request.headers);
        }
        if turn.state.request.is_some() {
            request.body = BodyLength::Unknown;
        } else {
            turn.skip(Hooks::REQUEST_FRAMES);
        }
        Step::Continue
    }

    fn response(&self, turn: &mut Turn<'_, '_, Decompressor>) -> Step {
        if let Some(head) = turn.stream.response.as_mut().filter(|head| head.body != BodyLength::Empty) {
            turn.state.response = self.begin(&self.config.response, self.stats.response, &mut head.headers);
            if turn.state.response.is_some() {
                head.body = BodyLength::Unknown;
            }
        }
        if turn.state.response.is_none() {
            turn.skip(Hooks::RESPONSE_FRAMES);
        }
        Step::Continue
    }

    fn frame(&self, turn: &mut Turn<'_, '_, Decompressor>, way: Way, frame: Frame, out: &mut Out<'_>) -> Step {
        let Some(body) = turn.state.body(way) else {
            out.push(frame);
            return Step::Continue;
        };
        match frame {
            Frame::Data(data) => {
                body.read += data.len() as u64;
                self.stats.of(way).total_compressed_bytes.add(data.len() as u64);
                body.input = data;
            }
            last => body.last = Some(last),
        }
        self.go_on(turn, way, out)
    }

    fn resumed(&self, turn: &mut Turn<'_, '_, Decompressor>, way: Way, _waited: Waited, out: &mut Out<'_>) -> Step {
        self.go_on(turn, way, out)
    }
}

impl Decompressor {
    /// Judges a head and changes it: its body, if it is to be decompressed.
    fn begin(&self, direction: &Direction, stats: Common, headers: &mut Headers) -> Option<Box<Body>> {
        let meant = direction.enabled.get()
            && (direction.ignore_no_transform || !says_no_transform(headers))
            && first_encoding(headers)
                .is_some_and(|first| first.eq_ignore_ascii_case(self.unpacker.encoding().as_bytes()));
        let decoder = meant.then(|| self.unpacker.decoder()).flatten();
        let Some(decoder) = decoder else {
            stats.not_decompressed.inc();
            return None;
        };
        stats.decompressed.inc();
        remove_first_encoding(headers);
        headers.remove(&Name::CONTENT_LENGTH);
        Some(Box::new(Body { decoder, input: Bytes::new(), last: None, read: 0, made: 0 }))
    }

    /// Decompresses a round's worth.
    fn go_on(&self, turn: &mut Turn<'_, '_, Decompressor>, way: Way, out: &mut Out<'_>) -> Step {
        let Some(body) = turn.state.body(way) else { return Step::Continue };
        match body.round(out) {
            Ok((made, idle)) => {
                self.stats.of(way).total_uncompressed_bytes.add(made);
                if !idle {
                    return Step::Wait(Wait::Taken);
                }
                if let Some(last) = body.last.take() {
                    out.push(Frame::Trailers(self.trailers(last, body)));
                }
                Step::Continue
            }
            Err(broken) => {
                self.stats.broken(broken);
                let (status, details, words) = match broken {
                    Broken::Excess => (413, "decompressor_excessive_ratio", "Payload Too Large"),
                    _ => (400, "decompressor_invalid_data", "Bad Request"),
                };
                match way {
                    Way::Request => LocalReply::new(status, details).body(words).into(),
                    Way::Response => Step::Abort(ResponseFlags::UPSTREAM_PROTOCOL_ERROR, details),
                }
            }
        }
    }

    fn trailers(&self, last: Frame, body: &Body) -> Headers {
        let mut trailers = match last {
            Frame::Trailers(trailers) => trailers,
            Frame::Data(_) | Frame::End => Headers::new(),
        };
        for (name, value) in self.told.iter().zip([body.read, body.made]) {
            trailers.set(name.clone(), value.to_string());
        }
        trailers
    }
}

impl State {
    fn body(&mut self, way: Way) -> Option<&mut Body> {
        match way {
            Way::Request => self.request.as_deref_mut(),
            Way::Response => self.response.as_deref_mut(),
        }
    }
}

impl Body {
    /// Puts out what comes of the input, up to a round's worth: how much, and whether that was all.
    fn round(&mut self, out: &mut Out<'_>) -> Result<(u64, bool), Broken> {
        let mut total = 0;
        while total < ROUND {
            let mut piece = BytesMut::zeroed(self.decoder.piece);
            let (read, made) = self.decoder.read(&self.input, &mut piece, self.last.is_some())?;
            self.input.advance(read);
            total += made;
            self.made += made as u64;
            if self.made > self.read.saturating_mul(self.decoder.ratio) {
                return Err(Broken::Excess);
            }
            if made > 0 {
                piece.truncate(made);
                out.push(Frame::Data(piece.freeze()));
            } else if read == 0 || self.input.is_empty() {
                return Ok((total as u64, true));
            }
        }
        Ok((total as u64, false))
    }
}

/// The encoding that was applied last comes off first. As in Envoy that is taken to be the first of the list.
fn first_encoding(headers: &Headers) -> Option<Bytes> {
    let all = joined(headers, &Name::CONTENT_ENCODING)?;
    let end = all.iter().position(|octet| *octet == b',').unwrap_or(all.len());
    Some(all.slice_ref(all[..end].trim_ascii()))
}

fn remove_first_encoding(headers: &mut Headers) {
    let Some(all) = joined(headers, &Name::CONTENT_ENCODING) else { return };
    match all.iter().position(|octet| *octet == b',') {
        Some(comma) => headers.set(Name::CONTENT_ENCODING, all.slice_ref(all[comma + 1..].trim_ascii())),
        None => drop(headers.remove(&Name::CONTENT_ENCODING)),
    }
}

/// `accept-encoding` with the encoding at its end, unweighted.
fn accept(there: Option<Bytes>, encoding: &str) -> Bytes {
    let there = there.unwrap_or_default();
    let name =
        |one: &[u8]| one.split(|octet| *octet == b';').next().map(<[u8]>::trim_ascii) != Some(encoding.as_bytes());
    let others = there.split(|octet| *octet == b',').map(<[u8]>::trim_ascii);
    let mut all: Vec<&[u8]> = others.filter(|one| !one.is_empty() && name(one)).collect();
    all.push(encoding.as_bytes());
    all.join(&b","[..]).into()
}

#[cfg(test)]
mod tests;
