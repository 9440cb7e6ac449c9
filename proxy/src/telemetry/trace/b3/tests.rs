//! Tests of B3.

use super::*;

const TRACE: &str = "463ac35c9f6413ad48485a3953bb6124";

fn read(lines: &[(&str, &'static str)]) -> Option<B3> {
    let mut headers = Headers::new();
    lines.iter().for_each(|(name, value)| headers.append(Name::new(name), *value));
    B3::read(&headers)
}

fn id(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

#[test]
fn both_forms_say_the_same() {
    let several = read(&[
        ("x-b3-traceid", TRACE),
        ("x-b3-spanid", "0000000000000001"),
        ("x-b3-parentspanid", "0000000000000002"),
        ("x-b3-sampled", "1"),
    ]);
    let one = read(&[("b3", "463ac35c9f6413ad48485a3953bb6124-0000000000000001-1-0000000000000002")]);
    let expected = B3 {
        span: Some((0x463ac35c9f6413ad48485a3953bb6124u128.to_be_bytes(), id(1), Some(id(2)))),
        sampled: Some(true),
        single: false,
    };
    assert_eq!((several, one), (Some(expected), Some(B3 { single: true, ..expected })));
    let short = read(&[("x-b3-traceid", "a"), ("x-b3-spanid", "b")]).unwrap();
    assert_eq!((short.span, short.sampled), (Some((10u128.to_be_bytes(), id(11), None)), None));
    // A decision alone, and ids of which one is missing.
    for (lines, sampled) in [
        (&[("b3", "0")][..], Some(false)),
        (&[("b3", "d")][..], Some(true)),
        (&[("x-b3-sampled", "true")][..], Some(true)),
        (&[("x-b3-sampled", "0")][..], Some(false)),
        (&[("x-b3-traceid", "a")][..], None),
        (&[][..], None),
    ] {
        assert_eq!(read(lines).map(|read| (read.span, read.sampled)), Some((None, sampled)), "{lines:?}");
    }
}

#[test]
fn what_is_none_is_not_read() {
    for lines in [
        &[("x-b3-traceid", "zz"), ("x-b3-spanid", "1")][..],
        &[("x-b3-traceid", "1"), ("x-b3-spanid", "00000000000000001")][..],
        &[("x-b3-traceid", "1"), ("x-b3-spanid", "1"), ("x-b3-parentspanid", "x")][..],
        &[("b3", "")][..],
        &[("b3", "x")][..],
        &[("b3", "463ac35c9f6413ad")][..],
        &[("b3", "463ac35c9f6413ad-1")][..],
        &[("b3", "463ac35c9f6413ad-0000000000000001-2")][..],
        &[("b3", "463ac35c9f6413ad-0000000000000001-1-0000000000000002-3")][..],
    ] {
        assert_eq!(read(lines), None, "{lines:?}");
    }
}

#[test]
fn what_is_told_is_read_again() {
    for (trace, single) in [(7u128, false), (7, true), (7 << 64 | 5, false), (7 << 64 | 5, true)] {
        for (parent, sampled) in [(None, true), (Some(id(3)), false)] {
            let shown = Context { trace: trace.to_be_bytes(), span: id(1), sampled };
            let mut headers = Headers::new();
            tell(&mut headers, &shown, parent, single);
            let expected = B3 { span: Some((shown.trace, shown.span, parent)), sampled: Some(sampled), single };
            assert_eq!(B3::read(&headers), Some(expected));
            let told = if single { headers.get(&Name::B3) } else { headers.get(&Name::X_B3_TRACEID) };
            assert!(told.unwrap().starts_with(b"0000000000000007"), "{headers:?}");
        }
    }
}
