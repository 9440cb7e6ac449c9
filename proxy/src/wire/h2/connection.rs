//! One connection without its socket: octets of the peer in ([`receive`](Connection::receive)), octets for it in the [`Outbox`], and between
//! them the state of both messages of each stream. Driven by `link`; `server` and `client` give it its two faces.
//!
//! It holds what the peer may make it hold, by windows and limits, and nothing else grows with what comes. It never reads or writes a
//! socket, and knows no timers but the time it is told.

mod blocks;
mod control;
mod ends;
mod heading;
mod incoming;
mod outgoing;
mod settings;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use bytes::{Buf, BytesMut};
use tokio::time::Instant;

use super::flow::Inflow;
use super::frame::{self, Frame, Reason};
use super::hpack::decode::Decoder;
use super::hpack::encode::Encoder;
use super::limits::Limits;
use super::lines::Lines;
use super::outbox::Outbox;
use super::stats::CodecStats;
use super::stream::Stream;
use super::streams::{Resets, Streams};
use super::{ConnectionError, Settings, Unseen};
use crate::wire::message::RequestHead;
use crate::wire::sniff::PREFACE;
use control::{Pings, Shutdown};
use settings::Peer;

/// See above.
#[derive(Debug)]
pub(super) struct Connection {
    server: bool,
    pub(super) settings: Settings,
    pub(super) stats: CodecStats,
    pub(super) outbox: Outbox,
    pub(super) streams: Streams,
    decoder: Decoder,
    encoder: Encoder,
    lines: Lines,
    limits: Limits,
    stage: Stage,
    /// The DATA frame of which octets are still to come.
    data: Option<incoming::Data>,
    /// The header block that is not complete.
    block: Option<blocks::Block>,
    /// The request that begins with it, or with a frame that is not all here.
    heading: Option<heading::Heading>,
    /// Octets of a frame that says nothing to us.
    skip: usize,
    inflow: Inflow,
    /// What we may send before the peer opens its window.
    window: i64,
    /// Place and number of streams that have something to send and windows for it.
    ready: VecDeque<(usize, u32)>,
    /// Where the last frames of streams end, counted in octets of the outbox, with place and number of the stream.
    ends: VecDeque<(u64, usize, u32)>,
    peer: Peer,
    highest: u32,
    next: u32,
    resets: Resets,
    shutdown: Shutdown,
    pub(super) pings: Pings,
    /// Requests that nobody has taken (of a server).
    waiting: VecDeque<(RequestHead, usize)>,
    /// Requests that were refused, and that nobody has been told of. They count as premature, which bounds them.
    pub(super) unseen: Vec<Unseen>,
    /// Streams that are open.
    open: usize,
    /// Streams that ended young and unanswered.
    premature: u64,
    /// What the clock has said last.
    now: Instant,
    /// Why it is over.
    end: Option<Arc<str>>,
    /// Its task, and whether that was woken since it ran.
    task: Option<Waker>,
    woken: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Preface,
    Settings,
    Open,
}

/// What ends a connection: the peer did what it must not.
#[derive(Debug)]
pub(super) struct Fatal {
    reason: Reason,
    error: ConnectionError,
}

impl Fatal {
    pub(super) fn new(reason: Reason, text: &'static str) -> Fatal {
        Fatal { reason, error: ConnectionError::Protocol(text.into()) }
    }

    fn protocol(text: &'static str) -> Fatal {
        Fatal::new(Reason::PROTOCOL_ERROR, text)
    }
}

impl From<&'static str> for Fatal {
    /// A flood.
    fn from(flood: &'static str) -> Fatal {
        Fatal { reason: Reason::ENHANCE_YOUR_CALM, error: ConnectionError::Flood(flood) }
    }
}

impl Connection {
    pub(super) fn new(server: bool, settings: &Settings, stats: CodecStats) -> Connection {
        let mut connection = Connection {
            server,
            settings: settings.clone(),
            stats,
            outbox: Outbox::default(),
            streams: Streams::default(),
            decoder: Decoder::new(settings.max_header_field as usize),
            encoder: Encoder::new(settings.hpack_table_size, settings.huffman),
            lines: Lines::new(settings.max_headers as usize, settings.max_headers_count as usize),
            limits: Limits::new(settings.floods, stats),
            stage: if server { Stage::Preface } else { Stage::Settings },
            data: None,
            block: None,
            heading: None,
            skip: 0,
            inflow: Inflow::new(settings.initial_connection_window),
            window: i64::from(frame::DEFAULT_WINDOW),
            ready: VecDeque::new(),
            ends: VecDeque::new(),
            peer: Peer::default(),
            highest: 0,
            next: 1,
            resets: Resets::default(),
            shutdown: Shutdown::No,
            pings: Pings::default(),
            waiting: VecDeque::new(),
            unseen: Vec::new(),
            open: 0,
            premature: 0,
            now: Instant::now(),
            end: None,
            task: None,
            woken: false,
        };
        connection.introduce();
        connection
    }

