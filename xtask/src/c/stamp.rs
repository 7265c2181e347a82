//! Whether a build result is up to date: a stamp file records the command, and time and length of
//! each source. A source that became older counts as changed.

use crate::build::replace;
use anyhow::Result;
use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

fn beside(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".stamp");
    name.into()
}

fn describe(path: &Path) -> Option<String> {
    let metadata = fs::metadata(path).ok()?;
    let time = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(format!("{} {}", time.as_nanos(), metadata.len()))
}

/// Whether `out` was built by this command from unchanged files.
pub(super) fn holds(out: &Path, command: &str) -> bool {
    let Ok(text) = fs::read_to_string(beside(out)) else {
        return false;
    };
    let mut lines = text.lines();
    let same = |line: &str| {
        let (path, described) = line.split_once('\t')?;
        (describe(Path::new(path))? == described).then_some(())
    };
    out.exists() && lines.next() == Some(command) && lines.all(|line| same(line).is_some())
}

/// Records how `out` was built.
pub(super) fn write(out: &Path, command: &str, files: &[PathBuf]) -> Result<()> {
    let mut text = format!("{command}\n");
    for file in files {
        let described = describe(file).unwrap_or_default();
        writeln!(text, "{}\t{described}", file.display())?;
    }
    replace(&beside(out), text.as_bytes())
}

/// The files in a compiler's dependency rule, `target: file file \`.
pub(super) fn dependencies(rule: &str) -> Vec<PathBuf> {
    let files = rule.split_once(": ").map_or("", |(_, files)| files);
    let mut found = Vec::new();
    let mut name = String::new();
    let mut characters = files.chars().peekable();
    while let Some(c) = characters.next() {
        match (c, characters.peek()) {
            ('\\', Some(' ' | '#')) => name.extend(characters.next()),
            ('\\', Some('\n')) => {}
            (c, _) if c.is_whitespace() => {
                if !name.is_empty() {
                    found.push(PathBuf::from(std::mem::take(&mut name)));
                }
            }
            _ => name.push(c),
        }
    }
    if !name.is_empty() {
        found.push(name.into());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read() {
        let rule = "out.o: /a/my\\ test.c \\\n /a/types.h\n";
        assert_eq!(
            dependencies(rule),
            [Path::new("/a/my test.c"), Path::new("/a/types.h")]
        );
        assert!(dependencies("").is_empty());
    }

    #[test]
    fn a_change_is_seen_in_either_direction() {
        let dir = std::env::temp_dir().join(format!("pagoda-stamp-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let (source, out) = (dir.join("a.c"), dir.join("a.o"));
        fs::write(&source, "int x;").unwrap();
        fs::write(&out, "").unwrap();
        write(&out, "cc a.c", std::slice::from_ref(&source)).unwrap();
        assert!(holds(&out, "cc a.c"), "nothing changed");
        assert!(!holds(&out, "cc -g a.c"), "another command");
        let older = fs::File::options().write(true).open(&source).unwrap();
        older.set_modified(UNIX_EPOCH).unwrap();
        assert!(!holds(&out, "cc a.c"), "an older source");
        fs::remove_dir_all(&dir).unwrap();
    }
}
