//! Fixed mutations for the properties of `fuzz` modules: the same each time; and [`lines`], what is logged meanwhile. Tests alone call it.

pub mod lines;

/// Changes a seed in a few places: octets, pieces of other seeds, and words that matter to the parser. The first octet, which chooses
/// settings, is anything.
pub fn mutate(random: &mut fastrand::Rng, seeds: &[Vec<u8>], words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = seeds[random.usize(..seeds.len())].clone();
    if let Some(first) = bytes.first_mut() {
        *first = random.u8(..);
    }
    for _ in 0..random.usize(0..6) {
        let at = random.usize(..=bytes.len());
        match random.u8(0..6) {
            0 if at < bytes.len() => bytes[at] = random.u8(..),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => bytes.truncate(at.max(1)),
            3 => {
                let other = &seeds[random.usize(..seeds.len())];
                let from = random.usize(..other.len());
                bytes.splice(at..at, other[from..].iter().copied());
            }
            4 if at < bytes.len() => {
                let end = (at + random.usize(1..40)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => {
                let word = words[random.usize(..words.len())];
                bytes.splice(at..at, word.iter().copied());
            }
        }
    }
    bytes
}

/// The property of all seeds and of so many mutations. `MUTATIONS=1000000` in the environment makes a long run of it, with others.
pub fn run(
    property: fn(&[u8]),
    mutate: fn(&mut fastrand::Rng, &[Vec<u8>]) -> Vec<u8>,
    seeds: &[Vec<u8>],
    seed: u64,
    count: usize,
) {
    let more = std::env::var("MUTATIONS").ok().and_then(|count| count.parse().ok());
    let (seed, count) = more.map_or((seed, count), |count| (seed + 1000, count));
    seeds.iter().for_each(|seed| property(seed));
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..count {
        let input = mutate(&mut random, seeds);
        if std::panic::catch_unwind(|| property(&input)).is_err() {
            panic!("with b\"{}\"", input.escape_ascii());
        }
    }
}
