//! The kernel reserves a section of zeros in its read-only data, which is filled after linking.

use crate::ksyms;
use anyhow::{Context, Result, bail};
use elf::{ElfBytes, abi, endian::LittleEndian};
use std::collections::{BTreeMap, btree_map::Entry};

const SECTION: &str = ".ksyms";
type Elf<'data> = ElfBytes<'data, LittleEndian>;

/// Fills the section in the kernel `file`.
///
/// # Errors
///
/// It is no ELF file with a symbol table and the section, or the table does not fit.
pub(crate) fn embed(file: &mut [u8]) -> Result<()> {
    let elf = Elf::minimal_parse(file)?;
    let section = elf
        .section_header_by_name(SECTION)?
        .with_context(|| format!("the kernel has no section {SECTION}"))?;
    let functions = functions(&elf)?;
    let start = usize::try_from(section.sh_offset)?;
    let room = room(&elf)?.context("the kernel's symbol section has no variable")?;

    let table = ksyms::encode(&functions)?;
    if table.len() > room {
        bail!(
            "the symbol table has {} bytes and the kernel's section {SECTION} {room}: \
             make that {} bytes larger",
            table.len(),
            table.len() - room
        );
    }
    let place = file
        .get_mut(start..start + room)
        .context("the section is not in the file")?;
    place.fill(0);
    place[..table.len()].copy_from_slice(&table);
    Ok(())
}

/// The size of the variable in the section; only padding may follow it.
fn room(elf: &Elf<'_>) -> Result<Option<usize>> {
    let sections = elf.section_headers_with_strtab()?;
    let (Some(headers), Some(names)) = sections else {
        return Ok(None);
    };
    let is_ours = |index: u16| {
        let header = headers.get(usize::from(index));
        header.is_ok_and(|header| {
            names
                .get(header.sh_name as usize)
                .is_ok_and(|name| name == SECTION)
        })
    };
    let (symbols, _) = elf.symbol_table()?.context("no symbol table")?;
    let variable = symbols
        .iter()
        .find(|symbol| symbol.st_symtype() == abi::STT_OBJECT && is_ours(symbol.st_shndx));
    Ok(variable.map(|symbol| symbol.st_size as usize))
}

/// The functions of a program or kernel.
pub(crate) struct Functions(BTreeMap<u64, String>);

/// Addresses farther than this from a function do not belong to it.
const LONGEST: u64 = 128 << 10;

impl Functions {
    /// Reads an ELF file.
    ///
    /// # Errors
    ///
    /// It is no ELF file with a symbol table.
    pub(crate) fn of(file: &[u8]) -> Result<Functions> {
        functions(&Elf::minimal_parse(file)?).map(Functions)
    }

    #[cfg(test)]
    pub(crate) fn new(functions: BTreeMap<u64, String>) -> Functions {
        Functions(functions)
    }

    /// The function that contains an address, as `name+offset`.
    pub(crate) fn at(&self, address: u64) -> Option<String> {
        let (start, name) = self.0.range(..=address).next_back()?;
        let offset = address - start;
        (offset < LONGEST).then(|| format!("{name}+{offset:#x}"))
    }
}

/// The functions by address, each with its shortest name; only those in the upper half if any (the
/// first instructions run at their load address).
fn functions(elf: &Elf<'_>) -> Result<BTreeMap<u64, String>> {
    let sections = elf.section_headers().context("no section headers")?;
    let (symbols, strings) = elf
        .symbol_table()?
        .context("the kernel has no symbol table")?;
    let mut functions: BTreeMap<u64, Function> = BTreeMap::new();
    let mut labels = Vec::new();
    for symbol in symbols.iter() {
        let name = strings.get(usize::try_from(symbol.st_name)?)?;
        let section = sections.get(usize::from(symbol.st_shndx));
        let code = section.is_ok_and(|it| it.sh_flags & u64::from(abi::SHF_EXECINSTR) != 0);
        // Mapping symbols start with $.
        if !code || name.is_empty() || name.starts_with(['$', '.']) {
            continue;
        }
        let function = Function {
            size: symbol.st_size,
            name: readable(name),
        };
        match symbol.st_symtype() {
            abi::STT_FUNC => insert(&mut functions, symbol.st_value, function),
            abi::STT_NOTYPE => labels.push((symbol.st_value, function)),
            _ => {}
        }
    }
    // Labels in assembly have no type. Those inside a function are not functions.
    for (address, label) in labels {
        let before = functions.range(..=address).next_back();
        if before.is_none_or(|(start, it)| address - start >= it.size) {
            insert(&mut functions, address, label);
        }
    }
    let upper = functions.split_off(&(1 << 63));
    let functions = if upper.is_empty() { functions } else { upper };
    Ok(functions
        .into_iter()
        .map(|(address, function)| (address, function.name))
        .collect())
}

