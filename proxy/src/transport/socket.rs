//! Reading and writing a TCP socket, straight to the system. Called by `transport` only. It never blocks and never copies.
//!
//! As tokio's own: a transfer that was smaller than asked for has exhausted the socket, so that the next one waits for news from the
//! system instead of asking it in vain. Unlike tokio's own, a waker is left behind only when there is something to wait for: most
//! transfers are asked for when the socket is known to be ready.

use std::io;
use std::task::{Context, Poll, ready};

use rustix::event::{PollFd, PollFlags, Timespec};
use tokio::io::{Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::coop;

use crate::sys;

/// Receives what there is, without an octet at the end of the stream.
pub fn poll_receive(socket: &TcpStream, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
    let room = out.remaining();
    if room == 0 {
        return Poll::Ready(Ok(()));
    }
    let turn = ready!(coop::poll_proceed(cx));
    loop {
        let result = attempt(socket, Interest::READABLE, room, || sys::receive(socket, out));
        if let Some(result) = result {
            turn.made_progress();
            return Poll::Ready(result.map(drop));
        }
        ready!(socket.poll_read_ready(cx))?;
    }
}

/// Sends as much as the system takes.
pub fn poll_send(socket: &TcpStream, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
    let turn = ready!(coop::poll_proceed(cx));
    loop {
        let result = attempt(socket, Interest::WRITABLE, data.len(), || sys::send(socket, data));
        if let Some(result) = result {
            turn.made_progress();
            return Poll::Ready(result);
        }
        ready!(socket.poll_write_ready(cx))?;
    }
}

/// Whether the system has told of nothing to read: neither octets nor an end. Nobody is woken when it does.
pub fn is_quiet(socket: &TcpStream) -> bool {
    socket.try_io(Interest::READABLE, || Ok(())).is_err()
}

/// Whether the peer has ended its direction or reset the connection, though there may be octets to read before that.
pub fn has_peer_left(socket: &TcpStream) -> bool {
    is_told(socket, PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR)
}

/// Whether the peer has reset the connection. That both directions have ended is no reset.
pub fn is_reset(socket: &TcpStream) -> bool {
    is_told(socket, PollFlags::ERR)
}

/// Whether the system says any of these now.
fn is_told(socket: &TcpStream, any: PollFlags) -> bool {
    let mut polled = [PollFd::new(socket, PollFlags::RDHUP)];
    let told = rustix::event::poll(&mut polled, Some(&Timespec::default()));
    told.is_ok() && polled[0].revents().intersects(any)
}

/// One transfer of up to `wanted` octets; `None` when the socket was not ready after all.
fn attempt(
    socket: &TcpStream,
    interest: Interest,
    wanted: usize,
    transfer: impl FnOnce() -> io::Result<usize>,
) -> Option<io::Result<usize>> {
    let mut short = None;
    let result = socket.try_io(interest, || match transfer() {
        Ok(count) if count > 0 && count < wanted => {
            short = Some(count);
            // What tokio takes for "not ready any more".
            Err(io::ErrorKind::WouldBlock.into())
        }
        result => result,
    });
    match (short, result) {
        (Some(count), _) => Some(Ok(count)),
        (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => None,
        (None, result) => Some(result),
    }
}

#[cfg(test)]
mod tests;
