//! The patterns of `grep`.
//!
//! A pattern is a sequence of items, each a byte or a set of bytes, perhaps repeated. Matching
//! simulates the NFA, so the time is at most the product of the lengths of pattern and line.

use ulib::vec;
use ulib::vec::Vec;

/// A pattern: `.` any byte, `[…]` and `[^…]` a set with ranges, `*` any number of the item before
/// it, `^` and `$` the ends of the line, `\` takes the next byte as it is.
#[derive(Debug)]
pub struct Pattern {
    items: Vec<Item>,
    from_start: bool,
    to_end: bool,
}

#[derive(Debug)]
struct Item {
    set: Set,
    repeated: bool,
}

#[derive(Debug)]
enum Set {
    Any,
    One(u8),
    Ranges { ranges: Vec<(u8, u8)>, inside: bool },
}

impl Set {
    fn has(&self, byte: u8) -> bool {
        match self {
            Set::Any => true,
            Set::One(one) => *one == byte,
            Set::Ranges { ranges, inside } => {
                ranges
                    .iter()
                    .any(|&(low, high)| (low..=high).contains(&byte))
                    == *inside
            }
        }
    }
}

impl Pattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// The syntax error.
    pub fn new(text: &[u8]) -> Result<Pattern, &'static str> {
        let (from_start, mut rest) = match text.strip_prefix(b"^") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut items: Vec<Item> = Vec::new();
        let mut to_end = false;
        while let [first, tail @ ..] = rest {
            rest = tail;
            let set = match (first, tail) {
                (b'$', []) => {
                    to_end = true;
                    break;
                }
                (b'*', _) if let Some(item) = items.last_mut() => {
                    item.repeated = true;
                    continue;
                }
                (b'\\', [next, tail @ ..]) => {
                    rest = tail;
                    Set::One(*next)
                }
                (b'\\', []) => return Err("trailing \\"),
                (b'[', _) => {
                    let (set, tail) = ranges(tail).ok_or("missing ]")?;
                    rest = tail;
                    set
                }
                (b'.', _) => Set::Any,
                (byte, _) => Set::One(*byte),
            };
            items.push(Item {
                set,
                repeated: false,
            });
        }
        Ok(Pattern {
            items,
            from_start,
            to_end,
        })
    }

    /// Whether the pattern matches anywhere in the line.
    pub fn is_in(&self, line: &[u8]) -> bool {
        let end = self.items.len();
        // State i: the items before i are matched, up to the current position.
        let mut places = vec![false; end + 1];
        self.reach(&mut places, 0);
        for &byte in line {
            if places[end] && !self.to_end {
                return true;
            }
            let mut next = vec![false; end + 1];
            for (i, item) in self.items.iter().enumerate() {
                if places[i] && item.set.has(byte) {
                    self.reach(&mut next, if item.repeated { i } else { i + 1 });
                }
            }
            if !self.from_start {
                self.reach(&mut next, 0);
            }
            places = next;
        }
        places[end]
    }

    /// Marks a state and those reachable from it by skipping repeated items.
    fn reach(&self, places: &mut [bool], mut place: usize) {
        places[place] = true;
        while self.items.get(place).is_some_and(|item| item.repeated) {
            place += 1;
            places[place] = true;
        }
    }
}

/// The set after a `[`, and the rest.
fn ranges(text: &[u8]) -> Option<(Set, &[u8])> {
    let (inside, text) = match text.strip_prefix(b"^") {
        Some(text) => (false, text),
        None => (true, text),
    };
    let mut ranges = Vec::new();
    let mut rest = text;
    loop {
        match rest {
            // A leading `]` is literal.
            [b']', tail @ ..] if !ranges.is_empty() => {
                return Some((Set::Ranges { ranges, inside }, tail));
            }
            [low, b'-', high, tail @ ..] if *high != b']' => {
                ranges.push((*low, *high));
                rest = tail;
            }
            [one, tail @ ..] => {
                ranges.push((*one, *one));
                rest = tail;
            }
            [] => return None,
        }
    }
}
