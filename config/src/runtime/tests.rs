//! Tests of `runtime`: what texts are, and that values follow.

use std::time::Duration;

use prost::Message as _;

use super::*;
use crate::matcher::Fraction;
use crate::proto::{envoy::service::runtime::v3 as pb, json_to_struct};

fn entries(values: &[(&str, &str)]) -> Entries {
    values.iter().map(|(key, value)| (Arc::from(*key), Arc::from(*value))).collect()
}

#[test]
fn a_value_is_what_it_is_asked_for_if_it_can_be() {
    let all = Runtime::new(entries(&[
        ("n", "4"),
        ("f", "4.0"),
        ("much", "250"),
        ("half", "0.5"),
        ("less", "-1"),
        ("yes", "TRUE"),
        ("no", "false"),
        ("share", "{numerator: 5, denominator: MILLION}"),
        ("json", r#"{"numerator":3}"#),
        ("empty", "{}"),
        ("wrong", "{numerator: 5, denominator: SOME}"),
        ("other", "{numerator: 5, unit: apples}"),
    ]));
    assert_eq!(
        ["n", "f", "half", "less", "yes", "none"].map(|key| all.get::<u64>(key)),
        [Some(4), Some(4), Some(0), None, None, None]
    );
    assert_eq!(["yes", "no", "n", "none"].map(|key| all.get(key)), [Some(true), Some(false), None, None]);
    assert_eq!(
        (all.get("half"), all.get("much"), all.get::<u16>("n")),
        (Some(0.5), Some(Duration::from_millis(250)), Some(4))
    );
    let share = |numerator, denominator| Some(Fraction { numerator, denominator });
    assert_eq!(
        ["n", "much", "share", "json", "empty", "half", "wrong", "other", "none"].map(|key| all.get(key)),
        [
            share(4, 100),
            share(100, 100),
            share(5, 1_000_000),
            share(3, 100),
            share(0, 100),
            share(0, 100),
            None,
            None,
            None
        ]
    );
}

#[test]
fn whole_numbers_are_read_as_envoy_reads_them() {
    for (text, number) in [
        ("5.5", Some(5)),
        ("500.9", Some(500)),
        ("0x1f4", Some(500)),
        ("1e3", Some(1000)),
        (" 500 ", Some(500)),
        ("18446744073709551614", Some(u64::MAX - 1)),
        ("1e30", None),
        ("-5", None),
        ("abc", None),
        ("0x", None),
    ] {
        assert_eq!(Key::<u64>::fixed(text).get(), number, "{text}");
    }
}

#[test]
fn what_configuration_holds_follows() {
    let runtime = Runtime::new(entries(&[("a", "7")]));
    let (live, key) = (runtime.live("a", 1_u32), runtime.key::<u64>("b"));
    let fixed = runtime.live("", true);
    assert_eq!((live.get(), key.get(), fixed.get()), (7, None, true));
    assert_eq!((live.settled(), fixed.settled()), (None, Some(true)));
    let copy = live.clone();
    runtime.set(entries(&[("b", "9"), ("", "false")]));
    assert_eq!((live.get(), copy.get(), key.get(), fixed.get()), (1, 1, Some(9), true), "gone is the field's own");
    runtime.set(entries(&[("a", "no number"), ("b", "10")]));
    assert_eq!((live.get(), key.get()), (1, Some(10)));
}

#[test]
fn keys_that_nobody_holds_any_more_are_forgotten() {
    let runtime = Runtime::default();
    let kept = runtime.live("kept", 1_u32);
    for number in 0..10_000 {
        drop(runtime.key::<u64>(&format!("made.up.{number}")));
    }
    assert!(runtime.state().cells.len() <= 64 + 2, "{}", runtime.state().cells.len());
    runtime.set(entries(&[("kept", "2")]));
    assert_eq!(kept.get(), 2);
}

#[test]
fn a_layer_is_flat_and_shares_are_one_value() {
    let layer = serde_json::json!({
        "a": { "b": 1, "c": { "numerator": 3, "denominator": "HUNDRED" } }, "d": "text", "e": {}, "f": true
    });
    let sent = |layer| pb::Runtime { name: "rtds".into(), layer: Some(json_to_struct(&layer)) }.encode_to_vec();
    let found = of_xds(&sent(layer)).unwrap();
    assert_eq!(&*found.name, "rtds");
    let wanted = [
        ("a.b", "1"),
        ("a.c", r#"{"denominator":"HUNDRED","numerator":3}"#),
        ("d", "text"),
        ("e", "{}"),
        ("f", "true"),
    ];
    assert_eq!(found.entries, entries(&wanted));
    let wrong = of_xds(&sent(serde_json::json!({ "a": { "b": [1] } }))).unwrap_err().to_string();
    assert!(wrong.contains("Invalid runtime entry value"), "{wrong}");
    assert!(of_xds(b"\xff").is_err());
}

#[test]
fn texts_must_be_yaml() {
    assert_eq!(of_text("7").as_deref(), Ok("7"));
    assert_eq!(of_text("{numerator: 3}").as_deref(), Ok("{numerator: 3}"));
    assert!(of_text("{num").is_err());
}
