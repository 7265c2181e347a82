//! The paths that a source file uses, read from its tokens, so that macros count, and comments and
//! strings do not.

use anyhow::{Context, Result};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::{collections::BTreeMap, str::FromStr};

/// A path from the crate's root.
pub(super) type Path = Vec<String>;

/// The result of reading a file.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) mentions: Vec<Mention>,
    /// The names that its `use` declarations bind to paths of the crate, including re-exports.
    pub(super) names: BTreeMap<String, Path>,
    /// Macros that it defines.
    pub(super) macros: Vec<String>,
    /// Its `cfg(test)` modules.
    pub(super) tests: Vec<String>,
}

/// A path into the crate.
#[derive(Debug)]
pub(super) struct Mention {
    pub(super) path: Path,
    pub(super) line: usize,
    /// It is only a re-export (`pub use`).
    pub(super) reexport: bool,
}

impl Source {
    /// Reads the source of the module `here`, without its tests.
    ///
    /// # Errors
    ///
    /// It is not Rust.
    pub(super) fn read(text: &str, here: &[String]) -> Result<Source> {
        let stream = TokenStream::from_str(text)
            .ok()
            .context("this is not Rust")?;
        let mut reader = Reader {
            here,
            source: Source::default(),
            local: Vec::new(),
        };
        reader.stream(stream);
        // A path may start with a name that a later `use` binds.
        let Reader {
            mut source, local, ..
        } = reader;
        for (path, line) in local {
            // A name not bound by `use` may be a submodule.
            let start = source.names.get(&path[0]).cloned();
            let start = start.unwrap_or_else(|| here.iter().chain([&path[0]]).cloned().collect());
            if path.len() > 1 {
                let path = start.iter().chain(&path[1..]).cloned().collect();
                source.mentions.push(Mention {
                    path,
                    line,
                    reexport: false,
                });
            }
        }
        Ok(source)
    }
}

struct Reader<'a> {
    here: &'a [String],
    source: Source,
    /// Paths that start with neither `crate`, `self` nor `super`.
    local: Vec<(Path, usize)>,
}

impl Reader<'_> {
    fn stream(&mut self, stream: TokenStream) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            at = self.item(&tokens, at);
        }
    }

    /// Reads the item at `at`; returns where the next starts.
    fn item(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        match &tokens[at] {
            TokenTree::Punct(hash) if hash.as_char() == '#' => match after_test(tokens, at) {
                Some(end) => {
                    let name = tokens.get(end - 2).map(ToString::to_string);
                    self.source.tests.extend(name);
                    end
                }
                None => at + 1,
            },
            TokenTree::Ident(word) if *word == "use" => {
                let end = tokens[at..].iter().position(is(';'));
                let end = end.map_or(tokens.len(), |end| at + end);
                let visibility = tokens[..at].iter().rev().take(2);
                let reexport = visibility
                    .take_while(|token| !is(';')(token))
                    .any(|token| matches!(token, TokenTree::Ident(word) if *word == "pub"));
                self.tree(&tokens[at + 1..end], &[], reexport);
                end
            }
            TokenTree::Ident(word) if *word == "macro_rules" => {
                let name = tokens.get(at + 2).map(ToString::to_string);
                self.source.macros.extend(name);
                at + 3
            }
            TokenTree::Ident(word) => {
                let line = word.span().start().line;
                let (path, end) = path(tokens, at);
                match self.absolute(&path) {
                    Some(path) if path.is_empty() => {}
                    Some(path) => self.source.mentions.push(Mention {
                        path,
                        line,
                        reexport: false,
                    }),
                    None => self.local.push((path, line)),
                }
                end
            }
            TokenTree::Group(group) => {
                self.stream(group.stream());
                at + 1
            }
            _ => at + 1,
        }
    }

    /// Reads a use tree below `start`.
    fn tree(&mut self, tokens: &[TokenTree], start: &[String], reexport: bool) {
        for part in tokens.split(is(',')) {
            let Some(first) = part.first() else { continue };
            let line = first.span().start().line;
            let (mut names, mut rest) = (start.to_vec(), part);
            while let [TokenTree::Ident(name), behind @ ..] = rest {
                names.push(name.to_string());
                rest = match behind {
                    [TokenTree::Punct(_), TokenTree::Punct(_), behind @ ..] => behind,
                    _ => behind,
                };
                if matches!(rest.first(), Some(TokenTree::Ident(word)) if *word == "as") {
                    break;
                }
            }
            // A path without `crate` may name a submodule.
            let mut path = self
                .absolute(&names)
                .unwrap_or_else(|| self.here.iter().chain(&names).cloned().collect());
            let renamed = match rest {
                [TokenTree::Group(group)] if group.delimiter() == Delimiter::Brace => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    self.tree(&inner, &names, reexport);
                    continue;
                }
                [_, TokenTree::Ident(name)] => Some(name.to_string()),
                _ => None,
            };
            if path.last().is_some_and(|last| last == "self") {
                path.pop();
            }
            if let Some(name) = renamed.or_else(|| path.last().cloned()) {
                self.source.names.insert(name, path.clone());
            }
            self.source.mentions.push(Mention {
                path,
                line,
                reexport,
            });
        }
    }

    /// A path resolved from the crate's root; `None` unless it starts with `crate`, `self` or
    /// `super`.
    fn absolute(&self, path: &[String]) -> Option<Path> {
        let mut start = match path.first()?.as_str() {
            "crate" => Vec::new(),
            "self" | "super" => self.here.to_vec(),
            _ => return None,
        };
        let mut rest = path;
        while let [word, behind @ ..] = rest {
            match word.as_str() {
                "super" => drop(start.pop()),
                "crate" | "self" => {}
                _ => break,
            }
            rest = behind;
        }
        start.extend(rest.iter().cloned());
        Some(start)
    }
}

