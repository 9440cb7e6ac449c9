//! What a peer may do too much of, by Envoy's limits (`Http2ProtocolOptions`). Asked by `connection` for each frame that comes, and for
//! what waits to be written. An error names the flood as Envoy does; it ends the connection.

use tokio::time::{Duration, Instant};

use super::frame;
use super::outbox::Outbox;
use super::stats::CodecStats;

/// The limits. Envoy's defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floods {
    /// `max_outbound_frames`: frames of all kinds that wait to be written.
    pub outbound_frames: u32,
    /// `max_outbound_control_frames`: answers to PING and SETTINGS, and resets, that wait to be written.
    pub outbound_control_frames: u32,
    /// `max_consecutive_inbound_frames_with_empty_payload`.
    pub empty_frames: u32,
    /// `max_inbound_priority_frames_per_stream`.
    pub priority_frames: u32,
    /// `max_inbound_window_update_frames_per_data_frame_sent`.
    pub window_updates: u32,
    /// `stream_reset_burst`: resets that a client may send at once, and then `stream_reset_rate` a second.
    pub reset_burst: u64,
    /// See above.
    pub reset_rate: u64,
}

impl Default for Floods {
    fn default() -> Floods {
        Floods {
            outbound_frames: 10_000,
            outbound_control_frames: 1_000,
            empty_frames: 1,
            priority_frames: 100,
            window_updates: 10,
            reset_burst: 1_000,
            reset_rate: 33,
        }
    }
}

/// What one connection has done.
#[derive(Debug)]
pub(super) struct Limits {
    floods: Floods,
    stats: CodecStats,
    /// Streams opened by either side.
    pub(super) opened: u64,
    /// DATA frames sent.
    pub(super) data_sent: u64,
    empty: u32,
    priorities: u64,
    window_updates: u64,
    /// Resets that may still come, and since when that is so.
    resets: (u64, Option<Instant>),
}

impl Limits {
    pub(super) fn new(floods: Floods, stats: CodecStats) -> Limits {
        Limits {
            floods,
            stats,
            opened: 0,
            data_sent: 0,
            empty: 0,
            priorities: 0,
            window_updates: 0,
            resets: (floods.reset_burst, None),
        }
    }

    /// A frame of DATA, HEADERS or CONTINUATION with so many octets besides its padding.
    pub(super) fn payload(&mut self, octets: usize, ends: bool) -> Result<(), &'static str> {
        if octets > 0 || ends {
            self.empty = 0;
            return Ok(());
        }
        self.empty += 1;
        if self.empty > self.floods.empty_frames {
            self.stats.inbound_empty_frames_flood.inc();
            return Err("http2.inbound_empty_frames_flood");
        }
        Ok(())
    }

    /// Any other frame.
    pub(super) fn control(&mut self, kind: u8) -> Result<(), &'static str> {
        match kind {
            frame::PRIORITY => {
                self.priorities += 1;
                if self.priorities > u64::from(self.floods.priority_frames) * (1 + self.opened) {
                    self.stats.inbound_priority_frames_flood.inc();
                    return Err("http2.inbound_priority_frames_flood");
                }
            }
            frame::WINDOW_UPDATE => {
                self.window_updates += 1;
                let sent = u64::from(self.floods.window_updates) * self.data_sent;
                if self.window_updates > 5 + 2 * (self.opened + sent) {
                    self.stats.inbound_window_update_frames_flood.inc();
                    return Err("http2.inbound_window_update_frames_flood");
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A reset from a client. False when it has sent too many.
    pub(super) fn reset(&mut self, now: Instant) -> bool {
        let (left, since) = &mut self.resets;
        match since {
            // Nothing is missing from the burst.
            None => *since = Some(now),
            Some(begin) => {
                let seconds = now.saturating_duration_since(*begin).as_secs();
                if seconds > 0 {
                    *left = left
                        .saturating_add(seconds.saturating_mul(self.floods.reset_rate))
                        .min(self.floods.reset_burst);
                    *begin += Duration::from_secs(seconds);
                }
            }
        }
        let admitted = *left > 0;
        *left = left.saturating_sub(1);
        admitted
    }

    /// What waits to be written.
    pub(super) fn outbound(&self, outbox: &Outbox) -> Result<(), &'static str> {
        if outbox.frames() > u64::from(self.floods.outbound_frames) {
            self.stats.outbound_flood.inc();
            return Err("http2.outbound_frames_flood");
        }
        if outbox.answers() > self.floods.outbound_control_frames as usize {
            self.stats.outbound_control_flood.inc();
            return Err("http2.outbound_control_frames_flood");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
