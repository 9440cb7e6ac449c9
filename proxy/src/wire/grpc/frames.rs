//! gRPC's messages in a body: one octet that says whether the message is compressed, four of its length, then the message. Called by
//! `call`, and by filters that look into gRPC bodies. It never decodes a message, and holds no more than one of the longest allowed.

use bytes::{Buf, Bytes, BytesMut};

/// Octets before a message.
pub const PREFIX: usize = 5;

/// A message with its prefix, as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Framed(Bytes);

impl Framed {
    /// Of what `encode` appends: prefix and message are one piece of memory.
    pub fn new(encode: impl FnOnce(&mut Vec<u8>)) -> Framed {
        let mut out = vec![0; PREFIX];
        encode(&mut out);
        // Nobody builds a message of four gigabytes here; its length would not fit and its reader would refuse it.
        let length = u32::try_from(out.len() - PREFIX).unwrap_or(u32::MAX);
        out[1..PREFIX].copy_from_slice(&length.to_be_bytes());
        Framed(Bytes::from(out))
    }

    /// Of a message that is encoded already; it is copied once.
    pub fn of(message: &[u8]) -> Framed {
        Framed::new(|out| out.extend_from_slice(message))
    }

    /// The octets to send.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

/// Why octets are not messages that are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The first octet is neither 0 nor 1.
    #[error("the answer is not gRPC: a message begins with octet {0:#04x}")]
    Flags(u8),
    /// A compressed message, which was not asked for.
    #[error("the answer has a compressed message, which was not asked for; switch compression off at the service")]
    Compressed,
    /// Longer than is taken.
    #[error("the answer has a message of {length} octets; at most {limit} are taken (max_receive_message_length)")]
    TooLong {
        /// As its prefix says.
        length: u32,
        /// The most.
        limit: u32,
    },
}

/// Follows a body from message to message, and holds nothing of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Follow {
    /// Octets of the prefix that have passed.
    prefix: u8,
    flags: u8,
    /// The message's length, then what is left of it.
    left: u32,
}

/// How far [`Follow::pass`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// Octets: all that were there, or fewer if a message ended.
    pub taken: usize,
    /// A message began with the first of them.
    pub begun: bool,
    /// A message ended with the last of them.
    pub ended: bool,
}

impl Follow {
    /// Goes on to the end of the message, or of the data.
    pub fn pass(&mut self, data: &[u8]) -> Passed {
        let begun = self.prefix == 0 && !data.is_empty();
        let mut taken = 0;
        while usize::from(self.prefix) < PREFIX {
            let Some(octet) = data.get(taken) else { return Passed { taken, begun, ended: false } };
            match self.prefix {
                0 => (self.flags, self.left) = (*octet, 0),
                _ => self.left = self.left << 8 | u32::from(*octet),
            }
            self.prefix += 1;
            taken += 1;
        }
        let rest = data.len() - taken;
        let passes = u32::try_from(rest).unwrap_or(u32::MAX).min(self.left);
        self.left -= passes;
        let ended = self.left == 0;
        if ended {
            self.prefix = 0;
        }
        Passed { taken: taken + passes as usize, begun, ended }
    }

    /// How many messages begin in this piece.
    pub fn count(&mut self, mut data: &[u8]) -> u64 {
        let mut count = 0;
        while !data.is_empty() {
            let passed = self.pass(data);
            count += u64::from(passed.begun);
            data = &data[passed.taken..];
        }
        count
    }

    /// The first octet of the message that it is in.
    pub fn flags(&self) -> u8 {
        self.flags
    }
}

/// Takes a body apart into messages. Push a piece, then take messages until there is none.
#[derive(Debug)]
pub struct Messages {
    limit: u32,
    /// What was pushed and is not taken yet, while it is one piece: messages of it are slices.
    piece: Bytes,
    /// The same where a message reaches over pieces.
    joined: BytesMut,
}

impl Messages {
    /// None yet; longer ones than `limit` are refused by their prefix, before they are read.
    pub fn new(limit: u32) -> Messages {
        Messages { limit, piece: Bytes::new(), joined: BytesMut::new() }
    }

    /// The next piece of the body.
    pub fn push(&mut self, data: Bytes) {
        if self.is_empty() {
            self.piece = data;
            return;
        }
        let piece = std::mem::take(&mut self.piece);
        self.joined.extend_from_slice(&piece);
        self.joined.extend_from_slice(&data);
    }

    /// The next message, if all of it is here.
    ///
    /// # Errors
    /// What comes is no message that is taken; nothing after it can be read.
    pub fn take(&mut self) -> Result<Option<Bytes>, Malformed> {
        let seen: &[u8] = if self.joined.is_empty() { &self.piece } else { &self.joined };
        let Some((prefix, rest)) = seen.split_first_chunk::<PREFIX>() else { return Ok(None) };
        let [flags, length @ ..] = *prefix;
        let length = u32::from_be_bytes(length);
        match flags {
            0 => {}
            // An empty message is the same compressed or not.
            1 if length == 0 => {}
            1 => return Err(Malformed::Compressed),
            other => return Err(Malformed::Flags(other)),
        }
        if length > self.limit {
            return Err(Malformed::TooLong { length, limit: self.limit });
        }
        let length = length as usize;
        if rest.len() < length {
            return Ok(None);
        }
        Ok(Some(if self.joined.is_empty() {
            self.piece.advance(PREFIX);
            self.piece.split_to(length)
        } else {
            self.joined.advance(PREFIX);
            self.joined.split_to(length).freeze()
        }))
    }

    /// Whether all that was pushed has been taken: no message is half here.
    pub fn is_empty(&self) -> bool {
        self.piece.is_empty() && self.joined.is_empty()
    }
}

#[cfg(test)]
mod tests;
