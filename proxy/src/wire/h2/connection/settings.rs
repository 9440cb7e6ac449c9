//! SETTINGS: what we say of ourselves, and what the peer does.

use super::super::frame::{self, Frame, Reason};
use super::super::hpack::DEFAULT_TABLE;
use super::{Connection, Fatal, Stage};
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
        Peer { max_streams: BEFORE_SETTINGS, initial_window: i64::from(frame::DEFAULT_WINDOW), going: false }
    }
}

/// Streams that are opened before the peer has said how many it takes: what RFC 9113 section 6.5.2 wants of everybody. More of them could
/// only be refused.
const BEFORE_SETTINGS: u32 = 100;
const TOO_LARGE: &str = "SETTINGS_INITIAL_WINDOW_SIZE";

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
        if settings.hpack_table_size != DEFAULT_TABLE {
            say(frame::HEADER_TABLE_SIZE, settings.hpack_table_size);
        }
        if settings.allow_connect && self.server {
            say(frame::ENABLE_CONNECT_PROTOCOL, 1);
        }
        say(frame::MAX_CONCURRENT_STREAMS, settings.max_concurrent_streams);
        say(frame::INITIAL_WINDOW_SIZE, settings.initial_stream_window);
        if settings.custom.iter().all(|(id, _)| *id != frame::MAX_HEADER_LIST_SIZE) {
            say(frame::MAX_HEADER_LIST_SIZE, settings.header_list_size());
        }
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
        if !matches!(self.stage, Stage::Open) {
            // Nothing is limited but what it says now.
            self.peer.max_streams = u32::MAX;
        }
        self.stage = Stage::Open;
        let mut window = None;
        for [i0, i1, v0, v1, v2, v3] in settings {
            let (id, value) = (u16::from_be_bytes([*i0, *i1]), u32::from_be_bytes([*v0, *v1, *v2, *v3]));
            self.setting(id, value)?;
            if id == frame::INITIAL_WINDOW_SIZE {
                window = Some(value);
            }
        }
        // Before what it sets free: then the peer knows by which windows that was sent.
        self.outbox.answer(frame::SETTINGS, frame::ACK, 0, &[]);
        // All streams are looked at once, however often it is said.
        if let Some(window) = window {
            self.initial_window(window)?;
        }
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
}
