//! Traces for object allocators.

use crate::frame::CPU;
use crate::measure::{Object, alloc_object, free_object, measured_section};
use crate::memory::{Numbers, PAGE};
use crate::object::ObjectAlloc;
use crate::report::Report;
use std::collections::BTreeSet;

/// Live objects.
const LIVE: usize = 10_000;

/// Runs a trace by its name.
pub fn run<A: ObjectAlloc>(trace: &str, allocator: &A, report: &mut Report) -> bool {
    match trace {
        "pair" => pairs(allocator),
        "batch" => batch(allocator),
        "churn" => churn(allocator, report),
        "powers" => powers(allocator, report),
        "held" => held(allocator, report),
        "page" => page(allocator, report),
        _ => return false,
    }
    true
}

/// Allocates and frees one object of 64 bytes repeatedly.
fn pairs<A: ObjectAlloc>(allocator: &A) {
    let pair = || free_object(allocator, CPU, alloc_object(allocator, CPU, 64));
    (0..100).for_each(|_| pair());
    measured_section(|| (0..1_000).for_each(|_| pair()));
}

/// Allocates 256 objects of 64 bytes, then frees all, oldest first.
fn batch<A: ObjectAlloc>(allocator: &A) {
    let mut objects = Vec::with_capacity(256);
    let mut round = || {
        objects.extend((0..256).map(|_| alloc_object(allocator, CPU, 64)));
        for object in objects.drain(..) {
            free_object(allocator, CPU, object);
        }
    };
    round();
    measured_section(|| (0..20).for_each(|_| round()));
}

/// Live objects, and the pages ever used by objects.
struct Population<'a, A> {
    allocator: &'a A,
    numbers: Numbers,
    size: fn(&mut Numbers) -> usize,
    objects: Vec<Object>,
    touched: BTreeSet<usize>,
}

impl<'a, A: ObjectAlloc> Population<'a, A> {
    fn new(allocator: &'a A, size: fn(&mut Numbers) -> usize) -> Population<'a, A> {
        let mut population = Population {
            allocator,
            numbers: Numbers::new(4),
            size,
            objects: Vec::with_capacity(LIVE),
            touched: BTreeSet::new(),
        };
        for _ in 0..LIVE {
            let size = (population.size)(&mut population.numbers);
            let object = alloc_object(allocator, CPU, size);
            population.objects.push(object);
        }
        population
    }

    /// Replaces random objects.
    fn churn(&mut self, steps: usize) {
        for _ in 0..steps {
            let which = self.numbers.below(self.objects.len());
            free_object(self.allocator, CPU, self.objects.swap_remove(which));
            let size = (self.size)(&mut self.numbers);
            self.objects.push(alloc_object(self.allocator, CPU, size));
        }
    }

    /// Records the pages of all live objects.
    fn touch(&mut self) {
        for object in &self.objects {
            let first = object.start.addr() / PAGE;
            let last = (object.start.addr() + object.size - 1) / PAGE;
            self.touched.extend(first..=last);
        }
    }

    /// Requested bytes divided by bytes held, or by bytes of pages ever used if the former is
    /// unknown.
    fn utilisation(&self) -> f64 {
        let asked: usize = self.objects.iter().map(|object| object.size).sum();
        let pages = self.allocator.pages().unwrap_or(self.touched.len());
        100.0 * asked as f64 / (pages * PAGE) as f64
    }
}

fn uniform(numbers: &mut Numbers) -> usize {
    16 + numbers.below(2048 - 16 + 1)
}

fn power_of_two(numbers: &mut Numbers) -> usize {
    16 << numbers.below(8)
}

/// Replaces random ones of 10,000 objects of 16 to 2048 bytes.
fn churn<A: ObjectAlloc>(allocator: &A, report: &mut Report) {
    let mut population = Population::new(allocator, uniform);
    population.touch();
    measured_section(|| population.churn(10_000));
    population.touch();
    report.put("uniform", population.utilisation());
}

/// The same with powers of two.
fn powers<A: ObjectAlloc>(allocator: &A, report: &mut Report) {
    let mut population = Population::new(allocator, power_of_two);
    population.touch();
    population.churn(10_000);
    population.touch();
    report.put("powers", population.utilisation());
}

/// Memory held after 90 % of objects are freed, and after all are freed and caches are drained.
fn held<A: ObjectAlloc>(allocator: &A, report: &mut Report) {
    let before = allocator.pages();
    let mut population = Population::new(allocator, uniform);
    let Some((before, peak)) = before.zip(allocator.pages()) else {
        return;
    };
    population.numbers.shuffle(&mut population.objects);
    for object in population.objects.drain(LIVE / 10..) {
        free_object(allocator, CPU, object);
    }
    allocator.drain();
    let some = allocator.pages().unwrap_or(0) - before;
    report.put("held", 100.0 * some as f64 / (peak - before) as f64);
    for object in population.objects.drain(..) {
        free_object(allocator, CPU, object);
    }
    allocator.drain();
    let none = allocator.pages().unwrap_or(0) - before;
    report.put("drained", none as f64);
}

/// Pages per object of 4096 bytes, averaged over eight.
fn page<A: ObjectAlloc>(allocator: &A, report: &mut Report) {
    let before = allocator.pages();
    let objects: Vec<Object> = (0..8).map(|_| alloc_object(allocator, CPU, PAGE)).collect();
    let pages = match before.zip(allocator.pages()) {
        Some((before, after)) => after - before,
        None => {
            let mut touched = BTreeSet::new();
            for object in &objects {
                let start = object.start.addr();
                touched.extend(start / PAGE..=(start + object.size - 1) / PAGE);
            }
            touched.len()
        }
    };
    report.put("page", pages as f64 / 8.0);
}
