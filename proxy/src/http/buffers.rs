//! How many octets of a body a request may hold back: for filters that want all of it, and for further attempts. The connection's limit, the
//! route's and what a filter asked for, as Envoy weighs them. Asked by filters and by `attempt`; it holds nothing itself.

use config::hcm::HttpConnectionManager;

use super::filters::filter::Way;
use super::stream::Stream;
use crate::wire::h2;
use crate::wire::message::Protocol;

/// The limits of connections, by protocol.
#[derive(Debug, Clone, Copy)]
pub(super) struct OfConnection {
    /// The listener's `per_connection_buffer_limit_bytes`.
    http1: usize,
    /// The window of a stream.
    http2: usize,
}

impl OfConnection {
    /// Of connections to a listener with this `limit`; 0 is none.
    pub fn new(limit: u32, manager: &HttpConnectionManager) -> OfConnection {
        let http1 = if limit == 0 { usize::MAX } else { limit as usize };
        OfConnection { http1, http2: h2::Settings::downstream(manager).initial_stream_window as usize }
    }

    /// The listener's.
    pub fn of_listener(self) -> usize {
        self.http1
    }
}

impl Stream<'_> {
    /// Octets that a filter may hold. A route can only give more than the connection does.
    pub fn may_hold(&self, way: Way) -> usize {
        let limit = self.of_connection().max(self.of_route().unwrap_or(0));
        if way == Way::Request { limit.max(self.wanted as usize) } else { limit }
    }

    /// Octets that may be kept for another attempt. The route's limit wins, be it larger or smaller.
    pub fn may_keep(&self) -> usize {
        self.of_route().unwrap_or_else(|| self.of_connection().max(self.wanted as usize))
    }

    /// A filter holds so much of the request, whatever the limits are: what comes after it may do the same.
    pub fn wants_to_hold(&mut self, octets: u32) {
        self.wanted = self.wanted.max(octets);
    }

    fn of_route(&self) -> Option<usize> {
        let limit = self.route?.route.config.buffer_limit?;
        Some(usize::try_from(limit).unwrap_or(usize::MAX))
    }

    fn of_connection(&self) -> usize {
        let limits = &self.context.manager.buffers;
        if self.info.protocol == Some(Protocol::Http2) { limits.http2 } else { limits.http1 }
    }
}

#[cfg(test)]
mod tests;
