//! What of a call's registers is taken, and what is refused.

use abi::{Arguments, Errno, MapFlags, USER_TOP, UserSpan};
use proptest::prelude::*;

/// Numbers of all sizes, and those around the borders.
fn number() -> impl Strategy<Value = u64> {
    let borders = prop::sample::select(vec![0, 1 << 31, 1 << 32, USER_TOP, 1 << 38, 1 << 63]);
    prop_oneof![
        any::<u64>(),
        (any::<u64>(), 0..64_u32).prop_map(|(bits, shift)| bits >> shift),
        (borders, -4096..4096_i64).prop_map(|(border, by)| u64::wrapping_add_signed(border, by)),
    ]
}

/// True if both ends of a range lie in user memory, in numbers that do not wrap.
fn is_below_top(start: u64, length: u128) -> bool {
    u128::from(start) + length <= u128::from(USER_TOP)
}

/// The span, if it is one, has these bytes; a refusal names the address.
fn check(span: Result<UserSpan, Errno>, start: u64, length: u128) {
    match span {
        Ok(span) => {
            assert_eq!(span.len() as u128, length);
            assert!(length == 0 || span.start() == start, "{span:x?}");
            assert!(is_below_top(span.start(), length), "{span:x?}");
        }
        Err(error) => {
            assert_eq!(error, Errno::BadAddress);
            assert!(length > 0 && !is_below_top(start, length), "{length} bytes");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_span_leaves_user_memory(start in number(), length in number()) {
        check(UserSpan::new(start, length as usize), start, length.into());
    }

    #[test]
    fn no_array_leaves_user_memory(start in number(), count in number(), size in number()) {
        let length = u128::from(count) * u128::from(size);
        check(UserSpan::array(start, count as usize, size), start, length);
    }

    #[test]
    fn as_much_as_there_can_be(start in number(), most in number()) {
        match UserSpan::up_to(start, most as usize) {
            Ok(span) => {
                let room = u128::from(USER_TOP) - u128::from(start);
                prop_assert_eq!(span.len() as u128, room.min(most.into()));
                prop_assert_eq!(span.start(), start);
            }
            Err(error) => prop_assert!(error == Errno::BadAddress && start > USER_TOP),
        }
    }

    #[test]
    fn a_part_lies_in_the_whole(
        start in 0..USER_TOP,
        length in 0..100_usize,
        from in 0..120_usize,
        most in number(),
    ) {
        let Ok(whole) = UserSpan::new(start, length) else { return Ok(()) };
        let part = whole.part(from, most as usize);
        let left = length.saturating_sub(from);
        prop_assert_eq!(part.len(), left.min(most as usize));
        prop_assert_eq!(part.start(), whole.start() + from.min(length) as u64);
    }

    #[test]
    fn registers_are_taken_as_c_declares_them(value in number()) {
        let arguments = Arguments::new([0, 0, 0, 0, 0, value]);
        prop_assert_eq!(arguments.address::<5>(), value);
        prop_assert_eq!(arguments.int::<5>() as u32, value as u32);
        let length = arguments.length::<5>();
        prop_assert_eq!(length, if value < 1 << 31 { Ok(value as usize) } else { Err(Errno::Invalid) });
        let known = MapFlags::all().bits();
        let flags = arguments.flags::<5, MapFlags>().map(|flags| flags.bits());
        let bits = value as u32;
        prop_assert_eq!(flags, if bits & !known == 0 { Ok(bits) } else { Err(Errno::Invalid) });
    }
}