fn is(wanted: char) -> impl Fn(&TokenTree) -> bool {
    move |token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

/// The path segments from `at` on, and where they end.
fn path(tokens: &[TokenTree], mut at: usize) -> (Path, usize) {
    let mut names = Vec::new();
    while let Some(TokenTree::Ident(name)) = tokens.get(at) {
        names.push(name.to_string());
        at += 1;
        let colons = tokens.get(at).is_some_and(is(':')) && tokens.get(at + 1).is_some_and(is(':'));
        if !colons {
            break;
        }
        at += 2;
    }
    (names, at)
}

/// The end of an item under `#[cfg(test)]` or the like.
fn after_test(tokens: &[TokenTree], at: usize) -> Option<usize> {
    let TokenTree::Group(attribute) = tokens.get(at + 1)? else {
        return None;
    };
    let text = attribute.stream().to_string();
    let of_test = text.starts_with("cfg") && text.contains("test") && !text.contains("not (test");
    if !of_test {
        return None;
    }
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        other => is(';')(other),
    };
    let end = tokens[at + 2..].iter().position(ends)?;
    Some(at + 2 + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        let here = ["mm", "heap"].map(str::to_owned);
        let source = Source::read(text, &here).unwrap();
        let mut paths: Vec<String> = source
            .mentions
            .iter()
            .map(|mention| mention.path.join("::"))
            .collect();
        paths.sort();
        paths
    }

    #[test]
    fn every_form_of_path_is_found() {
        for (text, wanted) in [
            ("use crate::proc::sched;", vec!["proc::sched"]),
            (
                "use crate::{fs::{self, File}, proc};",
                vec!["fs", "fs::File", "proc"],
            ),
            (
                "use crate::fs::File as Other; fn f() { Other::open() }",
                vec!["fs::File", "fs::File::open"],
            ),
            ("use super::ram::*;", vec!["mm::ram"]),
            (
                "pub(crate) use self::inner::Thing;",
                vec!["mm::heap::inner::Thing"],
            ),
            (
                "fn f() { println!(\"{}\", crate::proc::count()) }",
                vec!["proc::count"],
            ),
            ("type T = Vec<super::super::dev::Disk>;", vec!["dev::Disk"]),
            (
                "use crate::arch::hart; fn f() { hart::this() }",
                vec!["arch::hart", "arch::hart::this"],
            ),
            ("// crate::proc\nconst A: &str = \"crate::proc\";", vec![]),
            ("pub use inner::Thing;", vec!["mm::heap::inner::Thing"]),
            (
                "#[cfg(test)] mod tests { use crate::proc; } use crate::fs;",
                vec!["fs"],
            ),
        ] {
            assert_eq!(paths(text), wanted, "{text}");
        }
    }
}
