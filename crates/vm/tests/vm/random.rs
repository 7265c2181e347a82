//! Where random operations come from: numbers that are the same for the same seed, or the bytes of a
//! fuzzer.

/// A source of numbers.
pub(crate) enum Random {
    /// A generator of the kind "splitmix64": a counter and a mixing function, so every seed is good.
    Seed(u64),
    /// Bytes that are used up, the last one first; behind them, all numbers are 0.
    #[allow(dead_code)]
    Bytes(Vec<u8>),
}

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random::Seed(seed)
    }

    pub(crate) fn number(&mut self) -> u64 {
        match self {
            Random::Bytes(_) => (0..8).fold(0, |all, _| all << 8 | self.byte()),
            Random::Seed(count) => {
                *count = count.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut mixed = *count;
                mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
                mixed ^ mixed >> 31
            }
        }
    }

    fn byte(&mut self) -> u64 {
        match self {
            Random::Bytes(bytes) => bytes.pop().unwrap_or(0).into(),
            Random::Seed(_) => self.number() & 0xff,
        }
    }

    /// A number below `limit`. Of bytes, no more are used than it takes.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        let number = match (&self, limit) {
            (Random::Bytes(_), ..=0x100) => self.byte(),
            (Random::Bytes(_), ..=0x1_0000) => self.byte() << 8 | self.byte(),
            _ => self.number(),
        };
        number % limit
    }

    /// True once in `times` times.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}
