//! What a peer tells of its workload, in a header or in a frame. Called by the proxy, with octets of strangers.

use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use prost::Message;

use super::message::{Any, Fields, STRUCT};
use super::{METADATA, Workload};
use crate::extension::message_name;

/// The first four octets of a frame.
pub(super) const MAGIC: u32 = 0x3D23_0467;

/// Octets that a peer's message may have. What proxies of Istio send has some hundreds.
const MOST: usize = 16 * 1024;

/// Octets before a frame's message: its mark, and the message's length.
pub const FRAME_HEAD: usize = 8;
/// A message that is longer than this is passed by.
pub const LONGEST_FRAME: usize = MOST;

/// What the first octets of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// More of them are needed to tell.
    More,
    /// No frame.
    None,
    /// The beginning of a frame whose message has so many octets.
    Message(usize),
}

/// Looks at the first octets of a connection.
pub fn frame_head(octets: &[u8]) -> Frame {
    let mark = MAGIC.to_be_bytes();
    let seen = octets.len().min(mark.len());
    if octets[..seen] != mark[..seen] {
        return Frame::None;
    }
    match octets.get(mark.len()..FRAME_HEAD) {
        Some(&[a, b, c, d]) => Frame::Message(u32::from_be_bytes([a, b, c, d]) as usize),
        _ => Frame::More,
    }
}

/// With or without padding, as other proxies take it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What a peer has told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The workload.
    pub workload: Workload,
    /// Something of it was too long, and is cut.
    pub cut: bool,
}

/// Why nothing was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTold {
    /// It is longer than any that proxies send.
    TooLong,
    /// It is no base64.
    NotBase64,
    /// It is no message of that type.
    NotMessage,
}

/// Out of the value of a header.
///
/// # Errors
/// It is none that a proxy sends.
pub fn of_header(value: &[u8], labels: &[Arc<str>]) -> Result<Told, NotTold> {
    if value.len() > MOST / 3 * 4 + 4 {
        return Err(NotTold::TooLong);
    }
    let octets = BASE64.decode(value).map_err(|_| NotTold::NotBase64)?;
    let fields = Fields::decode(octets.as_slice()).map_err(|_| NotTold::NotMessage)?;
    Ok(told(&fields, labels))
}

/// Out of a frame's message. `Ok(None)`: it is one, and holds no workload.
///
/// # Errors
/// It is none that a proxy sends.
pub fn of_frame(message: &[u8], labels: &[Arc<str>]) -> Result<Option<Told>, NotTold> {
    if message.len() > MOST {
        return Err(NotTold::TooLong);
    }
    let any = Any::decode(message).map_err(|_| NotTold::NotMessage)?;
    if message_name(&any.type_url) != STRUCT {
        return Err(NotTold::NotMessage);
    }
    let fields = Fields::decode(any.value.as_slice()).map_err(|_| NotTold::NotMessage)?;
    Ok(fields.fields_of(METADATA).map(|fields| told(fields, labels)))
}

fn told(fields: &Fields, labels: &[Arc<str>]) -> Told {
    let mut was_cut = false;
    let workload = Workload::of_fields(fields, labels, &mut |text, most| cut(text, most, &mut was_cut));
    Told { workload, cut: was_cut }
}

/// What of a text may be kept.
pub(super) fn cut(text: &str, most: usize, was_cut: &mut bool) -> Arc<str> {
    if text.len() <= most {
        return Arc::from(text);
    }
    *was_cut = true;
    Arc::from(&text[..text.floor_char_boundary(most)])
}
