//! The checks of `tests/guest.list`: command lines and their expected results.

use super::{Check, Layer, guest};
use crate::{
    options::{Hardware, Profile},
    volume::Format,
};
use anyhow::{Context, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// An entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) profile: Profile,
    pub(super) cpus: u32,
    pub(super) mem: String,
    pub(super) icount: bool,
    /// Of the disk.
    pub(super) format: Format,
    /// Boot arguments for the kernel.
    pub(super) boot: String,
    pub(super) limit: Duration,
    pub(super) command: String,
    pub(super) status: Status,
    /// What the console must show.
    pub(super) shows: Vec<String>,
    /// What it must not show.
    pub(super) lacks: Vec<String>,
    /// Files below the repository's root that go onto the disk first; C sources are compiled.
    pub(super) adds: Vec<PathBuf>,
}

/// The expected exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Exactly(u8),
    Nonzero,
}

impl Status {
    pub(super) fn fits(self, status: u8) -> bool {
        match self {
            Status::Exactly(wanted) => status == wanted,
            Status::Nonzero => status != 0,
        }
    }
}

impl Entry {
    pub(super) fn hardware(&self) -> Hardware {
        Hardware {
            cpus: self.cpus,
            mem: self.mem.clone(),
            icount: self.icount,
            extra: Vec::new(),
            boot: self.boot.clone(),
        }
    }
}

/// The checks in the file.
pub(super) fn checks(path: &Path) -> Result<Vec<Check>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let entries = parse(&text).with_context(|| path.display().to_string())?;
    let check = |entry: Entry| {
        Check::new(
            entry.name.clone(),
            Layer::Guest(entry.limit),
            move |bench, log| guest::run_entry(bench, log, &entry),
        )
    };
    Ok(entries.into_iter().map(check).collect())
}

fn parse(text: &str) -> Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let words = line.trim();
        if words.is_empty() || words.starts_with('#') {
            continue;
        }
        let parsed = if line.starts_with(char::is_whitespace) {
            match entries.last_mut() {
                Some(entry) => condition(entry, words),
                None => bail!("line {}: a condition before the first entry", number + 1),
            }
        } else {
            entry(words).map(|entry| entries.push(entry))
        };
        parsed.with_context(|| format!("line {}: {words}", number + 1))?;
    }
    Ok(entries)
}

/// `NAME KERNEL HARTS MEMORY SECONDS COMMAND…`
fn entry(line: &str) -> Result<Entry> {
    let mut rest = line;
    let mut word = || {
        let (word, behind) = rest
            .split_once(char::is_whitespace)
            .context("too few columns")?;
        rest = behind.trim_start();
        Ok::<&str, anyhow::Error>(word)
    };
    let name = word()?.to_owned();
    let profile = Profile::from_name(word()?)?;
    let cpus = word()?.parse().context("harts")?;
    let mem = word()?.to_owned();
    let limit = Duration::from_secs(word()?.parse().context("seconds")?);
    let command = rest.to_owned();
    let (status, shows, lacks) = (Status::Exactly(0), Vec::new(), Vec::new());
    let adds = Vec::new();
    Ok(Entry {
        name,
        profile,
        cpus,
        mem,
        icount: false,
        format: Format::Plain,
        boot: String::new(),
        limit,
        command,
        status,
        shows,
        lacks,
        adds,
    })
}

fn condition(entry: &mut Entry, line: &str) -> Result<()> {
    match line {
        "icount" => {
            entry.icount = true;
            return Ok(());
        }
        "large-files" => {
            entry.format = Format::LargeFiles;
            return Ok(());
        }
        _ => {}
    }
    let (word, rest) = line
        .split_once(' ')
        .context("a condition without a value")?;
    match (word, rest.trim()) {
        ("boot", arguments) => entry.boot = arguments.to_owned(),
        ("exit", "nonzero") => entry.status = Status::Nonzero,
        ("exit", status) => entry.status = Status::Exactly(status.parse()?),
        ("shows", text) => entry.shows.push(text.to_owned()),
        ("lacks", text) => entry.lacks.push(text.to_owned()),
        ("adds", path) => entry.adds.push(path.into()),
        _ => bail!("a condition is icount, large-files, boot, exit, shows, lacks or adds"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_and_conditions() {
        let text = "\
# name  kernel  harts  memory  seconds  command
panic   checked 3 64M 20  kmalloctest panic; echo no
    boot asids=3
    exit nonzero
    shows panic: kmalloc
    lacks no
    adds user/c/tests/ctest.c
    icount
    large-files
plain   release 1 128M 5  echo hi
";
        let entries = parse(text).unwrap();
        assert_eq!(entries.len(), 2);
        let panic = &entries[0];
        assert_eq!(panic.command, "kmalloctest panic; echo no");
        assert_eq!(
            (panic.boot.as_str(), entries[1].boot.as_str()),
            ("asids=3", "")
        );
        assert_eq!(
            (panic.profile, panic.cpus, panic.mem.as_str()),
            (Profile::Checked, 3, "64M")
        );
        assert_eq!((panic.limit.as_secs(), panic.status), (20, Status::Nonzero));
        assert_eq!(
            (&panic.shows[..], &panic.lacks[..]),
            (&["panic: kmalloc".into()][..], &["no".into()][..])
        );
        assert!(panic.icount && !entries[1].icount);
        let formats = (panic.format, entries[1].format);
        assert_eq!(formats, (Format::LargeFiles, Format::Plain));
        assert_eq!(panic.adds, [Path::new("user/c/tests/ctest.c")]);
        assert_eq!(entries[1].status, Status::Exactly(0));
    }

    #[test]
    fn invalid_entries_are_refused() {
        for text in [
            "x release 1",
            "x fast 1 1M 1 echo",
            "    exit 1",
            "x release 1 1M 1 a\n  ends 0",
        ] {
            assert!(parse(text).is_err(), "taken: {text}");
        }
    }

    #[test]
    fn the_list_is_valid() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guest.list");
        let entries = parse(&fs::read_to_string(path).unwrap()).unwrap();
        let mut names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), entries.len(), "two checks have one name");
    }
}
