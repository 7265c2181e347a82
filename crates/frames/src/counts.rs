//! How many free blocks of each order there are.

use crate::MAX_ORDER;

/// Places, a power of two with one more than there are orders.
const PLACES: usize = (MAX_ORDER + 2).next_power_of_two();

/// Each order's number as the difference to that of the order below: cutting a block into halves
/// down to some order then changes three of them and not all in between.
pub(crate) struct Counts([isize; PLACES]);

impl Counts {
    pub(crate) const NONE: Counts = Counts([0; PLACES]);

    #[inline]
    fn add(&mut self, order: u32, change: isize) {
        self.0[order as usize % PLACES] += change;
    }

    /// A block of `order` is taken from one of order `from`, the halves left over become free.
    #[inline]
    pub(crate) fn split(&mut self, from: u32, order: u32) {
        if from == order {
            self.add(order, -1);
            self.add(order + 1, 1);
            return;
        }
        self.add(order, 1);
        self.add(from, -2);
        self.add(from + 1, 1);
    }

    /// A block of `order` becomes free, and with its neighbours part of one of order `now`.
    #[inline]
    pub(crate) fn join(&mut self, order: u32, now: u32) {
        self.add(order, -1);
        self.add(now, 2);
        self.add(now + 1, -1);
    }

    /// The numbers.
    pub(crate) fn get(&self) -> [usize; MAX_ORDER + 1] {
        let mut sum = 0;
        core::array::from_fn(|order| {
            sum += self.0[order];
            sum.max(0) as usize
        })
    }
}
