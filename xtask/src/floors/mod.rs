//! Checks the floors: which folder of the kernel may use which, and that modules of a crate have no
//! cycles.
//!
//! The rules are one table. A violation is reported with its line; an exception that is no longer
//! needed is an error, so the list of exceptions only shrinks.

mod source;
mod tree;

use anyhow::{Context, Result};
use source::Path;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path as File,
};
use tree::{Arrow, Tree};

/// The rules, in `tests/floors.list`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Rules {
    /// The kernel's folders and files from the bottom up; those of one line are on the same floor.
    floors: Vec<Vec<String>>,
    /// Exceptions: uses that go up or sideways.
    arrows: BTreeSet<(String, String)>,
    /// Exceptions: cycles of modules in a crate.
    cycles: BTreeSet<Vec<String>>,
}

/// The file with the rules.
const RULES: &str = "tests/floors.list";

/// All violations, a line each.
///
/// # Errors
///
/// A source or the rules cannot be read.
pub(crate) fn check(root: &File) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(root.join(RULES)).context(RULES)?;
    let rules = Rules::parse(&text).context(RULES)?;
    let mut problems = Vec::new();
    let kernel = Tree::read(root, "kernel/src")?;
    problems.extend(rules.check_floors(&kernel.arrows()));
    let mut cycles = cycles("kernel", &kernel.arrows());
    for entry in std::fs::read_dir(root.join("crates"))? {
        let name = entry?.file_name().into_string().unwrap_or_default();
        let tree = Tree::read(root, &format!("crates/{name}/src"))?;
        cycles.extend(self::cycles(&name, &tree.arrows()));
    }
    problems.extend(rules.check_cycles(&cycles));
    Ok(problems)
}

impl Rules {
    /// `floor NAME…`, `arrow FROM TO`, `cycle MODULE…`; `#` begins a comment.
    fn parse(text: &str) -> Result<Rules> {
        let mut rules = Rules::default();
        for (number, line) in text.lines().enumerate() {
            let mut words = line
                .split('#')
                .next()
                .unwrap_or_default()
                .split_whitespace();
            let Some(word) = words.next() else { continue };
            let names: Vec<String> = words.map(str::to_owned).collect();
            match (word, names.as_slice()) {
                ("floor", [_, ..]) => rules.floors.push(names),
                ("arrow", [from, to]) => drop(rules.arrows.insert((from.clone(), to.clone()))),
                ("cycle", [_, _, ..]) => drop(rules.cycles.insert(names)),
                _ => anyhow::bail!("line {}: {line}", number + 1),
            }
        }
        Ok(rules)
    }

    fn floor(&self, room: &str) -> Option<usize> {
        self.floors
            .iter()
            .position(|rooms| rooms.iter().any(|name| name == room))
    }

    fn check_floors(&self, arrows: &[Arrow]) -> Vec<String> {
        let mut problems = Vec::new();
        let mut unneeded = self.arrows.clone();
        for arrow in arrows {
            let (from, to) = (room(&arrow.from), room(&arrow.to));
            if from == to {
                continue;
            }
            let pair = (from.to_owned(), to.to_owned());
            match (self.floor(from), self.floor(to)) {
                (Some(above), Some(below)) if above > below => {}
                (Some(_), Some(_)) if self.arrows.contains(&pair) => drop(unneeded.remove(&pair)),
                (Some(_), Some(_)) => problems.push(format!(
                    "{}: {from} uses {to} ({}), which is not below it",
                    arrow.place,
                    arrow.to.join("::")
                )),
                _ => problems.push(format!("{}: {from} or {to} is on no floor", arrow.place)),
            }
        }
        let unneeded = unneeded.iter();
        problems.extend(
            unneeded.map(|(from, to)| format!("{RULES}: nothing needs `arrow {from} {to}`")),
        );
        problems
    }

    fn check_cycles(&self, cycles: &BTreeMap<Vec<String>, Vec<String>>) -> Vec<String> {
        let found = cycles
            .iter()
            .filter(|(cycle, _)| !self.cycles.contains(*cycle));
        let mut problems: Vec<String> = found
            .map(|(cycle, places)| {
                format!(
                    "cycle of modules: {}\n    {}",
                    cycle.join(" "),
                    places.join("\n    ")
                )
            })
            .collect();
        let gone = self
            .cycles
            .iter()
            .filter(|cycle| !cycles.contains_key(*cycle));
        problems.extend(gone.map(|cycle| format!("{RULES}: no such cycle: {}", cycle.join(" "))));
        problems
    }
}

