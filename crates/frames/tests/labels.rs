//! Labels of blocks, and the counts by label.

mod common;

use common::{TestFrames, range, simple};
use frames::{Layout, Marks, Uses};

fn uses(frames: &TestFrames) -> Uses {
    let uses = frames.uses();
    let all = uses.labels.iter().sum::<usize>() + uses.marked + uses.free;
    assert_eq!(
        all,
        frames.total(),
        "frames of all uses, together: {uses:?}"
    );
    assert_eq!(uses.free, frames.free_count(), "free frames");
    uses
}

#[test]
fn a_label_stays_while_references_come_and_go() {
    let frames = simple(1024, 1);
    let page = frames.alloc(0, 0).expect("a frame");
    for label in [15, 0, 7] {
        frames.label(page, label);
        assert_eq!(uses(&frames).labels[usize::from(label)], 1, "label {label}");
    }
    for _ in 0..3 {
        frames.retain(page).expect("in use");
        assert_eq!(uses(&frames).labels[7], 1);
    }
    assert_eq!(frames.refs(page), 4, "the label is not part of the count");
    frames.relabel(page, 9);
    assert_eq!(frames.refs(page), 4, "a new label leaves the count");
    for left in [false, false, false, true] {
        assert_eq!(uses(&frames).labels[9], 1);
        assert_eq!(frames.release(0, page), Ok(left));
    }
    assert_eq!(uses(&frames).labels, [0; 16], "a free frame has none");
}

#[test]
fn a_block_counts_with_all_its_frames() {
    let frames = simple(2048, 1);
    let block = frames.alloc(0, 4).expect("a block");
    frames.label(block, 3);
    let large = frames.try_alloc(9).expect("a block");
    frames.label(large, 5);
    frames.retain_block(large, 9).expect("in use");
    let counted = |labels: [usize; 3]| {
        let uses = uses(&frames);
        assert_eq!([3, 5, 6].map(|label: usize| uses.labels[label]), labels);
    };
    counted([16, 512, 0]);
    frames.split(large, 9).expect("in use");
    counted([16, 512, 0]);
    frames.relabel(large.plus(100), 6);
    counted([16, 511, 1]);
    frames.release_block(0, large, 9).expect("in use");
    assert_eq!(frames.join(large, 9), Ok(true));
    counted([16, 512, 0]);
    frames.free(0, block, 4).expect("in use");
    frames.release_block(0, large, 9).expect("in use");
    counted([0; 3]);
}

#[test]
fn marked_frames_have_no_label() {
    let frames = simple(1024, 1);
    let page = frames.alloc(0, 0).expect("a frame");
    frames.label(page, 4);
    frames.mark(page, 1, u32::MAX).expect("in use");
    let now = uses(&frames);
    assert_eq!((now.marked, now.labels), (1, [0; 16]));
    frames.unmark(page, 1).expect("marked");
    let now = uses(&frames);
    assert_eq!((now.marked, now.labels[0]), (0, 1), "it is anew");
    assert_eq!(frames.refs(page), 1);
    frames.release(0, page).expect("in use");
}

#[test]
fn holes_and_reserved_memory_do_not_count() {
    let usable = [range(3, 700), range(5000, 5001), range(6000, 9000)];
    let layout = Layout {
        usable: &usable,
        reserved: &[range(10, 20), range(8000, 9000)],
    };
    let frames = common::make(layout.usable, layout.reserved, 2);
    assert_eq!(uses(&frames).free, 687 + 1 + 2000);
}
