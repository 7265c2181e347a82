//! The cursor against a plain model, and the entry format against another reading of it.

mod format;
mod model;
mod ram;
mod verbs;
