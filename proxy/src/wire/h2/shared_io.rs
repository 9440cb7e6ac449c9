//! The I/O that `h2` is given: reading goes straight to the stream, writing only collects. The connection's task holds a second handle
//! and writes out for real, once per poll. Called by `h2` and by `server` and `client`.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::flood::{Counters, FRAME_HEADER, Watch};
use super::incoming::Body;
use super::progress::Progress;
use super::stats::CodecStats;
use crate::transport::Stream;

/// A handle to one connection's stream and what waits to be written to it. Clones are the same connection.
#[derive(Debug, Clone)]
pub(super) struct SharedIo(Rc<RefCell<Inner>>);

#[derive(Debug)]
struct Inner {
    /// `None` once closed.
    stream: Option<Stream>,
    out: BytesMut,
    /// Octets that were ever collected.
    collected: u64,
    watch: Watch,
    progress: Progress,
    flushed: bool,
    /// The peer has closed its direction.
    ended: bool,
    flood: Option<&'static str>,
}

impl SharedIo {
    pub(super) fn new(stream: Stream, server: bool, stats: CodecStats) -> SharedIo {
        SharedIo(Rc::new(RefCell::new(Inner {
            stream: Some(stream),
            out: BytesMut::new(),
            collected: 0,
            watch: Watch::new(server, stats),
            progress: Progress::new(stats),
            flushed: true,
            ended: false,
            flood: None,
        })))
    }

    /// Writes out what was collected and flushes it.
    pub(super) fn poll_write_out(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_write_out(cx)
    }

    /// Closes the stream, whoever still holds a handle.
    pub(super) fn close(&self) {
        let inner = &mut *self.0.borrow_mut();
        inner.stream = None;
        inner.out = BytesMut::new();
        inner.flushed = true;
        inner.progress.close();
    }

    /// Asks or tells what is known of streams.
    pub(super) fn progress<T>(&self, with: impl FnOnce(&mut Progress) -> T) -> T {
        with(&mut self.0.borrow_mut().progress)
    }

    /// Takes small pieces of bodies out of `h2`, where they are many. The connection's task calls it when it has polled `h2`.
    pub(super) fn relieve(&self) {
        if self.progress(|progress| progress.is_crowded()) {
            let bodies = self.progress(Progress::crowded);
            bodies.iter().for_each(|body| body.borrow_mut().collect());
        }
    }

    /// The flood for which reading was refused.
    pub(super) fn flood(&self) -> Option<&'static str> {
        self.0.borrow().flood
    }

    /// The peer has closed its direction.
    pub(super) fn is_ended_by_peer(&self) -> bool {
        self.0.borrow().ended
    }

    /// What passed so far.
    pub(super) fn counters(&self) -> Counters {
        self.0.borrow().watch.counters()
    }
}

impl Inner {
    fn stream(&mut self) -> io::Result<Pin<&mut Stream>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// One real write of what was collected.
    fn poll_write_once(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Err(io::ErrorKind::NotConnected.into())) };
        let written = ready!(Pin::new(stream).poll_write(cx, &self.out))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.out.advance(written);
        self.progress.written(self.collected - self.out.len() as u64);
        Poll::Ready(Ok(()))
    }

    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            ready!(self.poll_write_once(cx))?;
        }
        if !self.flushed {
            ready!(self.stream()?.poll_flush(cx))?;
            self.flushed = true;
            // What a burst needed is not kept for the connection's life.
            self.out = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when more may be collected.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.out.len() >= COLLECT {
            ready!(self.poll_write_once(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    fn collect(&mut self, data: &[u8]) {
        self.watch.written(data, self.collected, &mut self.progress);
        self.flushed = false;
        self.out.extend_from_slice(data);
        self.collected += data.len() as u64;
    }
}

impl AsyncRead for SharedIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let inner = &mut *self.0.borrow_mut();
        if inner.progress.is_crowded() {
            // First comes what is there: the connection's task is about to take it.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = out.filled().len();
        loop {
            ready!(inner.stream()?.poll_read(cx, out))?;
            inner.ended = out.filled().len() == before && out.remaining() > 0;
            if let Err(flood) = inner.watch.read(&out.filled()[before..], &mut inner.progress) {
                inner.flood = Some(flood);
                return Poll::Ready(Err(io::Error::other(flood)));
            }
            if !inner.watch.idle().is_empty() {
                leave_out(out, before, inner.watch.idle());
                if out.filled().len() == before {
                    // Nothing read would be the end.
                    continue;
                }
            }
            return Poll::Ready(Ok(()));
        }
    }
}

/// Leaves out the frames that begin there, counted from an octet. They say nothing, and `h2` ends a connection after a hundred of them,
/// however long it lives.
fn leave_out(out: &mut ReadBuf<'_>, from: usize, frames: &[usize]) {
    let length = out.filled().len();
    let mut to = from + frames[0];
    for (index, frame) in frames.iter().enumerate() {
        let kept = from + frame + FRAME_HEADER..frames.get(index + 1).map_or(length, |next| from + next);
        let count = kept.len();
        out.filled_mut().copy_within(kept, to);
        to += count;
    }
    out.set_filled(to);
}

impl AsyncWrite for SharedIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let inner = &mut *self.0.borrow_mut();
        ready!(inner.poll_room(cx))?;
        inner.collect(data);
        Poll::Ready(Ok(data.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let inner = &mut *self.0.borrow_mut();
        ready!(inner.poll_room(cx))?;
        slices.iter().for_each(|slice| inner.collect(slice));
        Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Does nothing: the connection's task flushes when `h2` has said all it has to say.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let inner = &mut *self.0.borrow_mut();
        ready!(inner.poll_write_out(cx))?;
        inner.stream()?.poll_shutdown(cx)
    }
}

/// Octets that are collected before writing for real within a poll.
const COLLECT: usize = 60 * 1024;

/// A stream of the connection that somebody holds.
#[derive(Debug)]
pub(super) struct Held {
    io: SharedIo,
    id: u32,
}

impl Held {
    pub(super) fn new(io: SharedIo, id: u32) -> Held {
        io.progress(|progress| progress.register(id));
        Held { io, id }
    }

    pub(super) fn io(&self) -> &SharedIo {
        &self.io
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// This is received on the stream.
    pub(super) fn receives(&self, body: &Rc<RefCell<Body>>) {
        self.io.progress(|progress| progress.receives(self.id, Rc::clone(body)));
    }

    /// The peer has reset the stream.
    pub(super) fn is_reset(&self) -> bool {
        self.io.progress(|progress| progress.is_reset(self.id))
    }

    /// The peer has ended the stream, and all of it is here.
    pub(super) fn has_remote_ended(&self) -> bool {
        self.io.progress(|progress| progress.has_remote_ended(self.id))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.io.progress(|progress| progress.forget(self.id)));
    }
}
