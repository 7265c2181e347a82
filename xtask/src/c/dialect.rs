//! The two ways in which C programs for xv6 are written.

use anyhow::{Result, bail};

/// Which headers a program expects, and what they say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Dialect {
    /// `#include "kernel/types.h"`, `printf("…")`, `exit(0)`.
    Riscv,
    /// `#include "types.h"`, `printf(1, "…")`, `exit()`.
    Classic,
}

/// Headers of the classic dialect that the riscv dialect has in its folders only.
const CLASSIC: [&str; 11] = [
    "types.h",
    "stat.h",
    "user.h",
    "param.h",
    "fs.h",
    "fcntl.h",
    "syscall.h",
    "traps.h",
    "memlayout.h",
    "mmu.h",
    "mman.h",
];

impl Dialect {
    /// The name, also that of the folder with its headers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Dialect::Riscv => "riscv",
            Dialect::Classic => "classic",
        }
    }

    /// Bytes of stack that a program asks for; what it does not touch costs nothing. A page, as on xv6, is
    /// what programs of the riscv dialect were tried with, and some look for the end of it. Those of the
    /// classic dialect were tried with a page that held twice as many pointers.
    pub(super) const fn stack(self) -> usize {
        match self {
            Dialect::Riscv => abi::PAGE_SIZE,
            Dialect::Classic => 64 << 10,
        }
    }

    pub(crate) fn from_name(name: &str) -> Result<Dialect> {
        match name {
            "riscv" => Ok(Dialect::Riscv),
            "classic" => Ok(Dialect::Classic),
            other => bail!("dialect {other:?}: it may be riscv or classic"),
        }
    }

    /// The dialect of a source by the first of its `#include` lines that tells; riscv if none does.
    pub(super) fn of(source: &str) -> Dialect {
        let told = source.lines().filter_map(included).find_map(|header| {
            if header.starts_with("kernel/") || header.starts_with("user/") {
                Some(Dialect::Riscv)
            } else {
                CLASSIC.contains(&header).then_some(Dialect::Classic)
            }
        });
        told.unwrap_or(Dialect::Riscv)
    }
}

/// The header that a line includes.
fn included(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix('#')?.trim_start();
    let rest = rest.strip_prefix("include")?.trim_start();
    let (open, rest) = rest.split_at_checked(1)?;
    let close = match open {
        "\"" => '"',
        "<" => '>',
        _ => return None,
    };
    rest.split_once(close).map(|(header, _)| header)
}

/// Whether the source has `void main(…)`: what such a main leaves in the register of its value is no
/// exit status.
pub(super) fn main_gives_nothing(source: &str) -> bool {
    let words: Vec<&str> = source
        .split(|c: char| c.is_whitespace() || c == '(')
        .filter(|word| !word.is_empty())
        .collect();
    words.windows(2).any(|pair| pair == ["void", "main"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn includes_tell_the_dialect() {
        for (source, dialect) in [
            ("#include \"kernel/types.h\"\n", Dialect::Riscv),
            ("// test\n# include <user/user.h>\n", Dialect::Riscv),
            (
                "#include \"types.h\"\n#include \"user.h\"\n",
                Dialect::Classic,
            ),
            (
                "#include \"helper.h\"\n  #include  \"mman.h\"\n",
                Dialect::Classic,
            ),
            ("int main() { return 0; }", Dialect::Riscv),
            ("#include \"\n#include\n", Dialect::Riscv),
        ] {
            assert_eq!(Dialect::of(source), dialect, "{source}");
        }
    }

    #[test]
    fn mains_without_a_value() {
        assert!(main_gives_nothing("void\nmain(void)\n{\n}"));
        assert!(main_gives_nothing("static int x; void main (int argc)"));
        assert!(!main_gives_nothing("int main(void) { return 0; }"));
        assert!(!main_gives_nothing("void mainly(void);"));
    }
}
