//! Children that do their part and then wait, so that the parent can inspect them.

use super::{Gate, Kid, Outcome, Tally};
use ulib::format;
use ulib::string::String;

/// A child that has done its part and waits to be released.
#[derive(Debug)]
pub struct Stay {
    kid: Kid,
    gate: Gate,
}

impl Stay {
    /// Starts a child and waits until it has done `part`, which must return 0.
    ///
    /// # Errors
    /// The kernel refuses, the child ended, or its part gave something else.
    pub fn start(part: impl FnOnce() -> i32) -> Result<Stay, String> {
        let part = || match part() {
            0 => Ok(()),
            status => Err(status),
        };
        Stay::start_then(part, |()| 0)
    }

    /// As [`Stay::start`], for a child that does something more when released, with the result of
    /// its part. Both return statuses, the part only on failure.
    ///
    /// # Errors
    /// The kernel refuses, the child ended, or its part failed.
    pub fn start_then<T>(
        part: impl FnOnce() -> Result<T, i32>,
        later: impl FnOnce(T) -> i32,
    ) -> Result<Stay, String> {
        let (tally, gate) = (Tally::new()?, Gate::new()?);
        let kid = Kid::start(|| {
            let done = part();
            tally.report(done.as_ref().err().map_or(0, |&status| status as u8));
            gate.pass();
            done.map_or_else(|status| status, later)
        })?;
        let status = tally.listen().hear()?;
        if status != 0 {
            return Err(format!("expected 0 from the child's part, saw {status}"));
        }
        Ok(Stay { kid, gate })
    }

    /// The child's process ID.
    pub fn id(&self) -> i32 {
        self.kid.id()
    }

    /// Releases it; it must exit with 0. Of several, the last one first: later children hold copies
    /// of earlier ones' pipes.
    ///
    /// # Errors
    /// It exited otherwise.
    pub fn end(self, what: &str) -> Outcome {
        self.gate.open();
        self.kid.ends_with(0, what)
    }
}
