//! The first octets of a connection, which filters see before anybody else reads them. Made by `listener`, polled by whoever reads the
//! stream then.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, ReadBuf};

use super::filter::{Hooks, Step};
use super::more::More;
use super::run::{Closed, Hook, Started};
use crate::call::wait::Wait;
use crate::failure::ResponseFlags;
use crate::telemetry::stream_info::ConnectionInfo;
use crate::transport::{Gate, Stream};

/// Shows the first octets to the filters that want them, in their order.
pub struct First {
    filters: Rc<Started>,
    connection: Rc<ConnectionInfo>,
    /// A stream that ends without octets is shown, too.
    of_end: bool,
    /// Shut, once they have passed, for those who want what follows.
    gate: Option<Gate>,
    /// The filter whose turn it is.
    next: usize,
    /// What it waits for.
    wait: Option<Wait>,
    /// What has come so far.
    octets: BytesMut,
    read: Read,
}

/// How far a stream was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    /// Nothing that the filters have not seen.
    Nothing,
    /// Octets that they have not seen.
    Fresh,
    /// To its end, which the filters have not seen.
    All,
}

/// Octets that are read at a time.
const PIECE: usize = 4 * 1024;
/// Octets that filters may ask for before they must decide.
const MOST: usize = 64 * 1024;

impl Started {
    /// What shows them the first octets, if one of them wants those; `of_end`: and what is a stream's end without any. Nobody else reads
    /// the stream before it is ready.
    pub fn first(self: &Rc<Self>, connection: &Rc<ConnectionInfo>, of_end: bool) -> Option<Box<First>> {
        self.want(Hooks::FIRST).then(|| {
            Box::new(First {
                filters: self.clone(),
                connection: connection.clone(),
                of_end,
                gate: None,
                next: 0,
                wait: None,
                octets: BytesMut::new(),
                read: Read::Nothing,
            })
        })
    }
}

impl First {
    /// What shows all that follows to the filters that want it, if there are some.
    pub fn more(&mut self) -> Option<More> {
        self.filters.want(Hooks::MORE).then(|| {
            let gate = Gate::new(self.of_end);
            self.gate = Some(gate.clone());
            More { filters: self.filters.clone(), connection: self.connection.clone(), gate }
        })
    }

    /// Octets that were read and that nobody else has: they count as received by who reads on, else by who closes.
    pub fn held(&self) -> u64 {
        self.octets.len() as u64
    }

    /// Reads and asks until all have gone on; then what is left of the octets is the stream's again. A stream that ends before is judged by
    /// what there is, which may be nothing: who then wants more does not let it pass.
    ///
    /// # Errors
    /// A filter closes the connection, or reading fails.
    pub fn poll(&mut self, cx: &mut Context<'_>, stream: &mut Stream) -> Poll<io::Result<()>> {
        loop {
            if self.read != Read::Nothing {
                if ready!(self.ask(cx))? {
                    break;
                }
                if self.read == Read::All {
                    let closed = Closed(ResponseFlags::NONE);
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, closed)));
                }
                if self.octets.len() >= MOST {
                    return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                }
                self.read = Read::Nothing;
            }
            let mut space = [0; PIECE];
            let mut piece = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut piece))?;
            self.octets.extend_from_slice(piece.filled());
            match piece.filled() {
                [] if self.octets.is_empty() && !self.of_end => break,
                [] => self.read = Read::All,
                _ => self.read = Read::Fresh,
            }
        }
        stream.put_back(std::mem::take(&mut self.octets).freeze());
        self.gate.take().inspect(Gate::shut);
        Poll::Ready(Ok(()))
    }

    /// Whether all have gone on; `false` when one wants more.
    fn ask(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let filters = self.filters.clone();
        while let Some(wants) = filters.wants(self.next, Hooks::FIRST) {
            if !wants {
                self.next += 1;
                continue;
            }
            let hook = match &mut self.wait {
                Some(wait) => Hook::Resumed(ready!(wait.poll(cx))),
                None => Hook::First(&mut self.octets),
            };
            self.wait = None;
            match filters.call(self.next, &self.connection, hook) {
                Step::Continue => self.next += 1,
                Step::More => return Poll::Ready(Ok(false)),
                Step::Wait(wait) => self.wait = Some(wait),
                Step::Close(flags) => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, Closed(flags))));
                }
            }
        }
        Poll::Ready(Ok(true))
    }
}
