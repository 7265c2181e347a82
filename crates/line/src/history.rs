//! The history of lines.

/// Bytes of all lines, including a newline each.
const SIZE: usize = 1024;
/// Most lines kept.
const LINES: usize = 16;

/// The newest lines, as many as fit.
#[derive(Clone, Debug)]
pub struct History {
    /// Oldest first.
    bytes: [u8; SIZE],
    used: usize,
}

impl Default for History {
    fn default() -> History {
        History::new()
    }
}

impl History {
    /// An empty history.
    pub const fn new() -> History {
        History {
            bytes: [0; SIZE],
            used: 0,
        }
    }

    /// Adds a line without its terminator, unless it is empty, equal to the newest, or too long.
    /// Drops the oldest lines to make room.
    pub fn add(&mut self, line: impl Iterator<Item = u8> + Clone) {
        let length = line.clone().count();
        let newest = self.nth(1).unwrap_or_default();
        if length == 0 || length >= SIZE || newest.iter().copied().eq(line.clone()) {
            return;
        }
        while self.lines().count() >= LINES || self.used + length + 1 > SIZE {
            self.drop_oldest();
        }
        let newline = core::iter::once(b'\n');
        for (place, byte) in self
            .bytes
            .iter_mut()
            .skip(self.used)
            .zip(line.chain(newline))
        {
            *place = byte;
        }
        self.used += length + 1;
    }

    /// The `n`th newest line, from 1.
    pub fn nth(&self, n: usize) -> Option<&[u8]> {
        self.lines().rev().nth(n.checked_sub(1)?)
    }

    fn lines(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        let used = self.bytes.get(..self.used).unwrap_or_default();
        let lines = used
            .strip_suffix(b"\n")
            .map(|all| all.split(|&b| b == b'\n'));
        lines.into_iter().flatten()
    }

    fn drop_oldest(&mut self) {
        let oldest = self.lines().next().map_or(0, |line| line.len() + 1);
        self.bytes.copy_within(oldest..self.used, 0);
        self.used -= oldest;
    }
}
