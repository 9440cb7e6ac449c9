//! A gate in front of a reader: each read waits there until somebody beside the reader lets it pass, before anyone has seen its octets.
//! Made by network filters that judge all along; a stream without one knows nothing of it. It never looks at what passes.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Io, Stream};

/// Both sides have it. Streams change threads, and so it may; nobody ever waits for its lock.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Reads wait. Before that they pass.
    shut: bool,
    /// The end of the stream waits, too.
    of_end: bool,
    read: Read,
    keeper: Option<Waker>,
    reader: Option<Waker>,
}

#[derive(Debug, Default)]
enum Read {
    /// None waits.
    #[default]
    None,
    Waits,
    Passes,
    Refused(io::Error),
}

impl Gate {
    /// One that is open; `of_end`: once it is shut, the end of the stream waits as octets do.
    pub fn new(of_end: bool) -> Gate {
        Gate(Arc::new(Mutex::new(State { of_end, ..State::default() })))
    }

    /// Shuts it: from the next read on each waits.
    pub fn shut(&self) {
        self.with(|state| state.shut = true);
    }

    /// Ready when a read waits.
    pub fn poll_waiting(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.with(|state| match state.read {
            Read::Waits => Poll::Ready(()),
            _ => {
                state.keeper = Some(cx.waker().clone());
                Poll::Pending
            }
        })
    }

    /// Lets the read that waits pass, or has it fail.
    pub fn decide(&self, decision: io::Result<()>) {
        let reader = self.with(|state| {
            state.read = match decision {
                Ok(()) => Read::Passes,
                Err(error) => Read::Refused(error),
            };
            state.reader.take()
        });
        reader.into_iter().for_each(Waker::wake);
    }

    /// Whether a read of so many octets must wait.
    fn stops(&self, octets: usize) -> bool {
        self.with(|state| state.shut && (octets > 0 || state.of_end))
    }

    fn ask(&self) {
        let keeper = self.with(|state| {
            state.read = Read::Waits;
            state.keeper.take()
        });
        keeper.into_iter().for_each(Waker::wake);
    }

    fn poll_decided(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|state| match std::mem::take(&mut state.read) {
            Read::Passes => Poll::Ready(Ok(())),
            Read::Refused(error) => Poll::Ready(Err(error)),
            read => {
                state.read = read;
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A stream behind a gate.
#[derive(Debug)]
pub struct Gated {
    stream: Stream,
    gate: Gate,
    held: Held,
}

#[derive(Debug)]
enum Held {
    Nothing,
    /// What waits at the gate.
    Waiting(Bytes),
    /// What has passed, and did not fit the reader's buffer.
    Passed(Bytes),
    /// The stream has ended, or was refused: nothing comes any more.
    End,
}

impl Stream {
    /// The stream, each read of which waits at `gate` once that is shut. What was read before does not.
    pub fn at_gate(mut self, gate: Gate) -> Stream {
        let (prefix, front) = (std::mem::take(&mut self.prefix), self.front.take());
        let gated = Io::Gated(Box::new(Gated { stream: self, gate, held: Held::Nothing }));
        Stream { front, ..Stream::with_prefix(prefix, gated) }
    }
}

impl Gated {
    /// What is behind it.
    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }
}

impl AsyncRead for Gated {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            match &mut this.held {
                Held::Nothing => {
                    let before = out.filled().len();
                    ready!(Pin::new(&mut this.stream).poll_read(cx, out))?;
                    if !this.gate.stops(out.filled().len() - before) {
                        return Poll::Ready(Ok(()));
                    }
                    this.held = Held::Waiting(Bytes::copy_from_slice(&out.filled()[before..]));
                    out.set_filled(before);
                    this.gate.ask();
                }
                Held::Waiting(octets) => {
                    let decision = ready!(this.gate.poll_decided(cx));
                    let octets = std::mem::take(octets);
                    let is_over = decision.is_err() || octets.is_empty();
                    this.held = if is_over { Held::End } else { Held::Passed(octets) };
                    decision?;
                }
                Held::Passed(octets) => {
                    let length = octets.len().min(out.remaining());
                    out.put_slice(&octets[..length]);
                    octets.advance(length);
                    if octets.is_empty() {
                        this.held = Held::Nothing;
                    }
                    return Poll::Ready(Ok(()));
                }
                Held::End => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl AsyncWrite for Gated {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
