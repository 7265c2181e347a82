//! Processes that hold little and go on with their work while others take all memory: they must see
//! their bytes again, and nobody may end them.

use abi::PAGE_SIZE;
use programs::harness::{Gate, Kid, Outcome, grow_touched, peek, poke};
use ulib::string::String;

/// Pages that a witness holds.
const PAGES: usize = 20;

/// A process that works on a few pages until it is let go.
pub(crate) struct Witness {
    kid: Kid,
    gate: Gate,
}

impl Witness {
    /// Starts it.
    pub fn start() -> Result<Witness, String> {
        let gate = Gate::new()?;
        let kid = Kid::start(|| {
            let Ok(base) = grow_touched(PAGES) else {
                return 1;
            };
            fill(base, 7);
            gate.pass();
            if !(0..PAGES).all(|page| peek(base + page * PAGE_SIZE) == 7) {
                return 2;
            }
            fill(base, 8);
            0
        })?;
        Ok(Witness { kid, gate })
    }

    /// Lets it look at its pages and end.
    pub fn speak(self) -> Outcome {
        self.gate.open();
        self.kid.ends_with(0, "a process that holds little")
    }
}

fn fill(base: usize, byte: u8) {
    for page in 0..PAGES {
        // SAFETY: the pages are this process's own.
        unsafe { poke(base + page * PAGE_SIZE, byte) };
    }
}
