//! Witnesses: small processes that work while others take all memory. Their data must survive, and
//! they must not be killed.

use abi::PAGE_SIZE;
use harness::{Outcome, Stay, fill, grow_touched, peek};
use ulib::string::String;

/// Pages of a witness by default.
const PAGES: usize = 20;

/// A process that works on a few pages until told to end.
pub(crate) struct Witness(Stay);

impl Witness {
    /// Starts a witness with [`PAGES`] pages.
    pub fn start() -> Result<Witness, String> {
        Witness::holding(PAGES)
    }

    /// Starts a witness with this many pages, and waits until it has them.
    pub fn holding(pages: usize) -> Result<Witness, String> {
        let hold = || {
            let base = grow_touched(pages).map_err(|_| 1)?;
            // SAFETY: the pages are this process's own.
            unsafe { fill(base, pages, 7) };
            Ok(base)
        };
        let look = |base: usize| {
            if !(0..pages).all(|page| peek(base + page * PAGE_SIZE) == 7) {
                return 2;
            }
            // SAFETY: as above.
            unsafe { fill(base, pages, 8) };
            0
        };
        Stay::start_then(hold, look).map(Witness)
    }

    /// Makes it check its pages and exit. Of several, the last one first.
    pub fn speak(self) -> Outcome {
        self.0.end("a process that holds little")
    }
}
