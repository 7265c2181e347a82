//! Many mappings: 1,000 calls, and 10,000 regions that cannot be merged.

use crate::area::{Area, PRIVATE, RW, SHARED};
use crate::place::FAR;
use abi::{PAGE_SIZE, Prot};
use harness::random::Random;
use harness::{Outcome, Test, cost, dies, ends_with, peek, poke};
use harness::{expect, expect_eq, tests};
use ulib::string::String;
use ulib::vec::Vec;

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "neighbours-cost-nothing" = neighbours,
    "thousand-mappings" = thousand,
    "thousand-mappings-in-any-order" = thousand_any_order;
    slow:
    "ten-thousand-regions" = ten_thousand,
    "ten-thousand-regions-forked" = ten_thousand_forked,
    "ten-thousand-regions-unmapped-by-one" = ten_thousand_by_one;
};

/// Adjacent equal mappings merge: a thousand take no region records.
fn neighbours() -> Outcome {
    let taken = cost(
        || {
            let first = Area::map_at(FAR, 1, RW, PRIVATE)?;
            for page in 1..1000 {
                Area::map_at(first.at(page), 1, RW, PRIVATE)?;
            }
            Ok(Area {
                base: FAR,
                pages: 1000,
            })
        },
        Area::unmap,
    )?;
    expect!(taken <= 1, "at most one page for records, saw {taken}");
    Ok(())
}

/// The `i`th mapping, which differs from the one before.
fn one_of_many(i: usize) -> Result<Area, String> {
    let flags = if i.is_multiple_of(3) { SHARED } else { PRIVATE };
    let area = Area::map(1 + i % 4, RW, flags)?;
    if i % 3 == 1 {
        area.protect(RW | Prot::EXEC)?;
    }
    Ok(area)
}

fn thousand() -> Outcome {
    let areas: Vec<Area> = (0..1000).map(one_of_many).collect::<Result<_, String>>()?;
    for (i, area) in areas.iter().enumerate() {
        area.holds(0, "a new byte")?;
        area.fill(i as u8);
    }
    for (i, area) in areas.iter().enumerate() {
        area.holds(i as u8, "a byte of one of many mappings")?;
    }
    areas.into_iter().try_for_each(Area::unmap)
}

fn thousand_any_order() -> Outcome {
    let mut areas: Vec<(usize, Area)> = (0..1000)
        .map(|i| Ok((i, one_of_many(i)?)))
        .collect::<Result<_, String>>()?;
    areas.iter().for_each(|(i, area)| area.put(0, *i as u8));
    let mut random = Random::new(1000);
    random.shuffle(&mut areas);
    while let Some((i, area)) = areas.pop() {
        expect_eq!(area.get(0), i as u8, "the byte of mapping {i}");
        area.unmap()?;
        if areas.len() % 100 == 50 {
            dies("reading unmapped memory", || peek(area.base))?;
            for &(i, area) in &areas {
                expect_eq!(area.get(0), i as u8, "the byte of mapping {i}");
            }
        }
    }
    Ok(())
}

const REGIONS: usize = 10_000;

/// One mapping split into 10,000 regions by protection: even pages writable, odd ones read-only.
fn regions() -> Result<Area, String> {
    let area = Area::map_at(FAR, REGIONS, RW, PRIVATE)?;
    for page in (1..REGIONS).step_by(2) {
        area.part(page, 1).protect(Prot::READ)?;
    }
    Ok(area)
}

fn ten_thousand() -> Outcome {
    let area = regions()?;
    let places = (0..REGIONS).step_by(32);
    for page in places.clone() {
        area.put(page, page as u8);
        expect_eq!(area.get(page + 1), 0, "the byte of page {}", page + 1);
    }
    for page in places {
        expect_eq!(area.get(page), page as u8, "the byte of page {page}");
    }
    let mut random = Random::new(10_000);
    for _ in 0..20 {
        let page = random.below(REGIONS / 2) * 2 + 1;
        // SAFETY: invalid, so it must kill the process.
        dies("writing to one of many read-only regions", || unsafe {
            poke(area.at(page), 1)
        })?;
    }
    // New mappings still get the lowest place.
    let other = Area::private(3)?;
    for _ in 0..1000 {
        let area = Area::private(2)?;
        expect_eq!(area.base, other.end(), "the lowest place");
        area.unmap()?;
    }
    area.unmap()?;
    dies("reading unmapped memory", || peek(area.at(REGIONS / 2)))?;
    other.unmap()
}

fn ten_thousand_forked() -> Outcome {
    let area = regions()?;
    area.put(0, 1);
    area.put(REGIONS - 2, 2);
    ends_with(0, "10,000 regions in a child", || {
        let seen = [area.get(0), area.get(REGIONS - 2), area.get(5001)];
        area.put(0, 3);
        let unmapped = area.part(1, REGIONS - 1).unmap();
        i32::from(seen != [1, 2, 0] || unmapped.is_err() || area.get(0) != 3)
    })?;
    expect_eq!(area.get(0), 1, "the parent's first byte");
    expect_eq!(area.get(REGIONS - 2), 2, "the parent's last byte");
    area.part(5001, 1)
        .permits(Prot::READ, "the parent's regions")?;
    area.unmap()
}

/// Unmaps 10,000 mappings with holes between them one by one, in random order.
fn ten_thousand_by_one() -> Outcome {
    let mut places: Vec<u32> = (0..REGIONS as u32).collect();
    let mut random = Random::new(77);
    random.shuffle(&mut places);
    let at = |place: u32| FAR + 2 * place as usize * PAGE_SIZE;
    for &place in &places {
        let area = Area::map_at(at(place), 1, RW, PRIVATE)?;
        expect_eq!(area.base, at(place), "the mapping's address");
    }
    random.shuffle(&mut places);
    for (i, &place) in places.iter().enumerate() {
        let area = Area {
            base: at(place),
            pages: 1,
        };
        if i % 64 == 0 {
            area.fill(7);
            area.holds(7, "a byte")?;
        }
        area.unmap()?;
    }
    let all = Area {
        base: FAR,
        pages: 2 * REGIONS,
    };
    crate::area::refused(
        crate::area::munmap(all.base, all.length()),
        "munmap when all are gone",
    )
}
