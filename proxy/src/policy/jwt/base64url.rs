//! Base64 of tokens and keys (RFC 4648 section 5). As in Envoy padding may be left out, and what follows the last whole octet is not
//! looked at; unlike there white space is no part of it.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// The octets; `None` if it is none.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let bare = text.iter().rposition(|octet| *octet != b'=').map_or(0, |last| last + 1);
    // All of the padding, or none.
    let padded = text.len() > bare && !text.len().is_multiple_of(4);
    if padded || text.len() - bare > 2 {
        return None;
    }
    ENGINE.decode(&text[..bare]).ok()
}
