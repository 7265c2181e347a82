//! The instruction counter and its samples.

use core::arch::asm;
use core::fmt::{self, Display};
use ulib::io::Result;
use ulib::time::rdinstret;
use ulib::vec::Vec;
use ulib::{mem, println, vec};

/// Samples the repetitions of an operation.
pub struct Meter {
    times: usize,
    samples: Vec<u64>,
    /// The count of an empty measurement.
    overhead: u64,
    /// Whether there is one hart. While it waits, for the disk say, the counter advances without
    /// instructions, which is subtracted; with several harts another may be working.
    alone: bool,
}

impl Meter {
    /// A meter for `times` samples. Touches its memory now, so that no sample includes a page fault
    /// for it.
    pub fn new(times: usize) -> Result<Meter> {
        let mut samples = vec![1; times];
        samples.clear();
        let mut meter = Meter {
            times,
            samples,
            overhead: 0,
            alone: mem::info(Default::default())?.harts == 1,
        };
        meter.once(|| Ok(()))?;
        meter.overhead = meter.samples.pop().unwrap_or_default();
        Ok(meter)
    }

    /// Measures each repetition of an operation, including the drop of its result.
    pub fn each<T>(&mut self, mut operation: impl FnMut() -> Result<T>) -> Result<()> {
        self.rounds(|meter| meter.once(|| operation().map(drop)))
    }

    /// Runs rounds that each measure a part. The first does not count: caches are cold.
    pub fn rounds(&mut self, mut round: impl FnMut(&mut Meter) -> Result<()>) -> Result<()> {
        round(self)?;
        self.samples.clear();
        (0..self.times).try_for_each(|_| round(self))
    }

    /// Takes one sample.
    #[inline(always)]
    pub fn once<T>(&mut self, operation: impl FnOnce() -> Result<T>) -> Result<T> {
        let waited = self.waited()?;
        let before = rdinstret();
        let result = operation();
        let after = rdinstret();
        let waited = self.waited()? - waited;
        self.samples
            .push((after - before).saturating_sub(waited + self.overhead));
        result
    }

    fn waited(&self) -> Result<u64> {
        match self.alone {
            true => Ok(mem::info(Default::default())?.waited),
            false => Ok(0),
        }
    }

    /// Prints the results.
    pub fn print(&mut self, name: &str) {
        let samples = &mut self.samples;
        samples.sort_unstable();
        let (Some(least), Some(most)) = (samples.first(), samples.last()) else {
            return;
        };
        let median = samples[samples.len() / 2];
        let mean = samples.iter().sum::<u64>() / samples.len() as u64;
        println!(
            "{name:16} {:7} {median:10} {mean:10} {least:10} {most:10}",
            samples.len()
        );
    }
}

/// Why measuring is impossible.
pub enum NoNumbers {
    /// The counter does not count instructions.
    NotInstructions,
    /// The kernel refuses its counts.
    Refused(ulib::io::Error),
}

impl Display for NoNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoNumbers::NotInstructions => f.write_str(
                "here the counter counts the host's time, so numbers would mean nothing; \
                 make run ICOUNT=1 CMD='count ...' has it count instructions",
            ),
            NoNumbers::Refused(error) => write!(f, "cannot read the machine's counts: {error}"),
        }
    }
}

/// Prints the heading, or fails if the numbers would be meaningless.
pub fn heading() -> core::result::Result<(), NoNumbers> {
    if !counts_instructions() {
        return Err(NoNumbers::NotInstructions);
    }
    let harts = mem::info(Default::default())
        .map_err(NoNumbers::Refused)?
        .harts;
    if harts > 1 {
        println!(
            "{harts} harts: includes the instructions of other harts, and time when all are idle"
        );
    }
    println!(
        "{:16} {:>7} {:>10} {:>10} {:>10} {:>10}",
        "instructions of", "times", "median", "mean", "least", "most"
    );
    Ok(())
}

/// Whether the counter counts each instruction once: a loop of twice the length must take exactly
/// as many more as it has. An interrupt spoils an attempt, hence several.
fn counts_instructions() -> bool {
    const ATTEMPTS: usize = 8;
    const TURNS: u64 = 500;
    let exact = |_: &usize| {
        let start = rdinstret();
        turn(TURNS);
        let middle = rdinstret();
        turn(2 * TURNS);
        let end = rdinstret();
        let (once, twice) = (middle.wrapping_sub(start), end.wrapping_sub(middle));
        twice.wrapping_sub(once) == 2 * TURNS
    };
    (0..ATTEMPTS).filter(exact).count() > ATTEMPTS / 2
}

/// Executes two instructions `times` times, and a few more.
#[inline(never)]
fn turn(times: u64) {
    // SAFETY: it counts a register down to zero.
    unsafe {
        asm!("2:", "addi {0}, {0}, -1", "bnez {0}, 2b", inout(reg) times => _, options(nomem, nostack));
    }
}
