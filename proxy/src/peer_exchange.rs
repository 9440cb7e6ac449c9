//! Istio's metadata exchange over connections: where both ends have agreed to it by ALPN, each sends a frame that says which workload it
//! stands for, before anything else. `listener` begins it on connections of clients and `cluster` on those to servers.
//!
//! Ours is sent as soon as TLS stands, whoever speaks first. Theirs is taken off the front of what is read, whatever way it is cut: the
//! reader never sees an octet of it, and what is no frame is the reader's from its first octet on. A peer that sends nothing holds
//! nobody up who does not wait for it anyway.

use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use config::filters::network::metadata_exchange::MetadataExchange as Config;
use config::workload::{self, Frame, Workload};
use tokio::io::AsyncWriteExt;

use crate::stats::{Stats, counters};
use crate::telemetry::peer::{Heard, Peer, discovered};
use crate::transport::{Front, Stream};

#[cfg(any(test, fuzzing))]
pub mod fuzz;

counters! {
    /// What comes of exchanges.
    struct Counters { alpn_protocol_found alpn_protocol_not_found initial_header_not_found header_not_found metadata_added }
}

/// The ALPN name that is only for those who exchange: whoever negotiates it expects a frame.
const PROTOCOL: &[u8] = b"istio-peer-exchange";

/// The protocols of a context, without that of the exchange unless there is one.
pub fn protocols(given: &[Arc<[u8]>], exchanges: bool) -> Option<Vec<Arc<[u8]>>> {
    let is_ours = |name: &Arc<[u8]>| **name == *PROTOCOL;
    let unwanted = !exchanges && given.iter().any(is_ours);
    unwanted.then(|| given.iter().filter(|name| !is_ours(name)).cloned().collect())
}

/// The exchange of a filter chain or of a cluster.
pub struct MetadataExchange {
    config: Arc<Config>,
    counters: Counters,
}

impl MetadataExchange {
    /// Compiles.
    pub fn compile(config: &Arc<Config>, stats: &Arc<Stats>) -> MetadataExchange {
        MetadataExchange { config: config.clone(), counters: Counters::new(stats, "metadata_exchange.") }
    }

    /// Sends our frame, if that was agreed on, and gives the stream whose reader does not see theirs. `address` is the peer's.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn begin(
        &self,
        mut stream: Stream,
        alpn: Option<&[u8]>,
        address: Option<IpAddr>,
    ) -> io::Result<(Stream, Rc<Peer>)> {
        let address = address.filter(|_| self.config.discovers);
        if alpn != Some(self.config.protocol.as_bytes()) {
            self.counters.alpn_protocol_not_found.inc();
            let found = address.and_then(discovered::peer);
            if found.is_some() {
                self.counters.metadata_added.inc();
            }
            return Ok((stream, found.unwrap_or_else(Peer::nobody)));
        }
        self.counters.alpn_protocol_found.inc();
        stream.write_all(&self.config.frame).await?;
        stream.flush().await?;
        self.counters.metadata_added.inc();
        let (peer, heard) = Peer::begin();
        let labels = self.config.labels.clone();
        let theirs = Theirs { heard, labels, address, counters: self.counters, state: State::Head };
        Ok((stream.behind(Box::new(theirs)), peer))
    }
}

/// The peer's frame, while it comes.
struct Theirs {
    heard: Heard,
    labels: Arc<[Arc<str>]>,
    /// Where it may be looked up.
    address: Option<IpAddr>,
    counters: Counters,
    state: State,
}

enum State {
    /// Its first eight octets are waited for.
    Head,
    /// So many octets of its message are missing, and this is what is there.
    Message(usize, BytesMut),
    /// So many octets are missing of a message that is longer than any that is read.
    Long(usize),
}

impl Front for Theirs {
    fn take(&mut self, octets: &mut BytesMut, ended: bool) -> bool {
        loop {
            let done = match &mut self.state {
                State::Head => match workload::frame_head(octets) {
                    Frame::More if !ended => return false,
                    Frame::More | Frame::None => {
                        self.counters.initial_header_not_found.inc();
                        self.look_up();
                        return true;
                    }
                    Frame::Message(length) => {
                        octets.advance(workload::FRAME_HEAD);
                        self.state = if length > workload::LONGEST_FRAME {
                            State::Long(length)
                        } else {
                            State::Message(length, BytesMut::with_capacity(length))
                        };
                        continue;
                    }
                },
                State::Message(missing, message) => {
                    let piece = octets.split_to(octets.len().min(*missing));
                    message.extend_from_slice(&piece);
                    *missing -= piece.len();
                    *missing == 0
                }
                State::Long(missing) => {
                    let taken = octets.len().min(*missing);
                    octets.advance(taken);
                    *missing -= taken;
                    *missing == 0
                }
            };
            if done || ended {
                self.tell(done);
            }
            return done;
        }
    }
}

impl Theirs {
    fn tell(&mut self, complete: bool) {
        if let State::Message(_, message) = &self.state
            && complete
            && let Ok(told) = workload::of_frame(message, &self.labels)
        {
            return match told {
                Some(told) => self.heard.peer(told.workload),
                None => self.look_up(),
            };
        }
        self.counters.header_not_found.inc();
        self.look_up();
    }

    /// It has said nothing.
    fn look_up(&self) {
        match self.address.and_then(discovered::workload) {
            Some(workload) => {
                self.counters.metadata_added.inc();
                self.heard.peer(Workload::clone(&workload));
            }
            None => self.heard.nobody(),
        }
    }
}

impl std::fmt::Debug for Theirs {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Theirs")
    }
}

#[cfg(test)]
mod tests;
