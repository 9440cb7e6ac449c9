//! Tests of `double`: what Envoy 1.40 made of these texts.

use super::parse;

#[test]
fn numbers_are_what_envoy_takes_for_them() {
    for (text, value) in [
        ("3", 3.0),
        (" 3\t", 3.0),
        ("+3", 3.0),
        ("-3", -3.0),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e400", f64::INFINITY),
        ("1e-400", 0.0),
        ("inf", f64::INFINITY),
        ("INF", f64::INFINITY),
        ("-Infinity", f64::NEG_INFINITY),
        ("0x3", 3.0),
        ("0X3", 3.0),
        ("-0x3", -3.0),
        ("0x1.8p1", 3.0),
        ("0x.8p2", 2.0),
        ("0x3p0", 3.0),
        ("0x3p+1", 6.0),
        ("0x30p-4", 3.0),
        ("0x1p1000000", f64::INFINITY),
        ("0x1p-1000000", 0.0),
        ("0x1p-1074", f64::from_bits(1)),
        ("0x10000000000000000000000000", 2f64.powi(100)),
        ("0x1fffffffffffffffffffffff", 2f64.powi(93)),
    ] {
        assert_eq!(parse(text.as_bytes()), Some(value), "{text}");
    }
    for text in ["nan", "NaN", "-nan", "nan(12)", "nan()"] {
        assert!(parse(text.as_bytes()).is_some_and(f64::is_nan), "{text}");
    }
    for text in [
        "", " ", "+", "x", "3f", "1d", "1_000", "1e", "0x", "0x.", "0xp1", "0x1p", "0x-3", "0b1", "++3", "+-3", "-+3",
        "nan(-)", "nan(1", "\u{661}", "1 2",
    ] {
        assert_eq!(parse(text.as_bytes()), None, "{text}");
    }
    assert_eq!(parse(b"\xff3"), None);
}
