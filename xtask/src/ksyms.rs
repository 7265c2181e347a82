//! Encodes the kernel's symbol table in the format of `ksyms`.

use anyhow::{Context, Result};
use ksyms::{DEPTH, FIRST_PAIR, LONGEST, MAGIC, PAIRS};
use std::collections::BTreeMap;

/// The symbol table of these functions.
///
/// # Errors
///
/// There are none, or two neighbours are too far apart.
pub(crate) fn encode(functions: &BTreeMap<u64, String>) -> Result<Vec<u8>> {
    let base = *functions
        .keys()
        .next()
        .context("the kernel has no functions")?;
    let names: Vec<Vec<u8>> = functions.values().map(|name| ascii(name)).collect();
    let alike = alike(&names);
    let mut further: Vec<Vec<u8>> = names
        .into_iter()
        .zip(&alike)
        .map(|(mut name, &alike)| name.split_off(alike))
        .collect();
    let pairs = compress(&mut further);

    let mut table = Vec::new();
    table.extend(MAGIC.to_le_bytes());
    table.extend(u32::try_from(functions.len())?.to_le_bytes());
    table.extend(base.to_le_bytes());
    table.extend(pairs.as_flattened());
    let mut from = base;
    for ((&address, alike), further) in functions.keys().zip(alike).zip(further) {
        let distance = u16::try_from((address - from) / 2).context("a function of over 128 KiB")?;
        table.extend(distance.to_le_bytes());
        table.extend([alike as u8, further.len() as u8]);
        table.extend(further);
        // Rounding errors of odd addresses do not accumulate.
        from += 2 * u64::from(distance);
    }
    Ok(table)
}

/// The name's last bytes: they are more telling than the first.
fn ascii(name: &str) -> Vec<u8> {
    let name = name.bytes().map(|byte| match byte {
        FIRST_PAIR.. => b'?',
        _ => byte,
    });
    name.clone()
        .skip(name.len().saturating_sub(LONGEST))
        .collect()
}

/// The length of the prefix that each name shares with the one before.
fn alike(names: &[Vec<u8>]) -> Vec<usize> {
    let before = [Vec::new()];
    let before = before.iter().chain(names);
    names
        .iter()
        .zip(before)
        .map(|(name, before)| {
            let both = name.iter().zip(before);
            both.take_while(|(one, other)| one == other).count()
        })
        .collect()
}

/// Byte pair encoding: repeatedly replaces the most frequent pair by a free byte.
fn compress(texts: &mut [Vec<u8>]) -> [[u8; 2]; PAIRS] {
    let mut pairs = [[0; 2]; PAIRS];
    let mut depths = [0; 256];
    for (token, place) in (FIRST_PAIR..=u8::MAX).zip(&mut pairs) {
        let mut counts = BTreeMap::new();
        for pair in texts.iter().flat_map(|text| text.windows(2)) {
            *counts.entry([pair[0], pair[1]]).or_insert(0) += 1;
        }
        let depth = |pair: [u8; 2]| {
            1 + pair
                .map(|byte| depths[usize::from(byte)])
                .into_iter()
                .max()
                .unwrap_or(0)
        };
        let usable = counts.into_iter().filter(|(pair, _)| depth(*pair) <= DEPTH);
        let Some((pair, 2..)) = usable.max_by_key(|(_, count)| *count) else {
            break;
        };
        depths[usize::from(token)] = depth(pair);
        *place = pair;
        for text in &mut *texts {
            replace(text, pair, token);
        }
    }
    pairs
}

fn replace(text: &mut Vec<u8>, pair: [u8; 2], token: u8) {
    let mut at = 0;
    while let Some(found) = text.get(at..at + 2) {
        if found == pair {
            text.splice(at..at + 2, [token]);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ksyms::Table;

    fn functions(names: &[(u64, &str)]) -> BTreeMap<u64, String> {
        let named = |&(address, name): &(u64, &str)| (address, name.to_owned());
        names.iter().map(named).collect()
    }

    fn find(table: &[u8], address: usize) -> Option<(String, usize)> {
        let table = Table(|at: usize| table.get(at).copied().unwrap_or(0));
        let mut name = [0; LONGEST];
        let (name, offset) = table.find(address, &mut name)?;
        Some((name.to_owned(), offset))
    }

    #[test]
    fn every_name_is_found() {
        let base = 0xffff_ffc0_8020_0000;
        let long = format!("kernel::{}", "deep::".repeat(60));
        let names: Vec<String> = (0..700)
            .map(|i| match i % 100 {
                0 => format!("_start{i}"),
                1 => long.clone(),
                _ => format!("kernel::room{}::{}::f{i}", i / 50, "ab".repeat(i % 40)),
            })
            .collect();
        let all: BTreeMap<u64, String> = (0..).map(|i| base + 64 * i).zip(names).collect();
        let table = encode(&all).unwrap();
        for (&address, name) in &all {
            let wanted = name[name.len().saturating_sub(LONGEST)..].to_owned();
            assert_eq!(find(&table, address as usize), Some((wanted.clone(), 0)));
            assert_eq!(find(&table, address as usize + 63), Some((wanted, 63)));
        }
        assert_eq!(find(&table, base as usize - 1), None);
        let plain: usize = all.values().map(String::len).sum();
        assert!(table.len() < plain / 2, "{} of {plain} bytes", table.len());
    }

    #[test]
    fn other_letters_are_replaced() {
        let table = encode(&functions(&[(0x1000, "größe")])).unwrap();
        assert_eq!(find(&table, 0x1001), Some(("gr????e".to_owned(), 1)));
    }

    #[test]
    fn an_invalid_table_has_no_names() {
        assert_eq!(find(&[0; 600], 0x1000), None);
    }

    #[test]
    fn functions_too_far_apart_are_an_error() {
        let result = encode(&functions(&[(0x1000, "a"), (0x1000 + (1 << 17), "b")]));
        assert!(result.is_err(), "{result:?}");
    }
}
