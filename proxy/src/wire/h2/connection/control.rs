//! Frames about the connection itself: SETTINGS, PING, GOAWAY, WINDOW_UPDATE, PRIORITY, and RST_STREAM.

use super::super::frame::{self, Frame, Reason, number};
use super::super::stream::Lost;
use super::{Connection, Fatal};
use crate::wire::sniff::PREFACE;

/// What the peer has said of itself.
#[derive(Debug)]
pub(super) struct Peer {
    /// Streams that we may have open.
    pub(super) max_streams: u32,
    pub(super) initial_window: i64,
    /// It has announced its end.
    pub(super) going: bool,
}

impl Default for Peer {
    fn default() -> Peer {
        // Nothing is limited until it says so.
        Peer { max_streams: u32::MAX, initial_window: i64::from(frame::DEFAULT_WINDOW), going: false }
    }
}

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

const TOO_LARGE: &str = "SETTINGS_INITIAL_WINDOW_SIZE";
const ALIVE: [u8; 8] = *b"alive?\0\0";
const LAST: [u8; 8] = *b"the last";

impl Connection {
    /// The first that is said: the preface of a client, SETTINGS, and the window of the connection.
    pub(super) fn introduce(&mut self) {
        if !self.server {
            self.outbox.preface(PREFACE);
        }
        let settings = &self.settings;
        let mut payload = Vec::with_capacity(6 * 8);
        let mut say = |id: u16, value: u32| {
            payload.extend_from_slice(&id.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        };
        if !self.server {
            say(frame::ENABLE_PUSH, 0);
        }
        settings.custom.iter().for_each(|(id, value)| say(*id, *value));
        if settings.hpack_table_size != super::super::hpack::DEFAULT_TABLE {
            say(frame::HEADER_TABLE_SIZE, settings.hpack_table_size);
        }
        if settings.allow_connect && self.server {
            say(frame::ENABLE_CONNECT_PROTOCOL, 1);
        }
        say(frame::MAX_CONCURRENT_STREAMS, settings.max_concurrent_streams);
        say(frame::INITIAL_WINDOW_SIZE, settings.initial_stream_window);
        say(frame::MAX_HEADER_LIST_SIZE, settings.header_list_size());
        self.decoder.allow(settings.hpack_table_size, false);
        self.outbox.frame(frame::SETTINGS, 0, 0, &payload);
        let more = settings.initial_connection_window.saturating_sub(frame::DEFAULT_WINDOW);
        if more > 0 {
            self.outbox.frame(frame::WINDOW_UPDATE, 0, 0, &more.to_be_bytes());
        }
    }

    pub(super) fn settings(&mut self, frame: Frame, payload: &[u8]) -> Result<(), Fatal> {
        if frame.stream != 0 {
            return Err(Fatal::protocol("SETTINGS of a stream"));
        }
        if frame.has(frame::ACK) {
            if !payload.is_empty() {
                return Err(Fatal::new(Reason::FRAME_SIZE_ERROR, "an answer to SETTINGS with a payload"));
            }
            self.decoder.allow(self.settings.hpack_table_size, true);
            return Ok(());
        }
        let (settings, rest) = payload.as_chunks::<6>();
        if !rest.is_empty() {
            return Err(Fatal::new(Reason::FRAME_SIZE_ERROR, "SETTINGS of a wrong length"));
        }
        self.stage = super::Stage::Open;
        let mut window = None;
        for [i0, i1, v0, v1, v2, v3] in settings {
            let (id, value) = (u16::from_be_bytes([*i0, *i1]), u32::from_be_bytes([*v0, *v1, *v2, *v3]));
            self.setting(id, value)?;
            if id == frame::INITIAL_WINDOW_SIZE {
                window = Some(value);
            }
        }
        // All streams are looked at once, however often it is said.
        if let Some(window) = window {
            self.initial_window(window)?;
        }
        self.outbox.answer(frame::SETTINGS, frame::ACK, 0, &[]);
        Ok(())
    }

    fn setting(&mut self, id: u16, value: u32) -> Result<(), Fatal> {
        match id {
            frame::HEADER_TABLE_SIZE => self.encoder.limited(value),
            frame::ENABLE_PUSH if value > u32::from(self.server) => {
                return Err(Fatal::protocol("SETTINGS_ENABLE_PUSH"));
            }
            frame::MAX_CONCURRENT_STREAMS => self.peer.max_streams = value,
            frame::INITIAL_WINDOW_SIZE if value > frame::MAX_WINDOW => {
                return Err(Fatal::new(Reason::FLOW_CONTROL_ERROR, TOO_LARGE));
            }
            frame::MAX_FRAME_SIZE if !(0x4000..=0xff_ffff).contains(&value) => {
                return Err(Fatal::protocol("SETTINGS_MAX_FRAME_SIZE"));
            }
            frame::ENABLE_CONNECT_PROTOCOL if value > 1 => {
                return Err(Fatal::protocol("SETTINGS_ENABLE_CONNECT_PROTOCOL"));
            }
            _ => {}
        }
        Ok(())
    }

    /// All windows of streams change by the difference (RFC 9113 section 6.9.2).
    fn initial_window(&mut self, size: u32) -> Result<(), Fatal> {
        let change = i64::from(size) - self.peer.initial_window;
        self.peer.initial_window = i64::from(size);
        let mut wider = Vec::new();
        for (place, stream) in self.streams.iter_mut() {
            stream.outgoing.window += change;
            if stream.outgoing.window > i64::from(frame::MAX_WINDOW) {
                return Err(Fatal::new(Reason::FLOW_CONTROL_ERROR, TOO_LARGE));
            }
            if change > 0 && stream.outgoing.queued > 0 {
                wider.push(place);
            }
        }
        wider.into_iter().for_each(|place| self.enlist(place));
        self.pump();
        Ok(())
    }

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
        self.stats.goaway_sent.inc();
    }

    /// The highest stream that the peer has opened.
    pub(in crate::wire::h2) fn highest(&self) -> u32 {
        self.highest
    }

    /// All that the peer was promised has been said.
    pub(in crate::wire::h2) fn is_finished(&self) -> bool {
        matches!(self.shutdown, Shutdown::Final(_)) && self.open == 0 && self.waiting.is_empty()
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
            self.count_premature(place);
            let refused = !self.server && number(payload) == Reason::REFUSED_STREAM.0;
            self.lose(place, if refused { Lost::Refused } else { Lost::Reset(number(payload)) });
        }
        Ok(())
    }
}
