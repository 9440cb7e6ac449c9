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

/// Two digits for each octet. Without a table, so that the compiler can do all octets at once.
fn hex(octets: [u8; 16]) -> [u8; 32] {
    let digit = |value: u8| value + if value < 10 { b'0' } else { b'a' - 10 };
    let mut digits = [0; 32];
    for (pair, octet) in digits.chunks_exact_mut(2).zip(octets) {
        pair[0] = digit(octet >> 4);
        pair[1] = digit(octet & 15);
    }
    digits
}

/// What the first eight digits say; `None` where they are none.
pub fn leading_number(id: &[u8]) -> Option<u32> {
    let digits = id.get(..8)?;
    digits.iter().try_fold(0u32, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?))
}
