//! Random UUIDs. Made for request ids and for logs.

/// Octets of one in text.
pub const LENGTH: usize = 36;

/// A random UUID in lower case.
pub fn random() -> [u8; LENGTH] {
    let mut bits = fastrand::u128(..);
    // RFC 9562 section 5.4: version 4, variant 10.
    bits = bits & !(0xf << 76) | 4 << 76;
    bits = bits & !(3 << 62) | 2 << 62;
    let digits = hex(bits.to_be_bytes());
    let mut id = [b'-'; LENGTH];
    for (place, from) in [(0..8, 0), (9..13, 8), (14..18, 12), (19..23, 16), (24..36, 20)] {
        let length = place.len();
        id[place].copy_from_slice(&digits[from..from + length]);
    }
    id
}

/// Appends one.
pub fn write_random(out: &mut Vec<u8>) {
    out.extend_from_slice(&random());
}

/// Two digits for each octet: eight digits at a time, one in each octet of a word.
fn hex(octets: [u8; 16]) -> [u8; 32] {
    let mut digits = [0; 32];
    for (eight, four) in digits.chunks_exact_mut(8).zip(octets.chunks_exact(4)) {
        let word = u64::from(u32::from_be_bytes([four[0], four[1], four[2], four[3]]));
        // Halves, quarters and nibbles are moved apart.
        let word = (word & 0xffff_0000) << 16 | word & 0xffff;
        let word = (word & 0xff00_0000_ff00) << 8 | word & 0xff_0000_00ff;
        let word = (word & 0xf0_00f0_00f0_00f0) << 4 | word & 0x0f_000f_000f_000f;
        let above_nine = (word + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
        let text = word + 0x3030_3030_3030_3030 + above_nine * u64::from(b'a' - b'0' - 10);
        eight.copy_from_slice(&text.to_be_bytes());
    }
    digits
}

/// What the first eight digits say; `None` where they are none.
pub fn leading_number(id: &[u8]) -> Option<u32> {
    let digits = id.get(..8)?;
    digits.iter().try_fold(0u32, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_octet_is_two_digits() {
        let octets = [0x00, 0x09, 0x0a, 0x0f, 0x10, 0x90, 0xa0, 0xf0, 0x99, 0x9a, 0xa9, 0xaa, 0xff, 0x5b, 0xb5, 0xce];
        assert_eq!(&hex(octets), b"00090a0f1090a0f0999aa9aaff5bb5ce");
    }
}
