//! Reads the 9-octet frame headers in passing, counts, and says when a peer floods us, by Envoy's limits. Called by `shared_io` with
//! every byte read and written. It never looks into payloads.

/// What passed over one connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Streams opened by either side.
    pub opened_streams: u64,
    /// RST_STREAM frames received.
    pub rx_reset: u64,
    /// RST_STREAM frames sent.
    pub tx_reset: u64,
    /// DATA frames sent.
    pub tx_data: u64,
    /// PRIORITY frames received.
    pub rx_priority: u64,
    /// WINDOW_UPDATE frames received.
    pub rx_window_update: u64,
    /// GOAWAY was received.
    pub rx_goaway: bool,
    /// GOAWAY was sent.
    pub tx_goaway: bool,
}

/// Watches both directions of a connection.
#[derive(Debug, Default)]
pub(super) struct Watch {
    inbound: FrameHeaders,
    outbound: FrameHeaders,
    counters: Counters,
    highest_inbound: u32,
    highest_outbound: u32,
    consecutive_empty: u32,
}

impl Watch {
    /// For the side that receives (`server`) or sends the client's preface.
    pub(super) fn new(server: bool) -> Watch {
        let mut watch = Watch::default();
        let preface = crate::wire::sniff::PREFACE.len();
        if server {
            watch.inbound.skip = preface
        } else {
            watch.outbound.skip = preface
        }
        watch
    }

    pub(super) fn counters(&self) -> Counters {
        self.counters
    }

    /// Takes note of bytes that were read. An error names the flood.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Result<(), &'static str> {
        while let Some(frame) = self.inbound.next(&mut bytes) {
            self.received(frame)?;
        }
        Ok(())
    }

    /// Takes note of bytes that are written.
    pub(super) fn written(&mut self, mut bytes: &[u8]) {
        while let Some(frame) = self.outbound.next(&mut bytes) {
            match frame.kind {
                DATA => self.counters.tx_data += 1,
                // A response's HEADERS carry the id of a stream that the client opened before.
                HEADERS if frame.stream > self.highest_outbound.max(self.highest_inbound) => {
                    self.highest_outbound = frame.stream;
                    self.counters.opened_streams += 1;
                }
                RST_STREAM => self.counters.tx_reset += 1,
                GOAWAY => self.counters.tx_goaway = true,
                _ => {}
            }
        }
    }

    fn received(&mut self, frame: FrameHeader) -> Result<(), &'static str> {
        let counters = &mut self.counters;
        if matches!(frame.kind, DATA | HEADERS | CONTINUATION) {
            let pointless = frame.length == 0 && frame.flags & END_STREAM == 0;
            self.consecutive_empty = if pointless { self.consecutive_empty + 1 } else { 0 };
            if self.consecutive_empty > MAX_CONSECUTIVE_EMPTY {
                return Err("http2.inbound_empty_frames_flood");
            }
        }
        match frame.kind {
            HEADERS if frame.stream > self.highest_inbound && frame.stream > self.highest_outbound => {
                self.highest_inbound = frame.stream;
                counters.opened_streams += 1;
            }
            PRIORITY => {
                counters.rx_priority += 1;
                if counters.rx_priority > MAX_PRIORITY_PER_STREAM * (1 + counters.opened_streams) {
                    return Err("http2.inbound_priority_frames_flood");
                }
            }
            WINDOW_UPDATE => {
                counters.rx_window_update += 1;
                let sent = MAX_WINDOW_UPDATES_PER_DATA * counters.tx_data;
                if counters.rx_window_update > 5 + 2 * (counters.opened_streams + sent) {
                    return Err("http2.inbound_window_update_frames_flood");
                }
            }
            RST_STREAM => counters.rx_reset += 1,
            GOAWAY => counters.rx_goaway = true,
            _ => {}
        }
        Ok(())
    }
}

/// `max_consecutive_inbound_frames_with_empty_payload`
const MAX_CONSECUTIVE_EMPTY: u32 = 1;
/// `max_inbound_priority_frames_per_stream`
const MAX_PRIORITY_PER_STREAM: u64 = 100;
/// `max_inbound_window_update_frames_per_data_frame_sent`
const MAX_WINDOW_UPDATES_PER_DATA: u64 = 10;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;

#[derive(Debug, Clone, Copy)]
struct FrameHeader {
    length: u32,
    kind: u8,
    flags: u8,
    stream: u32,
}

/// Finds frame headers in a stream of bytes that comes in pieces.
#[derive(Debug, Default)]
struct FrameHeaders {
    /// Octets of payload (or preface) still to be passed over.
    skip: usize,
    partial: [u8; 9],
    have: usize,
}

impl FrameHeaders {
    /// The next complete frame header; what was looked at is cut off `bytes`.
    fn next(&mut self, bytes: &mut &[u8]) -> Option<FrameHeader> {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        *bytes = &bytes[skipped..];
        let taken = (self.partial.len() - self.have).min(bytes.len());
        self.partial[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
        self.have += taken;
        *bytes = &bytes[taken..];
        if self.have < self.partial.len() {
            return None;
        }
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = self.partial;
        let length = u32::from_be_bytes([0, l0, l1, l2]);
        self.have = 0;
        self.skip = length as usize;
        Some(FrameHeader { length, kind, flags, stream: u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]) })
    }
}

#[cfg(test)]
mod tests;
