//! Tests of `print`: what Envoy 1.40 writes.

use super::*;

fn printed(value: &Value<'_>) -> String {
    let mut out = Vec::new();
    text(value, &mut out);
    String::from_utf8(out).expect("it is text")
}

#[test]
fn numbers_have_six_digits_that_matter() {
    for (value, expected) in [
        (1.0, "1"),
        (0.0, "0"),
        (0.1, "0.1"),
        (-2.5, "-2.5"),
        (1_000_000.0, "1e+06"),
        (999_999.0, "999999"),
        (999_999.5, "1e+06"),
        (123_456_789.5, "1.23457e+08"),
        (1e20, "1e+20"),
        (1.5e-7, "1.5e-07"),
        (0.0001, "0.0001"),
        (0.000_01, "1e-05"),
        (1e100, "1e+100"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
        (f64::NAN, "nan"),
    ] {
        assert_eq!(printed(&Value::Double(value)), expected);
    }
}

#[test]
fn durations_have_their_units() {
    const SECOND: i128 = 1_000_000_000;
    for (nanos, text, seconds) in [
        (0, "0", "0s"),
        (5400 * SECOND, "1h30m", "5400s"),
        (90_000 * SECOND, "25h", "90000s"),
        (3 * SECOND / 2, "1.5s", "1.500s"),
        (-90 * SECOND, "-1m30s", "-90s"),
        (SECOND / 1000, "1ms", "0.001s"),
        (100_000, "100us", "0.000100s"),
        (273_397, "273.397us", "0.000273397s"),
        (7, "7ns", "0.000000007s"),
        (SECOND + 1, "1.000000001s", "1.000000001s"),
        (60 * SECOND + 1, "1m0.000000001s", "60.000000001s"),
    ] {
        assert_eq!(printed(&Value::Duration(nanos)), text);
        assert_eq!(time::in_seconds(nanos), seconds);
    }
}

#[test]
fn what_is_not_looked_into_is_named() {
    assert_eq!(printed(&Value::Null), "NULL");
    assert_eq!(printed(&Value::List([].into())), "CelList value");
    assert_eq!(printed(&Value::FilterState), "CelMap value");
    assert_eq!(printed(&Value::Type("int")), "CelType value");
    assert_eq!(printed(&Value::Time(1_693_078_740_123_000_000)), "2023-08-26T19:39:00.123+00:00");
}
