//! Reads the 9-octet frame headers in passing, counts, tells `progress` of streams, and says when a peer floods us, by Envoy's limits.
//! Called by `shared_io` with every byte read and written. It never looks into payloads.

use super::incoming;
use super::progress::Progress;
use super::stats::CodecStats;

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
#[derive(Debug)]
pub(super) struct Watch {
    inbound: FrameHeaders,
    outbound: FrameHeaders,
    counters: Counters,
    stats: CodecStats,
    receiving: Endings,
    sending: Endings,
    highest_inbound: u32,
    highest_outbound: u32,
    consecutive_empty: u32,
    /// Where frames begin, in what was read last, that say nothing.
    idle: Vec<usize>,
}

impl Watch {
    /// For the side that receives (`server`) or sends the client's preface.
    pub(super) fn new(server: bool, stats: CodecStats) -> Watch {
        let preface = crate::wire::sniff::PREFACE.len();
        let (inbound, outbound) = if server { (preface, 0) } else { (0, preface) };
        Watch {
            inbound: FrameHeaders::after(inbound),
            outbound: FrameHeaders::after(outbound),
            counters: Counters::default(),
            stats,
            receiving: Endings::default(),
            sending: Endings::default(),
            highest_inbound: 0,
            highest_outbound: 0,
            consecutive_empty: 0,
            idle: Vec::new(),
        }
    }

    pub(super) fn counters(&self) -> Counters {
        self.counters
    }

    /// Takes note of bytes that were read. An error names the flood.
    pub(super) fn read(&mut self, bytes: &[u8], progress: &mut Progress) -> Result<(), &'static str> {
        self.idle.clear();
        let mut rest = bytes;
        while let Some(step) = self.inbound.next(&mut rest) {
            match step {
                Step::Began(frame) => {
                    self.received(frame)?;
                    let says_nothing = frame.kind == DATA && frame.length == 0 && frame.flags & END_STREAM == 0;
                    // One whose header came in two pieces has been handed on in part.
                    let begin = (bytes.len() - rest.len()).checked_sub(FRAME_HEADER);
                    self.idle.extend(begin.filter(|_| says_nothing && frame.stream != 0));
                }
                Step::Ended(frame) => self.arrived(frame, progress)?,
            }
        }
        Ok(())
    }

    /// Where DATA frames begin, in what was read last, that have neither octets nor an end: [`FRAME_HEADER`] octets each.
    pub(super) fn idle(&self) -> &[usize] {
        &self.idle
    }

    /// A frame is here to its last octet.
    fn arrived(&mut self, frame: FrameHeader, progress: &mut Progress) -> Result<(), &'static str> {
        match frame.kind {
            RST_STREAM => progress.reset(frame.stream),
            // How much of a padded one is padding is not looked at.
            DATA if ((frame.length as usize) < incoming::SMALL || frame.flags & PADDED != 0)
                && !progress.piece(frame.stream) =>
            {
                return Err("http2.too_many_data_frames");
            }
            _ => {}
        }
        if let Some(stream) = self.receiving.ended_by(&frame) {
            progress.remote_ended(stream);
        }
        Ok(())
    }

    /// Takes note of bytes that are written; before them there were so many.
    pub(super) fn written(&mut self, bytes: &[u8], before: u64, progress: &mut Progress) {
        let mut rest = bytes;
        while let Some(step) = self.outbound.next(&mut rest) {
            let Step::Began(frame) = step else { continue };
            let end = before + (bytes.len() - rest.len()) as u64 + u64::from(frame.length);
            match frame.kind {
                DATA => {
                    self.counters.tx_data += 1;
                    progress.left(frame.stream, frame.length as usize);
                }
                // A response's HEADERS carry the id of a stream that the client opened before.
                HEADERS if frame.stream > self.highest_outbound.max(self.highest_inbound) => {
                    self.highest_outbound = frame.stream;
                    self.counters.opened_streams += 1;
                }
                RST_STREAM => {
                    self.counters.tx_reset += 1;
                    self.stats.tx_reset.inc();
                }
                GOAWAY => {
                    self.counters.tx_goaway = true;
                    self.stats.goaway_sent.inc();
                }
                _ => {}
            }
            if let Some(stream) = self.sending.ended_by(&frame) {
                progress.ends_at(stream, end);
            }
        }
    }

    fn received(&mut self, frame: FrameHeader) -> Result<(), &'static str> {
        let counters = &mut self.counters;
        if matches!(frame.kind, DATA | HEADERS | CONTINUATION) {
            let pointless = frame.length == 0 && frame.flags & END_STREAM == 0;
            self.consecutive_empty = if pointless { self.consecutive_empty + 1 } else { 0 };
            if self.consecutive_empty > MAX_CONSECUTIVE_EMPTY {
                self.stats.inbound_empty_frames_flood.inc();
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
                    self.stats.inbound_priority_frames_flood.inc();
                    return Err("http2.inbound_priority_frames_flood");
                }
            }
            WINDOW_UPDATE => {
                counters.rx_window_update += 1;
                let sent = MAX_WINDOW_UPDATES_PER_DATA * counters.tx_data;
                if counters.rx_window_update > 5 + 2 * (counters.opened_streams + sent) {
                    self.stats.inbound_window_update_frames_flood.inc();
                    return Err("http2.inbound_window_update_frames_flood");
                }
            }
            RST_STREAM => {
                counters.rx_reset += 1;
                self.stats.rx_reset.inc();
            }
            GOAWAY if !counters.rx_goaway => {
                counters.rx_goaway = true;
                self.stats.close_notify.inc();
            }
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

