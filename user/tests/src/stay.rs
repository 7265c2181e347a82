//! Children that do their part and stay, so that the parent can look at what they hold.

use super::{Gate, Kid, Outcome, Tally};
use ulib::format;
use ulib::string::String;

/// A child that has done its part and stays until it is let go.
#[derive(Debug)]
pub struct Stay {
    kid: Kid,
    gate: Gate,
}

impl Stay {
    /// Starts it and waits until it has done its part, which must give 0.
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

    /// The same for a child that still has something to do when it is let go, with what its part
    /// made. Both give statuses, the part only where it fails.
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

    /// The child's number.
    pub fn id(&self) -> i32 {
        self.kid.id()
    }

    /// Lets it go; it must end with status 0. Of several, the last one first: each holds what would
    /// keep those before it waiting.
    ///
    /// # Errors
    /// It ended otherwise.
    pub fn end(self, what: &str) -> Outcome {
        self.gate.open();
        self.kid.ends_with(0, what)
    }
}
