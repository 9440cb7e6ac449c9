//! What frames are made of (RFC 9113 sections 4 and 6). Plain numbers; `connection` gives them their meaning.

/// Octets of a frame's header.
pub(super) const HEADER: usize = 9;
/// The largest payload that is taken and made. No larger one is ever asked for.
pub(super) const MAX_PAYLOAD: usize = 16 * 1024;
/// The window that both sides begin with.
pub(super) const DEFAULT_WINDOW: u32 = 65_535;
/// The largest window.
pub(super) const MAX_WINDOW: u32 = (1 << 31) - 1;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const ACK: u8 = 1;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
pub(super) const PADDED: u8 = 8;
pub(super) const WITH_PRIORITY: u8 = 0x20;

pub(super) const HEADER_TABLE_SIZE: u16 = 1;
pub(super) const ENABLE_PUSH: u16 = 2;
pub(super) const MAX_CONCURRENT_STREAMS: u16 = 3;
pub(super) const INITIAL_WINDOW_SIZE: u16 = 4;
pub(super) const MAX_FRAME_SIZE: u16 = 5;
pub(super) const MAX_HEADER_LIST_SIZE: u16 = 6;
pub(super) const ENABLE_CONNECT_PROTOCOL: u16 = 8;

/// Error codes (RFC 9113 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reason(pub(super) u32);

impl Reason {
    pub(super) const NO_ERROR: Reason = Reason(0);
    pub(super) const PROTOCOL_ERROR: Reason = Reason(1);
    pub(super) const INTERNAL_ERROR: Reason = Reason(2);
    pub(super) const FLOW_CONTROL_ERROR: Reason = Reason(3);
    pub(super) const STREAM_CLOSED: Reason = Reason(5);
    pub(super) const FRAME_SIZE_ERROR: Reason = Reason(6);
    pub(super) const REFUSED_STREAM: Reason = Reason(7);
    pub(super) const CANCEL: Reason = Reason(8);
    pub(super) const COMPRESSION_ERROR: Reason = Reason(9);
    pub(super) const CONNECT_ERROR: Reason = Reason(10);
    pub(super) const ENHANCE_YOUR_CALM: Reason = Reason(11);
}

/// A frame without its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) length: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl Frame {
    pub(super) fn read(bytes: &[u8; HEADER]) -> Frame {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = *bytes;
        Frame {
            length: u32::from_be_bytes([0, l0, l1, l2]) as usize,
            kind,
            flags,
            stream: u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]),
        }
    }

    pub(super) fn bytes(&self) -> [u8; HEADER] {
        let [_, l0, l1, l2] = (self.length as u32).to_be_bytes();
        let [s0, s1, s2, s3] = self.stream.to_be_bytes();
        [l0, l1, l2, self.kind, self.flags, s0, s1, s2, s3]
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Four octets of a payload as a number.
pub(super) fn number(bytes: &[u8]) -> u32 {
    bytes.first_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}
