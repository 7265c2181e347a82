//! The two dialects of C programs for xv6.

use anyhow::{Result, bail};

/// The set of headers that a program expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Dialect {
    /// `#include "kernel/types.h"`, `printf("…")`, `exit(0)`.
    Riscv,
    /// `#include "types.h"`, `printf(1, "…")`, `exit()`.
    Classic,
}

/// Headers of the classic dialect that the riscv dialect has only in subdirectories.
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
    /// The name, also of the directory with its headers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Dialect::Riscv => "riscv",
            Dialect::Classic => "classic",
        }
    }

    /// The stack size in bytes; untouched pages cost nothing. The riscv dialect has one page, as on
    /// xv6: its programs were written for that, and some probe its end. Programs of the classic
    /// dialect were written for a page that held twice as many pointers.
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
            other => bail!("dialect {other:?}: expected riscv or classic"),
        }
    }

    /// The dialect of a source, by its first `#include` that decides; riscv by default.
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

/// The header that a line includes, if any.
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

/// Whether the source has `void main(…)`, which returns no exit status.
pub(super) fn main_is_void(source: &str) -> bool {
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
    fn includes_decide_the_dialect() {
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
    fn void_main_is_detected() {
        assert!(main_is_void("void\nmain(void)\n{\n}"));
        assert!(main_is_void("static int x; void main (int argc)"));
        assert!(!main_is_void("int main(void) { return 0; }"));
        assert!(!main_is_void("void mainly(void);"));
    }
}
