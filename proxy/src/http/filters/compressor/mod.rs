//! `envoy.extensions.filters.http.compressor.v3.Compressor`: responses, and requests where that is wanted, are compressed by gzip, brotli
//! or zstd.
//!
//! Fields honoured: `compressor_library` with all of its fields; `choose_first`; both directions with `enabled`, `min_content_length` and
//! `content_type`; of responses `disable_on_etag_header`, `weaken_etag_on_compress`, `remove_accept_encoding_header`,
//! `uncompressible_response_codes`, `status_header_enabled`; for routes `disabled`, `response_direction_config` and `compressor_library`.
//! Several in one chain choose together (`choice`).

mod choice;
mod heads;
mod stats;

use bytes::Bytes;
use config::Rejection;
use config::filters::compressor::{self as plain, CompressorPerRoute};

pub(in crate::http) use self::choice::Encodings;
use self::heads::{change, long_enough, type_is_meant};
pub(super) use self::heads::{joined, says_no_transform};
use self::stats::Stats;
use super::compression::{Encoder, Packer};
use super::filter::{FilterDeps, Follows, Hooks, HttpFilter, Out, Step, Turn, Way};
use crate::failure::ResponseFlags;
use crate::http::stream::asks_for_tunnel;
use crate::wire::headers::Name;
use crate::wire::message::{BodyLength, Frame, ResponseHead};

/// The filter, compiled.
#[derive(Debug)]
pub(crate) struct Compressor {
    packer: Packer,
    config: plain::Compressor,
    stats: Stats,
}

/// What a route says.
#[derive(Debug)]
pub(crate) enum Scoped {
    /// Responses are left alone.
    Disabled,
    /// It is told so.
    Overrides {
        /// Responses are compressed here, whatever the chain says.
        response: bool,
        remove_accept_encoding: Option<bool>,
        packer: Option<Packer>,
    },
}

/// What one request remembers. Boxed: most of it is for bodies that are compressed.
#[derive(Default)]
pub(crate) struct State(Option<Box<Work>>);

#[derive(Default)]
struct Work {
    /// `accept-encoding`, as it came.
    accepted: Option<Bytes>,
    request: Option<Encoder>,
    response: Option<Encoder>,
}

impl HttpFilter for Compressor {
    type Config = plain::Compressor;
    type ScopedConfig = CompressorPerRoute;
    type Scoped = Scoped;
    type State = State;

    fn compile(config: &plain::Compressor, deps: &FilterDeps<'_>) -> Result<Compressor, Rejection> {
        let packer = Packer::compile(&config.library)?;
        let prefix = format!("{}compressor.{}.{}.", deps.scope, config.library.name, packer.name());
        let stats = Stats::new(deps.stats, &prefix, config.response.own_statistics);
        Ok(Compressor { packer, config: config.clone(), stats })
    }

    fn scope(config: &CompressorPerRoute, _deps: &FilterDeps<'_>) -> Result<Scoped, Rejection> {
        Ok(match config {
            CompressorPerRoute::Disabled => Scoped::Disabled,
            CompressorPerRoute::Overrides { response, remove_accept_encoding, library } => Scoped::Overrides {
                response: *response,
                remove_accept_encoding: *remove_accept_encoding,
                packer: library.as_ref().map(Packer::compile).transpose()?,
            },
        })
    }

    fn acts(&self, _scope: Option<&Scoped>) -> Hooks {
        Hooks::REQUEST.with(Hooks::RESPONSE).with(Hooks::REQUEST_FRAMES).with(Hooks::RESPONSE_FRAMES).with(Hooks::AHEAD)
    }

    fn request(&self, turn: &mut Turn<'_, '_, Compressor>) -> Step {
        let packer = self.packer(turn.scope);
        let accepted = joined(&turn.stream.request.headers, &Name::ACCEPT_ENCODING);
        let encodings = turn.stream.encodings.get_or_insert_default();
        encodings.offer(packer.encoding(), &turn.filter.config);
        if self.responses(turn.scope) && self.removes_accept_encoding(turn.scope) {
            turn.stream.request.headers.remove(&Name::ACCEPT_ENCODING);
        }
        let request = &mut turn.stream.request;
        let compresses = request.body != BodyLength::Empty
            && self.config.request.as_ref().is_some_and(|direction| {
                direction.enabled.get()
                    && !asks_for_tunnel(request)
                    && long_enough(direction, &request.headers, self.stats.request)
                    && type_is_meant(direction, &request.headers)
                    && !request.headers.contains(&Name::CONTENT_ENCODING)
            });
        let encoder = compresses.then(|| packer.encoder()).flatten();
        if encoder.is_some() {
            self.stats.request.compressed.inc();
            request.headers.remove(&Name::CONTENT_LENGTH);
            request.headers.append(Name::CONTENT_ENCODING, packer.encoding());
            request.body = BodyLength::Unknown;
        } else {
            self.stats.request.not_compressed.inc();
            turn.skip(Hooks::REQUEST_FRAMES);
        }
        turn.state.0 = Some(Box::new(Work { accepted, request: encoder, ..Work::default() }));
        Step::Continue
    }

    fn response(&self, turn: &mut Turn<'_, '_, Compressor>) -> Step {
        let encoder = self.responses(turn.scope).then(|| self.begin(turn)).flatten();
        if encoder.is_some() {
            self.stats.response.compressed.inc();
        } else {
            self.stats.response.not_compressed.inc();
            turn.skip(Hooks::RESPONSE_FRAMES);
        }
        turn.state.0.get_or_insert_default().response = encoder;
        Step::Continue
    }

