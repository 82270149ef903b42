//! Pickles of Python, damaged pickles, and pickles that try to take much memory.

use proptest::prelude::*;

use super::*;

#[test]
fn pickles_written_by_python_are_read() {
    // pickle.dumps({'a': (1, -2, 300, 70000, None, True, 1.5), 'b': [2**40, 'x']}, 2)
    let bytes = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01(K\x01J\xfe\xff\xff\xffM,\x01Jp\x11\x01\x00N\x88G?\xf8\x00\
                  \x00\x00\x00\x00\x00tq\x02X\x01\x00\x00\x00bq\x03]q\x04(\x8a\x06\x00\x00\x00\x00\x00\x01X\x01\
                  \x00\x00\x00xq\x05eu.";
    let pickle = Pickle::parse(bytes).unwrap();
    let Object::Dict(entries) = pickle.get(pickle.root()) else { panic!("expected a dictionary") };
    let [(a, tuple), (b, list)] = entries[..] else { panic!("expected two entries") };
    assert_eq!((pickle.get(a), pickle.get(b)), (&Object::Text("a"), &Object::Text("b")));
    let items = |id| match pickle.get(id) {
        Object::Tuple(items) | Object::List(items) => {
            items.iter().map(|&id| pickle.get(id).clone()).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    let numbers = [1, -2, 300, 70_000].map(Object::Int);
    assert_eq!(items(tuple), [&numbers[..], &[Object::Other, Object::Other, Object::Other]].concat());
    assert_eq!(items(list), [Object::Int(1 << 40), Object::Text("x")]);
}

/// An object is entered into the memo before it is filled, so references must not be copies.
#[test]
fn references_see_later_changes() {
    let pickle = Pickle::parse(b"\x80\x02]q\x00h\x00K\x05a\x86.").unwrap();
    let Object::Tuple(pair) = pickle.get(pickle.root()) else { panic!("expected a pair") };
    assert_eq!(pair[0], pair[1]);
    assert!(matches!(pickle.get(pair[0]), Object::List(items) if items.len() == 1));
}

#[test]
fn errors_about_damaged_pickles_name_the_position() {
    for (bytes, expected) in [
        (b"".as_slice(), "the end of the pickle after 0 bytes"),
        (b"\x80\x02K\x01", "the end of the pickle after 4 bytes"),
        (b"\x80\x02K", "instruction 0x4b at byte 2"),
        (b"\x80\x02X\xff\xff\xff\xffabc.", "instruction 0x58 at byte 2"),
        (b"(.", "instruction 0x2e at byte 1"),
        (b"h\x00.", "instruction 0x68 at byte 0"),
        (b"N\x72\xff\xff\xff\x7f.", "instruction 0x72 at byte 1"),
        (b"cos\nsystem", "instruction 0x63 at byte 0"),
        (b"iother\nname\n.", "instruction 0x69 at byte 0"),
    ] {
        let found = Pickle::parse(bytes).err().unwrap_or_default();
        assert!(found.starts_with(expected), "{found}");
    }
}

/// Pickles that would take exponential memory or a deep call stack if references were copies.
#[test]
fn memory_is_bounded_by_the_length_of_the_pickle() {
    let mut doubling = b")q\x00".to_vec();
    doubling.extend(b"h\x00h\x00\x86q\x00".repeat(10_000));
    doubling.push(b'.');
    let found = Pickle::parse(&doubling).unwrap();
    assert!(found.objects.len() <= doubling.len());
    let mut deep = vec![b']'; 1_000_000];
    deep.extend(vec![b'a'; 999_999]);
    deep.push(b'.');
    assert_eq!(Pickle::parse(&deep).unwrap().objects.len(), 1_000_000);
    assert!(size_of::<Object<'_>>() <= 40);
}

proptest! {
    #[test]
    fn arbitrary_instructions_never_panic(
        codes in prop::collection::vec(
            prop::sample::select(b"\x80.(01N\x88GKMJ\x8aX\x8cc\x93qr\x94hj)]}tld\x85\x86\x87aesuR\x81bQ\n\x00\x01".to_vec()),
            0..200,
        ),
    ) {
        if let Ok(pickle) = Pickle::parse(&codes) {
            prop_assert!(pickle.objects.len() <= codes.len());
        }
    }
}
