//! Address spaces on a machine that is a vector of pages, with a test that plays the MMU.

mod advising;
mod alloc;
mod failing;
mod failing_changes;
mod faults;
mod files;
mod forking;
mod heap;
mod large;
mod ledger;
mod mapping;
mod mmu;
mod model;
mod model_test;
mod ops;
mod page;
mod pair;
mod protecting;
mod ram;
mod random;
mod remapping;
mod shared;
mod tables;
mod unmapping;
mod walking;
mod world;
