//! What a connection has to say and the socket has not taken yet: frames in order, small pieces of bodies copied between their frames'
//! headers, larger ones queued as they are. Written to by `connection`, emptied by `link`.
//!
//! Pieces of one body that follow each other become one frame, as long as nobody has seen it.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::frame::{self, Frame};
use crate::wire::h1::buffers;

/// See above.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: VecDeque<Bytes>,
    queued: usize,
    flat: BytesMut,
    /// Octets that were ever put in, and taken out.
    total: u64,
    taken: u64,
    /// The DATA frame that stands last: of which stream, and where in `flat` its header is.
    open: Option<(u32, usize)>,
    frames: Frames,
}

/// How many frames wait.
#[derive(Debug, Default)]
struct Frames {
    made: u64,
    /// Those that have left, as far as is known.
    gone: u64,
    /// After so many octets so many frames have left.
    marks: VecDeque<(u64, u64)>,
    /// Where the answers to a peer's frames end.
    answers: VecDeque<u64>,
}

impl Outbox {
    /// Octets that wait.
    pub(super) fn len(&self) -> usize {
        self.queued + self.flat.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Octets that were ever put in.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Octets that were ever taken out.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Frames that wait (or a few more).
    pub(super) fn frames(&self) -> u64 {
        self.frames.made - self.frames.gone
    }

    /// Answers to a peer's frames that wait.
    pub(super) fn answers(&self) -> usize {
        self.frames.answers.len()
    }

    /// A whole frame.
    pub(super) fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let header = Frame { length: payload.len(), kind, flags, stream }.bytes();
        let flat = self.flat();
        flat.put_slice(&header);
        flat.put_slice(payload);
        self.count(frame::HEADER + payload.len(), 1);
    }

    /// A frame that answers one of the peer's: those are limited.
    pub(super) fn answer(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.frame(kind, flags, stream, payload);
        self.frames.answers.push_back(self.total);
    }

    /// What comes before any frame.
    pub(super) fn preface(&mut self, bytes: &[u8]) {
        self.flat().put_slice(bytes);
        self.count(bytes.len(), 0);
    }

    /// A header block, written by `write`; what no frame can hold goes on in further ones. Gives the octets of all.
    pub(super) fn block(&mut self, flags: u8, stream: u32, write: impl FnOnce(&mut BytesMut)) -> usize {
        let flat = self.flat();
        let start = flat.len();
        flat.put_slice(&[0; frame::HEADER]);
        write(flat);
        let length = flat.len() - start - frame::HEADER;
        let first = length.min(frame::MAX_PAYLOAD);
        let last = if length == first { frame::END_HEADERS } else { 0 };
        let header = Frame { length: first, kind: frame::HEADERS, flags: flags | last, stream };
        flat[start..start + frame::HEADER].copy_from_slice(&header.bytes());
        let more = (length > first).then(|| flat.split_off(start + frame::HEADER + first));
        self.count(frame::HEADER + first, 1);
        let mut octets = frame::HEADER + first;
        if let Some(more) = more {
            let mut pieces = more.chunks(frame::MAX_PAYLOAD).peekable();
            while let Some(piece) = pieces.next() {
                let last = if pieces.peek().is_none() { frame::END_HEADERS } else { 0 };
                self.frame(frame::CONTINUATION, last, stream, piece);
                octets += frame::HEADER + piece.len();
            }
        }
        octets
    }

    /// Begins a DATA frame of so many octets, which are added next.
    pub(super) fn data(&mut self, stream: u32, length: usize, end: bool) {
        let flags = if end { frame::END_STREAM } else { 0 };
        let header = Frame { length, kind: frame::DATA, flags, stream }.bytes();
        let flat = self.flat();
        let at = flat.len();
        flat.put_slice(&header);
        self.count(frame::HEADER, 1);
        self.open = (!end).then_some((stream, at));
    }