/// The folder or file directly in `kernel/src`; `main` for the root.
fn room(module: &[String]) -> &str {
    module.first().map_or("main", String::as_str)
}

/// The strongly connected components of the modules, with the lines of the uses in them.
fn cycles(name: &str, arrows: &[Arrow]) -> BTreeMap<Vec<String>, Vec<String>> {
    let mut next: BTreeMap<&Path, BTreeSet<&Path>> = BTreeMap::new();
    for arrow in arrows.iter().filter(|arrow| !arrow.only_named) {
        next.entry(&arrow.from).or_default().insert(&arrow.to);
    }
    let reach: BTreeMap<&Path, BTreeSet<&Path>> = next
        .keys()
        .map(|start| (*start, reachable(start, &next)))
        .collect();
    let both = |one: &Path, other: &Path| {
        let leads = |from, to| reach.get(from).is_some_and(|all| all.contains(to));
        leads(one, other) && leads(other, one)
    };
    let mut found = BTreeMap::new();
    for start in next.keys().filter(|start| both(start, start)) {
        let members: Vec<&&Path> = next.keys().filter(|other| both(start, other)).collect();
        let title = |module: &Path| match module.is_empty() {
            true => name.to_owned(),
            false => format!("{name}::{}", module.join("::")),
        };
        let inside = arrows.iter().filter(|arrow| {
            !arrow.only_named && both(start, &arrow.from) && both(start, &arrow.to)
        });
        let places = inside
            .map(|arrow| {
                format!(
                    "{}: {} uses {}",
                    arrow.place,
                    title(&arrow.from),
                    title(&arrow.to)
                )
            })
            .collect();
        found.insert(
            members.into_iter().map(|module| title(module)).collect(),
            places,
        );
    }
    found
}

fn reachable<'a>(
    start: &'a Path,
    next: &BTreeMap<&'a Path, BTreeSet<&'a Path>>,
) -> BTreeSet<&'a Path> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
    while let Some(module) = open.pop() {
        for to in next.get(module).into_iter().flatten() {
            if seen.insert(*to) {
                open.push(to);
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrow(from: &str, to: &str) -> Arrow {
        let path = |text: &str| text.split("::").map(str::to_owned).collect();
        Arrow {
            from: path(from),
            to: path(to),
            place: "x.rs:1".to_owned(),
            only_named: false,
        }
    }

    #[test]
    fn upward_uses_are_reported_with_their_line() {
        let rules =
            Rules::parse("floor arch\nfloor mm fs # side by side\narrow arch fs\n").unwrap();
        for (from, to, wanted) in [
            ("mm::heap", "arch::hart", ""),
            ("arch::trap", "fs", ""),
            ("mm::heap", "mm::ram", ""),
            (
                "arch::trap",
                "mm::ram",
                "x.rs:1: arch uses mm (mm::ram), which is not below it",
            ),
            ("mm", "fs", "x.rs:1: mm uses fs (fs), which is not below it"),
            ("mm", "dev", "x.rs:1: mm or dev is on no floor"),
        ] {
            let problems = rules.check_floors(&[arrow(from, to), arrow("arch", "fs")]);
            assert_eq!(problems.join("\n"), wanted, "{from} to {to}");
        }
        let unneeded = rules.check_floors(&[]);
        assert_eq!(
            unneeded,
            ["tests/floors.list: nothing needs `arrow arch fs`"]
        );
    }

    #[test]
    fn cycles_are_found() {
        let arrows = [
            arrow("a", "b"),
            arrow("b", "c"),
            arrow("c", "a"),
            arrow("c", "d"),
        ];
        let found = cycles("mm", &arrows);
        let members: Vec<&Vec<String>> = found.keys().collect();
        assert_eq!(
            members,
            [&["mm::a", "mm::b", "mm::c"].map(str::to_owned).to_vec()]
        );
        assert_eq!(Rules::default().check_cycles(&found).len(), 1);
        let rules = Rules::parse("cycle mm::a mm::b mm::c\ncycle mm::x mm::y").unwrap();
        let problems = rules.check_cycles(&found);
        assert_eq!(problems, ["tests/floors.list: no such cycle: mm::x mm::y"]);
    }
}
