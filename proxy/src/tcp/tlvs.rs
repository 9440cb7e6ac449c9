//! `proxy_protocol_tlvs`: what a TCP proxy lets upstreams be told in a header of the PROXY protocol, beside what the client's own header had. Called once
//! a connection; which of it goes out say `pass_through_tlvs` of the upstream.

use std::sync::Arc;

use config::tcp_proxy::TlvMerge;
use config::tlvs::{self, Added};

use crate::logs::Line;
use crate::telemetry::access_log::LogEntry;
use crate::telemetry::stream_info::StreamInfo;

/// They, ready.
#[derive(Debug)]
pub(super) struct Tlvs {
    fixed: Arc<[u8]>,
    formats: Box<[(u8, Line)]>,
    merges: TlvMerge,
}

/// A value, or all of them, are too long.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Tlvs {
    /// Makes them ready.
    pub fn compile(added: &Added, merges: TlvMerge) -> Tlvs {
        let formats = added.formats.iter().map(|(kind, format)| (*kind, Line::compile(format)));
        Tlvs { fixed: Arc::clone(&added.fixed), formats: formats.collect(), merges }
    }

    /// What there is to tell of a connection. `None`: nothing, and it came without a header.
    ///
    /// # Errors
    /// It is too long for a header.
    pub fn of(&self, info: &StreamInfo) -> Result<Option<Arc<[u8]>>, TooLong> {
        let client = info.connection.proxy_tlvs.as_ref();
        let is_empty = self.fixed.is_empty() && self.formats.is_empty();
        let (client, merges) = match client {
            Some(client) if is_empty || self.merges == TlvMerge::AddIfAbsent => return Ok(Some(Arc::clone(client))),
            None if is_empty => return Ok(None),
            None if self.formats.is_empty() => return Ok(Some(Arc::clone(&self.fixed))),
            Some(client) => (&client[..], self.merges),
            None => (&[][..], self.merges),
        };
        let own = self.own(info)?;
        let all = match merges {
            TlvMerge::Append => [client, &own].concat(),
            TlvMerge::AddIfAbsent | TlvMerge::Overwrite => {
                let kept = tlvs::those(client, |kind| !tlvs::have(&own, kind)).ok_or(TooLong)?;
                [own, kept].concat()
            }
        };
        Ok(Some(all.into()))
    }

    /// Those that are the same for all, then the others.
    fn own(&self, info: &StreamInfo) -> Result<Vec<u8>, TooLong> {
        let mut own = self.fixed.to_vec();
        for (kind, format) in &self.formats {
            let mut value = Vec::new();
            format.write(&LogEntry::of(info), &mut value);
            own.push(*kind);
            own.extend_from_slice(&u16::try_from(value.len()).map_err(|_| TooLong)?.to_be_bytes());
            own.extend_from_slice(&value);
        }
        Ok(own)
    }
}

#[cfg(test)]
mod tests;
