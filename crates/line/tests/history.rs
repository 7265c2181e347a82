//! The history against a bounded list.

use line::History;
use proptest::prelude::*;

fn add(history: &mut History, line: &[u8]) {
    history.add(line.iter().copied());
}

fn all(history: &History) -> Vec<Vec<u8>> {
    (1..)
        .map_while(|n| history.nth(n))
        .map(<[u8]>::to_vec)
        .collect()
}

#[test]
fn the_newest_is_the_first() {
    let mut history = History::new();
    assert_eq!(history.nth(1), None);
    for line in ["ls", "cat README", "cat README", "", "ls"] {
        add(&mut history, line.as_bytes());
    }
    assert_eq!(all(&history), [&b"ls"[..], b"cat README", b"ls"]);
    assert_eq!(history.nth(0), None);
}

#[test]
fn a_line_that_is_too_long_is_dropped() {
    let mut history = History::new();
    add(&mut history, b"short");
    add(&mut history, &[b'x'; 1024]);
    assert_eq!(all(&history), [b"short"]);
    add(&mut history, &[b'x'; 1023]);
    assert_eq!(all(&history), [[b'x'; 1023]]);
}

proptest! {
    #[test]
    fn the_newest_lines_are_kept(lines in prop::collection::vec("[a-c]{0,4}|[a-z ]{90,200}", 0..60)) {
        let mut history = History::new();
        let mut model: Vec<Vec<u8>> = Vec::new();
        for line in &lines {
            add(&mut history, line.as_bytes());
            if !line.is_empty() && model.first().is_none_or(|newest| newest != line.as_bytes()) {
                model.insert(0, line.clone().into_bytes());
            }
            while model.len() > 16 || model.iter().map(|line| line.len() + 1).sum::<usize>() > 1024 {
                model.pop();
            }
            prop_assert_eq!(all(&history), model.clone());
        }
    }
}
