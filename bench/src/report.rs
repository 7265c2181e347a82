//! The results of a trace, passed from its process to the table.

use std::collections::BTreeMap;

/// Values by name.
#[derive(Debug, Default)]
pub struct Report(BTreeMap<String, f64>);

impl Report {
    /// Adds a value.
    pub fn put(&mut self, name: &str, value: f64) {
        self.0.insert(name.to_owned(), value);
    }

    /// A value, if the trace gave it.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    /// Adds the values of `other`, with `trace.` before their names.
    pub fn extend(&mut self, trace: &str, other: Report) {
        let named = |(name, value)| (format!("{trace}.{name}"), value);
        self.0.extend(other.0.into_iter().map(named));
    }

    /// Prints a line for each value.
    pub fn print(&self) {
        for (name, value) in &self.0 {
            println!("{name} {value}");
        }
    }

    /// Parses the output of `print`.
    pub fn parse(text: &str) -> Report {
        let pair = |line: &str| {
            let (name, value) = line.split_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Report(text.lines().filter_map(pair).collect())
    }
}
