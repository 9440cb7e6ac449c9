//! Which characters an authority may have: one rule for the authority that is used, whether a target, `Host` or `:authority` said it.
//! Called by both codecs.

/// Whether all characters are such as Envoy takes in an authority. The empty one is no matter of characters.
pub fn is_authority(authority: &[u8]) -> bool {
    authority.iter().all(|byte| is_host_byte(*byte))
}

fn is_host_byte(byte: u8) -> bool {
    HOST_BYTES[byte as usize]
}

static HOST_BYTES: [bool; 256] = host_bytes();

const fn host_bytes() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"!$%&'()*+,-.:;=@[]_~";
    let mut index = 0;
    while index < others.len() {
        table[others[index] as usize] = true;
        index += 1;
    }
    table
}
