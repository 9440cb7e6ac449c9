//! Consistent hashing: Envoy's ketama ring and its maglev table, with the same hashes (of the address, the host name, or what the host's
//! metadata says), so that a mixed fleet sends a key to the same host.

mod shelf;

use config::cluster::Balancing;
use xxhash_rust::xxh64::xxh64;

use self::shelf::Shelf;
use super::murmur::murmur64a;
use crate::cluster::host::Host;

pub use self::shelf::Shared;

/// What stands for a host.
fn hash_key<'h>(host: &'h Host, balancing: &Balancing) -> &'h str {
    let endpoint = host.endpoint();
    match endpoint.metadata.get("envoy.lb", "hash_key").and_then(|key| key.as_str()) {
        Some(key) => key,
        None if balancing.hashes_hostname => &endpoint.hostname,
        None => host.address(),
    }
}

/// What part of all each host is, by weight.
pub fn shares(hosts: &[Host]) -> Vec<f64> {
    let all: f64 = hosts.iter().map(|host| f64::from(host.weight())).sum();
    hosts.iter().map(|host| f64::from(host.weight()) / all).collect()
}

/// A ketama ring.
#[derive(Debug)]
pub struct Ring {
    /// Hash and host number, by hash.
    points: Vec<(u64, u32)>,
}

impl Ring {
    /// At least `minimum` points (as far as the maximum allows), each host with its share.
    pub fn of(hosts: &[Host], shares: &[f64], minimum: u64, balancing: &Balancing) -> Shared<Ring> {
        static RINGS: Shelf<Ring> = Shelf::new();
        let hosts = hosts.iter().zip(shares).map(|(host, share)| (hash_key(host, balancing), *share));
        let hash: fn(&[u8]) -> u64 = if balancing.murmur { murmur64a } else { |key| xxh64(key, 0) };
        let maximum = balancing.maximum_ring_size;
        let recipe = shelf::recipe(hosts.clone(), &[minimum, maximum, u64::from(balancing.murmur)]);
        RINGS.get(recipe, || Ring::from_shares(hosts, (minimum, maximum), hash))
    }

    fn from_shares<'a>(
        hosts: impl Iterator<Item = (&'a str, f64)> + Clone,
        (minimum, maximum): (u64, u64),
        hash: fn(&[u8]) -> u64,
    ) -> Ring {
        let least = hosts.clone().map(|(_, share)| share).fold(f64::INFINITY, f64::min);
        if !least.is_finite() || least <= 0.0 {
            return Ring { points: Vec::new() };
        }
        // The least host gets a whole number of points; the others need not, hence the running sums.
        let maximum = maximum.min(MAXIMUM_RING_SIZE);
        let scale = ((least * minimum.min(maximum) as f64).ceil() / least).min(maximum as f64);
        let mut points = Vec::with_capacity(scale.ceil() as usize);
        let mut target = 0.0;
        let mut key = String::new();
        for (number, (address, share)) in hosts.enumerate() {
            target += scale * share;
            let mut index = 0_u64;
            while (points.len() as f64) < target {
                key.clear();
                key.push_str(address);
                key.push('_');
                key.push_str(itoa::Buffer::new().format(index));
                points.push((hash(key.as_bytes()), number as u32));
                index += 1;
            }
        }
        points.sort_unstable();
        Ring { points }
    }

    /// The host of the first point at or after the hash. Each further `attempt` goes one point on.
    pub fn find(&self, hash: u64, attempt: u32) -> Option<usize> {
        let at = self.points.partition_point(|(point, _)| *point < hash);
        let at = if at == self.points.len() { 0 } else { at };
        let (_, host) = self.points.get((at + attempt as usize) % self.points.len().max(1))?;
        Some(*host as usize)
    }
}

/// A maglev table.
#[derive(Debug)]
pub struct Maglev {
    table: Vec<u32>,
}

impl Maglev {
    /// A table of `size` places; a size that is no prime gives the default.
    pub fn of(hosts: &[Host], shares: &[f64], size: u64, balancing: &Balancing) -> Shared<Maglev> {
        static TABLES: Shelf<Maglev> = Shelf::new();
        let hosts = hosts.iter().zip(shares).map(|(host, share)| (hash_key(host, balancing), *share));
        let hosts: Vec<_> = hosts.collect();
        TABLES.get(shelf::recipe(hosts.iter().copied(), &[size]), || Maglev::from_shares(&hosts, size))
    }

    fn from_shares(hosts: &[(&str, f64)], size: u64) -> Maglev {
        // With any other size a permutation would not reach every place, and filling the table would not end.
        let size = if size <= MAXIMUM_TABLE_SIZE && is_prime(size) { size } else { DEFAULT_TABLE_SIZE };
        let mut rows: Vec<Row<'_>> =
            hosts.iter().enumerate().map(|(host, entry)| Row::new(host, entry, size)).collect();
        rows.sort_by(|left, right| left.key.cmp(right.key));
        let Some(heaviest) = rows.iter().map(|row| row.weight).max_by(f64::total_cmp) else {
            return Maglev { table: Vec::new() };
        };
        let mut table = vec![u32::MAX; size as usize];
        let mut left = table.len();
        let mut round = 1.0;
        while left > 0 {
            for row in &mut rows {
                // A host of a third of the greatest weight takes part in every third round.
                if left == 0 || round * row.weight < row.target {
                    continue;
                }
                row.target += heaviest;
                while table[row.place(size)] != u32::MAX {
                    row.next += 1;
                }
                table[row.place(size)] = row.host;
                row.next += 1;
                left -= 1;
            }
            round += 1.0;
        }
        Maglev { table }
    }

    /// The host of a hash. Each further `attempt` looks elsewhere.
    pub fn find(&self, hash: u64, attempt: u32) -> Option<usize> {
        let hash = if attempt == 0 { hash } else { hash ^ (u64::MAX - u64::from(attempt) + 1) };
        let at = hash.checked_rem(self.table.len() as u64)?;
        self.table.get(at as usize).map(|host| *host as usize)
    }
}

struct Row<'a> {
    key: &'a str,
    host: u32,
    offset: u64,
    skip: u64,
    next: u64,
    weight: f64,
    target: f64,
}

impl<'a> Row<'a> {
    fn new(host: usize, (key, share): &(&'a str, f64), size: u64) -> Row<'a> {
        Row {
            key,
            host: host as u32,
            offset: xxh64(key.as_bytes(), 0) % size,
            skip: xxh64(key.as_bytes(), 1) % (size - 1) + 1,
            next: 0,
            weight: *share,
            target: 0.0,
        }
    }

    fn place(&self, size: u64) -> usize {
        ((self.offset + self.skip * self.next) % size) as usize
    }
}

fn is_prime(number: u64) -> bool {
    number > 2 && (2..).take_while(|factor| factor * factor <= number).all(|factor| !number.is_multiple_of(factor))
}

const MAXIMUM_RING_SIZE: u64 = 8 * 1024 * 1024;
const DEFAULT_TABLE_SIZE: u64 = 65_537;
const MAXIMUM_TABLE_SIZE: u64 = 5_000_011;

#[cfg(test)]
mod tests;