    fn frame(&self, turn: &mut Turn<'_, '_, Compressor>, way: Way, frame: Frame, out: &mut Out<'_>) -> Step {
        let work = turn.state.0.as_mut();
        let (encoder, stats) = match way {
            Way::Request => (work.and_then(|work| work.request.as_mut()), self.stats.request),
            Way::Response => (work.and_then(|work| work.response.as_mut()), self.stats.response),
        };
        let Some(encoder) = encoder else {
            out.push(frame);
            return Step::Continue;
        };
        let (packed, last) = match frame {
            Frame::Data(data) => {
                stats.total_uncompressed_bytes.add(data.len() as u64);
                // What was held is one piece, and its end is in it.
                let packed = match out.follows() {
                    Follows::Data => encoder.add(&data),
                    Follows::End => encoder.finish(&data),
                    Follows::Unknown => encoder.flush(&data),
                };
                (packed, None)
            }
            last => (encoder.finish(&[]), Some(last)),
        };
        let Some(packed) = packed else { return Step::Abort(ResponseFlags::NONE, "compressor_failed") };
        stats.total_compressed_bytes.add(packed.len() as u64);
        if !packed.is_empty() {
            out.push(Frame::Data(packed.freeze()));
        }
        last.into_iter().for_each(|last| out.push(last));
        Step::Continue
    }
}

impl Compressor {
    /// Whether responses are compressed where the route says that.
    fn responses(&self, scope: Option<&Scoped>) -> bool {
        match scope {
            Some(Scoped::Disabled) => false,
            Some(Scoped::Overrides { response: true, .. }) => true,
            Some(Scoped::Overrides { .. }) | None => self.config.response.common.enabled.get(),
        }
    }

    fn removes_accept_encoding(&self, scope: Option<&Scoped>) -> bool {
        match scope {
            Some(Scoped::Overrides { remove_accept_encoding: Some(removes), .. }) => *removes,
            _ => self.config.response.remove_accept_encoding,
        }
    }

    fn packer<'p>(&'p self, scope: Option<&'p Scoped>) -> &'p Packer {
        match scope {
            Some(Scoped::Overrides { packer: Some(packer), .. }) => packer,
            _ => &self.packer,
        }
    }

    /// Judges the response and changes its head: the compressor, if it is to be compressed.
    fn begin(&self, turn: &mut Turn<'_, '_, Compressor>) -> Option<Encoder> {
        let packer = self.packer(turn.scope);
        let config = &self.config.response;
        let tunnel = asks_for_tunnel(&turn.stream.request);
        let head = turn.stream.response.as_mut()?;
        let unfit = self.unfit(head, tunnel);
        let ends = head.body == BodyLength::Empty;
        // With the status header the client's wishes are asked last, so that it tells the better reason.
        let asks = match unfit {
            None => !ends,
            Some(Unfit::Short) => false,
            Some(_) => !ends && !config.status_header,
        };
        let encodings = &mut turn.stream.encodings;
        let accepted = turn.state.0.as_ref().and_then(|work| work.accepted.as_ref());
        let wanted = asks && choice::wants(encodings.as_deref_mut(), accepted, packer.encoding(), head, &self.stats);
        match unfit {
            None => {
                let encoder = wanted.then(|| packer.encoder()).flatten();
                change(head, config, packer.encoding(), encoder.is_some());
                encoder
            }
            Some(reason) => {
                if let Some(words) = reason.words().filter(|_| config.status_header && !ends) {
                    head.headers.append(STATUS, format!("{};{words}", packer.encoding()));
                }
                None
            }
        }
    }

    /// Why a response is never compressed, whoever asks.
    fn unfit(&self, head: &ResponseHead, tunnel: bool) -> Option<Unfit> {
        let config = &self.config.response;
        let headers = &head.headers;
        let is_encoded = headers.contains(&Name::CONTENT_ENCODING);
        let tells = config.status_header && head.body != BodyLength::Empty;
        // Where the reason is told, it is not of what must stay as it is.
        if tells && (tunnel || is_encoded || says_no_transform(headers)) {
            return Some(Unfit::Other);
        }
        if !long_enough(&config.common, headers, self.stats.response) {
            return Some(Unfit::Short);
        }
        if tunnel {
            return Some(Unfit::Other);
        }
        if !type_is_meant(&config.common, headers) {
            return Some(Unfit::Type);
        }
        if says_no_transform(headers) {
            return Some(Unfit::Other);
        }
        if config.disable_on_etag && !config.weaken_etag && headers.contains(&Name::ETAG) {
            if tells || !config.status_header {
                self.stats.choice.not_compressed_etag.inc();
            }
            return Some(Unfit::Etag);
        }
        if config.uncompressible_statuses.contains(&head.status) {
            return Some(Unfit::Status);
        }
        is_encoded.then_some(Unfit::Other)
    }
}

/// `x-envoy-compression-status`.
const STATUS: Name = Name::X_ENVOY_COMPRESSION_STATUS;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unfit {
    Short,
    Type,
    Etag,
    Status,
    /// The header says nothing of these.
    Other,
}

impl Unfit {
    fn words(self) -> Option<&'static str> {
        Some(match self {
            Unfit::Short => "ContentLengthTooSmall",
            Unfit::Type => "ContentTypeNotAllowed",
            Unfit::Etag => "EtagNotAllowed",
            Unfit::Status => "StatusCodeNotAllowed",
            Unfit::Other => return None,
        })
    }
}

#[cfg(test)]
mod tests;
