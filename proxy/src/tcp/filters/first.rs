//! The first octets of a connection, which filters see before anybody else reads them. Made by `listener`, polled by whoever reads the
//! stream then.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;

use super::client::{Client, MOST};
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
    client: Client,
    /// Shut, once they have passed, for those who want what follows.
    gate: Option<Gate>,
    /// The filter whose turn it is.
    next: usize,
    /// What it waits for.
    wait: Option<Wait>,
    /// What has come so far.
    octets: BytesMut,
    /// So many octets has the one whose turn it is seen without being content with them.
    seen: usize,
}

impl Started {
    /// What shows them the first octets, if one of them wants those, and where the client may end before the server a stream's end
    /// without any. Nobody else reads the stream before it is ready.
    pub fn first(self: &Rc<Self>, connection: &Rc<ConnectionInfo>) -> Option<Box<First>> {
        // Who judges what follows alone has its gate from here, too.
        (self.want(Hooks::FIRST) || self.want(Hooks::MORE)).then(|| {
            Box::new(First {
                filters: self.clone(),
                connection: connection.clone(),
                client: Client::new(self.half_open()),
                gate: None,
                next: 0,
                wait: None,
                octets: BytesMut::new(),
                seen: 0,
            })
        })
    }
}

impl First {
    /// What shows all that follows to the filters that want it, if there are some.
    pub fn more(&mut self) -> Option<More> {
        self.filters.want(Hooks::MORE).then(|| {
            let gate = Gate::new(self.filters.half_open());
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
    /// A filter closes the connection, its client has gone while one waits, or reading fails.
    pub fn poll(&mut self, cx: &mut Context<'_>, stream: &mut Stream) -> Poll<io::Result<()>> {
        loop {
            if self.octets.len() > self.seen || self.wait.is_some() || self.client.has_ended() {
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
                if self.client.has_ended() {
                    return Poll::Ready(Err(Closed::by_us(ResponseFlags::NONE).into()));
                }
            }
            ready!(self.client.poll_piece(cx, stream, &mut self.octets))?;
            if self.client.has_ended() && self.octets.is_empty() && !self.filters.half_open() {
                break;
            }
        }
        stream.put_back(std::mem::take(&mut self.octets).freeze());
        self.gate.take().inspect(Gate::shut);
        Poll::Ready(Ok(()))
    }

    /// Whether all have gone on; `false` when one wants more.
    fn ask(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        while let Some(wants) = self.filters.wants(self.next, Hooks::FIRST) {
            if !wants {
                self.next += 1;
                continue;
            }
            let step = match &mut self.wait {
                Some(wait) => {
                    let waited = ready!(wait.poll(cx));
                    self.filters.call(self.next, &self.connection, Hook::Resumed(waited))
                }
                None => {
                    let step = self.filters.call(self.next, &self.connection, Hook::First(&mut self.octets));
                    self.seen = self.octets.len();
                    step
                }
            };
            self.wait = None;
            match step {
                Step::Continue => (self.next, self.seen) = (self.next + 1, 0),
                Step::More => return Poll::Ready(Ok(false)),
                Step::Wait(wait) => self.wait = Some(wait),
                Step::Close(flags) => return Poll::Ready(Err(Closed::by_us(flags).into())),
            }
        }
        Poll::Ready(Ok(true))
    }
}
