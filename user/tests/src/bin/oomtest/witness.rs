//! Processes that hold little and go on with their work while others take all memory: they must see
//! their bytes again, and nobody may end them.

use abi::PAGE_SIZE;
use harness::{Outcome, Stay, fill, grow_touched, peek};
use ulib::string::String;

/// Pages that a witness holds, unless said.
const PAGES: usize = 20;

/// A process that works on a few pages until it is let go.
pub(crate) struct Witness(Stay);

impl Witness {
    /// Starts one that holds little.
    pub fn start() -> Result<Witness, String> {
        Witness::holding(PAGES)
    }

    /// Starts one that holds so many pages, and waits until it does.
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

    /// Lets it look at its pages and end. Of several, the last one first.
    pub fn speak(self) -> Outcome {
        self.0.end("a process that holds little")
    }
}
