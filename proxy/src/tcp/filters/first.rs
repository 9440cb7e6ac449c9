//! The first octets of a connection, which filters see before anybody else reads them. Made by `listener`, polled by whoever reads the
//! stream then.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;

use super::client::Client;
use super::filter::{Hooks, Step};
use super::more::More;
use super::run::{Closed, Hook, Started};
use crate::call::wait::Wait;
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

    /// Reads the first octets, and asks until all have gone on; then the octets are the stream's again. A stream that ends before is judged
    /// without any, where its client may end before the server.
    ///
    /// # Errors
    /// A filter closes the connection, its client has gone while one waits, or reading fails.
    pub fn poll(&mut self, cx: &mut Context<'_>, stream: &mut Stream) -> Poll<io::Result<()>> {
        if self.octets.is_empty() && !self.client.has_ended() {
            ready!(self.client.poll_piece(cx, stream, &mut self.octets))?;
        }
        if (!self.octets.is_empty() || self.filters.half_open()) && self.ask(cx)?.is_pending() {
            return self.client.poll_gone(cx, stream, &mut self.octets).map(Err);
        }
        stream.put_back(std::mem::take(&mut self.octets).freeze());
        self.gate.take().inspect(Gate::shut);
        Poll::Ready(Ok(()))
    }

    /// Ready when all have gone on.
    fn ask(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(wants) = self.filters.wants(self.next, Hooks::FIRST) {
            if !wants {
                self.next += 1;
                continue;
            }
            let hook = match &mut self.wait {
                Some(wait) => Hook::Resumed(ready!(wait.poll(cx))),
                None => Hook::First,
            };
            self.wait = None;
            match self.filters.call(self.next, &self.connection, hook) {
                Step::Continue => self.next += 1,
                Step::Wait(wait) => self.wait = Some(wait),
                Step::Close(flags) => return Poll::Ready(Err(Closed::by_us(flags).into())),
            }
        }
        Poll::Ready(Ok(()))
    }
}
