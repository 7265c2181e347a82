//! The modules of a crate and their uses of each other.

use super::source::{Mention, Path, Source};
use anyhow::{Context, Result};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path as File,
};

/// Limit on chains of re-exports.
const MOST: usize = 8;

/// A crate's modules by their paths.
pub(super) struct Tree {
    modules: BTreeMap<Path, Module>,
}

struct Module {
    /// The file, relative to the repository's root.
    file: String,
    source: Source,
}

/// A use of one module by another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arrow {
    pub(super) from: Path,
    pub(super) to: Path,
    /// File and line.
    pub(super) place: String,
    /// It only names or re-exports the module.
    pub(super) only_named: bool,
}

impl Tree {
    /// Reads all sources below `src` of the folder `root`.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or is not Rust.
    pub(super) fn read(root: &File, src: &str) -> Result<Tree> {
        let mut tree = Tree {
            modules: BTreeMap::new(),
        };
        tree.folder(root, src, &[])?;
        tree.drop_tests();
        tree.place_macros();
        Ok(tree)
    }

    fn folder(&mut self, root: &File, folder: &str, here: &[String]) -> Result<()> {
        let entries = fs::read_dir(root.join(folder)).with_context(|| folder.to_owned())?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().into_string().unwrap_or_default();
            let path = format!("{folder}/{name}");
            if entry.file_type()?.is_dir() {
                let inner: Path = here.iter().cloned().chain([name]).collect();
                self.folder(root, &path, &inner)?;
            } else if let Some(stem) = name.strip_suffix(".rs") {
                let own = !matches!(stem, "mod" | "lib" | "main");
                let own = own.then(|| stem.to_owned());
                let module: Path = here.iter().cloned().chain(own).collect();
                let text = fs::read_to_string(root.join(&path))?;
                let source = Source::read(&text, &module).with_context(|| path.clone())?;
                self.modules.insert(module, Module { file: path, source });
            }
        }
        Ok(())
    }

    fn drop_tests(&mut self) {
        let tests: Vec<Path> = self
            .modules
            .iter()
            .flat_map(|(path, module)| {
                let within = |name: &String| path.iter().chain([name]).cloned().collect();
                module.source.tests.iter().map(within)
            })
            .collect();
        self.modules
            .retain(|path, _| !tests.iter().any(|test| path.starts_with(test)));
    }

    /// Exported macros are in the crate's root, wherever they are defined.
    fn place_macros(&mut self) {
        let defined: Vec<(String, Path)> = self
            .modules
            .iter()
            .flat_map(|(path, module)| {
                let place = |name: &String| {
                    let within = path.iter().chain([name]).cloned().collect();
                    (name.clone(), within)
                };
                module.source.macros.iter().map(place)
            })
            .collect();
        if let Some(top) = self.modules.get_mut(&[][..] as &[String]) {
            top.source.names.extend(defined);
        }
    }

    /// The module that a path leads to, through re-exports.
    fn resolve(&self, path: &[String]) -> Option<&Path> {
        let mut path = path.to_vec();
        for _ in 0..MOST {
            let (module, rest) = self.deepest(&path)?;
            let name = rest.first()?;
            match self.exported(module, name) {
                Some(target) => {
                    path = target
                        .into_iter()
                        .chain(rest[1..].iter().cloned())
                        .collect()
                }
                None => return Some(module),
            }
        }
        None
    }

    /// The target of a name that a module re-exports from the crate.
    fn exported(&self, module: &Path, name: &String) -> Option<Path> {
        let path = self.modules.get(module)?.source.names.get(name)?;
        // Not a name from another crate.
        let (target, _) = self.deepest(path)?;
        (target != module).then(|| path.clone())
    }

    /// The longest prefix that is a module, and the rest.
    fn deepest<'a>(&self, path: &'a [String]) -> Option<(&Path, &'a [String])> {
        (0..=path.len()).rev().find_map(|length| {
            let (start, rest) = path.split_at(length);
            let (module, _) = self.modules.get_key_value(start)?;
            Some((module, rest))
        })
    }

    /// All uses, one for each pair of modules and line.
    pub(super) fn arrows(&self) -> Vec<Arrow> {
        let mut arrows = BTreeSet::new();
        for (from, module) in &self.modules {
            for Mention {
                path,
                line,
                reexport,
            } in &module.source.mentions
            {
                let named = self.modules.get_key_value(path).map(|(to, _)| to);
                let Some(to) = named.or_else(|| self.resolve(path)) else {
                    continue;
                };
                if to != from {
                    arrows.insert(Arrow {
                        from: from.clone(),
                        to: to.clone(),
                        place: format!("{}:{line}", module.file),
                        only_named: named.is_some() || *reexport,
                    });
                }
            }
        }
        arrows.into_iter().collect()
    }
}
