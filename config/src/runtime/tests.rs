//! Tests of `runtime`.

use super::*;

fn runtime(values: &[(&str, &str)]) -> Runtime {
    Runtime::new(values.iter().map(|(key, value)| (Arc::from(*key), Arc::from(*value))))
}

#[test]
fn a_value_is_what_it_is_asked_for_if_it_can_be() {
    let all = runtime(&[
        ("n", "3"),
        ("n", "4"),
        ("f", "4.0"),
        ("much", "250"),
        ("half", "0.5"),
        ("less", "-1"),
        ("yes", "TRUE"),
        ("no", "false"),
        ("share.numerator", "5"),
        ("share.denominator", "MILLION"),
    ]);
    assert_eq!(
        ["n", "f", "half", "less", "yes", "none"].map(|key| all.integer(key)),
        [Some(4), Some(4), None, None, None, None]
    );
    assert_eq!(["yes", "no", "n", "none"].map(|key| all.flag(key)), [Some(true), Some(false), None, None]);
    let share = |numerator, denominator| Some(Fraction { numerator, denominator });
    assert_eq!(
        ["n", "much", "share", "half", "none"].map(|key| all.fraction(key)),
        [share(4, 100), share(100, 100), share(5, 1_000_000), None, None]
    );
}
