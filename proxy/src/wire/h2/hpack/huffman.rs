//! The Huffman code of RFC 7541 appendix B, both ways. Called by `decode` and `encode`.
//!
//! The code is canonical: of equal lengths, codes follow the order of their symbols. So the lengths alone are written down here, and all
//! tables are made of them by the compiler.

use bytes::{BufMut, BytesMut};

/// Bits of each octet's code.
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, //
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28, //
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, //
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, //
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, //
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, //
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, //
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, //
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, //
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, //
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, //
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, //
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, //
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, //
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, //
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, //
];

/// The longest code, which only rare octets have, and the end of the text.
const LONGEST: usize = 30;

struct Tables {
    codes: [u32; 256],
    /// For the next eight bits: octet and length of the code that they begin with, if it is no longer than they are; else length 0.
    short: [(u8, u8); 256],
    /// For each length: the first code, and where its octets stand in `sorted`.
    first: [(u32, u16); LONGEST + 2],
    /// For each length: how many codes there are.
    count: [u16; LONGEST + 1],
    /// The octets by the order of their codes.
    sorted: [u8; 256],
}

static TABLES: Tables = tables();

const fn tables() -> Tables {
    let mut tables = Tables {
        codes: [0; 256],
        short: [(0, 0); 256],
        first: [(0, 0); LONGEST + 2],
        count: [0; LONGEST + 1],
        sorted: [0; 256],
    };
    let mut code = 0;
    let mut place = 0;
    let mut length = 1;
    while length <= LONGEST {
        tables.first[length] = (code, place as u16);
        let mut octet = 0;
        while octet < 256 {
            if LENGTHS[octet] as usize == length {
                tables.codes[octet] = code;
                tables.sorted[place] = octet as u8;
                tables.count[length] += 1;
                if length <= 8 {
                    let mut index = (code as usize) << (8 - length);
                    let end = (code as usize + 1) << (8 - length);
                    while index < end {
                        tables.short[index] = (octet as u8, length as u8);
                        index += 1;
                    }
                }
                place += 1;
                code += 1;
            }
            octet += 1;
        }
        code <<= 1;
        length += 1;
    }
    tables
}

/// What is no Huffman code: it names the end of the text, or is not padded by fewer than eight bits of ones.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Invalid;

/// Adds the text to `out`.
pub(super) fn decode(coded: &[u8], out: &mut BytesMut) -> Result<(), Invalid> {
    // The shortest code has five bits.
    out.reserve(coded.len() * 8 / 5 + 1);
    let mut rest = coded;
    // The bits that were taken and not yet understood, at the upper end.
    let mut bits = 0_u64;
    let mut have = 0;
    loop {
        if have <= 32 {
            match rest.split_first_chunk::<4>() {
                Some((next, after)) => {
                    bits |= u64::from(u32::from_be_bytes(*next)) << (32 - have);
                    have += 32;
                    rest = after;
                }
                None => {
                    while have <= 56
                        && let Some((next, after)) = rest.split_first()
                    {
                        bits |= u64::from(*next) << (56 - have);
                        have += 8;
                        rest = after;
                    }
                }
            }
        }
        let (mut octet, short) = TABLES.short[(bits >> 56) as usize];
        let mut length = u32::from(short);
        if length == 0 {
            (octet, length) = long(bits).unwrap_or((0, u32::MAX));
        }
        if length > have {
            return if is_padding(bits, have) { Ok(()) } else { Err(Invalid) };
        }
        out.put_u8(octet);
        bits <<= length;
        have -= length;
    }
}

/// The octet whose code of more than eight bits comes next, and the length of that.
#[cold]
fn long(bits: u64) -> Option<(u8, u32)> {
    (9..=LONGEST).find_map(|length| {
        let code = (bits >> (64 - length)) as u32;
        let (first, place) = TABLES.first[length];
        let beyond = code.checked_sub(first)?;
        let found = beyond < u32::from(TABLES.count[length]);
        found.then(|| (TABLES.sorted[place as usize + beyond as usize], length as u32))
    })
}

/// What is left of a text after its last octet: ones, and less than an octet of them.
fn is_padding(bits: u64, have: u32) -> bool {
    have == 0 || (have < 8 && bits >> (64 - have) == (1 << have) - 1)
}

/// Octets that a text has when it is encoded.
pub(super) fn encoded_len(text: &[u8]) -> usize {
    text.iter().map(|octet| usize::from(LENGTHS[*octet as usize])).sum::<usize>().div_ceil(8)
}

/// Adds the encoded text to `out`.
pub(super) fn encode(text: &[u8], out: &mut BytesMut) {
    let mut bits = 0_u64;
    let mut have = 0;
    for octet in text {
        let length = u32::from(LENGTHS[*octet as usize]);
        bits = bits << length | u64::from(TABLES.codes[*octet as usize]);
        have += length;
        if have >= 32 {
            have -= 32;
            out.put_u32((bits >> have) as u32);
        }
    }
    while have >= 8 {
        have -= 8;
        out.put_u8((bits >> have) as u8);
    }
    if have > 0 {
        out.put_u8((bits << (8 - have)) as u8 | 0xff >> have);
    }
}
