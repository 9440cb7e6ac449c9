//! MurmurHash2, 64 bits (Austin Appleby's 64A), with the seed of libstdc++, as Envoy's ring has it. Called by [`super::hashing`].

const SEED: u64 = 0xc70f_6907;
const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;

/// The hash.
pub fn murmur64a(key: &[u8]) -> u64 {
    let mut hash = SEED ^ (key.len() as u64).wrapping_mul(MULTIPLIER);
    let (words, rest) = key.as_chunks::<8>();
    for word in words {
        let mut word = u64::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        word ^= word >> 47;
        hash = (hash ^ word.wrapping_mul(MULTIPLIER)).wrapping_mul(MULTIPLIER);
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> 47;
    hash = hash.wrapping_mul(MULTIPLIER);
    hash ^ (hash >> 47)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_that_of_libstdcxx() {
        let vectors = [
            ("hello", 2_762_169_579_135_187_400),
            ("", 6_142_509_188_972_423_790),
            ("10.0.0.1:80_0", 13_659_246_566_588_789_388),
            ("12345678", 10_113_836_418_918_046_885),
        ];
        for (key, hash) in vectors {
            assert_eq!(murmur64a(key.as_bytes()), hash, "{key}");
        }
    }
}