    /// Adds octets to the DATA frame that was begun.
    pub(super) fn piece(&mut self, data: Bytes) {
        let length = data.len();
        let open = self.open;
        if length <= COPY_LIMIT {
            self.flat.put_slice(&data);
            self.count(length, 0);
            self.open = open;
        } else {
            let text = self.flat.split().freeze();
            self.queued += text.len() + length;
            self.queue.extend((!text.is_empty()).then_some(text));
            self.queue.push_back(data);
            self.count(length, 0);
        }
    }

    /// Adds octets to the DATA frame that stands last, if it is of that stream and has room. Tells how many it has taken, or `None` if there
    /// is no such frame.
    pub(super) fn extend(&mut self, stream: u32, data: &[u8], end: bool) -> Option<usize> {
        let (_, at) = self.open.filter(|(of, _)| *of == stream)?;
        let header = self.flat.get(at..at + frame::HEADER).and_then(|header| header.first_chunk())?;
        let mut header = Frame::read(header);
        let taken = data.len().min(frame::MAX_PAYLOAD - header.length);
        let whole = end && taken == data.len();
        if taken == 0 && !whole {
            return None;
        }
        header.length += taken;
        header.flags = if whole { frame::END_STREAM } else { 0 };
        self.flat.put_slice(&data[..taken]);
        self.flat[at..at + frame::HEADER].copy_from_slice(&header.bytes());
        self.count(taken, 0);
        self.open = (!whole).then_some((stream, at));
        Some(taken)
    }

    fn flat(&mut self) -> &mut BytesMut {
        if self.flat.capacity() == 0 {
            self.flat = buffers::take();
        }
        &mut self.flat
    }

    fn count(&mut self, octets: usize, frames: u64) {
        self.total += octets as u64;
        self.frames.made += frames;
        self.open = None;
    }

    /// What waits, for one write. Tells how many slices it is.
    pub(super) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let pieces = self.queue.iter().map(|piece| &piece[..]).chain([&self.flat[..]]);
        slices.iter_mut().zip(pieces).map(|(slice, piece)| *slice = IoSlice::new(piece)).count()
    }

    /// So many octets have been written.
    pub(super) fn advance(&mut self, mut octets: usize) {
        self.taken += octets as u64;
        self.open = None;
        while let Some(first) = self.queue.front_mut() {
            if octets < first.len() {
                first.advance(octets);
                self.queued -= octets;
                return self.frames.mark(self.taken, self.total);
            }
            octets -= first.len();
            self.queued -= first.len();
            self.queue.pop_front();
        }
        self.flat.advance(octets);
        if self.flat.is_empty() {
            buffers::give_back(std::mem::take(&mut self.flat));
            if self.queue.capacity() > SLICES {
                self.queue = VecDeque::new();
            }
        }
        self.frames.mark(self.taken, self.total);
    }

    /// Nothing of it will ever be written.
    pub(super) fn discard(&mut self) {
        self.queue = VecDeque::new();
        self.queued = 0;
        self.flat = BytesMut::new();
        self.open = None;
        self.frames.gone = self.frames.made;
    }

    /// All that waits, taken out.
    #[cfg(any(test, fuzzing))]
    pub(super) fn take(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        self.queue.iter().for_each(|piece| all.extend_from_slice(piece));
        all.extend_from_slice(&self.flat);
        self.advance(all.len());
        all
    }
}

impl Frames {
    fn mark(&mut self, taken: u64, total: u64) {
        if taken == total {
            self.gone = self.made;
            self.marks.clear();
            self.answers.clear();
            return;
        }
        while let Some((octets, frames)) = self.marks.front().copied()
            && octets <= taken
        {
            self.gone = frames;
            self.marks.pop_front();
        }
        while self.answers.front().is_some_and(|end| *end <= taken) {
            self.answers.pop_front();
        }
        if self.marks.back().is_none_or(|(octets, _)| *octets < total) {
            self.marks.push_back((total, self.made));
        }
    }
}

/// Pieces up to this size are copied.
const COPY_LIMIT: usize = 4 * 1024;
/// Pieces given to one write.
pub(super) const SLICES: usize = 16;
