//! Frames about the connection itself, and about how a stream goes on: PING, GOAWAY, WINDOW_UPDATE, PRIORITY, RST_STREAM.

use super::super::frame::{self, Frame, Reason, number};
use super::super::stream::Lost;
use super::{Connection, Fatal};

/// Whether the peer has been told that we take no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shutdown {
    No,
    /// It has been told, and when it has answered it is told which streams are the last.
    Announced,
    /// Up to this stream.
    Final(u32),
}

/// PINGs of ours.
#[derive(Debug, Default)]
pub(in crate::wire::h2) struct Pings {
    /// One is under way, to see whether the peer lives.
    waiting: bool,
}

impl Pings {
    pub(in crate::wire::h2) fn is_waiting(&self) -> bool {
        self.waiting
    }
}

const ALIVE: [u8; 8] = *b"alive?\0\0";
const LAST: [u8; 8] = *b"the last";

impl Connection {
    pub(super) fn ping(&mut self, frame: Frame, payload: &[u8]) -> Result<(), Fatal> {
        if payload.len() != 8 {
            return Err(Fatal::new(Reason::FRAME_SIZE_ERROR, "PING of a wrong length"));
        }
        if frame.stream != 0 {
            return Err(Fatal::protocol("PING of a stream"));
        }
        if !frame.has(frame::ACK) {
            self.outbox.answer(frame::PING, frame::ACK, 0, payload);
        } else if payload == LAST && self.shutdown == Shutdown::Announced {
            self.say_goaway(self.highest, Reason::NO_ERROR);
            self.shutdown = Shutdown::Final(self.highest);
        } else {
            self.pings.waiting = false;
        }
        Ok(())
    }

    /// Asks whether the peer lives.
    pub(in crate::wire::h2) fn say_ping(&mut self) {
        self.pings = Pings { waiting: true };
        self.outbox.frame(frame::PING, 0, 0, &ALIVE);
    }

    /// Tells the peer to open no more streams; those that are open end in their own time.
    pub(in crate::wire::h2) fn graceful_shutdown(&mut self) {
        if self.shutdown == Shutdown::No && self.end.is_none() {
            self.say_goaway(frame::MAX_WINDOW, Reason::NO_ERROR);
            // Who answers it has read the first one; requests that crossed it are served.
            self.outbox.frame(frame::PING, 0, 0, &LAST);
            self.shutdown = Shutdown::Announced;
            self.wake();
        }
    }

    /// Says the last that is said.
    pub(in crate::wire::h2) fn say_goaway(&mut self, last: u32, reason: Reason) {
        let mut payload = [0; 8];
        payload[..4].copy_from_slice(&last.to_be_bytes());
        payload[4..].copy_from_slice(&reason.0.to_be_bytes());
        self.outbox.frame(frame::GOAWAY, 0, 0, &payload);
        // As Envoy counts: neither those that announce an end, nor those that tell of an error.
        if reason == Reason::NO_ERROR && last != frame::MAX_WINDOW {
            self.stats.goaway_sent.inc();
        }
    }

    /// The highest stream that the peer has opened.
    pub(in crate::wire::h2) fn highest(&self) -> u32 {
        self.highest
    }

    /// All that the peer was promised has been said.
    pub(in crate::wire::h2) fn is_finished(&self) -> bool {
        matches!(self.shutdown, Shutdown::Final(_))
            && self.open == 0
            && self.waiting.is_empty()
            && self.head_began().is_none()
    }

    /// A stream that came after the last one that is served.
    pub(super) fn is_beyond(&self, id: u32) -> bool {
        matches!(self.shutdown, Shutdown::Final(last) if id > last)
    }

