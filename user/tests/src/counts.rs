//! Leak checks: memory, disk, kernel objects.

use super::{Expect, Outcome};
use abi::{MemInfo, MemInfoFlags};
use core::fmt::Write;
use ulib::string::String;
use ulib::{mem, thread};

/// Counts that a test must leave as they were.
#[derive(Clone, Copy, Debug)]
pub struct Counts(MemInfo);

/// Ticks to wait for orphans to exit.
const PATIENCE: usize = 30;

impl Counts {
    /// Counts after shrinking all caches.
    ///
    /// # Errors
    /// The call fails.
    pub fn take() -> Result<Counts, String> {
        mem::info(MemInfoFlags::DROP_CACHES | MemInfoFlags::DISK)
            .map(Counts)
            .or_fail("count")
    }

    /// Each count: name, value, and whether higher is better.
    fn all(&self) -> [(&'static str, u64, bool); 8] {
        let info = &self.0;
        [
            ("free pages", info.free + info.cached, true),
            ("free disk blocks", info.disk_free, true),
            ("free inodes", info.disk_inodes, true),
            ("processes", info.processes, false),
            ("open files", info.files, false),
            ("pipes", info.pipes, false),
            ("inodes in memory", info.inodes, false),
            ("kernel objects", info.objects, false),
        ]
    }

    /// Checks for leaks since these counts were taken. Orphans may take a moment to exit, so it
    /// retries.
    ///
    /// # Errors
    /// The leaks.
    pub fn nothing_lost_since(&self) -> Outcome {
        self.nothing_lost_within(PATIENCE)
    }

    /// Reports an impossible leak, so that this process has touched all that it needs to wait and
    /// report.
    pub(super) fn warm_up() {
        let more = |count: u64| count.saturating_add(u64::MAX / 2);
        let impossible = Counts::take().map(|Counts(now)| MemInfo {
            free: more(now.free),
            disk_free: more(now.disk_free),
            disk_inodes: more(now.disk_inodes),
            ..MemInfo::default()
        });
        // It fails on purpose.
        let _ = impossible.and_then(|counts| Counts(counts).nothing_lost_within(1));
    }

    fn nothing_lost_within(&self, ticks: usize) -> Outcome {
        for _ in 0..ticks {
            if Counts::take()?.losses(self).is_empty() {
                return Ok(());
            }
            thread::sleep_ticks(1);
        }
        let losses = Counts::take()?.losses(self);
        if losses.is_empty() {
            Ok(())
        } else {
            Err(losses)
        }
    }

    /// A description of the leaks; empty if none.
    fn losses(&self, before: &Counts) -> String {
        let mut losses = String::new();
        for ((name, before, good), (_, now, _)) in before.all().into_iter().zip(self.all()) {
            if (good && now < before) || (!good && now > before) {
                let separator = if losses.is_empty() { "lost " } else { ", " };
                let _ = write!(losses, "{separator}{name}: expected {before}, saw {now}");
            }
        }
        if !losses.is_empty() {
            // The pages by use.
            let of = |info: &MemInfo| {
                let kernel = [info.slab, info.records, info.whole, info.cached];
                (
                    kernel,
                    [info.kernel_tables, info.page_tables, info.stacks],
                    [info.file_pages, info.anonymous],
                )
            };
            let (then, now) = (of(&before.0), of(&self.0));
            let _ = write!(
                losses,
                " (slab, records, whole, cached; tables of the kernel and of processes, stacks; \
                 files, programs: {then:?}, {now:?})"
            );
        }
        losses
    }
}
