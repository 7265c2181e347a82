//! Bytes through a ring, in whatever parts, against a queue of bytes.

use files::Ring;
use proptest::prelude::*;
use std::collections::VecDeque;

const SIZE: usize = 16;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// So many bytes, of which the copy works up to this one.
    Write(usize, usize),
    Read(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let works = || prop_oneof![3 => Just(usize::MAX), 1 => 0..SIZE];
    prop_oneof![
        (0..2 * SIZE, works()).prop_map(|(count, works)| Step::Write(count, works)),
        (0..2 * SIZE, works()).prop_map(|(count, works)| Step::Read(count, works)),
    ]
}

/// A copy that fails beyond some byte.
fn piece(from: usize, length: usize, works: usize) -> Result<(), &'static str> {
    match from + length <= works {
        true => Ok(()),
        false => Err("no memory there"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn bytes_come_out_as_they_went_in(steps in prop::collection::vec(step(), 1..200)) {
        let (mut ring, mut bytes) = (Ring::<SIZE>::new(), [0_u8; SIZE]);
        let (mut model, mut next) = (VecDeque::new(), 0_u8);
        for step in steps {
            let before = model.len();
            let (count, works, room) = match step {
                Step::Write(count, works) => (count, works, SIZE - before),
                Step::Read(count, works) => (count, works, before),
            };
            let wanted = count.min(room);
            let mut pieces = 0;
            let done: Result<usize, &str> = match step {
                Step::Write(..) => ring.write(count, |range, from| {
                    pieces += 1;
                    piece(from, range.len(), works)?;
                    for (at, number) in range.zip(from..) {
                        bytes[at] = next.wrapping_add(number as u8);
                    }
                    Ok(())
                }),
                Step::Read(..) => ring.read(count, |range, from| {
                    pieces += 1;
                    piece(from, range.len(), works)?;
                    for (at, number) in range.zip(from..) {
                        assert_eq!(bytes[at], model[number], "byte {number}");
                    }
                    Ok(())
                }),
            };
            prop_assert!(pieces <= 2, "{} pieces", pieces);
            let done = match done {
                Ok(done) if works >= wanted => { prop_assert_eq!(done, wanted); done }
                Ok(done) => { prop_assert!(done > 0 && done <= works, "{} of {}", done, works); done }
                Err(_) => { prop_assert!(works < wanted, "failed without reason"); 0 }
            };
            match step {
                Step::Write(..) => {
                    model.extend((0..done).map(|number| next.wrapping_add(number as u8)));
                    next = next.wrapping_add(done as u8);
                }
                Step::Read(..) => drop(model.drain(..done)),
            }
            prop_assert_eq!(ring.len(), model.len());
            prop_assert_eq!((ring.is_empty(), ring.is_full()), (model.is_empty(), model.len() == SIZE));
        }
    }
}