    pub(super) fn goaway(&mut self, frame: Frame, payload: &[u8]) -> Result<(), Fatal> {
        if payload.len() < 8 {
            return Err(Fatal::new(Reason::FRAME_SIZE_ERROR, "GOAWAY of a wrong length"));
        }
        if frame.stream != 0 {
            return Err(Fatal::protocol("GOAWAY of a stream"));
        }
        if !std::mem::replace(&mut self.peer.going, true) {
            self.stats.close_notify.inc();
        }
        if !self.server {
            let last = number(payload) & frame::MAX_WINDOW;
            // The peer promises not to have touched the others, whatever its reason to go.
            let untouched = self.streams.iter_mut().filter(|(_, stream)| stream.id > last && !stream.is_closed());
            let untouched: Vec<_> = untouched.map(|(place, _)| place).collect();
            untouched.into_iter().for_each(|place| self.lose(place, Lost::Refused));
        }
        Ok(())
    }

    /// The peer has announced its end.
    pub(in crate::wire::h2) fn is_peer_going(&self) -> bool {
        self.peer.going
    }

    /// Streams that the peer lets us have.
    pub(in crate::wire::h2) fn max_streams(&self) -> usize {
        if self.next > frame::MAX_WINDOW { 0 } else { self.peer.max_streams as usize }
    }

    pub(super) fn window_update(&mut self, frame: Frame, payload: &[u8]) -> Result<(), Fatal> {
        if payload.len() != 4 {
            return Err(Fatal::new(Reason::FRAME_SIZE_ERROR, "WINDOW_UPDATE of a wrong length"));
        }
        let more = number(payload) & frame::MAX_WINDOW;
        let largest = i64::from(frame::MAX_WINDOW);
        if frame.stream == 0 {
            self.window += i64::from(more);
            return match more {
                0 => Err(Fatal::protocol("WINDOW_UPDATE of nothing")),
                _ if self.window > largest => Err(Fatal::new(Reason::FLOW_CONTROL_ERROR, "a window above the limit")),
                _ => {
                    self.pump();
                    Ok(())
                }
            };
        }
        let Some(place) = self.streams.find(frame.stream) else {
            return if self.is_idle(frame.stream) {
                Err(Fatal::protocol("WINDOW_UPDATE of no stream"))
            } else {
                Ok(())
            };
        };
        let stream = &mut self.streams[place];
        if stream.lost.is_some() {
            return Ok(());
        }
        stream.outgoing.window += i64::from(more);
        if more == 0 {
            self.violated(place, Reason::PROTOCOL_ERROR);
        } else if stream.outgoing.window > largest {
            self.violated(place, Reason::FLOW_CONTROL_ERROR);
        } else {
            self.enlist(place);
            self.pump();
        }
        Ok(())
    }

    /// Priorities are ignored (RFC 9113 section 5.3.2).
    pub(super) fn priority(&mut self, frame: Frame, payload: &[u8]) -> Result<(), Fatal> {
        if frame.stream == 0 {
            return Err(Fatal::protocol("PRIORITY of no stream"));
        }
        if payload.len() != 5 {
            return Err(Fatal::new(Reason::FRAME_SIZE_ERROR, "PRIORITY of a wrong length"));
        }
        if number(payload) & frame::MAX_WINDOW == frame.stream {
            return Err(Fatal::protocol("a stream that depends on itself"));
        }
        Ok(())
    }

    pub(super) fn reset_by_peer(&mut self, frame: Frame, payload: &[u8]) -> Result<(), Fatal> {
        if payload.len() != 4 {
            return Err(Fatal::new(Reason::FRAME_SIZE_ERROR, "RST_STREAM of a wrong length"));
        }
        if frame.stream == 0 || self.is_idle(frame.stream) {
            return Err(Fatal::protocol("RST_STREAM of no stream"));
        }
        self.stats.rx_reset.inc();
        if self.server && !self.limits.reset(self.now) {
            return Err(Fatal::new(Reason::INTERNAL_ERROR, "too many resets"));
        }
        if let Some(place) = self.streams.find(frame.stream) {
            self.streams[place].wire.received += (frame::HEADER + payload.len()) as u64;
            self.count_premature(place);
            let refused = !self.server && number(payload) == Reason::REFUSED_STREAM.0;
            self.lose(place, if refused { Lost::Refused } else { Lost::Reset(number(payload)) });
        }
        Ok(())
    }
}
