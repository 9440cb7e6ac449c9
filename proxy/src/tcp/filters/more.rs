//! What follows the first octets, for filters that judge each read: while they do it waits at a gate in front of the reader. A connection
//! without such filters has neither. Made with the first octets; run by `listener` beside whoever reads.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::rc::Rc;

use super::filter::Hooks;
use super::run::{Hook, Started};
use crate::telemetry::stream_info::ConnectionInfo;
use crate::transport::{Gate, Stream};

/// Shows each further read to the filters that want it, in their order.
pub struct More {
    pub(super) filters: Rc<Started>,
    pub(super) connection: Rc<ConnectionInfo>,
    pub(super) gate: Gate,
}

impl More {
    /// The stream, whose reads wait for them.
    pub fn gated(&self, stream: Stream) -> Stream {
        stream.at_gate(self.gate.clone())
    }

    /// Runs them as long as `served` takes, which reads the stream.
    pub async fn beside<T>(self, served: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            served = served => served,
            never = self.judge() => match never {},
        }
    }

    async fn judge(&self) -> Infallible {
        loop {
            poll_fn(|cx| self.gate.poll_waiting(cx)).await;
            let passes = self.filters.head(&self.connection, None, Hooks::MORE, || Hook::More).await;
            self.gate.decide(passes.map_err(io::Error::from));
        }
    }
}
