//! What the wire tells of a connection's streams that `h2` does not: how much of what it was given has left, whether a stream's end has
//! been written, whether the peer has ended or reset it. Kept by `shared_io`, which sees every frame header pass; asked by the streams.
//! It holds wakers and numbers, never payloads, and knows the bodies of which `h2` holds many small pieces.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use super::incoming::Body;
use super::stats::CodecStats;

/// The streams of one connection that somebody still holds.
#[derive(Debug)]
pub(super) struct Progress {
    streams: HashMap<u32, Entry>,
    /// Where the last frames of streams end, counted in octets that were collected, in their order.
    ends: VecDeque<(u64, u32)>,
    stats: CodecStats,
    /// Streams that ended young and unanswered.
    premature: u64,
    pieces: Pieces,
    closed: bool,
}

/// Small pieces of bodies that have come since they were last taken out of `h2`.
#[derive(Debug, Default)]
struct Pieces {
    count: u32,
    /// The streams they are of.
    of: Vec<u32>,
    /// The last stream that somebody has held.
    newest: u32,
    /// Those of streams that nobody has taken up yet, and the last of these.
    early: (u32, u32),
}

#[derive(Debug)]
struct Entry {
    since: Instant,
    /// The final head has been sent.
    answered: bool,
    /// Octets of bodies that `h2` was given and that have not left it.
    queued: usize,
    /// The last frame has been written to the socket.
    delivered: bool,
    /// The peer has ended the stream, and all of that has arrived.
    remote_ended: bool,
    /// The peer has reset it.
    reset: bool,
    /// What is received on it.
    body: Option<Rc<RefCell<Body>>>,
    /// Small pieces that came before anybody could take them: the head of a response waits to be taken.
    early: u32,
    /// It is among those of which small pieces have come.
    crowded: bool,
    /// Who waits until no more than so much is queued, or for any of the rest.
    waiting: Option<(usize, Waker)>,
}

impl Progress {
    pub(super) fn new(stats: CodecStats) -> Progress {
        Progress {
            streams: HashMap::new(),
            ends: VecDeque::new(),
            stats,
            premature: 0,
            pieces: Pieces::default(),
            closed: false,
        }
    }

    /// Somebody holds the stream from now on.
    pub(super) fn register(&mut self, id: u32) {
        self.stats.streams_active.inc();
        let crowded = self.pieces.register(id);
        let entry = Entry {
            since: Instant::now(),
            answered: false,
            queued: 0,
            delivered: false,
            remote_ended: false,
            reset: false,
            body: None,
            early: 0,
            crowded,
            waiting: None,
        };
        self.streams.insert(id, entry);
    }

    /// Nobody does any more. What is given back speaks to `h2` when it is dropped.
    #[must_use]
    pub(super) fn forget(&mut self, id: u32) -> Option<Rc<RefCell<Body>>> {
        let entry = self.streams.remove(&id)?;
        self.premature += u64::from(!entry.reset && entry.is_premature());
        self.stats.streams_active.dec();
        self.stats.pending_send_bytes.sub(entry.queued as u64);
        entry.body
    }

    /// This is received on a stream.
    pub(super) fn receives(&mut self, id: u32, body: Rc<RefCell<Body>>) {
        if let Some(entry) = self.streams.get_mut(&id) {
            entry.body = Some(body);
        }
    }

    /// A small piece of a body is here. False when there are too many that nobody can take out of `h2`.
    pub(super) fn piece(&mut self, id: u32) -> bool {
        match self.streams.get_mut(&id) {
            Some(entry) => {
                self.pieces.add(id, &mut entry.crowded);
                entry.early += u32::from(entry.body.is_none());
                entry.early < MAX_EARLY
            }
            None => self.pieces.add_early(id),
        }
    }

    /// So many small pieces have come that they must be taken out of `h2` before more is read.
    pub(super) fn is_crowded(&self) -> bool {
        self.pieces.count >= CROWD
    }

    /// The bodies to be taken out.
    pub(super) fn crowded(&mut self) -> Vec<Rc<RefCell<Body>>> {
        self.pieces.count = 0;
        let mut bodies = Vec::new();
        self.pieces.of.retain(|id| {
            let Some(entry) = self.streams.get_mut(id) else { return false };
            // Without a body it is a response whose head is still to be taken: soon.
            entry.crowded = entry.body.is_none();
            bodies.extend(entry.body.clone());
            entry.crowded
        });
        bodies
    }

    /// The final head has been sent.
    pub(super) fn answered(&mut self, id: u32) {
        if let Some(entry) = self.streams.get_mut(&id) {
            entry.answered = true;
        }
    }