/// Octets of a frame's header.
pub(super) const FRAME_HEADER: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;

#[derive(Debug, Clone, Copy)]
struct FrameHeader {
    length: u32,
    kind: u8,
    flags: u8,
    stream: u32,
}

/// Finds the frames that are the last of their stream: a header block may go on in further frames.
#[derive(Debug, Default)]
struct Endings {
    /// The stream that the header block under way ends.
    block: Option<u32>,
}

impl Endings {
    /// The stream of which this frame is the last.
    fn ended_by(&mut self, frame: &FrameHeader) -> Option<u32> {
        let ends = frame.flags & END_STREAM != 0;
        match frame.kind {
            DATA => return ends.then_some(frame.stream),
            HEADERS => self.block = ends.then_some(frame.stream),
            CONTINUATION => {}
            _ => return None,
        }
        if frame.flags & END_HEADERS != 0 { self.block.take() } else { None }
    }
}

/// Finds frames in a stream of bytes that comes in pieces.
#[derive(Debug, Default)]
struct FrameHeaders {
    /// Octets of payload (or preface) still to be passed over.
    skip: usize,
    /// The frame whose payload that is.
    open: Option<FrameHeader>,
    partial: [u8; FRAME_HEADER],
    have: usize,
}

/// What is seen of a frame.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Its header.
    Began(FrameHeader),
    /// The last octet of its payload.
    Ended(FrameHeader),
}

impl FrameHeaders {
    /// After so many octets of something else.
    fn after(preface: usize) -> FrameHeaders {
        FrameHeaders { skip: preface, ..FrameHeaders::default() }
    }

    /// The next frame header or end of a frame; what was looked at is cut off `bytes`.
    fn next(&mut self, bytes: &mut &[u8]) -> Option<Step> {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        *bytes = &bytes[skipped..];
        if self.skip == 0
            && let Some(frame) = self.open.take()
        {
            return Some(Step::Ended(frame));
        }
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
        let frame = FrameHeader { length, kind, flags, stream: u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]) };
        self.open = Some(frame);
        Some(Step::Began(frame))
    }
}

#[cfg(test)]
mod tests;
