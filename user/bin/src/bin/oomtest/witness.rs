//! Processes that hold little and go on with their work while others take all memory: they must see
//! their bytes again, and nobody may end them.

use abi::PAGE_SIZE;
use programs::harness::{Gate, Kid, Outcome, Tally, grow_touched, peek, poke};
use ulib::string::String;

/// Pages that a witness holds, unless said.
const PAGES: usize = 20;

/// A process that works on a few pages until it is let go.
pub(crate) struct Witness {
    kid: Kid,
    gate: Gate,
}

impl Witness {
    /// Starts one that holds little.
    pub fn start() -> Result<Witness, String> {
        Witness::holding(PAGES)
    }

    /// Starts one that holds so many pages, and waits until it does.
    pub fn holding(pages: usize) -> Result<Witness, String> {
        let (gate, tally) = (Gate::new()?, Tally::new()?);
        let kid = Kid::start(|| {
            let Ok(base) = grow_touched(pages) else {
                return 1;
            };
            fill(base, pages, 7);
            tally.report(1);
            gate.pass();
            if !(0..pages).all(|page| peek(base + page * PAGE_SIZE) == 7) {
                return 2;
            }
            fill(base, pages, 8);
            0
        })?;
        tally.listen().hear()?;
        Ok(Witness { kid, gate })
    }

    /// Lets it look at its pages and end. Of several, the last one first: each holds what would keep
    /// those before it waiting.
    pub fn speak(self) -> Outcome {
        self.gate.open();
        self.kid.ends_with(0, "a process that holds little")
    }
}

fn fill(base: usize, pages: usize, byte: u8) {
    for page in 0..pages {
        // SAFETY: the pages are this process's own.
        unsafe { poke(base + page * PAGE_SIZE, byte) };
    }
}