    /// Streams that ended young and unanswered. One that was reset counts at once, whoever still holds it.
    pub(super) fn premature(&self) -> u64 {
        self.premature
    }

    /// `h2` was given a piece.
    pub(super) fn handed(&mut self, id: u32, octets: usize) {
        if let Some(entry) = self.streams.get_mut(&id) {
            entry.queued += octets;
            self.stats.pending_send_bytes.add(octets as u64);
        }
    }

    /// Octets that wait in `h2`.
    pub(super) fn queued(&self, id: u32) -> usize {
        self.streams.get(&id).map_or(0, |entry| entry.queued)
    }

    pub(super) fn is_delivered(&self, id: u32) -> bool {
        self.streams.get(&id).is_none_or(|entry| entry.delivered)
    }

    pub(super) fn has_remote_ended(&self, id: u32) -> bool {
        self.streams.get(&id).is_some_and(|entry| entry.remote_ended)
    }

    pub(super) fn is_reset(&self, id: u32) -> bool {
        self.streams.get(&id).is_some_and(|entry| entry.reset)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Wakes `cx` when at most `queued` octets wait in `h2`, and when the stream or the connection ends.
    pub(super) fn watch(&mut self, id: u32, queued: usize, cx: &Context<'_>) {
        if let Some(entry) = self.streams.get_mut(&id) {
            match &mut entry.waiting {
                Some((below, waker)) if waker.will_wake(cx.waker()) => *below = queued,
                waiting => *waiting = Some((queued, cx.waker().clone())),
            }
        }
    }

    /// A DATA frame of so many octets has left `h2`.
    pub(super) fn left(&mut self, id: u32, octets: usize) {
        let Some(entry) = self.streams.get_mut(&id) else { return };
        let octets = octets.min(entry.queued);
        entry.queued -= octets;
        self.stats.pending_send_bytes.sub(octets as u64);
        if entry.waiting.as_ref().is_some_and(|(below, _)| entry.queued <= *below) {
            entry.wake();
        }
    }

    /// The last frame of a stream ends at this octet.
    pub(super) fn ends_at(&mut self, id: u32, octet: u64) {
        if self.streams.contains_key(&id) {
            self.ends.push_back((octet, id));
        }
    }

    /// So many octets have been written to the socket.
    pub(super) fn written(&mut self, octets: u64) {
        while let Some((end, id)) = self.ends.front().copied() {
            if end > octets {
                return;
            }
            self.ends.pop_front();
            if let Some(entry) = self.streams.get_mut(&id) {
                entry.delivered = true;
                entry.wake();
            }
        }
    }

    /// The peer has ended a stream.
    pub(super) fn remote_ended(&mut self, id: u32) {
        if let Some(entry) = self.streams.get_mut(&id) {
            entry.remote_ended = true;
        }
    }

    /// The peer has reset a stream.
    pub(super) fn reset(&mut self, id: u32) {
        if let Some(entry) = self.streams.get_mut(&id) {
            self.premature += u64::from(!entry.reset && entry.is_premature());
            entry.reset = true;
            entry.wake();
        }
    }

    /// The connection is over.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.streams.values_mut().for_each(Entry::wake);
    }
}

impl Pieces {
    fn add(&mut self, id: u32, crowded: &mut bool) {
        self.count += 1;
        if !std::mem::replace(crowded, true) {
            self.of.push(id);
        }
    }

    fn add_early(&mut self, id: u32) -> bool {
        if id > self.newest {
            self.count += 1;
            self.early = (self.early.0 + 1, self.early.1.max(id));
        }
        self.early.0 < MAX_EARLY
    }

    /// A stream is taken up. True when pieces of it may have come before.
    fn register(&mut self, id: u32) -> bool {
        let came_early = self.early.0 > 0;
        if came_early {
            self.of.push(id);
        }
        if id >= self.early.1 {
            self.early.0 = 0;
        }
        self.newest = self.newest.max(id);
        came_early
    }
}

/// So many small pieces may wait in `h2`, those that come in one read aside.
const CROWD: u32 = 64;
/// So many may come for streams that are not taken up, for the client has reset so many others, and for a response whose head nobody takes.
const MAX_EARLY: u32 = 16 * 1024;
/// `overload.premature_reset_min_stream_lifetime_seconds`: unanswered streams that end younger are suspicious.
const PREMATURE: Duration = Duration::from_secs(1);

impl Entry {
    fn is_premature(&self) -> bool {
        !self.answered && self.since.elapsed() < PREMATURE
    }

    fn wake(&mut self) {
        if let Some((_, waker)) = self.waiting.take() {
            waker.wake();
        }
    }
}
