//! Shows the first octets to the filters that want them, in their order. Made by [`Started::first`], polled by whoever would read the
//! stream: `listener` for HTTP, the TCP proxy's relay, echo.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;

use super::client::{Client, MOST};
use super::filter::Step;
use super::run::{Closed, Hook, Started};
use crate::call::wait::Wait;
use crate::telemetry::stream_info::ConnectionInfo;
use crate::transport::Stream;

/// Shows the first octets to the filters that want them, in their order.
pub struct First {
    filters: Rc<Started>,
    connection: Rc<ConnectionInfo>,
    client: Client,
    /// The filter whose turn it is.
    next: usize,
    /// What it waits for.
    wait: Option<Wait>,
    /// What has come so far.
    octets: BytesMut,
    /// So many octets has the one whose turn it is seen without being content with them.
    seen: usize,
}

impl First {
    pub(super) fn new(filters: Rc<Started>, connection: Rc<ConnectionInfo>, client: Client) -> First {
        First { filters, connection, client, next: 0, wait: None, octets: BytesMut::new(), seen: 0 }
    }

    /// Reads and asks until all have gone on; then what is left of the octets is the stream's again. A stream that ends before has no
    /// first octets.
    ///
    /// # Errors
    /// A filter closes the connection, its client has gone while one waits, or reading fails.
    pub fn poll(&mut self, cx: &mut Context<'_>, stream: &mut Stream) -> Poll<io::Result<()>> {
        loop {
            if self.octets.len() > self.seen || self.wait.is_some() {
                let Poll::Ready(all_have_gone_on) = self.ask(cx)? else {
                    return self.client.poll_gone(cx, stream, &mut self.octets).map(Err);
                };
                if all_have_gone_on {
                    break;
                }
                if self.octets.len() >= MOST {
                    return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                }
                if self.octets.len() > self.seen {
                    // More has come while it waited.
                    continue;
                }
            }
            if !self.client.has_ended() {
                ready!(self.client.poll_piece(cx, stream, &mut self.octets))?;
            }
            if self.client.has_ended() {
                break;
            }
        }
        stream.put_back(std::mem::take(&mut self.octets).freeze());
        Poll::Ready(Ok(()))
    }

    /// Whether all have gone on; `false` when one wants more.
    fn ask(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        while let Some(next) = self.filters.wanting_first(self.next) {
            self.next = next;
            let step = match &mut self.wait {
                Some(wait) => {
                    let waited = ready!(wait.poll(cx));
                    self.filters.call(next, &self.connection, Hook::Resumed(waited))
                }
                None => {
                    let step = self.filters.call(next, &self.connection, Hook::First(&mut self.octets));
                    self.seen = self.octets.len();
                    step
                }
            };
            self.wait = None;
            match step {
                Step::Continue => (self.next, self.seen) = (next + 1, 0),
                Step::More => return Poll::Ready(Ok(false)),
                Step::Wait(wait) => self.wait = Some(wait),
                Step::Close(flags) => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, Closed::by_us(flags))));
                }
            }
        }
        Poll::Ready(Ok(true))
    }
}
