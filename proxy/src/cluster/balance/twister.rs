//! The Mersenne twister (MT19937), with which Envoy chooses another host in the place of one that has too much: the same hash leads to the
//! same row of hosts in both. Called by [`super::chooser`], for requests whose host has too much alone.

const SIZE: usize = 624;
const SHIFT: usize = 397;

/// A twister.
pub struct Twister {
    state: Box<[u32; SIZE]>,
    next: usize,
}

impl Twister {
    /// Begins at a seed.
    pub fn new(seed: u32) -> Twister {
        let mut state = Box::new([seed; SIZE]);
        for index in 1..SIZE {
            let before = state[index - 1];
            state[index] = (before ^ (before >> 30)).wrapping_mul(1_812_433_253).wrapping_add(index as u32);
        }
        Twister { state, next: SIZE }
    }

    /// The next number.
    pub fn number(&mut self) -> u32 {
        if self.next == SIZE {
            self.twist();
        }
        let mut number = self.state[self.next];
        self.next += 1;
        number ^= number >> 11;
        number ^= (number << 7) & 0x9d2c_5680;
        number ^= (number << 15) & 0xefc6_0000;
        number ^ (number >> 18)
    }

    /// A number below `most`, which is not 0.
    pub fn below(&mut self, most: u32) -> u32 {
        let width = (1_u64 << 32) / u64::from(most);
        loop {
            let number = u64::from(self.number()) / width;
            if number < u64::from(most) {
                return number as u32;
            }
        }
    }

    fn twist(&mut self) {
        for index in 0..SIZE {
            let joined = (self.state[index] & 0x8000_0000) | (self.state[(index + 1) % SIZE] & 0x7fff_ffff);
            let odd = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[index] = self.state[(index + SHIFT) % SIZE] ^ (joined >> 1) ^ odd;
        }
        self.next = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_standard_one() {
        // C++ demands that the 10000th number from the default seed is this one.
        let mut twister = Twister::new(5489);
        let last = (0..10_000).map(|_| twister.number()).last();
        assert_eq!(last, Some(4_123_659_995));
    }

    #[test]
    fn numbers_stay_below() {
        let mut twister = Twister::new(1);
        let numbers: Vec<u32> = (0..1000).map(|_| twister.below(3)).collect();
        assert!((0..3).all(|number| numbers.iter().filter(|one| **one == number).count() > 250));
    }
}