struct Function {
    size: u64,
    name: String,
}

/// Of two names for one address the shorter is kept.
fn insert(functions: &mut BTreeMap<u64, Function>, address: u64, function: Function) {
    match functions.entry(address) {
        Entry::Vacant(place) => drop(place.insert(function)),
        Entry::Occupied(mut place) => {
            if function.name.len() < place.get().name.len() {
                place.insert(function);
            }
        }
    }
}

/// The name as in the source, without hash and generic arguments, which manglings treat
/// differently.
pub(crate) fn readable(symbol: &str) -> String {
    let name = without_arguments(&format!("{:#}", rustc_demangle::demangle(symbol)));
    // An inherent method.
    match name.strip_prefix('<').and_then(|path| path.split_once('>')) {
        Some((path, method)) if !path.contains([' ', '<']) => format!("{path}{method}"),
        _ => name,
    }
}

/// Removes the generic arguments after a name; other brackets hold a method's type.
fn without_arguments(name: &str) -> String {
    let mut short = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(start) = rest.find('<') {
        short.push_str(&rest[..start]);
        if short.ends_with(|end: char| end.is_alphanumeric() || "_:}".contains(end)) {
            short.truncate(short.trim_end_matches("::").len());
            rest = after_brackets(&rest[start..]);
        } else {
            short.push('<');
            rest = &rest[start + 1..];
        }
    }
    short.push_str(rest);
    short
}

/// The text after the bracket that matches the first one.
fn after_brackets(text: &str) -> &str {
    let mut depth = 0;
    let mut previous = ' ';
    for (at, char) in text.char_indices() {
        match char {
            '<' => depth += 1,
            '>' if previous != '-' => depth -= 1,
            _ => {}
        }
        previous = char;
        if depth == 0 {
            return &text[at + 1..];
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_readable() {
        assert_eq!(
            readable("_ZN6kernel4proc5sched3run17h0123456789abcdefE"),
            "kernel::proc::sched::run"
        );
        assert_eq!(readable("_RINvCs1234_7mycrate3foolE"), "mycrate::foo");
        assert_eq!(readable("trap_entry"), "trap_entry");
        assert_eq!(
            readable("_ZN6frames6frames15Frames$LT$L$GT$5alloc17h0123456789abcdefE"),
            "frames::frames::Frames::alloc"
        );
        let pressure = "_RINvMNtCs2axmXh6lINe_6frames6framesINtB3_6FramesINtNtNtCs95Sxpudi0Tk_6kernel4sync\
            4spin7RawSpinKh32_EE14under_pressurejNCNvB2_13alloc_presseds_0EBR_";
        assert_eq!(readable(pressure), "frames::frames::Frames::under_pressure");
    }

    #[test]
    fn only_arguments_are_cut() {
        for (name, wanted) in [
            ("a::b::{closure#0}::<c::D<e::F>>", "a::b::{closure#0}"),
            ("<a::B<c::D> as e::F<g::H>>::i", "<a::B as e::F>::i"),
            ("<<a::B as c::D>::E>::f", "<<a::B as c::D>::E>::f"),
            ("a::b::<fn(c::D<e>) -> f>::g", "a::b::g"),
            ("<&mut a::B<c> as d::E>::f", "<&mut a::B as d::E>::f"),
        ] {
            assert_eq!(without_arguments(name), wanted, "{name}");
        }
    }
}