    /// Takes what the peer has said off the front of `input`, as far as it is whole.
    pub(super) fn receive(&mut self, input: &mut BytesMut) -> Result<(), Fatal> {
        loop {
            if self.skip > 0 {
                let skipped = self.skip.min(input.len());
                input.advance(skipped);
                self.skip -= skipped;
                if self.skip > 0 {
                    return Ok(());
                }
            }
            let whole = match self.stage {
                _ if self.data.is_some() => self.receive_data(input),
                Stage::Preface => self.receive_preface(input)?,
                _ => match input.first_chunk() {
                    Some(header) => self.receive_frame(Frame::read(header), input)?,
                    None => false,
                },
            };
            if !whole {
                return Ok(());
            }
        }
    }

    /// Nothing waits for its rest.
    pub(super) fn is_between_frames(&self) -> bool {
        self.data.is_none() && self.skip == 0 && self.block.is_none()
    }

    fn receive_preface(&mut self, input: &mut BytesMut) -> Result<bool, Fatal> {
        let seen = input.len().min(PREFACE.len());
        if input[..seen] != PREFACE[..seen] {
            return Err(Fatal::protocol("not HTTP/2"));
        }
        if seen < PREFACE.len() {
            return Ok(false);
        }
        input.advance(seen);
        self.stage = Stage::Settings;
        Ok(true)
    }

    /// A frame of which the header is there. False: the rest of it must come first.
    fn receive_frame(&mut self, frame: Frame, input: &mut BytesMut) -> Result<bool, Fatal> {
        if frame.length > frame::MAX_PAYLOAD {
            return Err(Fatal::new(Reason::FRAME_SIZE_ERROR, "a frame above the limit"));
        }
        if self.stage == Stage::Settings && (frame.kind != frame::SETTINGS || frame.has(frame::ACK)) {
            return Err(Fatal::protocol("the first frame is not SETTINGS"));
        }
        let continues = |block: &blocks::Block| frame.kind == frame::CONTINUATION && frame.stream == block.stream();
        if !self.block.as_ref().is_none_or(continues) {
            return Err(Fatal::protocol("another frame in a header block"));
        }
        if frame.kind == frame::DATA {
            return self.begin_data(frame, input);
        }
        if frame.kind > frame::CONTINUATION {
            input.advance(frame::HEADER);
            self.skip = frame.length;
            return Ok(true);
        }
        let Some(payload) = input.get(frame::HEADER..frame::HEADER + frame.length) else {
            if frame.kind == frame::HEADERS {
                self.heading_begins(frame.stream);
            }
            return Ok(false);
        };
        self.limits.control(frame.kind)?;
        let answers = self.outbox.answers();
        match frame.kind {
            frame::HEADERS => self.headers(frame, payload)?,
            frame::CONTINUATION => self.continuation(frame, payload)?,
            frame::PRIORITY => self.priority(frame, payload)?,
            frame::RST_STREAM => self.reset_by_peer(frame, payload)?,
            frame::SETTINGS => self.settings(frame, payload)?,
            frame::PING => self.ping(frame, payload)?,
            frame::GOAWAY => self.goaway(frame, payload)?,
            frame::WINDOW_UPDATE => self.window_update(frame, payload)?,
            _ => return Err(Fatal::protocol("a push that nobody asked for")),
        }
        input.advance(frame::HEADER + frame.length);
        if self.outbox.answers() > answers {
            self.limits.outbound(&self.outbox)?;
        }
        Ok(true)
    }

    /// A stream that neither side has opened.
    fn is_idle(&self, id: u32) -> bool {
        let of_client = id % 2 == 1;
        if of_client == self.server { id > self.highest } else { id >= self.next || !of_client }
    }

    /// The clock says so.
    pub(super) fn at(&mut self, now: Instant) {
        self.now = now;
    }

    /// The time that was told last.
    pub(super) fn now(&self) -> Instant {
        self.now
    }

    /// The next request of a client.
    pub(super) fn take_request(&mut self) -> Option<(RequestHead, usize)> {
        self.waiting.pop_front()
    }

    /// Streams that ended young and unanswered. One that was reset counts at once, whoever still holds it.
    pub(super) fn premature(&self) -> u64 {
        self.premature
    }

    /// Why it is over.
    pub(super) fn end(&self) -> Option<&Arc<str>> {
        self.end.as_ref()
    }

    /// Whoever has something to be written wakes the connection's task.
    pub(super) fn wake(&mut self) {
        if !self.woken
            && let Some(task) = &self.task
        {
            self.woken = true;
            task.wake_by_ref();
        }
    }

    /// That task runs now.
    pub(super) fn watch(&mut self, waker: &Waker) {
        self.woken = false;
        match &mut self.task {
            Some(task) => task.clone_from(waker),
            task => *task = Some(waker.clone()),
        }
    }

    fn add_stream(&mut self, id: u32) -> usize {
        self.open += 1;
        self.limits.opened += 1;
        self.stats.streams_active.inc();
        let stream = Stream::new(id, self.settings.initial_stream_window, self.peer.initial_window, self.now);
        self.streams.insert(stream)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        for (_, stream) in self.streams.iter_mut() {
            self.stats.streams_active.dec();
            self.stats.pending_send_bytes.sub(stream.outgoing.discard() as u64);
        }
    }
}
